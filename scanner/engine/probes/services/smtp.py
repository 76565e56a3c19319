"""SMTP: STARTTLS, passwords in clear, VRFY, and (with permission) relaying for strangers.

Attributes: ``tls`` (see :mod:`.channel`); ``auth_clear``: mechanisms offered before TLS, joined by spaces;
``submission``: ``yes`` when mail is handed in here (port 587, or AUTH is offered); ``vrfy`` and
``vrfy_unknown``: the codes for ``postmaster`` and for a name that nobody has;
``relay``: ``accepted``, ``refused``, ``deferred``, or ``no-sender`` when it was the sender that was refused; the last
two leave open what the server would do. A server that wants TLS first (RFC 3207 section 4) is asked inside TLS.
"""

from __future__ import annotations

import os
import re

from scanner.engine.errors import ConnectionLost, ProbeError, UnexpectedReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.contact import Contact, permissive_tls
from scanner.engine.probes.dial import Conversation
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import Attributes, upgrade
from scanner.engine.probes.services.replies import NAMES_FTP, NAMES_SMTP, Reply, ReplyReader

BANNER_TIMEOUT = 30.0
"""Seconds that a server may delay its greeting to tell hurried spammers from mail servers."""

HELO_NAME = b"inspection.example.org"
SENDER = b"<inspection@example.org>"
RECIPIENT = b"<relay-test@example.net>"
"""Names reserved for documentation (RFC 2606): nobody's mail, and no message is ever sent."""

_OK, _WANTS_MORE = 250, 530
"""530 wants TLS first (RFC 3207 section 4), or a log-in (RFC 4954 section 6)."""

_NO_EHLO = frozenset({500, 501, 502, 504})
"""What EHLO earns from servers that don't know it (RFC 5321 section 3.2); other codes refuse who asks."""

_UNDECIDED = {
    "deferred": "The mail server put the recipient off; whether it relays for strangers is not known.",
    "no-sender": "The mail server refused the sender; whether it relays for strangers is not known.",
}
_RELAYING = re.compile(r"(?i)relay")
"""In a refusal for now (Postfix's ``defer_unauth_destination``), it names what is refused; greylisting names time."""

_ADDRESS = re.compile(r"\S+@\S+")
"""A server quotes our own addresses, whose names prove nothing."""

_WANTS_LOGIN = re.compile(r"(?i)authenti[cf]|log(?:ged)?[ -]?in\b|access denied")
_OF_THE_SENDER = re.compile(r"(?i)\b(?:sender|helo|ehlo|spf)\b")
"""Who we say that we are may be refused, too, and Postfix tells that only here (``smtpd_delay_reject``)."""

_OF_NAMES = re.compile(
    r"(?i)null ?mx|not accept mail|domain not found|unrouteable|cannot find your|blocked using|\b(?:black|block)list"
)
"""Refusals of a name that leads nowhere, or of the address we ask from: nothing is said of others, elsewhere."""

_BANNER = re.compile(rb"\A220[ -][^\n]*")
_PRODUCTS = (
    ("Postfix", re.compile(r"\bPostfix()\b")),
    ("Exim", re.compile(r"\bExim (\d[\w.]{0,15})")),
    ("Sendmail", re.compile(r"\bSendmail (\d[\w.]{0,15})")),
    ("Microsoft Exchange", re.compile(r"Microsoft ESMTP MAIL Service()")),
    ("OpenSMTPD", re.compile(r"\bOpenSMTPD()\b")),
    ("Coremail", re.compile(r"\bCoremail()\b")),
)


def recognises(banner: bytes) -> bool:
    """Tell whether the banner is a mail server's: code 220 and a first line that names (E)SMTP, and not FTP."""
    first = _BANNER.match(banner)
    return first is not None and bool(NAMES_SMTP.search(first[0])) and not NAMES_FTP.search(first[0])


