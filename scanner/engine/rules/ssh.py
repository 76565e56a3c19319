"""SSH: algorithms by the server's own lists, never by its version, because distributions carry fixes back."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.engine.facts.ssh import CERTIFIED, RSA1, SshFacts
from scanner.engine.model import Confidence, Finding, Service, Severity
from scanner.engine.rules.base import Context, rule

# RFC 9142: SHOULD NOT and MUST NOT; group 14 with SHA-1 MAY be kept for old clients.
_KEX_BAD = ("diffie-hellman-group1-sha1", "diffie-hellman-group-exchange-sha1", "rsa1024-sha1")
_KEX_BAD_FAMILIES = ("gss-group1-sha1-", "gss-gex-sha1-")
_KEX_OLD = ("diffie-hellman-group14-sha1", "gss-group14-sha1-")
_CIPHERS_BROKEN = {"none", "arcfour", "arcfour128", "arcfour256", "des-cbc", "des-cbc@ssh.com"}
_CIPHERS_SHORT = {"3des-cbc", "blowfish-cbc", "cast128-cbc", "idea-cbc", "3des-ctr", "blowfish-ctr", "cast128-ctr"}
_MACS_COMMON = {"hmac-sha1", "hmac-sha1-etm@openssh.com", "umac-64@openssh.com", "umac-64-etm@openssh.com"}
_STRICT = "kex-strict-s-v00@openssh.com"
_CHACHA = "chacha20-poly1305@openssh.com"
_RSA_BITS = 2048
_DSA = {"ssh-dss", "x509v3-ssh-dss", "x509v3-sign-dss"}
_RSA_WITH_SHA1 = {"ssh-rsa", "x509v3-ssh-rsa", "x509v3-sign-rsa", "x509v3-sign-rsa-sha1"}
"""Plain, in an X.509 certificate (RFC 6187 sections 3.1 and 3.2), and as the drafts before that called it; Cisco's
routers offer the first two alone."""


@rule("SSH-V1")
def version(service: Service, context: Context) -> Iterator[Finding]:
    """Report protocol version 1; ``SSH-1.99`` offers both 1 and 2 (RFC 4253 section 5.1)."""
    if service.ssh is not None and service.ssh.banner.startswith("SSH-1."):
        yield context.finding("SSH-V1", service, exchanges=service.ssh.exchanges, banner=service.ssh.banner)


def _weak(
    check: str, service: Service, context: Context, levels: tuple[tuple[Severity, tuple[str, ...]], ...]
) -> Iterator[Finding]:
    """Yield one finding with all the names, as severe as the worst of them; ``levels`` go from worst to least."""
    names = [name for _, found in levels for name in found]
    if service.ssh is not None and names:
        severity = next(severity for severity, found in levels if found)
        yield context.finding(
            check, service, severity=severity, exchanges=service.ssh.exchanges, algorithms=", ".join(names)
        )


@rule("SSH-KEX-WEAK")
def key_exchange(service: Service, context: Context) -> Iterator[Finding]:
    """Report key exchanges that RFC 9142 gives up."""
    if service.ssh is None:
        return
    bad = tuple(name for name in service.ssh.kex if name in _KEX_BAD or name.startswith(_KEX_BAD_FAMILIES))
    old = tuple(name for name in service.ssh.kex if name.startswith(_KEX_OLD))
    yield from _weak("SSH-KEX-WEAK", service, context, ((Severity.MEDIUM, bad), (Severity.LOW, old)))


@rule("SSH-CIPHER-WEAK")
def ciphers(service: Service, context: Context) -> Iterator[Finding]:
    """Report ciphers: none and RC4 are high, 64-bit blocks medium, other CBC low."""
    if service.ssh is None:
        return
    offered = service.ssh.ciphers
    broken = tuple(name for name in offered if name in _CIPHERS_BROKEN)
    short = tuple(name for name in offered if name in _CIPHERS_SHORT)
    cbc = tuple(name for name in offered if "-cbc" in name and name not in (*broken, *short))
    levels = ((Severity.HIGH, broken), (Severity.MEDIUM, short), (Severity.LOW, cbc))
    yield from _weak("SSH-CIPHER-WEAK", service, context, levels)


@rule("SSH-MAC-WEAK")
def macs(service: Service, context: Context) -> Iterator[Finding]:
    """Report message authentication codes; those of today's system defaults are only a hint."""
    if service.ssh is None:
        return
    offered = service.ssh.macs
    none = tuple(name for name in offered if name == "none")
    weak = tuple(name for name in offered if "md5" in name or "-96" in name)
    common = tuple(name for name in offered if name in _MACS_COMMON)
    levels = ((Severity.MEDIUM, none), (Severity.LOW, weak), (Severity.INFO, common))
    yield from _weak("SSH-MAC-WEAK", service, context, levels)


@rule("SSH-HOSTKEY-WEAK")
def host_key(service: Service, context: Context) -> Iterator[Finding]:
    """Report DSA and short RSA keys, and servers that sign with SHA-1 only (RFC 8332)."""
    facts = service.ssh
    if facts is None:
        return
    offered = tuple(name.removesuffix(CERTIFIED) for name in facts.host_key_algorithms)
    short = [key for key in facts.host_keys if key.algorithm in ("ssh-rsa", RSA1) and key.bits < _RSA_BITS]
    if short or _DSA.intersection(offered):
        severity = Severity.MEDIUM
    elif offered and _RSA_WITH_SHA1.issuperset(offered):
        severity = Severity.LOW
    else:
        return
    yield context.finding(
        "SSH-HOSTKEY-WEAK",
        service,
        severity=severity,
        exchanges=facts.exchanges,
        key=", ".join(f"{key.algorithm} {key.bits}" for key in facts.host_keys) or "-",
        algorithms=", ".join(facts.host_key_algorithms) or "-",
    )


@rule("SSH-TERRAPIN")
def terrapin(service: Service, context: Context) -> Iterator[Finding]:
    """Report CVE-2023-48795: a cipher mode it works on, without the countermeasure in the server's list."""
    facts = service.ssh
    if facts is None or not facts.kex or _STRICT in facts.kex:
        return
    names = _truncatable(facts)
    if names:
        yield context.finding("SSH-TERRAPIN", service, exchanges=facts.exchanges, algorithms=", ".join(names))


def _truncatable(facts: SshFacts) -> list[str]:
    cbc = [name for name in facts.ciphers if "-cbc" in name]
    etm = [name for name in facts.macs if "-etm@" in name]
    return [name for name in facts.ciphers if name == _CHACHA] + (cbc + etm if cbc and etm else [])


@rule("SSH-PASSWORD")
def password(service: Service, context: Context) -> Iterator[Finding]:
    """Report log-in by password. Keyboard-interactive alone may ask for a second factor: possible."""
    facts = service.ssh
    if facts is None or facts.auth_methods is None:
        return
    methods = set(facts.auth_methods)
    if methods & {"password", "none"}:
        confidence = Confidence.CONFIRMED
    elif "keyboard-interactive" in methods:
        confidence = Confidence.POSSIBLE
    else:
        return
    yield context.finding(
        "SSH-PASSWORD",
        service,
        confidence=confidence,
        exchanges=facts.exchanges,
        methods=", ".join(facts.auth_methods),
    )


RULES = (version, key_exchange, ciphers, macs, host_key, terrapin, password)
