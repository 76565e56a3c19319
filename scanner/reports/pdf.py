"""Makes PDF of our own pages: A4, tagged for screen readers (PDF/UA-1, ISO 14289-1), fonts embedded.

The same page gives the same bytes on a machine with the same fonts.
"""

from __future__ import annotations

import ctypes.util
import hashlib
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import is_dataclass, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, cast

from scanner.engine.errors import RoundsmanError
from scanner.reports.model import ReportModel
from scanner.reports.pdf_fonts import Fonts, fonts_of_the_system
from scanner.reports.render import render_html

if TYPE_CHECKING:
    from weasyprint import HTML

TEXT_LIMIT = 2000
"""Characters of any one text on paper. Facts are cut when they are kept; this holds whatever the model was made of."""


def render_pdf(model: ReportModel) -> bytes:
    """Return the report as PDF."""
    return pdf_of(paper_page(model))


def paper_page(model: ReportModel) -> str:
    """Return the page of which a report's PDF is made."""
    return render_html(_cut(model), paper=True)


def _cut(value: Any) -> Any:
    """Return the same with every text cut to the limit; what needs no cut is kept as it is, and costs little."""
    if isinstance(value, str):
        return value if len(value) <= TEXT_LIMIT else value[:TEXT_LIMIT]
    if isinstance(value, tuple):
        cut = tuple(map(_cut, value))
        return value if all(new is old for new, old in zip(cut, value, strict=True)) else cut
    if is_dataclass(value) and not isinstance(value, type):
        fields = {name: (getattr(value, name), _cut(getattr(value, name))) for name in value.__dataclass_fields__}
        changed = {name: new for name, (old, new) in fields.items() if new is not old}
        return replace(value, **changed) if changed else value
    return value


class LibraryMissingError(RoundsmanError):
    """The system lacks the libraries that set text: Debian's ``libpango-1.0-0`` and ``libpangoft2-1.0-0``."""


def pdf_of(page: str) -> bytes:
    """Return one of our pages as PDF. Nothing is fetched or read but what ``data:`` addresses hold.

    Raises ``LibraryMissingError`` where the system can't make any.
    """
    # Imported here, as it takes time and libraries of the system that other forms don't need.
    try:
        with _libraries_found_by_the_loader():
            from weasyprint import HTML
            from weasyprint.urls import URLFetcher
    except OSError as error:
        raise LibraryMissingError(
            f"PDF can't be made here: {error}. Install libpango-1.0-0 and libpangoft2-1.0-0."
        ) from error

    # Our style sheets are for browsers too; what WeasyPrint doesn't know of them is not worth a line each.
    logging.getLogger("weasyprint").setLevel(logging.CRITICAL)
    kind = HTML if _NOTES.search(page) else _without_notes()
    source = kind(string=page, url_fetcher=URLFetcher(allowed_protocols=("data",)))
    with fonts_of_the_system() as fonts:
        document = source.render(font_config=fonts, pdf_variant="pdf/ua-1")
        document.fonts = Fonts()
        identifier = hashlib.sha256(page.encode()).digest()[:16]
        done = document.write_pdf(finisher=_compress_once, pdf_variant="pdf/ua-1", pdf_identifier=identifier)
        return cast("bytes", done)


@contextmanager
def _libraries_found_by_the_loader() -> Iterator[None]:
    """Let no compiler and linker be asked for libraries, as ``ctypes`` does twenty times for names of other systems.

    Among the names that WeasyPrint tries are those by which the loader of Linux knows them.
    """

    def nowhere(name: str) -> str | None:
        del name
        return None

    find, ctypes.util.find_library = ctypes.util.find_library, nowhere
    try:
        yield
    finally:
        ctypes.util.find_library = find


def _compress_once(document: object, pdf: Any) -> None:
    """Have every part remember what it was compressed to: it is asked for to be written, and again for the digest."""
    from weasyprint.pdf import pydyf

    class Part(pydyf.Stream):  # type: ignore[misc]  # its base is untyped
        data = cached_property(pydyf.Stream.data.fget)

    del document
    for place, each in enumerate(pdf.objects):
        if isinstance(each, pydyf.Stream):
            pdf.objects[place] = part = Part(each.stream, each.extra, each.compress)
            part.number = each.number


_NOTES = re.compile(r"footnote|note\(")
"""What a style sheet that makes notes has in it."""


@cache
def _without_notes() -> type[HTML]:
    """Return WeasyPrint's page, without the rules of its own by which any element could have notes, or a list's marker.

    They match every element, which then holds six more styles than it needs: a quarter of the time, and of the memory.
    """
    from weasyprint import CSS, HTML
    from weasyprint.html import UA, UA_COUNTER_STYLE

    rules = "\n".join(rule for rule in UA.splitlines() if not rule.startswith(("::footnote-", "::note-")))
    sheet = CSS(string=rules.replace("\n::marker ", "\nli::marker "), counter_style=UA_COUNTER_STYLE)

    class Page(HTML):  # type: ignore[misc]  # its base is untyped
        def _ua_stylesheets(self, forms: bool = False) -> list[CSS]:
            return [sheet]

    return Page