async def look(contact: Contact) -> ServiceFacts:
    """Say EHLO; ask VRFY for ``postmaster`` and a random name; with permission ask whether strangers may relay.

    The relay test stops after RCPT TO and resets: DATA is never sent.
    """
    async with contact.open() as conversation:
        replies = ReplyReader(conversation)
        greeting = await replies.greeting(BANNER_TIMEOUT)
        if greeting.code != 220:
            raise UnexpectedReply(f"The mail server greeted with code {greeting.code}; it takes no one now.")
        hello = await replies.ask(b"EHLO " + HELO_NAME)
        if hello.code in _NO_EHLO:
            hello = await replies.ask(b"HELO " + HELO_NAME)
        if hello.code != 250:
            raise UnexpectedReply(f"The mail server answered our name with code {hello.code}; it does not talk to us.")
        attributes = _offered(contact, hello)
        relay, ended = "", ""
        try:
            if contact.level.at_least(Level.READ):
                attributes = (*attributes, *await _verify(replies))
            if contact.level.at_least(Level.CREDENTIAL):
                relay = await _relay(contact, conversation, replies)
                attributes = (*attributes, ("relay", relay))
                ended = _UNDECIDED.get(relay, "")
            await _quit(replies)
        except ProbeError as error:
            ended = str(error.args[0])
    product, version = _product(greeting.text)
    access = {"accepted": Access.OPEN, "refused": Access.RESTRICTED}.get(relay, Access.UNKNOWN)
    return ServiceFacts("SMTP", access, product, version, attributes, tuple(replies.evidence), ended)


def _offered(contact: Contact, hello: Reply) -> Attributes:
    extensions = {words[0].upper(): words[1:] for line in hello.lines[1:] if (words := line.split())}
    mechanisms = {mechanism.upper() for mechanism in extensions.get("AUTH", [])}
    mechanisms.update(name[5:] for name in extensions if name.startswith("AUTH="))
    attributes = upgrade(contact, offered="STARTTLS" in extensions)
    if mechanisms or contact.endpoint.port == 587:
        attributes = (*attributes, ("submission", "yes"))
    if mechanisms and not contact.tls:
        attributes = (*attributes, ("auth_clear", " ".join(sorted(mechanisms))))
    return attributes


async def _verify(replies: ReplyReader) -> Attributes:
    known = await replies.ask(b"VRFY postmaster")
    if known.code not in (250, 251, 252):
        return (("vrfy", str(known.code)),)
    unknown = await replies.ask(b"VRFY roundsman-" + os.urandom(4).hex().encode())
    return (("vrfy", str(known.code)), ("vrfy_unknown", str(unknown.code)))


async def _relay(contact: Contact, conversation: Conversation, replies: ReplyReader) -> str:
    """Name a sender, and a recipient who is nobody's here; where the sender was refused, come again as a bounce."""
    sender = await replies.ask(b"MAIL FROM:" + SENDER)
    if sender.code == _WANTS_MORE and not contact.tls and (await replies.ask(b"STARTTLS")).code == 220:
        await conversation.start_tls(permissive_tls(), contact.target.hostname)
        await replies.ask(b"EHLO " + HELO_NAME)
        sender = await replies.ask(b"MAIL FROM:" + SENDER)
    if sender.code == _WANTS_MORE:
        return "refused"
    decided = await _recipient(replies) if sender.code == _OK else "no-sender"
    if decided == "no-sender" and (await replies.ask(b"MAIL FROM:<>")).code == _OK:
        decided = await _recipient(replies)
    return decided


async def _recipient(replies: ReplyReader) -> str:
    """Ask for the recipient, and take back the sender; a refusal that is not for relaying leaves it open."""
    recipient = await replies.ask(b"RCPT TO:" + RECIPIENT)
    await replies.ask(b"RSET")
    if recipient.code in (250, 251):
        return "accepted"
    said = _ADDRESS.sub("", recipient.text)
    if _RELAYING.search(said) or (recipient.code >= 500 and _WANTS_LOGIN.search(said)):
        return "refused"
    if _OF_THE_SENDER.search(said):
        return "no-sender"
    return "refused" if recipient.code >= 500 and not _OF_NAMES.search(said) else "deferred"


async def _quit(replies: ReplyReader) -> None:
    try:
        await replies.say(b"QUIT")
    except ConnectionLost:
        return


def _product(banner: str) -> tuple[str, str]:
    for product, pattern in _PRODUCTS:
        found = pattern.search(banner)
        if found:
            return product, found[1]
    return "", ""


PROBE = ServiceProbe(
    protocol="smtp", ports=frozenset({25, 465, 587, 2525}), greeting=b"", recognises=recognises, look=look
)
