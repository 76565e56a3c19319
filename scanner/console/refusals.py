"""Why something could not be done, in the words of its reader."""

from __future__ import annotations

from datetime import date

from scanner.engine.errors import Refused, RoundsmanError, ToolError
from scanner.remediation.lifecycle import State
from scanner.reports.dates import written
from scanner.reports.words import Words


def why(error: RoundsmanError, t: Words) -> str:
    """Return why: the text ``console.refusal.<code>`` of what was refused; other errors have but their message."""
    match error:
        case Refused():
            told = {name: _said(value, t) for name, value in error.values.items()}
            return t(f"console.refusal.{error.code}", **told)
        case ToolError():
            return t("console.refusal.tool")
        case _:
            return str(error.args[0])


def _said(value: object, t: Words) -> object:
    match value:
        case State():
            return t(f"state.{value}")
        case date():
            return written(value, t.language)
        case _:
            return value
