"""What merely saw a finding costs nobody who asks for its history, however many rounds did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from scanner.delivery.models import Notice
from scanner.delivery.notices import due_for
from scanner.delivery.replies import all_answered
from scanner.engine.model import Severity
from scanner.literal import Literal
from scanner.reports.query import report_model
from scanner.rounds.models import Round
from tests.delivery.office import unit
from tests.remediation.looks import day, followed
from tests.rounds.world import open_redis


def plans_of_what_is_asked(ask: Callable[[], object]) -> list[str]:
    """Return how SQLite answers each question about events, bound as it was asked."""
    found: list[str] = []

    def explain(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "remediation_findingevent" in sql and sql.startswith("SELECT") and "kind" in sql.partition("WHERE")[2]:
            cursor = context["connection"].cursor().cursor
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
            found.append("\n".join(detail for *_, detail in cursor.fetchall()))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        ask()
    return found


ASKED: list[Callable[[Round], object]] = [
    lambda this: report_model(this.organisations.get(), this, day(9)),
    lambda this: due_for(this.organisations.get(), Severity.LOW),
    lambda this: list(all_answered(Notice.objects.all())),
]


@pytest.mark.sqlite
@pytest.mark.django_db
@pytest.mark.parametrize("ask", ASKED, ids=["a report", "notices that are due", "notices that are answered"])
def test_history_is_read_by_an_index_without_what_was_merely_seen(ask: Callable[[Round], object]) -> None:
    owner = unit("water")
    for number in range(3):
        this = followed(owner, open_redis, number)
    plans = [
        plan
        for plan in plans_of_what_is_asked(lambda: ask(this))
        if "round_id" not in plan and "event_happens" not in plan
    ]
    assert plans
    assert all("event_that_tells" in plan for plan in plans), plans


@pytest.mark.parametrize("word", ["it's", "a b", "%s"])
def test_only_plain_words_are_spelt_out_in_a_question(word: str) -> None:
    with pytest.raises(ValueError, match="plain"):
        Literal(word)
