"""Telling FTP, SMTP and LMTP apart where the greeting names none of them: all start with code 220."""

from __future__ import annotations

from scanner.engine.errors import ProbeError
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.services import ftp, lmtp, smtp
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.replies import ReplyReader

_COMPLETED, _FEATURES = 250, 211


async def tell_apart(contact: Contact) -> ServiceProbe | None:
    """Ask EHLO and LHLO, which only mail servers obey, then FEAT, which only file servers know; None when none fits.

    The two have a connection each: ProFTPD hangs up on whoever speaks to it as to a mail server.
    """
    for ask in (_as_mail, _as_ftp):
        try:
            async with contact.open() as conversation:
                replies = ReplyReader(conversation)
                await replies.greeting(ftp.BANNER_TIMEOUT)
                if found := await ask(replies):
                    return found
        except ProbeError:
            continue
    return None


async def _as_mail(replies: ReplyReader) -> ServiceProbe | None:
    if (await replies.ask(b"EHLO " + smtp.HELO_NAME)).code == _COMPLETED:
        return smtp.PROBE
    return lmtp.PROBE if (await replies.ask(lmtp.HELLO)).code == _COMPLETED else None


async def _as_ftp(replies: ReplyReader) -> ServiceProbe | None:
    features = await replies.ask(b"FEAT")
    return ftp.PROBE if features.code == _FEATURES or await _knows_ftp(replies) else None


async def _knows_ftp(replies: ReplyReader) -> bool:
    """Old servers don't know FEAT, but they all ask a user for a password or refuse him (RFC 959 section 5.4)."""
    return (await replies.ask(b"USER roundsman")).code in (230, 331, 332, 530)
