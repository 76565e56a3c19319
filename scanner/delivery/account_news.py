"""What owners of accounts are told by mail; the mail itself is written by :mod:`scanner.delivery.account_letter`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from targets.models import Organisation

KNOWN_DAYS = 90
"""Days after which a network that was not signed in from is a new one again."""


class AccountEvent(StrEnum):
    """What is told. The values are keys of the locale."""

    PASSWORD = "password"  # noqa: S105 - the name of an event
    FACTOR_ADDED = "factor-added"
    FACTOR_REMOVED = "factor-removed"
    CODES_RENEWED = "codes-renewed"
    LINKED = "linked"
    UNLINKED = "unlinked"
    ELSEWHERE = "elsewhere"
    LOCKED = "locked"
    ROLE_GIVEN = "given"
    ROLE_TAKEN = "taken"


@dataclass(frozen=True, slots=True)
class AccountNews:
    """An event, with the address it came ``origin`` from, or ``by`` whom, as far as that is known.

    ``role`` (its value) and ``organisation`` are of events of roles, ``service`` is the name of the single sign-on.
    """

    event: AccountEvent
    origin: str = ""
    by: str = ""
    role: str = ""
    organisation: Organisation | None = None
    service: str = ""
