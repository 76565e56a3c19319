"""The notice and its reply slip as documents that organisations sign, edit and send back: DOCX and PDF."""

from __future__ import annotations

import io
import zipfile
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from xml.etree import ElementTree as ET

import docx
import pytest
from django.test import override_settings
from docx.enum.section import WD_ORIENT
from docx.shared import Mm
from PIL import Image

from scanner.delivery.models import Message, Notice
from scanner.delivery.notice_document import notice_model, render_notice
from scanner.delivery.notice_word import render_notice_docx, render_slip_docx
from scanner.delivery.posting import post
from scanner.delivery.reports import Post, built
from scanner.engine.catalogue.load import Language
from scanner.packing import pack
from scanner.remediation.models import Finding
from scanner.reports.pdf import pdf_of
from scanner.reports.stationery import stationery_of
from tests.delivery.office import NOW, installed
from tests.delivery.test_notice_document import notice  # noqa: F401 - a fixture
from tests.reports.test_pdf import ACTING, in_order, keys_of, text_of
from tests.reports.test_stationery import DRAWING, PIXEL, put

pytestmark = pytest.mark.django_db
EVIL = "=cmd|'/c calc'!A1 <w:p/> \x00\x1b[31m\u202e http://evil.example/ " + "字" * 5000


def text_in(document: bytes) -> str:
    read = docx.Document(io.BytesIO(document))
    cells = [cell.text for table in read.tables for row in table.rows for cell in row.cells]
    return "\n".join([*(each.text for each in read.paragraphs), *cells])


