"""What an SSH server offers before anyone logs in (RFC 4253 section 7.1)."""

from __future__ import annotations

from dataclasses import dataclass

from scanner.engine.facts.service import Exchange

CERTIFIED = "-cert-v01@openssh.com"
"""Ends the name of a host key that comes in a certificate (OpenSSH's PROTOCOL.certkeys); its signature is the same."""

RSA1 = "rsa1"
"""The algorithm of a host key of protocol version 1, which has no other."""


@dataclass(frozen=True, slots=True)
class SshHostKey:
    """A host key the server proved or presented: algorithm name, size in bits, SHA-256 fingerprint (base64)."""

    algorithm: str
    bits: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class SshFacts:
    """Identification string and the algorithm lists of the server's KEXINIT, in the server's order.

    ``host_keys`` is empty and ``auth_methods`` None when the conversation did not get that far; ``ended`` tells why,
    when it broke off.
    """

    banner: str
    kex: tuple[str, ...] = ()
    host_key_algorithms: tuple[str, ...] = ()
    ciphers: tuple[str, ...] = ()
    macs: tuple[str, ...] = ()
    compression: tuple[str, ...] = ()
    host_keys: tuple[SshHostKey, ...] = ()
    auth_methods: tuple[str, ...] | None = None
    exchanges: tuple[Exchange, ...] = ()
    ended: str = ""
