"""Clear-text and legacy protocols: remote administration, file sharing, directories."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Confidence, Finding, Service, Severity
from scanner.engine.rules.base import Context, rule, worse


def _facts(service: Service, *codes: str) -> ServiceFacts | None:
    return service.facts if service.facts is not None and service.facts.service in codes else None


@rule("CLR-TELNET", "CLR-RSH", "CLR-TFTP")
def plain(service: Service, context: Context) -> Iterator[Finding]:
    """Report protocols that have no safe form. Telnet without a log-in prompt may be a game or a banner: possible."""
    facts = _facts(service, "TELNET", "RSH", "TFTP")
    if facts is None or service.tls:
        return
    if facts.service == "TELNET":
        prompt = facts.attribute("prompt")
        confidence = Confidence.CONFIRMED if prompt == "yes" else Confidence.POSSIBLE
        yield context.finding("CLR-TELNET", service, confidence=confidence, exchanges=facts.exchanges, prompt=prompt)
    else:
        yield context.finding(f"CLR-{facts.service}", service, exchanges=facts.exchanges)


@rule("CLR-FTP", "FTP-TLS-OPTIONAL", "FTP-ANON")
def ftp(service: Service, context: Context) -> Iterator[Finding]:
    """Report FTP without TLS, with TLS that is not required, and anonymous log-in."""
    facts = _facts(service, "FTP")
    if facts is None:
        return
    if facts.attribute("tls") == "refused":
        yield context.finding("CLR-FTP", service, exchanges=facts.exchanges)
    if facts.attribute("clear_login") == "accepted":
        yield context.finding("FTP-TLS-OPTIONAL", service, exchanges=facts.exchanges)
    if facts.attribute("anonymous") == "accepted":
        yield context.finding("FTP-ANON", service, exchanges=facts.exchanges)


@rule("CLR-VNC", "CLR-X11")
def desktops(service: Service, context: Context) -> Iterator[Finding]:
    """Report remote desktops that don't encrypt. Without any password they are ``SVC-*-UNAUTH`` as well."""
    facts = _facts(service, "VNC", "X11")
    if facts is None or service.tls:
        return
    if facts.service == "X11":
        access = facts.attribute("refusal") or str(facts.access)
        yield context.finding("CLR-X11", service, exchanges=facts.exchanges, access=access)
    elif facts.attribute("encrypted") == "no":
        yield context.finding("CLR-VNC", service, exchanges=facts.exchanges, types=facts.attribute("types"))


@rule("CLR-RPCBIND", "NFS-EXPORT")
def rpc(service: Service, context: Context) -> Iterator[Finding]:
    """Report a port mapper that lists its programs, and NFS exports; one that is for everyone is high."""
    facts = _facts(service, "RPCBIND")
    if facts is None or facts.access is not Access.OPEN:
        return
    yield context.finding("CLR-RPCBIND", service, exchanges=facts.exchanges, programs=facts.attribute("programs"))
    exports, everyone = facts.attribute("exports"), facts.attribute("everyone")
    if exports:
        finding = context.finding("NFS-EXPORT", service, exchanges=facts.exchanges, exports=exports, everyone=everyone)
        yield worse(Severity.HIGH, finding) if everyone == "yes" else finding


@rule("RSYNC-OPEN")
def rsync(service: Service, context: Context) -> Iterator[Finding]:
    """Report listed modules: high when at least one is served without a password."""
    facts = _facts(service, "RSYNC")
    if facts is None or not facts.attribute("modules"):
        return
    opened = facts.attribute("open_modules")
    finding = context.finding(
        "RSYNC-OPEN", service, exchanges=facts.exchanges, modules=facts.attribute("modules"), open=opened or "-"
    )
    yield worse(Severity.HIGH, finding) if opened else finding


@rule("SMBV1", "SMB-SIGN")
def smb(service: Service, context: Context) -> Iterator[Finding]:
    """Report SMB version 1 and signing that is not required."""
    facts = _facts(service, "SMB")
    if facts is None:
        return
    if facts.attribute("smb1") == "accepted":
        yield context.finding("SMBV1", service, exchanges=facts.exchanges)
    if facts.attribute("signing") == "optional":
        yield context.finding("SMB-SIGN", service, exchanges=facts.exchanges)


@rule("RDP-NLA-OFF")
def rdp(service: Service, context: Context) -> Iterator[Finding]:
    """Report Remote Desktop that takes a client without network level authentication."""
    facts = _facts(service, "RDP")
    if facts is not None and facts.attribute("nla") in ("absent", "optional"):
        yield context.finding(
            "RDP-NLA-OFF",
            service,
            exchanges=facts.exchanges,
            weakest=facts.attribute("weakest"),
            nla=facts.attribute("nla"),
        )


@rule("LDAP-CLEAR", "LDAP-ANON")
def ldap(service: Service, context: Context) -> Iterator[Finding]:
    """Report LDAP without StartTLS, and anonymous binds: normal on their own (RFC 4513), medium when they read."""
    facts = _facts(service, "LDAP")
    if facts is None:
        return
    if facts.attribute("tls") == "refused":
        yield context.finding("LDAP-CLEAR", service, exchanges=facts.exchanges)
    unbound = facts.attribute("unbound")
    if facts.attribute("bind") == "accepted" or unbound == "entry":
        read = unbound or facts.attribute("read") or "-"
        finding = context.finding("LDAP-ANON", service, exchanges=facts.exchanges, read=read)
        yield worse(Severity.MEDIUM, finding) if read == "entry" else finding


RULES = (plain, ftp, desktops, rpc, rsync, smb, rdp, ldap)
