"""The OpenAPI document is what the routes are, and the routes are what it says."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode

from scanner.accounts.roles import Role
from scanner.api import door
from scanner.api.pace import Pace
from scanner.api.site import document
from scanner.rounds import making
from tests.api.programs import Programs
from tests.console.house import House

KEPT = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"


def test_the_document_in_the_repository_is_the_one_that_the_routes_make() -> None:
    assert json.loads(KEPT.read_text(encoding="utf-8")) == document(), "Run .venv/bin/python -m tools.openapi."


EXAMPLES = 3
"""Requests of each kind to each operation; the same ones at every run."""

BOUNDED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_no_request_that_the_document_allows_or_forbids_is_answered_otherwise_than_it_says(
    house: House, programs: Programs, mode: GenerationMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests are made by schemathesis out of the document; some of them are about rows that exist."""
    monkeypatch.setattr(door, "PACE", Pace(count().__next__))
    monkeypatch.setattr(making, "tool_versions", dict)
    secret = programs.secret_of(house.users[Role.ADMINISTRATOR])
    schema = schemathesis.openapi.from_dict(document())
    schema.app = WSGIHandler()
    there = {"number": 1, "slug": "water", "form": "html"}
    for each in schema.get_all_operations():
        operation: Any = each.ok()  # type: ignore[union-attr] # the document is right, or this fails
        names = {parameter.name for parameter in operation.path_parameters}
        fixed = {name: value for name, value in there.items() if name in names}

        for known in ({}, fixed) if fixed else ({},):

            @BOUNDED
            @given(case=operation.as_strategy(generation_mode=mode, path_parameters=known or None))
            def ask(case: Case[Any]) -> None:
                with transaction.atomic():
                    case.call_and_validate(headers={"Authorization": f"Bearer {secret}"})
                    transaction.set_rollback(True)

            ask()
