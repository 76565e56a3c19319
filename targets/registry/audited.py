"""Puts changes of the register on record: all of them together, and each authorisation and exclusion by itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from scanner.audit import trail
from targets.registry.plan import EVERYONE, Action, Change, Noun

AT_ONCE = 500
"""Changes that one entry lists; a larger register makes several."""

_ACTS = {
    Noun.AUTHORISATION: {
        Action.ADD: trail.Action.AUTHORISATION_ADDED,
        Action.CHANGE: trail.Action.AUTHORISATION_CHANGED,
        Action.RETIRE: trail.Action.AUTHORISATION_ENDED,
    },
    Noun.EXCLUSION: {
        Action.ADD: trail.Action.EXCLUSION_ADDED,
        Action.CHANGE: trail.Action.EXCLUSION_CHANGED,
        Action.RETIRE: trail.Action.EXCLUSION_ENDED,
    },
}


def record_changes(changes: Sequence[Change], when: datetime, *, actor: str) -> None:
    """Record what is being written, in the same transaction."""
    listed = [change for change in changes if change.noun not in _ACTS]
    for at in range(0, len(listed), AT_ONCE):
        told = [
            {"did": change.action, "what": change.noun, "organisation": change.organisation, **_summary(change)}
            for change in listed[at : at + AT_ONCE]
        ]
        trail.record(trail.Action.REGISTER_APPLIED, "register", actor=actor, at=when, changes=told)
    for change in changes:
        if change.noun in _ACTS:
            owner = change.organisation if change.organisation != EVERYONE else "everyone"
            act = _ACTS[change.noun][change.action]
            trail.record(act, f"{owner}: {change.key}", actor=actor, at=when, **_summary(change))


def _summary(change: Change) -> dict[str, object]:
    """Name the row, and its fields as a file says them: the new value, and the old one where there was one."""
    match change.action:
        case Action.ADD:
            return {"key": change.key, "fields": {each.field: each.new for each in change.fields}}
        case Action.CHANGE:
            return {"key": change.key, "fields": {each.field: [each.old, each.new] for each in change.fields}}
        case Action.RETIRE:
            return {"key": change.key}
