"""SNMP, NTP, DNS and the UDP services that answer small requests with larger replies."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scanner.engine.facts.service import ServiceFacts
from scanner.engine.model import Finding, Service, Severity, Transport
from scanner.engine.rules.base import Context, rule, worse

_AMPLIFIERS = {
    "MEMCACHED-UDP": "AMP-MEMCACHED",
    "CHARGEN-UDP": "AMP-CHARGEN",
    "QOTD": "AMP-QOTD",
    "SSDP": "AMP-SSDP",
    "MDNS": "AMP-MDNS",
    "CLDAP": "AMP-CLDAP",
    "NETBIOS": "AMP-NETBIOS",
    "MSSQL-BROWSER": "AMP-MSSQL",
    "PORTMAP": "AMP-PORTMAP",
    "COAP": "AMP-COAP",
    "WSD": "AMP-WSD",
    "RIP": "AMP-RIP",
    "SLP": "AMP-SLP",
    "ARD": "AMP-ARD",
    "UBIQUITI": "AMP-UBIQUITI",
}
_DIGIT = re.compile(r"\d")
_GREAT_FACTOR = 50
"""From this factor on an amplifier is high; the UDP protocols of US-CERT TA14-017A above it are few."""


@rule("CLR-SNMP12-PUBLIC", "SNMP-EXPOSED")
def snmp(service: Service, context: Context) -> Iterator[Finding]:
    """Report a well-known community, else that the agent answers strangers at all."""
    facts = _facts(service, "SNMP")
    if facts is None:
        return
    community = facts.attribute("community")
    if community:
        yield context.finding(
            "CLR-SNMP12-PUBLIC",
            service,
            exchanges=facts.exchanges,
            community=community,
            system=facts.attribute("system") or "-",
        )
    else:
        yield context.finding("SNMP-EXPOSED", service, exchanges=facts.exchanges, engine=facts.attribute("engine"))


@rule("NTP-MODE6", "NTP-MONLIST")
def ntp(service: Service, context: Context) -> Iterator[Finding]:
    """Report answers to control and private requests."""
    facts = _facts(service, "NTP")
    if facts is None:
        return
    sent, received = facts.attribute("bytes_in"), facts.attribute("bytes_out")
    for attribute, check in (("mode6", "NTP-MODE6"), ("monlist", "NTP-MONLIST")):
        if facts.attribute(attribute) == "answered":
            yield context.finding(check, service, exchanges=facts.exchanges, bytes_in=sent, bytes_out=received)


@rule("DNS-RECURSION", "DNS-AMP-ANY", "DNS-VERSION", "DNS-AXFR")
def dns(service: Service, context: Context) -> Iterator[Finding]:
    """Report open recursion (only what was resolved counts, not the flag), the version and transfers.

    Recursion is reported for UDP alone, where an answer can be sent to someone who never asked. Who resolves for
    strangers answers for the root too, which is then nothing of its own. A text without a digit ("none", "go away")
    takes the version's place to hide it.
    """
    facts = _facts(service, "DNS")
    if facts is None:
        return
    recursion = facts.attribute("recursion")
    if recursion == "open" and service.endpoint.transport is Transport.UDP:
        yield context.finding("DNS-RECURSION", service, exchanges=facts.exchanges, recursion=recursion)
    elif facts.attribute("root_out"):
        sent, received = facts.attribute("root_in"), facts.attribute("root_out")
        yield context.finding("DNS-AMP-ANY", service, exchanges=facts.exchanges, bytes_in=sent, bytes_out=received)
    if _DIGIT.search(facts.attribute("version")):
        yield context.finding("DNS-VERSION", service, exchanges=facts.exchanges, version=facts.attribute("version"))
    if facts.attribute("transfer"):
        yield context.finding("DNS-AXFR", service, exchanges=facts.exchanges, zone=facts.attribute("transfer"))


@rule("IKE-V1")
def key_exchange(service: Service, context: Context) -> Iterator[Finding]:
    """Report a gateway that chose a proposal of version 1; many answer that version only to refuse."""
    facts = _facts(service, "IKE")
    if facts is not None and facts.attribute("main_mode") == "accepted":
        yield context.finding("IKE-V1", service, exchanges=facts.exchanges, versions=facts.attribute("versions"))


@rule(*_AMPLIFIERS.values())
def amplifiers(service: Service, context: Context) -> Iterator[Finding]:
    """Report services that answer more than they are asked; the first datagram of the answer is what is counted."""
    facts = _facts(service, *_AMPLIFIERS)
    if facts is None:
        return
    sent, received = int(facts.attribute("bytes_in")), int(facts.attribute("bytes_out"))
    ratio = received / sent
    if ratio <= 1:
        return
    finding = context.finding(
        _AMPLIFIERS[facts.service],
        service,
        exchanges=facts.exchanges,
        bytes_in=str(sent),
        bytes_out=str(received),
        ratio=f"{ratio:.1f}",
    )
    yield worse(Severity.HIGH, finding) if ratio > _GREAT_FACTOR else finding


def _facts(service: Service, *codes: str) -> ServiceFacts | None:
    return service.facts if service.facts is not None and service.facts.service in codes else None


RULES = (snmp, ntp, dns, key_exchange, amplifiers)
