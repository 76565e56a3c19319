"""What the doctor says of one thing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, what was seen, and, unless all is well, what to do about it."""

    name: str
    health: Health
    seen: str
    todo: str = ""


def ok(name: str, seen: str) -> Check:
    """Say that all is well."""
    return Check(name, Health.OK, seen)


def warn(name: str, seen: str, todo: str) -> Check:
    """Say that it works, but needs somebody's attention."""
    return Check(name, Health.WARN, seen, todo)


def fail(name: str, seen: str, todo: str) -> Check:
    """Say that it doesn't work."""
    return Check(name, Health.FAIL, seen, todo)


def examined(name: str, look: Callable[[], Check]) -> Check:
    """Return what ``look`` says; that it broke is a finding of its own, and hinders no other."""
    try:
        return look()
    except Exception as error:  # noqa: BLE001 - the doctor is asked when something is broken
        return fail(
            name, f"could not be looked at: {error!r}", "See what the error says; it may be a flaw of Roundsman."
        )


def some(items: list[str], shown: int = 5) -> str:
    """Name the first few, and count the others."""
    more = len(items) - shown
    return "; ".join(items[:shown]) + (f"; and {more} more" if more > 0 else "")
