"""A planned year in small: plans, rounds, findings and looks between them, with a clock that is handed in."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from scanner.flow import carry_out
from scanner.remediation.cadence import make_cadence_rounds
from scanner.remediation.models import Finding
from scanner.rounds import clock
from scanner.rounds.clock import tick
from scanner.rounds.models import PlanKind, Round
from scanner.rounds.planning import PlanRequest, make_plan
from tests.rounds.world import PORTS, Engine, authorise, open_redis, open_web, organisation, register, ways

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def test_a_week_of_plans_and_the_looks_that_an_exposed_host_earns_between_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A weekly round, a spot check every other day, and an exposed Redis that is mended on the third day."""
    monkeypatch.setattr(clock, "tool_versions", lambda: {"nmap": "7.93"})
    owner = organisation()
    register(owner, "192.0.2.1", "192.0.2.2", "192.0.2.3")
    authorise(owner, "192.0.2.0/24")
    engine = Engine({"192.0.2.1": open_redis, "192.0.2.2": open_web, "192.0.2.3": open_web})
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    weekly = PlanRequest("weekly", PlanKind.ROUTINE, "tester", schedule="every 1w", ports=PORTS)
    spot = PlanRequest("spot", PlanKind.SPOT_CHECK, "tester", schedule="every 2d", share=0.3, ports=PORTS)
    for wanted in (weekly, spot):
        make_plan(wanted, start - timedelta(weeks=1))

    moment = start
    while moment <= start + timedelta(days=8):
        if moment >= start + timedelta(days=3):
            engine.answers["192.0.2.1"] = open_web
        for this in (*tick(moment), *make_cadence_rounds(moment)):
            carry_out(this.pk, replace(ways(engine), now=lambda: moment))  # noqa: B023 - it is called at once
        moment += 3 * HOUR

    kinds = Counter(Round.objects.values_list("kind", flat=True))
    assert kinds["routine"] == 2
    assert kinds["spot-check"] == 5
    assert {tuple(each.hosts or ()) for each in Round.objects.filter(kind="cadence")} == {("192.0.2.1",)}
    assert 4 <= kinds["cadence"] <= 8
    assert Finding.objects.get(check_id="SVC-REDIS-UNAUTH").state == "fixed"
    first = Round.objects.filter(kind="cadence").order_by("pk")[0]
    assert first.due is None
    assert first.created == start + 12 * HOUR
