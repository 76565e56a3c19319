"""A notice and its reply slip as Word documents (DOCX), which organisations edit, sign and send back.

In Chinese it is set as official letters are (GB/T 9704-2012): body in 仿宋 of size three (16 pt), title in 小标宋 of
size two (22 pt), first headings in 黑体, 22 lines a page, pages numbered ``— 1 —`` in size four; lists lie in annexes.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.conf import settings
from docx import Document
from docx.document import Document as WordDocument
from docx.enum.section import WD_ORIENT, WD_SECTION
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Mm, Pt
from docx.table import _Cell
from docx.text.paragraph import Paragraph

from scanner.delivery.letters import name_of
from scanner.delivery.notice_document import NoticeModel, numbers
from scanner.engine.catalogue.load import Language
from scanner.engine.hostile import line
from scanner.engine.model import Severity
from scanner.reports import model, texts
from scanner.reports.dates import Dates
from scanner.reports.dress import dress_of
from scanner.reports.identity import office_contact, office_name
from scanner.reports.office import dated
from scanner.reports.stationery import current
from scanner.reports.words import sentences, words

_LIMIT = 2000
"""Characters of one text."""

_LOGO = (60, 18)
"""Millimetres into which a logo is fitted: width, height."""

_SLIP = ("finding", "title", "answer", "measures", "finished", "proof", "responsible")
_LIST = ("finding", "where", "title", "severity", "confidence", "first_seen", "last_seen", "deadline")
_SLIP_WIDTHS = (14, 50, 30, 65, 28, 40, 30)
_LIST_WIDTHS = (12, 54, 50, 20, 24, 31, 31, 35)
"""Millimetres of the columns; a landscape page has 257 between its margins."""


@dataclass(frozen=True, slots=True)
class _Look:
    """How a language sets its letters: fonts by name, sizes in points, first lines indented by so many characters."""

    latin: str
    body: str
    title: str
    heading: str
    size: float
    title_size: float
    table_size: float
    line: float
    indent: int
    margins: tuple[float, float, float, float]


_LOOKS = {
    Language.ZH_HANS: _Look(
        "Times New Roman", "仿宋_GB2312", "方正小标宋简体", "黑体", 16, 22, 10.5, 28, 2, (37, 26, 35, 28)
    ),
    Language.EN: _Look("Times New Roman", "SimSun", "SimSun", "SimSun", 11.5, 16, 9.5, 16, 0, (25, 25, 22, 25)),
}
"""Margins are top, right, bottom and left, in millimetres; those of GB/T 9704-2012 leave 156 by 225."""

_INSTEAD = {"仿宋_GB2312": "FangSong", "方正小标宋简体": "SimSun", "黑体": "SimHei"}
"""What a program takes where a font is missing."""


def render_notice_docx(notice: NoticeModel, language: Language) -> bytes:
    """Return the whole notice with both annexes. The same notice gives the same bytes."""
    writer = _Writer(notice, language)
    writer.letter()
    writer.list_of_findings()
    writer.slip(annex=True)
    return writer.done(writer.t("notice.title"))


def render_slip_docx(notice: NoticeModel, language: Language) -> bytes:
    """Return the reply slip alone, to be filled in. The same notice gives the same bytes."""
    writer = _Writer(notice, language)
    writer.slip(annex=False)
    return writer.done(writer.t("notice.annex_reply"))


class _Writer:
    def __init__(self, notice: NoticeModel, language: Language) -> None:
        self.t = words(language)
        self._notice = notice
        self._language = language
        self._look = _LOOKS[language]
        self._dates = Dates(language, notice.organisation.time_zone, notice.issued)
        self._office = office_name(language)
        self._addressee = name_of(notice.organisation, language)
        self._document: WordDocument = Document()
        self._set_up()

    def letter(self) -> None:
        notice, t = self._notice, self.t
        self._letterhead()
        self._paragraph(self._office, font=self._look.heading, size=self._look.title_size, bold=True, centred=True)
        self._paragraph(t("notice.number", number=notice.number), centred=True)
        title = self._paragraph(t("notice.title"), font=self._look.title, size=self._look.title_size, centred=True)
        title.paragraph_format.space_before = title.paragraph_format.space_after = Pt(self._look.size)
        self._paragraph(t("notice.to", name=self._addressee), bold=self._language is Language.EN)
        self._body(t("notice.intro"))
        for label, value in self._facts():
            self._body(t("notice.fact", label=t(label), value=value))
        self._heading("notice.section_overview")
        self._body(t("notice.overview", n=len(notice.findings)))
        self._counts()
        if notice.inspected and notice.inspected.score:
            score = notice.inspected.score
            grade = t(f"grade.{score.grade}") if score.grade else ""
            told = t("notice.graded" if grade else "notice.scored", value=f"{score.value:.1f}", grade=grade)
            self._body(sentences((told, t("score.provisional")), t.language) if score.provisional else told)
        if notice.to_check:
            listed = numbers(notice.to_check, t)
            self._body(t("notice.to_check", n=len(notice.to_check), numbers=listed))
        self._heading("notice.section_risks")
        self._numbered(self._risks())
        self._heading("notice.section_demands")
        self._numbered(self._asks())
        self._body(t("notice.zone", zone=self._dates.zone))
        if contact := office_contact(self._language):
            self._body(t("notice.contact", contact=contact))
        self._body(t("notice.annexes"))
        for number, annex in enumerate(("notice.annex_findings", "notice.annex_reply"), 1):
            self._body(t("notice.annex_line", n=number, title=t(annex)))
        for text in (self._office, *t("office.signature").splitlines(), self._dates.day(notice.issued)):
            self._paragraph(text).alignment = WD_ALIGN_PARAGRAPH.RIGHT
        self._paragraph(t("notice.marking"), size=self._look.table_size)

    def list_of_findings(self) -> None:
        t, notice = self.t, self._notice
        self._landscape()
        self._paragraph(t("notice.annex_title", n=1, title=t("notice.annex_findings")), font=self._look.heading)
        for title, findings in (("notice.list_fix", notice.findings), ("notice.list_check", notice.to_check)):
            if findings:
                self._paragraph(t(title))
                rows = [row for each in findings for row in self._finding(each)]
                self._table([t(f"notice.column_{column}") for column in _LIST], rows, widths=_LIST_WIDTHS)

    def slip(self, *, annex: bool) -> None:
        t, notice = self.t, self._notice
        self._landscape(new=annex)
        title = t("notice.annex_title", n=2, title=t("notice.annex_reply")) if annex else t("notice.annex_reply")
        self._paragraph(title, font=self._look.heading, centred=not annex)
        self._paragraph(t("notice.slip", number=notice.number, name=self._addressee))
        self._paragraph(t("notice.slip_how"), size=self._look.table_size)
        rows = [[str(each.number), self._title(each), *("" for _ in _SLIP[2:])] for each in self._asked()]
        self._table([t(f"notice.slip_{column}") for column in _SLIP], rows, widths=_SLIP_WIDTHS, height=13)
        for key in ("notice.slip_head", "notice.slip_seal", "notice.slip_date"):
            layout = self._paragraph(t(key)).paragraph_format
            layout.space_before = Pt(self._look.size)
            layout.keep_with_next = key != "notice.slip_date"

    def done(self, title: str) -> bytes:
        properties = self._document.core_properties
        properties.title = _text(f"{title} {self._notice.number}")
        properties.author = properties.last_modified_by = _text(self._office)
        properties.comments = ""
        properties.language = str(self._language)
        out = io.BytesIO()
        self._document.save(out)
        return dated(out.getvalue(), self._notice.issued, {"word/fontTable.xml": _font_table()})

    def _letterhead(self) -> None:
        picture = dress_of(current()).picture
        if picture:
            width, height = struct.unpack(">II", picture[16:24])
            scale = min(_LOGO[0] / width, _LOGO[1] / height)
            made = self._document.add_paragraph()
            made.alignment = WD_ALIGN_PARAGRAPH.CENTER
            made.paragraph_format.line_spacing = 1  # that of the text would cut the picture off
            shown = made.add_run().add_picture(io.BytesIO(picture), Mm(width * scale), Mm(height * scale))
            shown._inline.docPr.set("descr", _text(self._office))  # noqa: SLF001 - python-docx has no name for it
        for text in self.t("office.letterhead").splitlines():
            self._paragraph(text, size=self._look.table_size, centred=True).paragraph_format.line_spacing = 1

    def _facts(self) -> Iterable[tuple[str, str]]:
        """What the notice rests on: the key of each label, and its value."""
        t, installation, seen = self.t, settings.INSTALLATION, self._notice.inspected
        chinese = self._language is Language.ZH_HANS
        basis = installation.notice_basis_zh if chinese else installation.notice_basis_en
        if basis:
            yield "notice.label_basis", basis
        if seen:
            allowed = [t("notice.authorisation", document=a.reference, name=a.granted_by) for a in seen.authorisations]
            yield "notice.label_authorisation", t.listed(allowed) if allowed else t("about.no_authorisation")
            start, zone = self._dates.moment(seen.started), self._dates.zone
            if seen.finished:
                period = t("notice.period", start=start, end=self._dates.moment(seen.finished), zone=zone)
            else:
                period = t("notice.begun", start=start, zone=zone)
            yield "label.inspected", period
        vantages = t.listed([t(f"vantage.{each}") for each in self._notice.vantages])
        yield "label.vantage", t("notice.method", vantages=vantages)
        if seen and seen.hosts:
            numbers = {"hosts": seen.hosts, "inspected": seen.inspected, "partial": seen.partial}
            yield "label.scope", t("notice.coverage", missing=seen.missing, **numbers)
        elif seen and seen.pruned:
            yield "label.scope", t("notice.coverage_pruned")

    def _asked(self) -> Sequence[model.Finding]:
        return (*self._notice.findings, *self._notice.to_check)

    def _title(self, finding: model.Finding) -> str:
        return texts.text(finding.check, self._language).title

    def _risks(self) -> Iterable[str]:
        for risk in self._notice.main_risks:
            text = texts.text(risk.check, self._language)
            yield self.t(
                "notice.risk",
                severity=self.t(f"severity.{risk.severity}"),
                title=text.title,
                places=self.t("findings.places", n=len(risk.places)),
                impact=text.impact,
            )

    def _asks(self) -> Iterable[str]:
        t = self.t
        for demand in self._notice.demands:
            yield t(
                "notice.demand_overdue" if demand.overdue else "notice.demand",
                n=len(demand.findings),
                numbers=numbers(demand.findings, t),
                date=self._dates.day(demand.deadline),
            )
        yield t("notice.meanwhile")
        yield t("notice.incident")
        yield t("notice.answer", date=self._dates.last_day(self._notice.answer_by))
        yield t("notice.again")
        yield t("notice.objection")

    def _finding(self, finding: model.Finding) -> tuple[list[str], list[str]]:
        """Return the finding's row, and what stands below it across the table."""
        t, place, text = self.t, finding.place, texts.text(finding.check, self._language)
        due = self._dates.day(finding.deadline) if finding.deadline else t("deadline.none")
        evidence = texts.evidence(finding.check, finding.params, self._language)
        return (
            [
                str(finding.number),
                texts.endpoint(place.host, place.port, place.transport),
                text.title,
                t(f"severity.{finding.severity}"),
                t(f"confidence.{finding.confidence}"),
                self._dates.day(finding.first_seen),
                self._dates.day(finding.last_seen),
                due,
            ],
            [t("findings.evidence", evidence=evidence), t("notice.fix", fix=text.fix)],
        )

    def _counts(self) -> None:
        shown = [each for each in self._notice.counts if each.severity is not Severity.INFO]
        titles = [self.t(f"severity.{each.severity}") for each in shown]
        self._table(titles, [[str(each.open) for each in shown]])

    def _heading(self, key: str) -> None:
        made = self._paragraph(self.t(key), font=self._look.heading, bold=self._language is Language.EN)
        made.paragraph_format.keep_with_next = True
        self._indent(made)

    def _body(self, text: str) -> None:
        self._indent(self._paragraph(text))

    def _numbered(self, items: Iterable[str]) -> None:
        """Number the items in the text itself, so that they stay what they are wherever they are pasted."""
        for number, text in enumerate(items, 1):
            self._body(self.t("notice.item", n=self._numeral(number), text=text))

    def _numeral(self, number: int) -> str:
        if self._language is Language.EN:
            return str(number)
        digits = "〇一二三四五六七八九"
        tens, ones = divmod(number, 10)
        ten = "" if not tens else "十" if tens == 1 else f"{digits[tens % 10]}十"
        return f"{ten}{digits[ones] if ones or not tens else ''}"

    def _indent(self, made: Paragraph) -> None:
        if self._look.indent:
            made.paragraph_format.first_line_indent = Pt(self._look.indent * self._look.size)

    def _paragraph(
        self, text: str, *, font: str = "", size: float = 0, bold: bool = False, centred: bool = False
    ) -> Paragraph:
        made = self._document.add_paragraph()
        self._run(made, text, font, size, bold)
        if centred:
            made.alignment = WD_ALIGN_PARAGRAPH.CENTER
        return made

    def _run(self, into: Paragraph, text: str, font: str = "", size: float = 0, bold: bool = False) -> None:
        run = into.add_run(_text(text))
        run.bold = bold or None
        if size:
            run.font.size = Pt(size)
        if font:
            run.font.name = self._look.latin
            run._element.get_or_add_rPr().get_or_add_rFonts().set(qn("w:eastAsia"), font)  # noqa: SLF001 - no other way

    def _table(
        self, titles: Sequence[str], rows: Iterable[Sequence[str]], *, widths: Sequence[int] = (), height: float = 0
    ) -> None:
        """Add a table whose first row is repeated on each page; a row of fewer cells stands across, a line for each."""
        table = self._document.add_table(rows=1, cols=len(titles), style="Table Grid")
        table.autofit = not widths
        for column, width in zip(table.columns, widths, strict=False):
            column.width = column.cells[0].width = Mm(width)
        for cell, title in zip(table.rows[0].cells, titles, strict=True):
            self._fill(cell, [title], bold=True)
        mark = OxmlElement("w:tblHeader")
        table.rows[0]._tr.get_or_add_trPr().append(mark)  # noqa: SLF001 - python-docx has no name for it
        for values in rows:
            row = table.add_row()
            cells = row.cells
            if len(values) < len(titles):
                self._fill(cells[0].merge(cells[-1]), values)
                continue
            for cell, value in zip(cells, values, strict=True):
                self._fill(cell, [value])
            if height:
                row.height = Mm(height)
        self._document.add_paragraph().paragraph_format.line_spacing = Pt(self._look.table_size)

    def _fill(self, cell: _Cell, lines: Sequence[str], *, bold: bool = False) -> None:
        for number, text in enumerate(lines):
            made = cell.paragraphs[0] if number == 0 else cell.add_paragraph()
            made.paragraph_format.line_spacing = Pt(self._look.table_size * 1.4)
            made.paragraph_format.space_after = Pt(0)
            self._run(made, text, self._look.heading if bold else "", self._look.table_size, bold)

    def _set_up(self) -> None:
        look, normal = self._look, self._document.styles["Normal"]
        normal.font.name = look.latin
        normal.font.size = Pt(look.size)
        properties = normal.element.get_or_add_rPr()
        properties.get_or_add_rFonts().set(qn("w:eastAsia"), look.body)
        language = OxmlElement("w:lang")
        language.set(qn("w:val"), "en-GB")
        language.set(qn("w:eastAsia"), "zh-CN")
        properties.append(language)
        normal.paragraph_format.line_spacing = Pt(look.line)
        normal.paragraph_format.space_after = Pt(0 if look.indent else look.size / 2)
        section = self._document.sections[0]
        section.page_width, section.page_height = Mm(210), Mm(297)
        top, right, bottom, left = (Mm(each) for each in look.margins)
        section.top_margin, section.right_margin = top, right
        section.bottom_margin, section.left_margin = bottom, left
        self._page_number(section.footer.paragraphs[0])

    def _page_number(self, into: Paragraph) -> None:
        into.alignment = WD_ALIGN_PARAGRAPH.CENTER
        self._run(into, "— ", size=14)
        field = OxmlElement("w:fldSimple")
        field.set(qn("w:instr"), "PAGE")
        into._p.append(field)  # noqa: SLF001 - python-docx has no fields
        self._run(into, " —", size=14)

    def _landscape(self, *, new: bool = True) -> None:
        """Turn the page for a wide table."""
        section = self._document.add_section(WD_SECTION.NEW_PAGE) if new else self._document.sections[0]
        if section.orientation == WD_ORIENT.LANDSCAPE:
            return
        section.orientation = WD_ORIENT.LANDSCAPE
        section.page_width, section.page_height = Mm(297), Mm(210)
        section.top_margin = section.right_margin = section.bottom_margin = section.left_margin = Mm(20)


def _font_table() -> bytes:
    """Name the fonts that take the place of ours where a machine lacks them (ISO/IEC 29500-1 section 17.8.3.1)."""
    fonts = "".join(
        f'<w:font w:name="{name}"><w:altName w:val="{other}"/><w:charset w:val="86"/><w:family w:val="auto"/></w:font>'
        for name, other in _INSTEAD.items()
    )
    space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    return f'{head}<w:fonts xmlns:w="{space}">{fonts}</w:fonts>'.encode()


def _text(text: str) -> str:
    return line(text, _LIMIT)
