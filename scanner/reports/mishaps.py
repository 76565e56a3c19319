"""Remembers which templates could not be used, so that the operators are told and not only the log.

It is kept in a file of the data directory. A template that was changed since, or is gone, is forgotten.
"""

from __future__ import annotations

import json
import logging
import traceback
from pathlib import Path
from typing import Any

from jinja2 import TemplateNotFound, TemplateSyntaxError

from scanner.engine.hostile import line
from scanner.files import draft_of
from scanner.reports.stationery import Problem, Stationery, stamp

FILE = "templates-broken.json"
KEPT = 50
"""Templates that are remembered; who has more than that broken has read of it already."""

_log = logging.getLogger(__name__)
_logged: set[str] = set()


def problem_of(error: Exception, stationery: Stationery, template: str) -> Problem:
    """Return what is wrong, with the file and line of the stationery that is nearest to it."""
    said = line(str(error) or type(error).__name__, 300)
    if isinstance(error, TemplateSyntaxError) and error.filename:
        return Problem(Path(error.filename), error.lineno, said)
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        path = Path(frame.filename)
        if any(path.is_relative_to(folder) for folder in stationery.folders):
            told = f"there is no template {said}" if isinstance(error, TemplateNotFound) else said
            return Problem(path, frame.lineno, told)
    return Problem(stationery.folders[0] / template, None, said)


def remember(problem: Problem) -> None:
    """Log a problem, and keep it for the doctor and the digest. That it can't be kept is logged, too."""
    if str(problem) not in _logged:
        _logged.add(str(problem))
        _log.error("%s; the shipped template was used instead", problem)
    place = _place()
    kept = {key: value for key, value in _kept(place).items() if _stamp(Path(key)) == value["stamp"]}
    known = {"line": problem.line, "text": problem.text, "stamp": _stamp(problem.path)}
    if kept.get(str(problem.path)) == known or len(kept) >= KEPT:
        return
    try:
        with draft_of(place) as draft:
            draft.write_text(json.dumps({**kept, str(problem.path): known}, indent=2), encoding="utf-8")
    except OSError:
        _log.exception("could not keep what is wrong with a template")


def remembered() -> list[Problem]:
    """Return the problems with templates that have not been changed since."""
    known = _kept(_place())
    return [
        Problem(Path(path), each["line"], each["text"])
        for path, each in sorted(known.items())
        if _stamp(Path(path)) == each["stamp"]
    ]


def _place() -> Path:
    from django.conf import settings  # as in stationery.py

    return Path(settings.DATA_DIR) / FILE


def _kept(place: Path) -> dict[str, dict[str, Any]]:
    try:
        known = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _stamp(path: Path) -> list[int] | None:
    known = stamp(path)
    return list(known[1:]) if known else None
