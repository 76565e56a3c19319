"""The mail that tells somebody what was done to their account, or tried. It has no link, so that none is expected."""

from __future__ import annotations

from scanner.delivery.account_news import KNOWN_DAYS, AccountNews
from scanner.delivery.letters import Frame, Written, name_of, write
from scanner.reports.dates import Dates
from scanner.reports.words import Words, words


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
