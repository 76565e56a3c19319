"""A plugin's rule may fail: the others judge on, and what it could not tell is said, check by check."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scanner.engine.catalogue.load import Language
from scanner.engine.facts.domain import DomainFacts
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.judge import RULES, doubtful, judge, judge_whole, with_unjudged
from scanner.engine.model import (
    Confidence,
    Endpoint,
    Facet,
    HostInspection,
    Level,
    Outcome,
    Service,
    Target,
    Transport,
    Vantage,
    domain_endpoint,
)
from scanner.engine.plugins.api import Context, Finding, Rule
from scanner.engine.policy.load import default_policy
from scanner.engine.serialize import dump_host, load_host
from scanner.reports.inspection_report import document_head, inspection_target, target_text
from scanner.reports.sarif import render_inspection_sarif
from tests.plugging import CHECK, Plugs, plugin

NOW = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
ENDPOINT = Endpoint("192.0.2.10", 7001)
OTHER = "X-ACME-OTHER"
OPEN = Service(ENDPOINT, "x-acme-thing", facts=ServiceFacts("X-ACME-THING", Access.OPEN))
SHUT = Service(ENDPOINT, "x-acme-thing", facts=ServiceFacts("X-ACME-THING", Access.RESTRICTED))
REDIS = Service(Endpoint("192.0.2.10", 6379), "redis", facts=ServiceFacts("REDIS", Access.OPEN))

ANYTHING: Any = 3
"""What the type checker would not let through."""

Judge = Callable[[Service, Context], Iterable[Finding]]


def host(*services: Service, again: tuple[Service, ...] = ()) -> HostInspection:
    target = Target("192.0.2.10", "192.0.2.10")
    return HostInspection(
        target, Outcome.INSPECTED, NOW, NOW, Vantage.INTERNET, Level.READ, services, again, plugins=("acme",)
    )


def rule(function: Judge) -> Rule:
    return Rule(frozenset({CHECK, OTHER}), function)


def one_and_then_breaks(service: Service, context: Context) -> Iterable[Finding]:
    if service.protocol == "x-acme-thing":
        yield context.finding(CHECK, service)
        raise ZeroDivisionError("oh \x1b[2J no")


def breaks_unless_open(service: Service, context: Context) -> Iterable[Finding]:
    if service.protocol == "x-acme-thing":
        if service.facts != OPEN.facts:
            raise LookupError
        yield context.finding(CHECK, service)


def test_a_plugins_finding_is_judged_confirmed_and_doubted_like_any_other(plug: Plugs, tmp_path: Path) -> None:
    plug(acme=plugin(tmp_path))
    [seen_twice] = judge(host(OPEN, again=(OPEN,)))
    [seen_once] = judge(host(OPEN, again=(SHUT,)))
    assert (seen_twice.check, seen_twice.severity, seen_twice.confidence) == (CHECK, "critical", Confidence.CONFIRMED)
    assert seen_once.confidence is Confidence.POSSIBLE
    assert doubtful(host(OPEN), default_policy()) == {ENDPOINT}
    assert judge_whole(host(OPEN)).unjudged == ()


def test_what_a_rule_yielded_before_it_failed_counts_and_the_rest_is_told_as_not_inspected(
    plug: Plugs, tmp_path: Path
) -> None:
    plug(acme=plugin(tmp_path, rule(one_and_then_breaks)))
    seen = host(OPEN, REDIS, again=(OPEN, REDIS))
    assert {finding.check for finding in judge(seen)} == {CHECK, "SVC-REDIS-UNAUTH"}
    [gap] = judge_whole(seen).unjudged
    assert (gap.reason, gap.facet, gap.port, gap.check) == ("tool-failed", Facet.SERVICE, 7001, OTHER)
    told = with_unjudged(seen, judge_whole(seen).unjudged)
    assert (told.outcome, told.coverage.gaps) == (Outcome.PARTIAL, (gap,))
    assert with_unjudged(told, judge_whole(seen).unjudged) == told
    assert not told.coverage.covers(Facet.SERVICE, 7001, Transport.TCP)
    assert load_host(dump_host(told)) == told


def test_the_report_names_the_plugin_the_check_and_the_error(plug: Plugs, tmp_path: Path) -> None:
    plug(acme=plugin(tmp_path, rule(one_and_then_breaks)))
    target = inspection_target("192.0.2.10", [host(OPEN)], Language.EN)
    [missed] = target["coverage"]["not_inspected"]
    assert target["outcome"] == "partial"
    assert (missed["check"], missed["facet"], missed["reason"]) == (OTHER, "service", "tool-failed")
    assert missed["message"].startswith(
        "The plugin acme failed while it judged (ZeroDivisionError: oh \\x1b[2J no), so X-ACME-OTHER could not be told."
    )
    assert "[CRITICAL] Open (X-ACME-OPEN)" in target_text(target, Language.EN)
    [run] = render_inspection_sarif({**document_head(NOW, NOW), "targets": [target]})["runs"]
    assert [each["shortDescription"]["text"] for each in run["tool"]["driver"]["rules"]] == ["Open"]


def test_a_rule_of_our_own_that_fails_takes_nothing_with_it_but_what_it_would_have_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def breaks(service: Service, context: Context) -> Iterable[Finding]:
        raise IndexError("an answer that nobody thought of")

    broken = Rule(frozenset({"SSH-V1", "CERT-EXPIRED"}), breaks)
    monkeypatch.setattr("scanner.engine.judge.RULES", (broken, *RULES))
    seen = host(REDIS, again=(REDIS,))
    judgement = judge_whole(seen)
    assert {finding.check for finding in judgement.findings} == {"SVC-REDIS-UNAUTH"}
    assert {(gap.facet, gap.port) for gap in judgement.unjudged} == {(Facet.SERVICE, 6379), (Facet.CERTIFICATE, 6379)}
    told = with_unjudged(seen, judgement.unjudged)
    assert told.outcome is Outcome.PARTIAL
    assert not told.coverage.covers(Facet.SERVICE, 6379, Transport.TCP)
    [_, service] = inspection_target("192.0.2.10", [seen], Language.EN)["coverage"]["not_inspected"]
    assert service["message"].startswith("What was seen could not be judged (IndexError)")


def test_a_rule_that_fails_on_the_second_look_neither_confirms_nor_contradicts(plug: Plugs, tmp_path: Path) -> None:
    plug(acme=plugin(tmp_path, rule(breaks_unless_open)))
    [finding] = judge(host(OPEN, again=(SHUT,)))
    assert finding.confidence is Confidence.PROBABLE


def test_a_second_look_is_shown_to_those_rules_alone_that_claimed_something_of_the_first(
    plug: Plugs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, Service]] = []

    def asking(name: str, *found: str) -> Judge:
        def judged(service: Service, context: Context) -> Iterable[Finding]:
            asked.append((name, service))
            return [context.finding(check, service) for check in found if service == OPEN]

        return judged

    ours = Rule(frozenset({"SVC-REDIS-UNAUTH"}), asking("ours", "SVC-REDIS-UNAUTH"))
    silent = Rule(frozenset({"SSH-V1"}), asking("silent"))
    monkeypatch.setattr("scanner.engine.judge.RULES", (ours, silent))
    plug(acme=plugin(tmp_path, rule(asking("theirs", CHECK))))
    again = replace(SHUT, banner="again")
    found = judge(host(OPEN, REDIS, again=(again, replace(REDIS, banner="again"))))
    assert {finding.confidence for finding in found} == {Confidence.POSSIBLE}
    assert [each for each in asked if each[1].banner] == [("ours", again), ("theirs", again)]


def _elsewhere(service: Service, context: Context) -> Iterable[Finding]:
    return [replace(context.finding(CHECK, service), endpoint=REDIS.endpoint)]


WRONG: dict[str, Judge] = {
    "SVC-REDIS-UNAUTH is not among the checks": lambda s, c: [c.finding("SVC-REDIS-UNAUTH", s)],
    "another endpoint": _elsewhere,
    "params are text": lambda s, c: [c.finding(CHECK, s, count=ANYTHING)],
    "of another type": lambda s, c: [replace(c.finding(CHECK, s), severity=ANYTHING)],
    "a check twice": lambda s, c: [c.finding(CHECK, s)] * 3,
    "TypeError": lambda s, c: ANYTHING,
    "SystemExit": lambda s, c: exit(),
}


@pytest.mark.parametrize("says", WRONG)
def test_a_rule_is_held_to_its_checks_its_service_and_the_types(says: str, plug: Plugs, tmp_path: Path) -> None:
    plug(acme=plugin(tmp_path, rule(WRONG[says])))
    seen = host(OPEN)
    assert {finding.check for finding in judge(seen)} <= {CHECK}
    assert says in judge_whole(seen).unjudged[-1].detail
    assert OTHER in {gap.check for gap in judge_whole(seen).unjudged}


def test_a_rule_that_fails_on_a_domain_is_told_without_a_port(plug: Plugs, tmp_path: Path) -> None:
    plug(acme=plugin(tmp_path, rule(lambda service, context: ANYTHING)))
    domain = Service(domain_endpoint("example.org"), "domain", domain=DomainFacts("example.org"))
    assert {(gap.port, gap.transport, gap.check) for gap in judge_whole(host(domain)).unjudged} == {
        (None, Transport.DNS, check) for check in (CHECK, OTHER)
    }
