"""Telling FTP from SMTP where the greeting names neither: both start with code 220."""

from __future__ import annotations

from scanner.engine.errors import ProbeError
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.services import ftp, smtp
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.replies import ReplyReader

_COMPLETED, _FEATURES = 250, 211


async def tell_apart(contact: Contact) -> ServiceProbe | None:
    """Ask EHLO, which only mail servers obey, then FEAT, which only file servers know; None when neither fits."""
    try:
        async with contact.open() as conversation:
            replies = ReplyReader(conversation)
            await replies.greeting(ftp.BANNER_TIMEOUT)
            if (await replies.ask(b"EHLO " + smtp.HELO_NAME)).code == _COMPLETED:
                return smtp.PROBE
            features = await replies.ask(b"FEAT")
            return ftp.PROBE if features.code == _FEATURES or await _knows_ftp(replies) else None
    except ProbeError:
        return None


async def _knows_ftp(replies: ReplyReader) -> bool:
    """Old servers don't know FEAT, but they all ask a user for a password or refuse him (RFC 959 section 5.4)."""
    return (await replies.ask(b"USER roundsman")).code in (230, 331, 332, 530)
