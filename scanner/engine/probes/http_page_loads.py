"""What a page's elements and styles load besides what stands in their usual attribute: pictures for other screens,
posters, backgrounds, further style sheets.

Only whole URLs by ``http:`` are of interest here. Every expression is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_IN_A_SET = re.compile(r"(?i)(?:^|[\s,])(http://[^\s,]{1,300})")
_IMPORTED = re.compile(r"""(?i)@import\s{1,9}(?:url\(\s{0,9})?["']?(http://[^\s"'()<>;]{1,300})""")
_DRAWN = re.compile(r"""(?i)\burl\(\s{0,9}["']?(http://[^\s"'()<>;]{1,300})""")
_NAMESPACE = re.compile(r"(?i)@namespace\b[^;{}]{0,300};")
"""The URL in it is a name, which nothing is loaded from (CSS Namespaces)."""

_OTHERWISE = {
    "video": "poster",
    "body": "background",
    "table": "background",
    "tr": "background",
    "td": "background",
    "th": "background",
}


def by_element(name: str, attributes: Mapping[str, str]) -> Iterator[str]:
    """Yield the ``http:`` URLs of pictures that an element loads by its further attributes."""
    if name in ("img", "source") and "srcset" in attributes:
        yield from _IN_A_SET.findall(attributes["srcset"][:4000])
    one = attributes.get(_OTHERWISE.get(name, ""), "")
    if name == "input" and attributes.get("type", "").lower() == "image":
        one = attributes.get("src", "")
    if one.lower().startswith("http:"):
        yield one


def by_styles(text: str) -> tuple[list[str], list[str]]:
    """Return the ``http:`` URLs of style sheets that ``text`` imports, and of the pictures and fonts that it draws
    with."""
    first, *rest = text.split("/*")
    style = _NAMESPACE.sub("", "".join((first, *(part.partition("*/")[2] for part in rest))))
    imported = _IMPORTED.findall(style)
    return imported, [url for url in _DRAWN.findall(style) if url not in imported]