def parts(document: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(document)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize(
    ("language", "told"),
    [
        (Language.EN, ("Security Office", "Number: R2026-1", "To Water Office:", "1. Overall situation", "Annexes:")),
        (
            Language.ZH_HANS,
            (
                "编号：R2026-1",
                "网络安全隐患整改通知书",
                "水务局：",
                "一、总体情况",
                "（一）",
                "三、整改要求",
                "（二）",
                "附件：",
                "2026年11月26日",
            ),
        ),
    ],
)
def test_the_letter_says_what_the_page_says_in_its_order(
    notice: Notice,  # noqa: F811 - a fixture
    language: Language,
    told: tuple[str, ...],
) -> None:
    with installed():
        document = render_notice_docx(notice_model(notice), language)

    text = text_in(document)
    assert in_order(text, *told), text
    assert all(str(item.finding_id) in text for item in notice.items.all())


def test_it_is_set_as_official_letters_are(notice: Notice) -> None:  # noqa: F811 - a fixture
    document = docx.Document(io.BytesIO(render_notice_docx(notice_model(notice), Language.ZH_HANS)))
    letter, *annexes = document.sections

    assert (round(letter.page_width.mm), round(letter.page_height.mm)) == (210, 297)  # type: ignore[union-attr]  # it has both
    assert (round(letter.top_margin.mm), round(letter.left_margin.mm)) == (37, 28)  # type: ignore[union-attr]  # it has both
    assert {each.orientation for each in annexes} == {WD_ORIENT.LANDSCAPE}
    found = parts(render_notice_docx(notice_model(notice), Language.ZH_HANS))
    assert 'w:eastAsia="仿宋_GB2312"' in found["word/styles.xml"].decode()
    assert 'w:altName w:val="FangSong"' in found["word/fontTable.xml"].decode()
    assert 'w:instr="PAGE"' in "".join(content.decode() for name, content in found.items() if "footer" in name)


@pytest.mark.parametrize("name", ["logo.svg", "logo.png"])
def test_it_stands_under_the_office_s_logo_and_letterhead_and_over_its_signature(
    notice: Notice,  # noqa: F811 - a fixture
    tmp_path: Path,
    name: str,
) -> None:
    put(tmp_path, name, DRAWING if name.endswith("svg") else PIXEL)
    office = {"name": "City Office", "letterhead": "1 Main Street\\nCity", "signature": "On behalf", "contact": "555"}
    put(tmp_path, "words.toml", "[en.office]\n" + "".join(f'{key} = "{text}"\n' for key, text in office.items()))
    with override_settings(OWN_TEMPLATES=tmp_path), stationery_of(notice.organisation):
        document = render_notice_docx(notice_model(notice), Language.EN)
        again = render_notice_docx(notice_model(notice), Language.EN)

    assert document == again
    assert in_order(
        text_in(document), "1 Main Street", "City", "City Office", "Contact: 555", "City Office", "On behalf"
    )
    (picture,) = docx.Document(io.BytesIO(document)).inline_shapes
    assert picture._inline.docPr.get("descr") == "City Office"
    assert (picture.height / Mm(18), picture.width / picture.height) == pytest.approx((1, 1), abs=0.01)
    content = parts(document)["word/media/image1.png"]
    assert Image.open(io.BytesIO(content)).size == ((212, 212) if name.endswith("svg") else (1, 1))


@pytest.mark.parametrize("language", Language)
def test_the_slip_has_a_row_to_fill_in_for_each_finding(notice: Notice, language: Language) -> None:  # noqa: F811 - a fixture
    (table,) = docx.Document(io.BytesIO(render_slip_docx(notice_model(notice), language))).tables

    asked = [each.number for each in (*notice_model(notice).findings, *notice_model(notice).to_check)]
    assert [row.cells[0].text for row in table.rows[1:]] == [str(number) for number in asked]
    assert {cell.text for row in table.rows[1:] for cell in row.cells[2:]} == {""}


@pytest.mark.parametrize("language", Language)
def test_the_same_notice_gives_the_same_bytes(notice: Notice, language: Language) -> None:  # noqa: F811 - a fixture
    first = render_notice_docx(notice_model(notice), language)

    assert render_notice_docx(notice_model(notice), language) == first
    assert b"2026-11-26T" in parts(first)["docProps/core.xml"]


def test_what_a_host_said_stays_text_and_nothing_leads_out(notice: Notice) -> None:  # noqa: F811 - a fixture
    Finding.objects.update(params=[["protocol", EVIL], ["product", EVIL], ["version", EVIL], ["subject", EVIL]])
    model = notice_model(notice)
    for document in (render_notice_docx(model, Language.EN), render_slip_docx(model, Language.EN)):
        found = parts(document)
        assert len(document) < 200_000
        assert [name for name, content in found.items() if b'TargetMode="External"' in content] == []
        assert not [name for name in found if "vba" in name.lower() or "embeddings" in name]
        for name, content in found.items():
            if name.endswith((".xml", ".rels")):
                ET.fromstring(content)
        assert b"w:hyperlink" not in found["word/document.xml"]
    assert "\\x1b[31m" in text_in(render_notice_docx(model, Language.EN))


@pytest.mark.parametrize("language", Language)
def test_the_page_becomes_a_pdf_that_a_program_reads_in_order(notice: Notice, language: Language) -> None:  # noqa: F811 - a fixture
    pdf = pdf_of(render_notice(notice_model(notice), language))
    told = {
        Language.EN: ("Number: R2026-1", "To Water Office:", "1. Overall situation", "Annex 1", "Annex 2"),
        Language.ZH_HANS: ("编号：R2026-1", "水务局：", "一、总体情况", "三、整改要求", "附件1", "附件2"),
    }[language]

    assert in_order(text_of(pdf), *told)
    assert not keys_of(pdf) & ACTING


def test_the_mail_brings_the_page_as_pdf_too_where_there_is_room(
    notice: Notice,  # noqa: F811 - a fixture
    tmp_path: Path,
) -> None:
    with installed(operators=("ops@example.org",)):
        post(notice, NOW)
    message = Message.objects.get()

    def names(limit: int) -> list[str]:
        mail = message_from_bytes(built(message, Post(tmp_path, limit)), policy=default)
        return [str(part.get_filename()).rpartition(".")[2] for part in mail.iter_attachments()]

    assert names(8_000_000) == ["pdf", "html", "docx", "csv"]
    assert names(100_000) == ["html", "docx", "csv"]

    kept = notice.documents.get(language="en")
    assert kept.pdf, "it is made once"
    made = pack(b"%PDF- as it was made first")
    notice.documents.update(pdf=made)
    assert b"as it was made first" in attached_pdf(built(message, Post(tmp_path, 8_000_000)))


def attached_pdf(mail: bytes) -> bytes:
    parts = message_from_bytes(mail, policy=default).iter_attachments()
    return next(bytes(part.get_content()) for part in parts if part.get_content_type() == "application/pdf")
