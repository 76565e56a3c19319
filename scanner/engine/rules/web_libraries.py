"""Script libraries of the first page whose version has a published flaw, or that nobody mends any more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scanner.engine.facts.http import ScriptLibrary
from scanner.engine.model import Confidence, Finding, Service, Severity
from scanner.engine.rules.base import Context, rule, worse
from scanner.engine.rules.web_site import listed, pages, quote_first_page

Version = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _Flaw:
    """Versions from ``since`` on and before ``mended`` have it. ``published`` is the day of its record."""

    since: Version
    mended: Version
    name: str
    published: str


# CVE records (cve.org) with the day they were published; state of 2026-11-23.
_FLAWS: dict[str, tuple[_Flaw, ...]] = {
    "jquery": (_Flaw((1, 0, 3), (3, 5, 0), "CVE-2020-11023", "2020-04-29"),),
    "jquery-ui": (_Flaw((1, 0, 0), (1, 13, 2), "CVE-2022-31160", "2022-07-20"),),
    "angularjs": (_Flaw((1, 3, 0), (2, 0, 0), "CVE-2024-21490", "2024-02-10"),),
    "bootstrap": (
        _Flaw((2, 0, 0), (3, 4, 1), "CVE-2019-8331", "2019-02-20"),
        _Flaw((4, 0, 0), (4, 3, 1), "CVE-2019-8331", "2019-02-20"),
    ),
    "lodash": (_Flaw((0, 1, 0), (4, 17, 21), "CVE-2021-23337", "2021-02-15"),),
    "moment": (_Flaw((2, 18, 0), (2, 29, 4), "CVE-2022-31129", "2022-07-06"),),
    "handlebars": (_Flaw((1, 0, 0), (4, 7, 7), "CVE-2021-23369", "2021-04-12"),),
    "underscore": (_Flaw((1, 3, 2), (1, 12, 1), "CVE-2021-23358", "2021-03-29"),),
    "axios": (_Flaw((0, 8, 1), (0, 28, 0), "CVE-2023-45857", "2023-11-08"),
              _Flaw((1, 0, 0), (1, 6, 0), "CVE-2023-45857", "2023-11-08")),
    "dompurify": (_Flaw((0, 1, 0), (2, 5, 4), "CVE-2024-45801", "2024-09-16"),
                  _Flaw((3, 0, 0), (3, 1, 3), "CVE-2024-45801", "2024-09-16")),
    "ckeditor": (_Flaw((4, 0, 0), (4, 24, 0), "CVE-2024-24815", "2024-02-07"),),
    "swiper": (_Flaw((1, 0, 0), (6, 5, 1), "CVE-2021-23370", "2021-04-12"),),
}  # fmt: skip

# Ends of support, as the projects announced them (endoflife.date); branches before ``mended`` are concerned.
_ENDS: dict[str, tuple[_Flaw, ...]] = {
    "jquery": (_Flaw((1, 0, 0), (3, 0, 0), "EOL", "2016-06-09"),),
    "angularjs": (_Flaw((1, 0, 0), (2, 0, 0), "EOL", "2021-12-31"),),
    "bootstrap": (
        _Flaw((1, 0, 0), (4, 0, 0), "EOL", "2019-07-24"),
        _Flaw((4, 0, 0), (5, 0, 0), "EOL", "2023-01-01"),
    ),
    "vue": (_Flaw((1, 0, 0), (3, 0, 0), "EOL", "2023-12-31"),),
    "ckeditor": (_Flaw((4, 0, 0), (5, 0, 0), "EOL", "2023-06-30"),),
}


@rule("WEB-JS-LIB")
def libraries(service: Service, context: Context) -> Iterator[Finding]:
    """The version is read from a name: a vendor may have mended the copy without renaming it, so it is probable."""
    for site in pages(service):
        told, severity = [], Severity.INFO
        for library in site.page.libraries if site.page else ():
            flaws, ends = _of(library, _FLAWS), _of(library, _ENDS)
            severity = Severity.LOW if flaws else severity
            if flaws or ends:
                reasons = ", ".join(f"{flaw.name} {flaw.published}" for flaw in (*flaws, *ends))
                told.append(f"{library.name} {library.version} [{reasons}]")
        if told:
            found = context.finding(
                "WEB-JS-LIB",
                service,
                confidence=Confidence.PROBABLE,
                exchanges=quote_first_page(site),
                site=site.url,
                libraries=listed(told),
            )
            yield worse(severity, found)


def _of(library: ScriptLibrary, table: dict[str, tuple[_Flaw, ...]]) -> tuple[_Flaw, ...]:
    """Return the flaws of that version. A version without a patch number counts as the newest of its branch."""
    numbers = [int(number) for number in library.version.split(".")[:3]]
    if len(numbers) < 3:
        numbers.append(999)
    version = (numbers[0], numbers[1], numbers[2])
    return tuple(flaw for flaw in table.get(library.name, ()) if flaw.since <= version < flaw.mended)


RULES = (libraries,)
