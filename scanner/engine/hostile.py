"""What comes from a scanned host is hostile: make text printable, short and free of secrets before it is kept."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

Said = TypeVar("Said", str, bytes)
Told = TypeVar("Told")

EVIDENCE_LIMIT = 512
"""Characters of a reply that are kept as evidence."""

# Cc, Cf (format: bidirectional marks, zero-width), Cs, Co and Cn have no honest use in a banner.
_UNPRINTABLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}

# Linear on any text: a name is tried only at its first character, and possessive runs are never given back.
_SECRET = re.compile(
    r"(?i)(?<![A-Z0-9_.-])(?=[A-Z0-9_.-]*?(?:pass|pwd|secret|token|(?:api|access|private)[_-]?key))"
    r"([A-Z0-9_.-]++)([\"']?\s*+[=:]\s*+[\"']?)([^\s&;,\"']++)"
)


def remembering(most: int, longest: int) -> Callable[[Callable[[Said], Told]], Callable[[Said], Told]]:
    """Have a function remember what it made of the last ``most`` texts, but of none that is longer than ``longest``.

    Hosts say the same over and over; one that says something else each time can't fill the memory with it.
    """

    def wrap(function: Callable[[Said], Told]) -> Callable[[Said], Told]:
        remembered = lru_cache(maxsize=most)(function)

        @wraps(function)
        def told(said: Said) -> Told:
            return remembered(said) if len(said) <= longest else function(said)

        return told

    return wrap


def printable(text: str, limit: int = EVIDENCE_LIMIT) -> str:
    """Return ``text`` cut to ``limit`` characters, with controls and invisible marks escaped as ``\\xNN``."""
    cut = text[:limit]
    # Most text holds nothing to escape, and str.isprintable is false for every category that is.
    return cut if cut.isprintable() else "".join(_escape(char) for char in cut)[:limit]


def _escape(char: str) -> str:
    if unicodedata.category(char) not in _UNPRINTABLE:
        return char
    code = ord(char)
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(char) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


def printable_bytes(data: bytes, limit: int = EVIDENCE_LIMIT) -> str:
    """Return the beginning of ``data`` as printable text: UTF-8 where it is, escapes where it isn't."""
    return printable(data[:limit].decode("utf-8", errors="backslashreplace"), limit)


def line(text: str, limit: int = 200) -> str:
    """Return ``text`` as one printable line of at most ``limit`` characters, runs of white space folded."""
    return printable(" ".join(text.split()), limit)


def line_bytes(data: bytes, limit: int = 200) -> str:
    """Return ``data`` as one printable line: UTF-8 where it is, escapes where it isn't."""
    return line(data.decode("utf-8", "backslashreplace"), limit)


def mask_secrets(text: str) -> str:
    """Replace values that stand behind a secret-looking name by asterisks and the start of their SHA-256."""
    return _SECRET.sub(lambda m: f"{m[1]}{m[2]}****(sha256:{_digest(m[3])})", text)


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()[:12]
