"""Compares version numbers as their makers mean them."""

from __future__ import annotations

import re
from functools import total_ordering

_PART = re.compile(r"\d+|[a-z]+")
_BEFORE = {"dev": -5, "snapshot": -5, "alpha": -4, "a": -4, "beta": -3, "b": -3, "m": -3, "pre": -2, "rc": -2, "cr": -2}
"""Words that mark a release before the one they are attached to, from the earliest on."""


@total_ordering
class Version:
    """A version that can be ordered: ``1.9 < 1.10``, ``2.0-rc1 < 2.0 < 2.0.1``, ``1.1.1 < 1.1.1a``, ``9.2 < 9.2p1``.

    Trailing zeros mean nothing (``2.4 == 2.4.0``), nor does what stands behind ``+`` or in brackets: it names a build.
    A single letter after a number is a fix (OpenSSL's way), except ``a``, ``b`` and ``m`` before a further number
    (``3.0b2``), which are previews.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._key = _key(text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self._key == other._key

    def __lt__(self, other: Version) -> bool:
        return self._key < other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        return f"Version({self.text!r})"


def begins_with(version: str, beginning: str) -> bool:
    """Tell whether ``version`` lies in the release that ``beginning`` names: ``1.2`` begins ``1.2.7``, not ``1.20``."""
    return version.startswith(beginning) and not version[len(beginning) :][:1].isdecimal()


def _key(text: str) -> tuple[tuple[int, int], ...]:
    """Return numbers as (1, n), previews as (-1, …), fixes by letter as (0, …): in that order around nothing."""
    parts = _PART.findall(re.split(r"[+(~ ]", text.lower(), maxsplit=1)[0])
    key: list[tuple[int, int]] = []
    for place, part in enumerate(parts):
        number_follows = place + 1 < len(parts) and parts[place + 1].isdigit()
        if part.isdigit():
            key.append((2, int(part)))
            continue
        _drop_zeros(key)
        preview = part in _BEFORE and (len(part) > 1 or number_follows)
        key.append((-1, _BEFORE[part]) if preview else (1, ord(part[0])))
    _drop_zeros(key)
    return (*key, (0, 0))


def _drop_zeros(key: list[tuple[int, int]]) -> None:
    while key and key[-1] == (2, 0):
        key.pop()
