"""The mail by which somebody is let in: a link that sets a password, once."""

from __future__ import annotations

from datetime import datetime

from scanner.delivery.letters import Frame, Written, write
from scanner.reports.dates import Dates
from scanner.reports.words import words


def invitation_letter(name: str, link: str, expires: datetime, frame: Frame) -> Written:
    """Write to ``name`` by which link a password is set until ``expires``. ``link`` is a secret of the reader."""
    t = words(frame.language)
    until = Dates(frame.language, frame.zone, frame.now).moment(expires)
    return write(
        "invitation",
        frame,
        subject=t("mail.invitation.subject"),
        headline=t("mail.invitation.headline"),
        preheader=t("mail.invitation.preheader", until=until),
        addressee=name,
        link=link,
        until=until,
    )
