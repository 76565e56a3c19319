"""Each contact gets what their role is for, never another organisation's, and nothing is told to nobody."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import override_settings

from scanner.delivery.models import MessageKind
from scanner.delivery.recipients import Recipient, recipients, supervisors
from scanner.engine.catalogue.load import Language
from targets.models import Contact, Organisation
from tests.rounds.world import organisation

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def operators() -> Iterator[None]:
    installed = settings.INSTALLATION.model_copy(update={"operators": ("ops@office.example", "OPS@office.example")})
    with override_settings(INSTALLATION=installed, LANGUAGE_CODE="en"):
        yield


def contact(owner: Organisation, role: str, language: str = "en", **fields: object) -> Contact:
    values = {"name": role, "email": f"{role}@{owner.slug}.example", **fields}
    return Contact.objects.create(organisation=owner, role=role, language=language, **values)


def told(owner: Organisation, kind: MessageKind) -> list[str]:
    return [each.address.partition("@")[0] for each in recipients(owner, kind)]


def test_a_role_decides_which_kinds_reach_a_contact() -> None:
    owner = organisation()
    for role in ("security", "technical", "leader"):
        contact(owner, role)
    assert told(owner, MessageKind.ROUND_REPORT) == ["leader", "security", "technical"]
    assert told(owner, MessageKind.URGENT_ALERT) == ["security", "technical"]
    assert told(owner, MessageKind.NOTICE) == ["leader", "security"]
    assert told(owner, MessageKind.AUTHORISATION_ENDING) == ["security"]


def test_a_contact_is_written_to_in_their_own_language() -> None:
    owner = organisation()
    contact(owner, "security", "zh-Hans")
    assert recipients(owner, MessageKind.NOTICE) == (Recipient("security@water.example", Language.ZH_HANS),)


def test_an_optional_kind_can_be_declined_and_an_urgent_alert_can_not() -> None:
    owner = organisation()
    contact(owner, "security", declined=["round-report", "urgent-alert"])
    assert told(owner, MessageKind.ROUND_REPORT) == []
    assert told(owner, MessageKind.URGENT_ALERT) == ["security"]


def test_an_alert_reaches_the_leader_when_nobody_else_is_registered() -> None:
    owner = organisation()
    contact(owner, "leader")
    assert told(owner, MessageKind.URGENT_ALERT) == ["leader"]


def test_without_any_contact_the_operators_are_told_instead_and_once() -> None:
    owner = organisation()
    contact(owner, "security", retired_at=dt.datetime.now(dt.UTC))
    expected = (Recipient("ops@office.example", Language.EN, instead=True),)
    assert recipients(owner, MessageKind.ROUND_REPORT) == expected


def test_a_retired_organisation_is_told_nothing() -> None:
    owner = organisation(retired_at=dt.datetime.now(dt.UTC))
    contact(owner, "security")
    assert recipients(owner, MessageKind.ROUND_REPORT) == ()


def test_escalations_go_to_the_nearest_supervisor_that_has_someone_for_them() -> None:
    city = organisation("city")
    bureau = organisation("bureau", parent=city)
    owner = organisation(parent=bureau)
    for role in ("security", "technical", "leader"):
        contact(city, role)
    contact(bureau, "technical")
    assert [each.address for each in supervisors(owner)] == ["leader@city.example", "security@city.example"]
    contact(bureau, "leader")
    assert [each.address for each in supervisors(owner)] == ["leader@bureau.example"]
    assert [each.instead for each in supervisors(city)] == [True]


def test_two_spellings_of_one_address_are_one_recipient() -> None:
    owner = organisation()
    contact(owner, "security", email="Li@water.example")
    contact(owner, "technical", email="li@water.example")
    assert len(recipients(owner, MessageKind.ROUND_REPORT)) == 1
