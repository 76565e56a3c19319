"""Targets of one organisation from CSV, as spreadsheets save it: UTF-8 with or without BOM, GB18030/GBK, or UTF-16."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from scanner.engine.sentence import Sentence
from targets.addresses import parse_target
from targets.ports import format_ports, parse_ports
from targets.registry.document import KEEP_ONE, read_text_file
from targets.registry.fields import not_known
from targets.registry.problems import BadInput, Place, Problem, suggestion
from targets.registry.reading import Limits
from targets.registry.specs import OrganisationSpec, TargetSpec
from targets.windows import parse_windows
from targets.wrong import WrongText

T = TypeVar("T")

_COLUMNS = {
    "address": "address", "zone": "zone", "criticality": "criticality", "tags": "tags", "ports": "ports",
    "shared": "shared", "地址": "address", "区域": "zone", "重要程度": "criticality", "标签": "tags", "端口": "ports",
    "共享": "shared", "blackouts": "blackouts", "禁检时段": "blackouts", "网络区域": "zone",
}  # fmt: skip
_DELIMITERS = ",;\t"
"""The first is what CSV means by itself; spreadsheets of countries with a decimal comma write the second."""

_REQUIRED = ("address", "zone")
_CRITICALITY = {"": "ordinary", "ordinary": "ordinary", "key": "key", "一般": "ordinary", "重点": "key"}
_FLAGS = {"": False, "no": False, "false": False, "否": False, "yes": True, "true": True, "是": True}


def read_targets(path: Path, limits: Limits) -> tuple[TargetSpec, ...]:
    """Read the rows of a CSV file; see :func:`parse_targets`."""
    return parse_targets(read_text_file(path), str(path), limits)


def parse_targets(content: bytes, name: str, limits: Limits) -> tuple[TargetSpec, ...]:
    """Read CSV with a header line, of the input that is called ``name``; see ``docs/targets-csv.md``.

    Raises ``BadInput`` with every wrong cell: its row, counted as a spreadsheet shows it, and its column.
    """
    text = _decoded(content, name)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=_delimiter(text))
    try:
        lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        said = Sentence(f"this is no valid CSV: {error}", "no-csv")
        right = Sentence("save it again as CSV", "save-as-csv")
        raise BadInput([Problem(Place(name, reader.line_num), "", said, right)]) from error
    header = _header(lines[0][1], name)
    problems: list[Problem] = []
    rows = [
        _Row(Place(name, line), dict(zip(header, cells, strict=False)), problems).read(limits)
        for line, cells in _filled(lines[1:], len(header), name, problems)
    ]
    if problems:
        raise BadInput(problems)
    if not rows:
        said = Sentence("the file has a header but no rows", "no-rows")
        raise BadInput([Problem(Place(name), "", said, Sentence("add one target a row", "add-rows"))])
    return tuple(rows)


def read_target(cells: dict[str, str], limits: Limits, place: Place) -> TargetSpec:
    """Read one target from texts by the names of their columns, as a row of CSV has them.

    Raises ``BadInput``; the fields of its problems are columns.
    """
    problems: list[Problem] = []
    spec = _Row(place, cells, problems).read(limits)
    if problems:
        raise BadInput(problems)
    return spec


def with_targets(organisation: OrganisationSpec, rows: tuple[TargetSpec, ...]) -> OrganisationSpec:
    """``organisation`` with ``rows`` added to its targets, or in place of those with the same address.

    Raises ``BadInput`` when an address comes twice in ``rows``.
    """
    seen: dict[str, TargetSpec] = {}
    problems: list[Problem] = []
    for row in rows:
        if row.address in seen:
            line = seen[row.address].place.line
            said = Sentence(
                f"{row.address} was given before, in row {line}", "given-before", text=row.address, line=line
            )
            problems.append(Problem(row.place, "address", said, KEEP_ONE))
        seen.setdefault(row.address, row)
    if problems:
        raise BadInput(problems)
    existing = {target.address: target for target in organisation.targets or ()}
    return replace(
        organisation,
        targets=tuple((existing | seen).values()),
        contacts=None,
        authorisations=None,
        exclusions=None,
    )


def _decoded(content: bytes, name: str) -> str:
    """GB18030 contains GBK and GB 2312; UTF-8 comes first because Chinese GBK text is hardly ever valid UTF-8."""
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if marked else ("utf-8-sig", "gb18030"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    said = Sentence("the text is neither UTF-8 nor GB18030/GBK", "csv-not-text")
    raise BadInput([Problem(Place(name), "", said, Sentence("save it as 'CSV UTF-8'", "save-as-csv-utf-8"))])


def _delimiter(text: str) -> str:
    """Return what stands between the cells of the first line, as far as the names of columns tell; else a comma."""
    first = text.partition("\n")[0]

    def known(delimiter: str) -> int:
        return sum(cell.strip(' \r"').casefold() in _COLUMNS for cell in first.split(delimiter))

    return max(_DELIMITERS, key=known)


def _header(cells: list[str], source: str) -> list[str]:
    place = Place(source, 1)
    names = [_COLUMNS.get(cell.casefold(), "") for cell in cells]
    problems = [
        Problem(
            place, cell or "(empty)", Sentence("this column is unknown", "column-unknown"), suggestion(cell, _COLUMNS)
        )
        for cell, name in zip(cells, names, strict=True)
        if not name
    ]
    problems += [
        Problem(
            place,
            name,
            Sentence("this column is missing", "column-missing"),
            Sentence("begin with the line: address,zone,criticality,tags,ports,shared", "begin-with-header"),
        )
        for name in _REQUIRED
        if name not in names
    ]
    problems += [
        Problem(place, name, Sentence("this column comes twice", "column-twice"), KEEP_ONE)
        for name in sorted({name for name in names if name and names.count(name) > 1})
    ]
    if problems:
        raise BadInput(problems)
    return names


def _filled(
    lines: list[tuple[int, list[str]]], width: int, name: str, problems: list[Problem]
) -> list[tuple[int, list[str]]]:
    filled = [(line, cells) for line, cells in lines if any(cells)]
    for line, cells in filled:
        if len(cells) > width and any(cells[width:]):
            said = Sentence(
                f"the row has {len(cells)} cells, not {width}", "row-too-long", count=len(cells), width=width
            )
            right = Sentence('quote a cell that holds commas, such as "80,443"', "quote-commas")
            problems.append(Problem(Place(name, line), "", said, right))
    return filled


class _Row:
    """One row's cells by column; what is wrong with one is noted."""

    def __init__(self, place: Place, cells: dict[str, str], problems: list[Problem]) -> None:
        self._place = place
        self._cells = cells
        self._problems = problems

    def read(self, limits: Limits) -> TargetSpec:
        return TargetSpec(
            address=self._checked("address", lambda text: _address(text, limits)),
            zone=self._checked("zone", _present),
            criticality=self._word("criticality", _CRITICALITY),
            tags=tuple(sorted({tag.strip() for tag in self._checked("tags", _printable).split(";") if tag.strip()})),
            ports=self._checked("ports", lambda text: format_ports(parse_ports(text)) if text else ""),
            shared=self._word("shared", _FLAGS),
            blackouts=self._blackouts(),
            place=self._place,
        )

    def _blackouts(self) -> tuple[str, ...]:
        texts = [text.strip() for text in self._cells.get("blackouts", "").split(";") if text.strip()]
        try:
            return tuple(dict.fromkeys(window.text for window in parse_windows(texts)))
        except WrongText as error:
            self._problems.append(Problem(self._place, "blackouts", error.sentence))
            return ()

    def _checked(self, column: str, parse: Callable[[str], str]) -> str:
        try:
            return parse(self._cells.get(column, ""))
        except WrongText as error:
            self._problems.append(Problem(self._place, column, error.sentence))
            return ""

    def _word(self, column: str, words: dict[str, T]) -> T:
        text = self._cells.get(column, "")
        if text.casefold() not in words:
            self._problems.append(Problem(self._place, column, not_known(text), suggestion(text, filter(None, words))))
            return words[""]
        return words[text.casefold()]


def _address(text: str, limits: Limits) -> str:
    parsed = parse_target(text)
    if parsed.network and (too_wide := limits.refusal(parsed.network)):
        raise too_wide
    return parsed.value


def _printable(text: str) -> str:
    if not text.isprintable():
        raise WrongText("it holds a line break or an unprintable character; write plain words", "cell-unprintable")
    return text


def _present(text: str) -> str:
    if not text:
        raise WrongText("it is empty; write the name of a registered zone", "zone-missing")
    return text
