"""FTP: must a password travel in clear, and (with permission) does the server let ``anonymous`` in?

Attributes: ``tls`` (see :mod:`.channel`); ``clear_login``: ``accepted`` or ``refused``, what ``USER`` earned outside
TLS where TLS is offered; ``anonymous``: ``accepted`` or ``refused``, inside TLS where it is refused outside.
"""

from __future__ import annotations

import re

from scanner.engine.errors import ProbeError, UnexpectedReply
from scanner.engine.facts.service import Access, Exchange, ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.contact import Contact, permissive_tls
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import Attributes, upgrade
from scanner.engine.probes.services.replies import NAMES_FTP, NAMES_LMTP, NAMES_SMTP, ReplyReader

BANNER_TIMEOUT = 15.0
"""Seconds that a server may take to greet; some look up the client's name first."""

_GREETING = re.compile(rb"\A220[ -]")
_PRODUCTS = (
    ("vsftpd", re.compile(r"\(vsFTPd (\d[\w.]{0,15})\)")),
    ("ProFTPD", re.compile(r"ProFTPD (\d[\w.]{0,15})")),
    ("Pure-FTPd", re.compile(r"Pure-FTPd()")),
    ("FileZilla Server", re.compile(r"FileZilla Server (?:version )?(\d[\w.]{0,15})")),
    ("Microsoft ftpd", re.compile(r"Microsoft FTP Service()")),
)
_NO_FOLDER = frozenset({421, 530, 550})
"""What PWD earns where the log-in's root can't be entered; 500 and 502 are servers that don't know PWD."""
_REFUSAL, _REFUSAL_FOR_GOOD = 400, 500
"""Where the codes of refusals begin, and of those that are not for the moment alone (RFC 959 section 4.2.1)."""
_LOGGED_IN, _NEEDS_PASSWORD, _TLS_READY = 230, 331, 234


def recognises(banner: bytes) -> bool:
    """Tell whether the banner is FTP's: code 220 and a text that names FTP. SMTP greets with 220 as well."""
    mail = NAMES_SMTP.search(banner) or NAMES_LMTP.search(banner)
    return bool(_GREETING.match(banner) and NAMES_FTP.search(banner) and not mail)


async def look(contact: Contact) -> ServiceFacts:
    """Ask for AUTH TLS; where it is there, whether a log-in may do without (the user is ``roundsman``, no password).

    With permission, log in as ``anonymous``, ask for the folder's name and quit: only 230 counts, because many servers
    ask every user for a password and then refuse; and not even that where the log-in leads to no folder.
    """
    attributes, banner, evidence = await _channel(contact)
    tls = dict(attributes).get("tls")
    access, ended = Access.UNKNOWN, ""
    try:
        if tls == "offered" and contact.level.at_least(Level.READ):
            said, more = await _log_in(contact, b"roundsman", None)
            evidence = (*evidence, *more)
            if said == "refused" and (await _log_in(contact, b"roundsman", None, upgraded=True))[0] == "refused":
                ended = "The FTP server refuses our user inside TLS too; what it takes outside is not known."
            else:
                attributes = (*attributes, ("clear_login", said))
        if contact.level.at_least(Level.CREDENTIAL):
            said, more = await _log_in(contact, b"anonymous", b"scan@example.org")
            evidence = (*evidence, *more)
            if said == "refused" and tls == "offered":
                said, more = await _log_in(contact, b"anonymous", b"scan@example.org", upgraded=True)
                evidence = (*evidence, *more)
            attributes = (*attributes, ("anonymous", said))
            access = Access.OPEN if said == "accepted" else Access.RESTRICTED
    except ProbeError as error:
        ended = str(error.args[0])
    product, version = _product(banner)
    return ServiceFacts("FTP", access, product, version, attributes, evidence, ended)


async def _channel(contact: Contact) -> tuple[Attributes, str, tuple[Exchange, ...]]:
    async with contact.open() as conversation:
        replies = ReplyReader(conversation)
        greeting = await replies.greeting(BANNER_TIMEOUT)
        if greeting.code != 220:
            raise UnexpectedReply(f"The FTP server greeted with code {greeting.code}; it takes no one now.")
        if contact.tls:
            return (), greeting.text, tuple(replies.evidence)
        await replies.ask(b"FEAT")
        answer = await replies.ask(b"AUTH TLS")
        if answer.code != _TLS_READY and answer.code < _REFUSAL:
            raise UnexpectedReply(f"The FTP server answered AUTH TLS with code {answer.code}, which means neither.")
        if answer.code != _TLS_READY:
            await replies.say(b"QUIT")
        return upgrade(contact, offered=answer.code == _TLS_READY), greeting.text, tuple(replies.evidence)


async def _log_in(
    contact: Contact, user: bytes, password: bytes | None, *, upgraded: bool = False
) -> tuple[str, tuple[Exchange, ...]]:
    """Return ``accepted`` or ``refused`` for a user name (without a password: for being asked for one)."""
    async with contact.open() as conversation:
        replies = ReplyReader(conversation)
        await replies.greeting(BANNER_TIMEOUT)
        if upgraded and (await replies.ask(b"AUTH TLS")).code == _TLS_READY:
            await conversation.start_tls(permissive_tls(), contact.target.hostname)
        answer = await replies.ask(b"USER " + user)
        accepted = answer.code in (_LOGGED_IN, _NEEDS_PASSWORD)
        if password is not None and answer.code == _NEEDS_PASSWORD:
            answer = await replies.ask(b"PASS " + password)
            accepted = answer.code == _LOGGED_IN
            if _REFUSAL <= answer.code < _REFUSAL_FOR_GOOD:
                raise UnexpectedReply(f"The FTP server put the log-in off with code {answer.code}.")
        elif password is not None:
            accepted = answer.code == _LOGGED_IN
        if accepted and password is not None:
            accepted = (await replies.ask(b"PWD")).code not in _NO_FOLDER
        if accepted:
            await replies.say(b"QUIT")
        return "accepted" if accepted else "refused", tuple(replies.evidence[1:])


def _product(banner: str) -> tuple[str, str]:
    for product, pattern in _PRODUCTS:
        found = pattern.search(banner)
        if found:
            return product, found[1]
    return "", ""


PROBE = ServiceProbe(protocol="ftp", ports=frozenset({21, 2121, 990}), greeting=b"", recognises=recognises, look=look)
