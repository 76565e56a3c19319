"""The report as PDF: a program reads it in order, it brings its fonts, and nothing in it acts."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pikepdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.engine.catalogue.load import Language, catalogue
from scanner.engine.model import Severity
from scanner.reports import model as m
from scanner.reports import pdf_fonts
from scanner.reports.dates import Dates
from scanner.reports.findings import count
from scanner.reports.gauges import gauges_of
from scanner.reports.model import ReportModel
from scanner.reports.pdf import pdf_of, render_pdf
from scanner.reports.priorities import fix_first
from scanner.reports.render import render_html
from scanner.reports.risky import risky_services
from scanner.reports.sample import sample_report
from scanner.reports.words import words
from tests.reports import sample, showcase
from tests.reports.large import large
from tests.reports.test_render import said_by_a_host

Make = Callable[[str], ReportModel]
DUE = sample.NOW - 30 * sample.DAY
ACTING = {"/JavaScript", "/JS", "/OpenAction", "/AA", "/Launch", "/URI", "/GoToR", "/SubmitForm", "/EmbeddedFile"}


def text_of(pdf: bytes, *options: str) -> str:
    run = subprocess.run(["pdftotext", *options, "-", "-"], input=pdf, capture_output=True, check=True)
    return run.stdout.decode()


def in_order(text: str, *parts: str) -> bool:
    flat = re.sub(r"\s+", "", text)
    at = 0
    for part in parts:
        at = flat.find(re.sub(r"\s+", "", part), at)
        if at < 0:
            return False
    return True


def keys_of(pdf: bytes) -> set[str]:
    """Every key of every dictionary, and every name that stands for a kind of action."""
    found = set()
    with pikepdf.open(BytesIO(pdf)) as document:
        for each in document.objects:
            if isinstance(each, pikepdf.Dictionary | pikepdf.Stream):
                found |= set(each.keys()) | {str(each[key]) for key in ("/S", "/Type") if key in each}
    return found


@pytest.fixture(scope="module", params=["en", "zh-Hans"])
def shown(request: pytest.FixtureRequest) -> tuple[str, bytes]:
    return request.param, render_pdf(showcase.showcase(request.param))


def test_a_program_reads_it_in_order(shown: tuple[str, bytes]) -> None:
    language, pdf = shown
    parts = {
        "en": ("Network risk inspection report", "Example City Library", "At a glance", "What to fix first"),
        "zh-Hans": (
            "网络安全风险巡检报告",
            "示例市图书馆",
            "总体情况",
            "优先整改事项",
            "Redis 缓存数据库存在未授权访问",
        ),
    }[language]
    later = {"en": ("What changed", "How to fix it", "CWE-306"), "zh-Hans": ("本轮变化", "整改建议", "CWE-306")}[
        language
    ]

    assert in_order(text_of(pdf), *parts, *later)
    assert in_order(text_of(pdf), "—1—", "—2—", "—3—")


def test_the_card_stands_on_one_sheet_and_is_read_in_order(shown: tuple[str, bytes]) -> None:
    language, pdf = shown
    t, model = words(Language(language)), showcase.showcase(language)
    checks = catalogue()
    dates = Dates(Language(language), model.organisation.time_zone, model.generated)
    actions = [
        part
        for action in model.fix_first
        for part in (
            t(f"severity.{action.severity}"),
            checks[action.check].texts[Language(language)].title,
            dates.day(action.deadline) if action.deadline else "",
            t(f"who.{action.who}"),
        )
    ]
    kinds = [t(f"risky.kind.{each.kind}") for each in model.risky]
    serious = [each for each in reversed(Severity) if each is not Severity.INFO]  # no hints, no row on paper
    severities = [t("gauge.oldest"), *(t(f"severity.{each}") for each in serious)]
    end = (t("card.coverage"), t("coverage.not_clean"), t("card.next"))
    first = text_of(pdf, "-l", "1")
    assert in_order(first, t("section.card"), t("score.nature"), *severities, t("first.title"), *actions)
    assert in_order(first, actions[-1], t("risky.title"), *kinds, *end)


def test_no_text_is_set_a_letter_a_line(shown: tuple[str, bytes]) -> None:
    first = text_of(shown[1], "-l", "1").splitlines()

    assert {line for line in first if re.fullmatch(r"\w", line.strip()) and not line.strip().isdigit()} <= set(
        "ABCDF优良中差"
    )


def test_its_fonts_are_embedded_and_its_pages_are_a4(shown: tuple[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "x.pdf").write_bytes(shown[1])
    fonts = subprocess.run(["pdffonts", tmp_path / "x.pdf"], capture_output=True, check=True, text=True).stdout
    rows = [line.split() for line in fonts.splitlines()[2:]]

    assert rows
    assert {tuple(row[-5:-2]) for row in rows} == {("yes", "yes", "yes")}, "embedded, subset, with Unicode"
    assert "NotoSansCJK" in fonts.replace("-", "")
    with pikepdf.open(BytesIO(shown[1])) as document:
        assert {tuple(round(float(edge)) for edge in page.mediabox) for page in document.pages} == {(0, 0, 595, 842)}


def test_it_is_tagged_and_says_its_language_title_date_and_outline(shown: tuple[str, bytes]) -> None:
    language, pdf = shown
    with pikepdf.open(BytesIO(pdf)) as document:
        assert str(document.Root.Lang) == language
        assert bool(document.Root.MarkInfo.Marked)
        assert "/StructTreeRoot" in document.Root
        assert str(document.docinfo["/CreationDate"]).startswith("D:20261123143000")
        assert ("Example City Library" if language == "en" else "示例市图书馆") in str(document.docinfo["/Title"])
        with document.open_outline() as outline:
            assert [str(each.title) for each in outline.root] != []
        assert "pdfuaid:part" in document.Root.Metadata.read_bytes().decode()


def test_the_same_model_gives_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    code = (
        "import sys; from scanner.reports.pdf import render_pdf; from tests.reports import sample; "
        "open(sys.argv[1], 'wb').write(render_pdf(sample.unreachable('zh-Hans')))"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "again.pdf"], check=True)

    assert (tmp_path / "again.pdf").read_bytes() == render_pdf(sample.unreachable("zh-Hans"))


@pytest.mark.parametrize("model", [sample.busy, sample.clean])
def test_every_kind_of_report_becomes_a_pdf_in_which_nothing_acts(model: Make) -> None:
    pdf = render_pdf(model("zh-Hans"))

    assert not keys_of(pdf) & ACTING
    assert len(pdf) < 1_000_000


HOSTILE = st.lists(
    st.sampled_from(
        (
            *("<script>alert(1)</script>", "\u202e", "\x00", "</style><img src=file:///etc/passwd>", "x" * 300),
            *(
                "=cmd|'/c calc'!A1",
                "<a href=javascript:1>",
                "url(http://evil.example/)",
                "\ud800",
                "\n" * 50,
                "字" * 300,
            ),
        )
    ),
    min_size=1,
    max_size=4,
).map("".join)


@settings(max_examples=2, deadline=None)
@given(text=HOSTILE)
def test_nothing_a_host_says_acts_or_breaks_the_document(text: str) -> None:
    pdf = render_pdf(small(said_by_a_host(text)))

    assert not keys_of(pdf) & ACTING
    assert in_order(text_of(pdf), "What to fix first", "What changed")


def test_a_megabyte_said_by_a_host_stays_small() -> None:
    assert len(render_pdf(small(said_by_a_host("字" * 1_000_000)))) < 1_000_000


def small(model: ReportModel) -> ReportModel:
    return replace(model, findings=model.findings[:1], inventory=model.inventory[:1])


def test_nothing_is_fetched_or_read_but_what_the_page_holds(tmp_path: Path) -> None:
    (tmp_path / "secret.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'><text y='9'>SECRET</text></svg>")
    (tmp_path / "secret.css").write_text("p::before { content: 'SECRET' }")
    page = (
        f"<html lang=en><title>x</title><link rel=stylesheet href='file://{tmp_path}/secret.css'><p>shown"
        f"<img alt=a src='file://{tmp_path}/secret.svg'><link rel=attachment href='file://{tmp_path}/secret.css'>"
        f"<object data='file://{tmp_path}/secret.svg'></object>"
    )
    pdf = pdf_of(page)

    assert "SECRET" not in text_of(pdf)
    assert "/EmbeddedFile" not in keys_of(pdf)


def test_a_process_that_makes_many_keeps_nothing_of_them() -> None:
    code = """
