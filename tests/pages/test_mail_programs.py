"""Mails survive the programs that people read them with: tables, styles in place, small, nothing from elsewhere."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import pytest

from scanner.delivery.endings import Ending, exemptions_letter
from scanner.delivery.finding_letters import Result, reinspection_letter
from scanner.delivery.letters import Frame
from scanner.delivery.models import MessageKind
from scanner.delivery.round_letter import round_letter
from scanner.delivery.samples import render, render_sample, samples
from scanner.engine.catalogue.load import Language
from scanner.remediation.reinspection import Verdict
from scanner.reports import model as m
from scanner.reports.sample import NOW, sample_report
from targets.models import Organisation
from tests.pages.shown import hostile, poisoned
from tests.reports.skeleton import elements

LIMIT = 100_000
"""Bytes; Gmail cuts what has more than 102 kB."""

MAILS = [name for name in samples() if name.startswith("mail:")]
_ELEMENTS = "html head meta title body div table thead tbody tr td th p span b br h1 h2 h3 ul ol li small strong em"
KNOWN = frozenset(_ELEMENTS.split())
"""Elements that Outlook, Gmail and QQ Mail show as they are; not among them: style, script, img, svg, link."""


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("name", MAILS)
def test_a_mail_is_small_and_needs_nothing_but_itself(name: str, language: Language) -> None:
    html = render_sample(name, language)["html"]

    assert len(html.encode()) < LIMIT
    assert not re.search(r"<(?:style|script|img|svg|link|iframe|form)\b|\bsrc=|@import|url\(", html)
    assert not re.search(r'href="(?!mailto:|https://)', html)
    assert not re.search(r"display:\s*(?:flex|grid)|position:\s*(?:absolute|fixed)|var\(--|float:", html)
    tags = {tag for tag, _ in elements(html.partition("<!doctype html>")[2])}
    assert tags <= KNOWN


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("name", MAILS)
def test_a_mail_is_laid_out_by_tables_that_are_no_data_and_shows_a_line_of_it_in_the_inbox(
    name: str, language: Language
) -> None:
    html = render_sample(name, language)["html"]

    tables = [dict(attributes) for tag, attributes in elements(html.partition("<!doctype html>")[2]) if tag == "table"]
    assert tables
    preheader = re.search(r'<div style="display:none[^"]*">(.*?)</div>', html, re.DOTALL)
    assert preheader
    assert len(preheader[1].strip()) > 5
    assert html.count("<h1") == 1


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("name", MAILS)
def test_its_plain_twin_says_the_same_without_markup(name: str, language: Language) -> None:
    files = render_sample(name, language)

    assert not re.search(r"</?[a-z]+[ >]|&(?:amp|lt|gt|quot|#\d+);", files["txt"])
    assert "\n\n\n" not in files["txt"]
    headline = re.search(r"<h1[^>]*>(.*?)</h1>", files["html"], re.DOTALL)
    assert headline
    assert unescape(headline[1].strip()) in files["txt"]


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("name", MAILS)
def test_a_mail_about_hundreds_of_hostile_findings_stays_small_and_says_that_there_are_more(
    name: str, language: Language
) -> None:
    known = hostile(language, "<script>x</script>" * 13)
    many = tuple(
        replace(each, number=each.number + 100 * n, recurrences=1) for n in range(100) for each in known.report.findings
    )

    html = render(name, replace(known, report=replace(known.report, findings=many)))["html"]

    assert len(html.encode()) < LIMIT
    if name in ("mail:reminder", "mail:escalation", "mail:notice", "mail:recurrence"):
        assert re.search("and [0-9]+ more|另有 [0-9]+ 项", html)


@pytest.mark.parametrize("language", Language)
def test_the_end_of_hundreds_of_exemptions_and_the_result_of_as_many_claims_fit_into_a_mail(language: Language) -> None:
    known = hostile(language, "<script>x</script>" * 13)
    some = [each for _ in range(100) for each in known.report.findings]
    ended = [Ending(each, "accepted", NOW, "<script>x</script>" * 13) for each in some]
    results = [Result(each, verdict) for verdict in Verdict for each in some]

    for letter in (
        exemptions_letter(ended, ended, known.frame(MessageKind.EXEMPTION_ENDING)),
        reinspection_letter(results, NOW, known.frame(MessageKind.REINSPECTION)),
    ):
        assert len(letter.html.encode()) < LIMIT


@pytest.mark.parametrize("language", Language)
def test_the_letter_about_a_large_and_hostile_unit_stays_small(language: Language) -> None:
    report = poisoned(sample_report(language), "<script>x</script>" * 13)
    many: tuple[m.Finding, ...] = tuple(
        replace(each, number=each.number + 100 * n) for n in range(300) for each in report.findings
    )
    changes = replace(report.changes, new=many, still_open=many, not_inspected=many)
    gaps = report.coverage.gaps * 300
    large = replace(report, findings=many, changes=changes, coverage=replace(report.coverage, gaps=gaps))
    owner = Organisation(slug="water", name_zh="水" * 200, name_en="W" * 200, time_zone="Asia/Shanghai")

    letter = round_letter(large, Frame(MessageKind.ROUND_REPORT, language, NOW, owner))

    assert len(letter.html.encode()) < LIMIT
    assert "<script" not in letter.html
