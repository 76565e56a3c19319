"""Stored facts judged again: what would change is shown, nothing is sent, nothing is written."""

from __future__ import annotations

import json
import socket
from dataclasses import replace

import pytest
from typer.testing import CliRunner, Result

from scanner.cli import facts
from scanner.engine import judge as judging
from scanner.engine.model import Severity
from scanner.engine.rules import exposure
from scanner.engine.rules.base import Rule
from scanner.flow import carry_out
from scanner.remediation.models import Finding, FindingEvent
from scanner.rounds.models import HostResult, Round
from tests.rounds.world import Engine, authorise, open_redis, open_web, organisation, planned, register, ways

pytestmark = pytest.mark.django_db

HOST = "192.0.2.10"
CHECK = "SVC-REDIS-UNAUTH"


@pytest.fixture
def engine() -> Engine:
    owner = organisation()
    register(owner, HOST)
    authorise(owner, HOST)
    return Engine({HOST: open_redis})


def a_round(engine: Engine) -> int:
    number = planned()
    carry_out(number, ways(engine))
    return number


def replayed(*arguments: str) -> Result:
    return CliRunner().invoke(facts.app, ["replay", *arguments])


def changes(*arguments: str) -> list[dict[str, object]]:
    result = replayed("--format", "json", *arguments)
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["schema"] == "roundsman.replay/1"
    (only,) = document["organisations"]
    found: list[dict[str, object]] = only["changes"]
    return found


def without_exposure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "RULES", tuple(rule for rule in judging.RULES if rule not in exposure.RULES))


def milder(rule: Rule) -> Rule:
    return Rule(
        rule.checks,
        lambda service, context: [replace(each, severity=Severity.LOW) for each in rule.judge(service, context)],
    )


def test_the_same_rules_change_nothing(engine: Engine) -> None:
    number = a_round(engine)
    assert Finding.objects.filter(check_id=CHECK).exists()
    assert changes() == []
    assert replayed().stdout == f"water, round {number}: 0 change(s)\n"


def test_a_rule_that_is_gone_no_longer_sees_its_findings(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    a_round(engine)
    without_exposure(monkeypatch)
    (gone,) = [change for change in changes() if change["check"] == CHECK]
    assert (gone["difference"], gone["judged"]) == ("would-not-be-seen", None)
    assert gone["recorded"] == {"severity": "critical", "confidence": "confirmed"}


def test_a_rule_that_is_new_opens_what_the_facts_always_showed(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as older:
        without_exposure(older)
        a_round(engine)
    assert not Finding.objects.filter(check_id=CHECK).exists()
    (opened,) = [change for change in changes() if change["check"] == CHECK]
    assert (opened["difference"], opened["recorded"]) == ("would-open", None)
    assert opened["judged"] == {"severity": "critical", "confidence": "confirmed"}
    assert "would open: critical, confirmed" in replayed().stdout


def test_a_rule_that_weighs_otherwise_shows_both_weights(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    a_round(engine)
    monkeypatch.setattr(judging, "RULES", tuple(milder(rule) for rule in judging.RULES))
    (milder_now,) = [change for change in changes() if change["check"] == CHECK]
    assert milder_now["difference"] == "would-weigh-otherwise"
    assert "critical, confirmed -> low, confirmed" in replayed().stdout


def test_what_a_later_round_fixed_is_no_news_of_the_earlier_one(engine: Engine) -> None:
    first = a_round(engine)
    engine.answers[HOST] = open_web
    a_round(engine)
    assert Finding.objects.get(check_id=CHECK).state == "fixed"
    assert changes("--round", str(first)) == []


def test_what_was_fixed_before_and_is_seen_by_a_new_rule_would_open_again(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_round(engine)
    engine.answers[HOST] = open_web
    a_round(engine)
    engine.answers[HOST] = open_redis
    with monkeypatch.context() as older:
        without_exposure(older)
        a_round(engine)
    assert [change["difference"] for change in changes() if change["check"] == CHECK] == ["would-open"]


def test_a_replay_sends_nothing_and_writes_nothing(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    a_round(engine)

    def record() -> list[object]:
        return [list(model.objects.order_by("pk").values()) for model in (Finding, FindingEvent, HostResult, Round)]

    def no_socket(*_: object, **__: object) -> None:
        raise AssertionError("A replay opened a socket.")

    before = record()
    without_exposure(monkeypatch)
    monkeypatch.setattr(socket, "socket", no_socket)
    assert changes() != []
    assert record() == before


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "No round has finished yet"),
        (["--round", "99"], "There is no finished round 99"),
        (["--organisation", "water"], "water has no such finished round"),
        (["--organisation", "nobody"], "nobody"),
    ],
)
def test_a_question_without_an_answer_says_what_to_do(engine: Engine, arguments: list[str], complaint: str) -> None:
    result = replayed(*arguments)
    assert result.exit_code == 2
    assert complaint in result.output