import psutil
from scanner.reports.pdf import pdf_of
page, here = "<title>Notice</title><p>整改通知书 No. 1", psutil.Process()
for _ in range(3):
    pdf_of(page)
before = here.memory_full_info().uss
for _ in range(40):
    pdf_of(page)
print(here.memory_full_info().uss - before)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)  # with no other's
    assert int(done.stdout) < 5_000_000  # ten were kept, before Pango was made to let go


def test_the_rules_for_notes_are_left_out_where_there_are_none_and_the_document_stays_the_same() -> None:
    page = "<html lang=en><title>x</title><ol><li>one<li>two</ol><details><summary>three</summary></details>{}"
    without, kept = (pdf_of(page.format(end)) for end in ("", "<!-- footnote -->"))
    named = re.compile(rb"/ID \[.*?\]|<[0-9a-f]{32}>|uuid:[0-9a-f-]+")
    assert named.sub(b"", without) == named.sub(b"", kept)
    noted = page.format("<style>i { float: footnote }</style><p>text<i>explained below</i>")
    assert in_order(text_of(pdf_of(noted)), "text1", "1.explainedbelow")


def test_fonts_are_cut_down_in_one_step_to_what_shows_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (
        "<html lang=zh-Hans><title>x</title><style>b { font-family: monospace }</style><p>整改通知书，No. 1 <b>é 报</b>"
    )
    quick = pdf_of(page)
    monkeypatch.setattr(pdf_fonts, "_cut_down", lambda font, *asked: type(font).subset(font, *asked))
    slow = pdf_of(page)
    assert quick != slow
    assert text_of(quick) == text_of(slow)
    assert pixels_of(quick) == pixels_of(slow)
    assert len(quick) < len(slow) + 10_000, "all but a few glyphs are left out"


