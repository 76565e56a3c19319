"""The catalogue and the rules are one: every check has texts, and every text has a rule that can emit it."""

from __future__ import annotations

import re
import string
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from scanner.engine.catalogue.load import Check, Language, catalogue, former_names
from scanner.engine.errors import CatalogueError
from scanner.engine.judge import RULES
from scanner.engine.model import Severity, Vantage
from scanner.engine.rules.base import Context
from scanner.engine.serialize import load_host

CHECKS = sorted(catalogue().values(), key=lambda check: check.id)

EMITTED = {check for rule in RULES for check in rule.checks}


def test_what_rules_can_emit_and_what_the_catalogue_holds_are_the_same_set() -> None:
    assert set(catalogue()) - EMITTED == set(), "in the catalogue, but no rule emits it"
    assert EMITTED - set(catalogue()) == set(), "a rule emits it, but the catalogue does not hold it"


def test_no_two_rules_claim_the_same_check() -> None:
    claimed = [check for rule in RULES for check in rule.checks]
    assert sorted(claimed) == sorted(set(claimed))


def test_a_rule_finds_nothing_on_a_service_without_the_facts_that_it_needs() -> None:
    host = load_host((Path(__file__).parent / "samples" / "host-2.json.z").read_bytes())
    found: set[str] = set()
    for service, rule in product(host.services, RULES):
        context = Context(catalogue(), host, host.finished)
        if rule.needs is not None:
            found.update(finding.check for finding in rule.judge(service, context))
            without: Any = {"http": ()} if rule.needs in ("http", "exposed") else {rule.needs: None}
            assert not list(rule.judge(replace(service, **without), context))
    assert {"TLS-V10", "CERT-SELFSIGNED", "WEB-XCTO"} <= found


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_every_check_says_in_both_languages_what_it_is_and_what_to_do(check: Check) -> None:
    for language in Language:
        text = check.texts[language]
        assert all((text.title, text.impact, text.fix, text.evidence)), language
    assert check.verify
    assert check.severity.at_least(check.severity_inside), "the internet is the worst place to be seen from"


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_both_languages_show_the_same_facts(check: Check) -> None:
    english, chinese = (_placeholders(check.texts[language].evidence) for language in (Language.EN, Language.ZH_HANS))
    assert english == chinese


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_chinese_texts_are_chinese_and_english_ones_are_not(check: Check) -> None:
    chinese, english = check.texts[Language.ZH_HANS], check.texts[Language.EN]
    for text in (chinese.title, chinese.impact, chinese.fix):
        assert any("\u4e00" <= char <= "\u9fff" for char in text), text
    for text in (english.title, english.impact, english.fix, english.evidence):
        assert not any("\u4e00" <= char <= "\u9fff" for char in text), text


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_no_title_says_a_word_twice_in_a_row(check: Check) -> None:
    chinese, english = check.texts[Language.ZH_HANS].title, check.texts[Language.EN].title
    assert not re.search(r"([\u4e00-\u9fff]{2,})\1", chinese), chinese
    assert not re.search(r"(?<![\w-])(\w+) \1\b", english), english


def test_severity_depends_on_where_one_looks_from() -> None:
    redis = catalogue()["SVC-REDIS-EXPOSED"]
    assert redis.severity_at(Vantage.INTERNET) is Severity.HIGH
    assert redis.severity_at(Vantage.GOVERNMENT) is Severity.HIGH
    assert redis.severity_at(Vantage.INTERNAL) is Severity.MEDIUM


def _placeholders(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def named(check: str, *formerly: str) -> Check:
    return replace(next(iter(catalogue().values())), id=check, formerly=formerly)


def test_a_former_name_leads_to_the_present_one() -> None:
    assert former_names({"B": named("B", "A"), "C": named("C")}) == {"A": "B"}


@pytest.mark.parametrize(
    "checks",
    [
        {"A": named("A", "A")},
        {"A": named("A", "B"), "B": named("B", "A")},
        {"A": named("A", "C"), "B": named("B", "C")},
    ],
    ids=["itself", "a circle", "two heirs"],
)
def test_a_former_name_leads_nowhere_else(checks: dict[str, Check]) -> None:
    with pytest.raises(CatalogueError, match="keep one"):
        former_names(checks)
