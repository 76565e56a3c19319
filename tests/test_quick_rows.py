"""Rows that are read or made quickly are as those that are read or made as usual."""

from __future__ import annotations

from inspect import getattr_static

import pytest
from django.apps import apps
from django.db import models
from django.db.models.fields.related_descriptors import ForeignKeyDeferredAttribute
from django.db.models.query_utils import DeferredAttribute

from scanner.quick_rows import QuickRow
from scanner.remediation.lifecycle import Happened
from scanner.remediation.models import Finding, FindingEvent
from tests.delivery.office import finding, unit

pytestmark = pytest.mark.django_db


def test_they_hold_the_same_and_are_stored_where_they_were() -> None:
    known = finding(unit("power"))
    row = Finding.objects.get(pk=known.pk)
    usual = models.Model.from_db.__func__(Finding, "default", *_columns(row))  # type: ignore[attr-defined]  # as Django's own
    assert (row.__dict__.keys(), row) == (usual.__dict__.keys(), usual)
    assert {name: value for name, value in row.__dict__.items() if name != "_state"} == {
        name: value for name, value in usual.__dict__.items() if name != "_state"
    }
    assert (row._state.adding, row._state.db) == (False, "default")
    row.host = "192.0.2.99"
    row.save(update_fields=["host"])
    assert Finding.objects.get().host == "192.0.2.99"
    assert row.organisation.slug == "power"


def test_a_field_that_was_not_read_is_read_when_it_is_asked_for() -> None:
    known = finding(unit("power"))
    row = Finding.objects.only("host").get()
    assert row.get_deferred_fields() >= {"check_id", "severity"}
    assert (row.host, row.check_id) == (known.host, known.check_id)


def test_one_that_is_made_is_as_one_that_is_made_as_usual_and_is_stored_as_that() -> None:
    known = finding(unit("power"))
    columns = {"finding_id": known.pk, "kind": Happened.SEEN, "at": known.last_seen}
    made, usual = FindingEvent.made(**columns), FindingEvent(**columns)
    assert (made._state.adding, made._state.db) == (usual._state.adding, usual._state.db)
    assert {name: value for name, value in made.__dict__.items() if name != "_state"} == {
        name: value for name, value in usual.__dict__.items() if name != "_state"
    }
    made.save()
    assert FindingEvent.objects.filter(kind=Happened.SEEN).get() == made


@pytest.mark.parametrize("model", [each for each in apps.get_models() if issubclass(each, QuickRow)])
def test_such_models_have_plain_fields_alone(model: type[QuickRow]) -> None:
    kinds = {type(getattr_static(model, field.attname)) for field in model._meta.concrete_fields}
    assert kinds <= {DeferredAttribute, ForeignKeyDeferredAttribute}


def _columns(row: Finding) -> tuple[list[str], list[object]]:
    names = [field.attname for field in Finding._meta.concrete_fields]
    return names, [getattr(row, name) for name in names]
