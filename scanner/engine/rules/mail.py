"""SMTP, IMAP and POP3: passwords in clear, missing encryption, relaying, leaked addresses."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.engine.model import Confidence, Finding, Service, Severity
from scanner.engine.rules.base import Context, rule, worse

_READABLE = {"PLAIN", "LOGIN"}
_NO_PASSWORD = {"GSSAPI", "GSS-SPNEGO", "KERBEROS_V4", "EXTERNAL", "ANONYMOUS"}
"""Mechanisms that send nothing which a password could be learned or guessed from: tickets, certificates, nobody."""
_CONFIRMED_ADDRESS = {"250", "251"}
_NO_SUCH_MAILBOX = {"550", "551", "553"}
"""RFC 5321 section 3.5.3: what VRFY of an unknown name earns; 554 and others refuse the question itself."""


@rule("SMTP-NOSTARTTLS", "SMTP-AUTH-CLEAR")
def encryption(service: Service, context: Context) -> Iterator[Finding]:
    """Report SMTP without STARTTLS (worse where mail is handed in), and passwords before TLS.

    Mechanisms that don't send the password itself (CRAM-MD5) are low.
    """
    facts = service.facts
    if facts is None or facts.service != "SMTP":
        return
    if facts.attribute("tls") == "refused":
        finding = context.finding("SMTP-NOSTARTTLS", service, exchanges=facts.exchanges)
        yield worse(Severity.MEDIUM, finding) if facts.attribute("submission") else finding
    mechanisms = facts.attribute("auth_clear")
    if set(mechanisms.split()) - _NO_PASSWORD:
        severity = None if set(mechanisms.split()) & _READABLE else Severity.LOW
        yield context.finding(
            "SMTP-AUTH-CLEAR", service, severity=severity, exchanges=facts.exchanges, mechanisms=mechanisms
        )


@rule("SMTP-OPENRELAY", "SMTP-VRFY")
def behaviour(service: Service, context: Context) -> Iterator[Finding]:
    """Report relaying and VRFY. A server may accept a recipient and drop the mail later, so relaying is probable.

    Code 252 ("cannot verify") confirms no address. Where unknown names are answered otherwise, as Postfix does, names
    can still be guessed one by one, which is a hint. Nor does a server confirm any that says yes to every name.
    """
    facts = service.facts
    if facts is None or facts.service != "SMTP":
        return
    if facts.attribute("relay") == "accepted":
        yield context.finding("SMTP-OPENRELAY", service, confidence=Confidence.PROBABLE, exchanges=facts.exchanges)
    known, unknown = facts.attribute("vrfy"), facts.attribute("vrfy_unknown")
    confirms = known in _CONFIRMED_ADDRESS and unknown not in _CONFIRMED_ADDRESS
    if confirms or (known == "252" and unknown in _NO_SUCH_MAILBOX):
        severity = None if confirms else Severity.INFO
        code, other = known, unknown or "-"
        yield context.finding(
            "SMTP-VRFY", service, severity=severity, exchanges=facts.exchanges, code=code, unknown=other
        )


@rule("IMAP-CLEAR", "POP-CLEAR")
def mailboxes(service: Service, context: Context) -> Iterator[Finding]:
    """Report mailboxes that take a password outside TLS."""
    facts = service.facts
    if facts is None or facts.service not in ("IMAP", "POP3") or facts.attribute("clear_login") != "accepted":
        return
    check = "IMAP-CLEAR" if facts.service == "IMAP" else "POP-CLEAR"
    login, tls = facts.attribute("clear_login"), facts.attribute("tls") or "-"
    yield context.finding(check, service, exchanges=facts.exchanges, login=login, tls=tls)


RULES = (encryption, behaviour, mailboxes)
