"""The mail that tells somebody what was done to their account, or tried. It has no link, so that none is expected."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from scanner.delivery.letters import Frame, Written, name_of, write
from scanner.reports.dates import Dates
from scanner.reports.words import Words, words
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


def account_letter(name: str, news: AccountNews, frame: Frame) -> Written:
    """Write to ``name`` what happened at ``frame.now``."""
    t = words(frame.language)
    topic = "role" if news.role else news.event
    return write(
        "account",
        frame,
        subject=t(f"mail.account.{topic}.subject"),
        headline=t("mail.kind.account"),
        preheader=t("mail.account.preheader", at=Dates(frame.language, frame.zone, frame.now).moment(frame.now)),
        addressee=name,
        what=_what(news, frame, t),
        origin=news.origin,
        by=news.by,
    )


def _what(news: AccountNews, frame: Frame, t: Words) -> str:
    if not news.role:
        return t(f"mail.account.{news.event}.text", n=KNOWN_DAYS, service=news.service or t("mail.account.sign_on"))
    role = t(f"account_role.{news.role}")
    if news.organisation is None:
        return t(f"mail.account.role.{news.event}", role=role)
    return t(f"mail.account.role.{news.event}_in", role=role, organisation=name_of(news.organisation, frame.language))
