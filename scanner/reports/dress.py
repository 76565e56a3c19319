"""What of somebody's stationery is no template: style sheets and the logo, which become part of the page."""

from __future__ import annotations

import re
import struct
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from scanner.engine.errors import InputError
from scanner.reports.drawn import drawn
from scanner.reports.stationery import LOGOS, OWN_STYLE, SHIPPED, Problem, Stamp, Stationery, read_inside, stamp

STYLE = "css/report.css"

LOGO_LIMIT = 64 * 1024
"""Bytes: it is part of every page."""

LOGO_SIDE = 2000
"""Pixels of a PNG's longer side."""

_SVG = "{http://www.w3.org/2000/svg}"
_SVG_ELEMENTS = frozenset(
    [
        "svg",
        "g",
        "defs",
        "symbol",
        "use",
        "title",
        "desc",
        "path",
        "rect",
        "circle",
        "ellipse",
        "line",
        "polyline",
        "polygon",
        "text",
        "tspan",
        "linearGradient",
        "radialGradient",
        "stop",
        "clipPath",
        "mask",
        "pattern",
        "style",
    ]
)
_FROM_ELSEWHERE = re.compile(
    r"@import|expression\s*\(|url\s*\(\s*['\"]?\s*(?!data:|#|['\"]?#|['\"]?data:)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Dress:
    """``style`` is the style sheet of reports and bulletins, ``own_style`` what comes after every sheet.

    ``logo`` is a ``data:`` address, empty where there is none.
    """

    style: str
    own_style: str
    logo: str
    problems: tuple[Problem, ...]

    @property
    def picture(self) -> bytes:
        """The logo as PNG, for office programs; empty where there is none."""
        kind, _, content = self.logo.partition(";base64,")
        picture = b64decode(content)
        return _drawn(picture) if kind.endswith("svg+xml") else picture


def dress_of(stationery: Stationery) -> Dress:
    """Return the nearest good style sheets and logo. A file that can't be used stands for none, and is told of."""
    stamps = (stamp(folder / name) for folder in stationery.folders for name in (STYLE, OWN_STYLE, *LOGOS))
    return _dress(stationery.folders, tuple(each for each in stamps if each))


@lru_cache(maxsize=256)
def _dress(folders: tuple[Path, ...], stamps: tuple[Stamp, ...]) -> Dress:
    del stamps  # they are there so that what was read is read again once it changed
    problems: list[Problem] = []
    shipped = (SHIPPED / STYLE).read_text(encoding="utf-8")
    return Dress(
        _nearest(folders, (STYLE,), _style, problems) or shipped,
        _nearest(folders, (OWN_STYLE,), _style, problems),
        _nearest(folders, LOGOS, _logo, problems),
        tuple(problems),
    )


def _nearest(
    folders: tuple[Path, ...], names: tuple[str, ...], read: Callable[[str, bytes], str], problems: list[Problem]
) -> str:
    for folder in folders:
        for name in names:
            try:
                content = read_inside(folder, name)
                if content is not None:
                    return read(name, content)
            except (OSError, ValueError) as error:
                problems.append(Problem(folder / name, _line_of(error), str(error)))
    return ""


def _line_of(error: Exception) -> int | None:
    return error.line if isinstance(error, MisfitError) else None


class MisfitError(ValueError):
    def __init__(self, text: str, line: int | None = None) -> None:
        super().__init__(text)
        self.line = line


def _style(_: str, content: bytes) -> str:
    """Return a style sheet that fetches nothing and can't end its element."""
    text = content.decode("utf-8")
    for number, line in enumerate(text.splitlines(), 1):
        if "<" in line:
            raise MisfitError("a style sheet has no '<'", number)
        if _FROM_ELSEWHERE.search(line):
            raise MisfitError("fetches something from elsewhere; only data: addresses work", number)
    return text


def _logo(name: str, content: bytes) -> str:
    if len(content) > LOGO_LIMIT:
        raise MisfitError(f"is larger than {LOGO_LIMIT // 1024} KiB, which would be part of every page")
    if name.endswith(".png"):
        _check_png(content)
        kind = "png"
    else:
        _check_svg(content)
        kind = "svg+xml"
    return f"data:image/{kind};base64,{b64encode(content).decode('ascii')}"


def _check_png(content: bytes) -> None:
    """The signature, the header, and that each chunk is whole (PNG specification, sections 5.2, 5.3 and 11.2.1)."""
    if content[:8] != b"\x89PNG\r\n\x1a\n" or content[12:16] != b"IHDR":
        raise MisfitError("is no PNG")
    at, kind = 8, b""
    while kind != b"IEND":
        length = int.from_bytes(content[at : at + 4])
        end = at + 8 + length
        kind, checksum = content[at + 4 : at + 8], content[end : end + 4]
        if len(checksum) < 4 or int.from_bytes(checksum) != zlib.crc32(content[at + 4 : end]):
            raise MisfitError("is a PNG that is damaged")
        at = end + 4
    sides = struct.unpack(">II", content[16:24])
    if not all(0 < side <= LOGO_SIDE for side in sides):
        raise MisfitError(f"has more than {LOGO_SIDE} pixels on a side")


@lru_cache(maxsize=32)
def _drawn(svg: bytes) -> bytes:
    return drawn(svg)


def _check_svg(content: bytes) -> None:
    """Only drawing, of its own: no scripts, handlers, links, or anything from elsewhere."""
    try:
        picture: Element = fromstring(content, forbid_dtd=True)
    except ParseError as error:
        raise MisfitError(f"is no SVG: {error}", error.position[0]) from error
    except DefusedXmlException as error:
        raise MisfitError("has a document type, which an SVG here must not have") from error
    if picture.tag != f"{_SVG}svg":
        raise MisfitError("is no SVG")
    for element in picture.iter():
        tag = str(element.tag)
        if tag.startswith(_SVG) and tag.removeprefix(_SVG) not in _SVG_ELEMENTS:
            raise MisfitError(f"holds the element {tag.removeprefix(_SVG)}, which a logo must not have")
        if _FROM_ELSEWHERE.search(element.text or ""):
            raise MisfitError("fetches something from elsewhere")
        for attribute, value in element.attrib.items():
            plain = attribute.rpartition("}")[2].lower()
            if (
                plain.startswith("on")
                or (plain == "href" and not value.startswith("#"))
                or _FROM_ELSEWHERE.search(value)
            ):
                raise MisfitError(f"holds {plain}={value[:40]!r}, which a logo must not have")
    try:
        _drawn(content)
    except InputError as error:
        raise MisfitError(str(error)) from error