def pixels_of(pdf: bytes) -> bytes:
    return subprocess.run(["pdftoppm", "-r", "150", "-"], input=pdf, capture_output=True, check=True).stdout


def test_a_part_that_is_compressed_once_has_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    page = "<html lang=en><title>x</title><p>text"
    once = pdf_of(page)
    monkeypatch.setattr("scanner.reports.pdf._compress_once", None)
    assert pdf_of(page) == once


def test_the_more_checks_there_are_the_fewer_places_of_each_a_pdf_lists() -> None:
    few, many = (render_html(large(300, 5, kinds=kinds), paper=True) for kinds in (100, 300))
    place = re.compile(r'<span class="where">.*?</span></li>', re.DOTALL)
    assert [max(each.count("example.org") for each in place.findall(page)) for page in (few, many)] == [6, 2]


def test_a_large_report_names_what_it_leaves_out() -> None:
    told = text_of(render_pdf(large(hosts=10, each=5)))

    assert in_order(told, "Further kinds of findings, described in full in the HTML form and the workbook")


@pytest.mark.parametrize("language", Language)
def test_the_report_card_stays_on_one_page_when_everything_is_late_and_long(language: Language) -> None:
    checks = ("SVC-REDIS-UNAUTH", "SVC-MONGODB-UNAUTH", "SVC-ELASTIC-UNAUTH", "SVC-DOCKER-UNAUTH", "SMBV1", "FTP-ANON")
    late = [
        sample.finding(number, check, sample.place(f"192.0.2.{number}", 6379), deadline=DUE, overdue=True)
        for number, check in enumerate(checks)
    ]
    known = sample_report(language)
    supervisor = m.Name("示例省示例市示例区综合行政执法与应急管理服务中心办公室", "Steering Group " * 8)
    crowded = replace(
        known,
        organisation=replace(known.organisation, supervisor=supervisor),
        round=replace(known.round, finished=None),
        counts=count(late),
        gauges=gauges_of(late, sample.NOW),
        fix_first=fix_first(late),
        risky=risky_services(late, range(9)),
        contacts=tuple(m.Contact(f"Alexander Featherstonehaugh {number}", "security") for number in range(6)),
    )

    first = text_of(render_pdf(crowded), "-l", "1")

    assert words(language)("card.next") in first
    assert words(language)("coverage.not_clean") in " ".join(first.split())
