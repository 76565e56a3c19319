"""What monitoring is told, and whom it is told to."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client, override_settings
from django.urls import URLPattern, get_resolver
from prometheus_client.parser import text_string_to_metric_families

from scanner.accounts.roles import Role
from scanner.api import monitoring
from scanner.rounds.switch import stop_all
from tests.api.programs import Programs
from tests.console.house import House
from tests.delivery.office import NOW
from tests.rounds.world import authorise

DASHBOARD = Path(__file__).resolve().parents[2] / "docs" / "grafana" / "roundsman.json"


def figures(answer: Any) -> dict[str, float]:
    """Every figure by its name and labels."""
    families = text_string_to_metric_families(answer.content.decode())
    return {
        " ".join([sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))]): sample.value
        for family in families
        for sample in family.samples
    }


def test_figures_are_those_of_the_database(house: House) -> None:
    before = figures(Client().get("/metrics"))
    assert before["roundsman_organisations"] == 3
    assert before["roundsman_findings severity=critical state=open"] == 3
    assert before["roundsman_findings severity=critical state=accepted"] == 1
    assert before["roundsman_findings_overdue severity=critical"] == 1
    assert before["roundsman_rounds state=done"] == 1
    assert before["roundsman_messages state=queued"] == 1
    assert before["roundsman_stopped"] == 0
    stop_all("ops", "", NOW)
    assert figures(Client().get("/metrics"))["roundsman_stopped"] == 1


def test_an_authorisation_that_another_one_takes_over_from_does_not_count_as_ending(house: House) -> None:
    def ending() -> float:
        return figures(Client().get("/metrics"))["roundsman_authorisations_ending"]

    now = dt.datetime.now(dt.UTC)
    ends = now + dt.timedelta(days=10)
    before = ending()
    authorise(house.water, "198.51.100.0/24", document="Order 7", valid_until=ends)
    assert ending() == before + 1
    authorise(house.water, "198.51.100.0/24", document="Order 8", valid_from=ends - dt.timedelta(days=1))
    assert ending() == before


def test_figures_are_for_this_machine_or_for_who_has_a_token(house: House, programs: Programs) -> None:
    elsewhere: dict[str, Any] = {"REMOTE_ADDR": "192.0.2.1"}
    assert Client().get("/metrics").status_code == 200
    assert Client().get("/metrics", **elsewhere).status_code == 401
    assert programs.of(Role.AUDITOR).get("/metrics", **elsewhere).status_code == 200
    assert programs.of(Role.AUDITOR, ["rounds:read"]).get("/metrics", **elsewhere).status_code == 403
    assert programs.of(Role.UNIT_MANAGER).get("/metrics", **elsewhere).status_code == 403

    behind_proxy = settings.INSTALLATION.model_copy(update={"web_url": "https://scan.office.example"})
    with override_settings(INSTALLATION=behind_proxy):
        assert Client().get("/metrics").status_code == 401


def test_who_asks_whether_it_is_there_and_ready_learns_no_more(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Client().get("/healthz").json() == {"status": "ok"}
    assert Client().post("/healthz").status_code == 405
    monkeypatch.setattr(monitoring, "is_served", lambda _: True)
    assert Client().get("/readyz").json() == {"database": True, "service": True}
    monkeypatch.setattr(monitoring, "is_served", lambda _: False)
    assert Client().get("/readyz").status_code == 503


def test_beside_pages_and_interface_these_three_addresses_are_all_there_is() -> None:
    alone = {each.name for each in get_resolver().url_patterns if isinstance(each, URLPattern)}
    assert alone == {"healthz", "readyz", "metrics"}
    assert len(get_resolver().url_patterns) == len(alone) + 2


def test_the_dashboard_shows_figures_that_there_are(house: House) -> None:
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    asked = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    shown = {name for expression in asked for name in re.findall(r"roundsman_\w+", expression)}
    there = {key.partition(" ")[0] for key in figures(Client().get("/metrics"))}
    assert len(asked) > 8
    assert shown <= there
