"""Tells whether two replies are the same page, so that a page given for everything proves nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass

from scanner.engine.facts.http import HttpReply
from scanner.engine.probes.http_redirects import REDIRECTS

_COMPARED = 16 * 1024
_WORD = re.compile(r"[^\W\d_]{2,30}")

LENGTH_TOLERANCE = 0.02
"""Bodies whose lengths differ by no more than this share may be the same page."""

SAME_WORDS, SIMILAR_WORDS = 0.9, 0.75
"""Share of common words (Jaccard index) from which two pages are the same, at any length and at about equal length."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A page without its numbers, its own path and its order: what is left of a page that embeds those."""

    status: int
    length: int
    words: frozenset[str]

    @classmethod
    def of(cls, reply: HttpReply) -> Fingerprint:
        text = reply.body[:_COMPARED].replace(reply.path, " ").lower()
        return cls(reply.status, reply.body_bytes, frozenset(_WORD.findall(text)))

    def same_page(self, other: Fingerprint) -> bool:
        """Tell whether both look like the same page; a different status is a different page."""
        if self.status != other.status:
            return False
        every = self.words | other.words
        if not every:
            return self.length == other.length
        common = len(self.words & other.words) / len(every)
        about_equal = abs(self.length - other.length) <= LENGTH_TOLERANCE * max(self.length, other.length)
        return common >= SAME_WORDS or (about_equal and common >= SIMILAR_WORDS)


def is_same_page(reply: HttpReply, other: Fingerprint) -> bool:
    """Tell whether both are one page for everything. Redirects are not told apart by their pages, which all read alike,
    but by where they lead, and that is what their signatures judge."""
    return reply.status not in REDIRECTS and Fingerprint.of(reply).same_page(other)
