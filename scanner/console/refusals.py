"""Why something could not be done, in the words of its reader. No other text of an error reaches a page."""

from __future__ import annotations

import logging
from datetime import date
from enum import Enum

from scanner.delivery.reports import PRUNED
from scanner.delivery.sender import LOST, NO_CONTACT, WRITTEN
from scanner.engine.errors import Refused, RoundsmanError, ToolError
from scanner.engine.hostile import line
from scanner.engine.sentence import Sentence
from scanner.remediation.lifecycle import State
from scanner.reports.dates import written
from scanner.reports.words import Words, sentences
from scanner.rounds.models import PlanKind, RoundState
from scanner.upkeep.restore import HELD
from targets.registry.problems import Problem
from targets.wrong import WrongText

_LONGEST = 200
"""Characters of what a refusal quotes."""

_NOTED = {HELD: "held", LOST: "lost", NO_CONTACT: "no-contact", PRUNED: "pruned"}
"""What we note of mails, and the text of it."""

_log = logging.getLogger(__name__)


def why(error: RoundsmanError | WrongText, t: Words) -> str:
    """Return why; what has no words of its own is told in the log, and its reader that it is there."""
    match error:
        case Refused() | WrongText():
            return worded(error.sentence, t)
        case ToolError():
            return t("console.refusal.tool")
        case _:
            _log.warning("A page could not say why something failed: %s", error)
            return t("console.refusal.unsaid")


def worded(sentence: str, t: Words) -> str:
    """Return a sentence in the words of its reader: the text ``console.refusal.<code>``."""
    if not isinstance(sentence, Sentence):
        _log.warning("A page could not say: %s", sentence)
        return t("console.refusal.unsaid")
    told = {name: _said(value, t) for name, value in sentence.values.items()}
    return t(f"console.refusal.{sentence.code}", **told)


def reply_worded(reply: str, t: Words) -> str:
    """Return the last word on a mail: what we noted ourselves in words of the reader, the mail server's as it is."""
    if reply.startswith(WRITTEN):
        return t("console.mail_reply.written", path=reply.removeprefix(WRITTEN))
    return t(f"console.mail_reply.{_NOTED[reply]}") if reply in _NOTED else reply


def problem_worded(problem: Problem, t: Words) -> str:
    """Return what is wrong, and what would be right."""
    said = (each for each in (problem.wrong, problem.right) if each is not None)
    return sentences((worded(each, t) for each in said), t.language)


def _said(value: object, t: Words) -> object:
    match value:
        case State():
            return t(f"state.{value}")
        case RoundState():
            return t(f"round_state.{value}")
        case PlanKind():
            return t(f"kind.{value}")
        case Enum():
            raise TypeError(f"No page has words for {value!r}.")
        case date():
            return written(value, t.language)
        case tuple():
            return t.listed([line(str(each), _LONGEST) for each in value])
        case str():
            return line(value, _LONGEST)
        case _:
            return value
