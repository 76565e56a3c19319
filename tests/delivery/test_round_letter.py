"""The mail that goes with a report says by itself how bad it is, who has to do what by when, and what was not seen."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from scanner.delivery.letters import Frame
from scanner.delivery.models import MessageKind
from scanner.delivery.round_letter import round_letter
from scanner.delivery.samples import render_sample, sample_of
from scanner.engine.catalogue.load import Language
from scanner.engine.model import Facet, GapReason, Outcome, Transport
from scanner.reports import model as m
from scanner.reports.render import render_html
from scanner.reports.sample import sample_report
from tests.reports import sample
from tests.reports.showcase import showcase


def letter(model: m.ReportModel, language: Language = Language.EN) -> str:
    """The plain text of the letter about ``model``, its lines joined."""
    written = round_letter(
        model, Frame(MessageKind.ROUND_REPORT, language, model.generated, sample_of(language).organisation)
    )
    return " ".join(written.text.split())


@pytest.mark.parametrize("name", ["mail:round-report", "mail:bulletin"])
def test_counts_are_drawn_as_bars_of_tables_and_the_longest_fills_its_room(name: str) -> None:
    widths = re.findall(
        r'<table role="presentation" width="(\d+)%"[^>]*><tr><td style="height:12px;',
        render_sample(name, Language.EN)["html"],
    )

    assert len(widths) == 4
    assert max(map(int, widths)) == 100


@pytest.mark.parametrize(
    ("language", "who"), [(Language.EN, "Database administrators: "), (Language.ZH_HANS, "数据库管理员：")]
)
def test_what_to_do_first_says_whose_work_it_is(language: Language, who: str) -> None:
    files = render_sample("mail:round-report", language)

    assert f"{who}192.0.2.10:6379/tcp" in files["txt"]
    assert who.strip(" ：:") in files["html"]


def test_a_host_that_was_partly_inspected_is_told_with_the_part_that_was_not() -> None:
    assert "8443/tcp, TLS versions and ciphers: It did not finish in the time allowed." in letter(
        sample_report(Language.EN)
    )


def test_many_parts_that_were_not_inspected_are_counted_and_not_listed() -> None:
    reasons = tuple(m.Reason(GapReason.TIMED_OUT, Facet.TLS, port, Transport.TCP, "") for port in range(8001, 8011))
    gap = m.NotInspected("192.0.2.9", "192.0.2.9", "192.0.2.9", Outcome.PARTIAL, reasons)
    report = sample_report(Language.ZH_HANS)
    crowded = replace(report, coverage=replace(report.coverage, gaps=(gap,)))

    assert "等，另有 7 处：未能在规定时间内完成检测。" in letter(crowded, Language.ZH_HANS)


def test_a_first_round_calls_nothing_new_and_says_that_it_is_the_first() -> None:
    told = letter(sample.crowded())

    assert "There is no earlier inspection of these hosts to compare with, so all that is listed is new." in told
    assert "New (60)" not in told
    assert "0 reopened" not in told


def test_where_nothing_was_inspected_nothing_is_said_to_be_unchanged() -> None:
    told = letter(sample.unreachable())

    assert "Nothing was inspected in this round, so nothing can be said about changes." in told
    assert "No score A score needs at least one host that was inspected." in told


def test_a_mail_without_a_finding_asks_for_no_answer() -> None:
    assert "How to answer" not in letter(sample.clean())
    assert "How to answer" in letter(sample.crowded())


def test_a_round_that_was_stopped_is_said_to_be_so() -> None:
    stopped = replace(sample.busy(), round=replace(sample.busy().round, finished=None))

    assert "This round was stopped before its end" in letter(stopped)
    assert "This round was stopped before its end" in render_html(stopped)
    assert "This round was stopped before its end" not in letter(sample.busy())


def test_a_later_round_tells_what_changed() -> None:
    assert "seen again" in letter(showcase())


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("name", ["mail:digest", "mail:round-summary"])
def test_operators_are_not_told_to_ask_themselves(name: str, language: Language) -> None:
    assert not re.search("Questions and objections|咨询与异议|如有疑问", render_sample(name, language)["txt"])


def test_the_plain_text_of_an_english_mail_has_no_line_that_a_mail_program_breaks() -> None:
    for name in ("mail:notice", "mail:bulletin", "mail:round-report"):
        assert max(map(len, render_sample(name, Language.EN)["txt"].splitlines()[1:])) <= 78, name
