"""Cells of tables for office programs: text that they neither run nor are disturbed by."""

from __future__ import annotations

import re

from scanner.engine.hostile import line

CELL_LIMIT = 2000
"""Characters of a cell; an office program takes 32,767."""

_FORMULA = re.compile(r"[=+\-@\t\r＝＋－＠]")
"""A cell that begins so may be run by an office program (OWASP, CSV injection), full-width signs in Asian ones too."""


def inert(text: str) -> str:
    """Return ``text`` as one printable line that no office program takes for a formula."""
    cell = line(text, CELL_LIMIT)
    return f"'{cell}" if _FORMULA.match(cell) else cell
