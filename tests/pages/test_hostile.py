"""Whatever hosts say, and registrars write, stays text in every form of every document and mail."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.delivery.notice_document import numbers
from scanner.delivery.notice_word import render_notice_docx, render_slip_docx
from scanner.delivery.reply_form import reply_form
from scanner.delivery.round_summary import summary_json
from scanner.delivery.samples import render, sample_notice, samples
from scanner.engine.catalogue.load import Language
from scanner.reports.bulletin_anonymous import anonymous
from scanner.reports.bulletin_render import render_bulletin_json
from scanner.reports.pdf import pdf_of
from scanner.reports.sample import sample_report
from scanner.reports.words import words
from tests.pages.shown import hostile
from tests.reports.skeleton import elements
from tests.reports.test_pdf import ACTING, keys_of

DOCUMENTS = [name for name in samples() if not name.startswith("mail:")]
MEGABYTE = "=<b>\u202e字" * 200_000

POISON = st.one_of(
    st.text(min_size=1, max_size=60),
    st.lists(
        st.sampled_from(
            (
                *(
                    "<script>alert(1)</script>",
                    "</style>",
                    "<!--",
                    "-->",
                    "]]>",
                    '" onload="x()',
                    "' style='x",
                    "&lt;b&gt;",
                ),
                *(
                    "\u202e",
                    "\u2066",
                    "\x00",
                    "\x1b[31m",
                    "\x1a",
                    "\r\nBcc: all@evil.example\r\n\r\n",
                    "\ud800",
                    "\ufffe",
                ),
                *(
                    "{{ 7*7 }}",
                    "{% if %}",
                    "{0.__class__}",
                    "%(x)s",
                    "=cmd|'/c calc'!A1",
                    "＝1+1",
                    "http://evil.example/",
                ),
                *("javascript:alert(1)", "_x000D_", "x" * 3000, "字" * 3000),
            )
        ),
        min_size=1,
        max_size=4,
    ).map("".join),
)
FEW = settings(max_examples=4, deadline=None)

SHOWN_AS_TEXT = frozenset({"title", "alt", "aria-label"})
INVISIBLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def skeleton_of(html: str) -> list[tuple[str, list[tuple[str, str | None]]]]:
    """Return the elements of a page, with the attributes that a browser acts on."""
    shown = elements(html.partition("<!doctype html>")[2])
    return [(tag, sorted(each for each in attributes if each[0] not in SHOWN_AS_TEXT)) for tag, attributes in shown]


@pytest.mark.parametrize("name", samples())
@FEW
@given(poison=POISON, language=st.sampled_from(Language))
def test_a_page_or_mail_has_the_elements_that_it_has_without_the_poison(
    name: str, language: Language, poison: str
) -> None:
    files, plain = render(name, hostile(language, poison)), render(name, hostile(language, "harmless"))

    assert skeleton_of(files["html"]) == skeleton_of(plain["html"])
    assert [found for text in files.values() if (found := INVISIBLE.search(text))] == []


@FEW
@given(poison=POISON, language=st.sampled_from(Language))
def test_in_a_document_for_office_programs_nothing_is_a_field_a_link_or_a_formula(
    poison: str, language: Language
) -> None:
    notice = sample_notice(hostile(language, poison))
    for document in (render_notice_docx(notice, language), render_slip_docx(notice, language)):
        with zipfile.ZipFile(io.BytesIO(document)) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        for name, content in parts.items():
            if name.endswith((".xml", ".rels")):
                ET.fromstring(content)
            assert b'TargetMode="External"' not in content
        assert (
            set(re.findall(rb"w:(hyperlink|instrText|object|altChunk|drawing)\b", parts["word/document.xml"])) == set()
        )
    form = reply_form(notice, language).decode("utf-8-sig")
    cells = [cell for row in csv.reader(io.StringIO(form, newline="")) for cell in row]
    assert [cell for cell in cells if cell.startswith(tuple("=+-@\t\r＝＋－＠")) or INVISIBLE.search(cell)] == []


@FEW
@given(poison=POISON, language=st.sampled_from(Language))
def test_for_machines_it_stays_one_document_of_the_same_keys(poison: str, language: Language) -> None:
    sample = hostile(language, poison)
    for text in (
        render_bulletin_json(sample.bulletin, language),
        render_bulletin_json(anonymous(sample.bulletin, "secret"), language),
        summary_json(sample.summary),
    ):
        assert json.loads(text)["schema"].startswith("roundsman.")


@settings(max_examples=1, deadline=None)
@given(poison=POISON)
@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name != "report"])
def test_in_a_pdf_nothing_acts(name: str, poison: str) -> None:
    pdf = pdf_of(render(name, hostile(Language.ZH_HANS, poison))["html"])

    assert not keys_of(pdf) & ACTING


@pytest.mark.parametrize("name", samples())
def test_of_a_megabyte_in_every_place_the_beginning_is_shown(name: str) -> None:
    files = render(name, hostile(Language.EN, MEGABYTE))

    assert max(len(text.encode()) for text in files.values()) < (2_000_000 if name != "report" else 8_000_000)


def test_a_notice_of_very_many_findings_lists_the_first_numbers_and_says_how_many_more() -> None:
    (finding, *_) = sample_report(Language.EN).findings
    many = [replace(finding, number=number) for number in range(1, 1001)]

    told = numbers(many, words(Language.EN))
    assert told.startswith("1, 2, 3, ")
    assert told.endswith(", 40 and 960 more (annex 1)")
    assert numbers(many[:40], words(Language.EN)).endswith(", 40")
