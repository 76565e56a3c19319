"""What a token may be used for. It never lets its account do more than the account may: see :mod:`scanner.accounts`."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from scanner.engine.errors import Refused


class Scope(StrEnum):
    """An area, and whether it may be changed; to write includes to read.

    ``SWITCH`` is the kill switch, ``SYSTEM`` the doctor, the audit trail and the figures for monitoring.
    """

    REGISTER_READ = "register:read"
    REGISTER_WRITE = "register:write"
    PLANS_READ = "plans:read"
    PLANS_WRITE = "plans:write"
    ROUNDS_READ = "rounds:read"
    ROUNDS_WRITE = "rounds:write"
    FINDINGS_READ = "findings:read"
    FINDINGS_WRITE = "findings:write"
    REPORTS_READ = "reports:read"
    MAIL_READ = "mail:read"
    MAIL_WRITE = "mail:write"
    SWITCH_READ = "switch:read"
    SWITCH_WRITE = "switch:write"
    SYSTEM_READ = "system:read"


def covers(held: Iterable[str], needed: Scope) -> bool:
    """Tell whether ``held`` lets a token do what needs a scope."""
    area, _, access = needed.partition(":")
    held = set(held)
    return needed in held or (access == "read" and f"{area}:write" in held)


def parse_scopes(texts: Iterable[str]) -> tuple[Scope, ...]:
    """Return scopes in their order, each once. Raises ``Refused`` that names a wrong one, and for none."""
    wanted = set(texts)
    unknown = sorted(wanted - set(Scope))
    if unknown or not wanted:
        raise Refused(f"{', '.join(unknown) or 'Nothing'} is no scope; the scopes are {', '.join(Scope)}.", "no-scope")
    return tuple(each for each in Scope if each in wanted)
