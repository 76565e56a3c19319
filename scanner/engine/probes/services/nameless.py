"""Greetings that name no protocol: code 220, with which FTP, SMTP and LMTP begin, and those that turn clients away."""

from __future__ import annotations

import re

from scanner.engine.errors import HostSilent, ProbeError
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.services import ftp, imap, lmtp, pop3, smtp
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.replies import NAMES_FTP, NAMES_SMTP, ReplyReader

GREETINGS = (b"220 ", b"220-", b"220\r")

_COMPLETED, _FEATURES = 250, 211

_TURNED_AWAY = (
    (smtp.PROBE, re.compile(rb"\A(?:421|521|55[04])[ -]")),
    (ftp.PROBE, re.compile(rb"\A(?:421|500|530)[ -]")),
    (imap.PROBE, re.compile(rb"(?i)\A\* BYE[ \r](?!.*MUPDATE)")),
    (pop3.PROBE, re.compile(rb"\A-ERR[ \r]")),
)
"""What a client is told who may not come in, or not now: RFC 5321 section 3.1 and RFC 7504, RFC 959 section 5.4,
RFC 3501 section 7.1.5, RFC 1939 section 3."""

_NAMES = {"smtp": NAMES_SMTP, "ftp": NAMES_FTP}


def turns_away(greeting: bytes, port: int) -> ServiceProbe | None:
    """Return the protocol whose servers turn clients away with such a greeting, on a port of its own or by its name.

    Elsewhere the same words may be those of others: Redis, too, says ``-ERR`` to one client too many.
    """
    for probe, words in _TURNED_AWAY:
        named = _NAMES.get(probe.protocol)
        if words.match(greeting) and (port in probe.ports or (named is not None and named.search(greeting))):
            return probe
    return None


async def tell_apart(contact: Contact) -> ServiceProbe | None:
    """Ask EHLO, LHLO and HELO, which only mail servers obey, then FEAT, which only file servers know; None when none
    fits.

    The two have a connection each: ProFTPD hangs up on whoever speaks to it as to a mail server.
    """
    for ask in (_as_mail, _as_ftp):
        greeted = False
        try:
            async with contact.open() as conversation:
                replies = ReplyReader(conversation)
                await replies.greeting(smtp.BANNER_TIMEOUT)
                greeted = True
                if found := await ask(replies):
                    return found
        except HostSilent:
            if not greeted:  # a greeting without an end, which has none the next time either
                return None
        except ProbeError:
            continue
    return None


async def _as_mail(replies: ReplyReader) -> ServiceProbe | None:
    """Servers from before RFC 1869 know no EHLO, and some firewalls hide that a server knows it."""
    for hello, probe in ((b"EHLO", smtp.PROBE), (b"LHLO", lmtp.PROBE), (b"HELO", smtp.PROBE)):
        if (await replies.ask(hello + b" " + smtp.HELO_NAME)).code == _COMPLETED:
            return probe
    return None


async def _as_ftp(replies: ReplyReader) -> ServiceProbe | None:
    features = await replies.ask(b"FEAT")
    return ftp.PROBE if features.code == _FEATURES or await _knows_ftp(replies) else None


async def _knows_ftp(replies: ReplyReader) -> bool:
    """Old servers don't know FEAT, but they all ask a user for a password or refuse him (RFC 959 section 5.4)."""
    return (await replies.ask(b"USER roundsman")).code in (230, 331, 332, 530)
