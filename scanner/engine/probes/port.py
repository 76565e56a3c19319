"""Everything about one open port: name it, then look at it in each way that fits what it is."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from scanner.engine.errors import ConnectionLost, ConnectionRefused, HostSilent, ProbeError, ToolError
from scanner.engine.facts.http import HttpFacts, HttpReply
from scanner.engine.facts.service import ServiceFacts
from scanner.engine.facts.tls import Answer, TlsFacts
from scanner.engine.model import Facet, Gap, GapReason, Level, Look, Service
from scanner.engine.plan import Profile
from scanner.engine.probes import http, ssh, starttls, tls_deep, tls_hello
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.http_session import HttpSession
from scanner.engine.probes.identify import Identification, identify
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.registry import PROBES
from scanner.engine.probes.services.web.base import WebServiceProbe
from scanner.engine.probes.services.web.registry import WEB_PROBES
from scanner.engine.probes.version_scan import VersionScanner

T = TypeVar("T")

UDP_WAIT = 1.0
"""Seconds that a datagram's answer may take; longer than any round trip on earth, and a host has many ports."""

_OURS = {"ms-wbt-server": "rdp", "netbios-ssn": "smb", "microsoft-ds": "smb", "ssl/http": "http", "rfb": "vnc"}
"""nmap's names of protocols that go by another name here."""

_SERVER = re.compile(r"^([A-Za-z][A-Za-z0-9 _.-]{1,40}?)/(\d[\w.+~-]{0,30})")
_SSH_SOFTWARE = re.compile(r"^SSH-[\d.]+-([A-Za-z][A-Za-z0-9.]*?)[_-](\d\S{0,30})")


@dataclass(slots=True)
class PortNotes:
    """What was really looked at on one port, and what was not: it becomes coverage."""

    contact: Contact
    looks: set[Look] = field(default_factory=set)
    gaps: list[Gap] = field(default_factory=list)
    requests: int = 0

    def looked(self, *facets: Facet) -> None:
        endpoint = self.contact.endpoint
        self.looks.update(Look(endpoint.port, endpoint.transport, facet) for facet in facets)

    def missed(self, facet: Facet, reason: GapReason, detail: str = "") -> None:
        endpoint = self.contact.endpoint
        self.gaps.append(Gap(reason, facet, endpoint.port, endpoint.transport, detail))

    async def attempt(self, facet: Facet, look: Awaitable[T]) -> T | None:
        """Await a probe; a ``ProbeError`` becomes a gap of ``facet``, because what broke off proves nothing."""
        try:
            return await look
        except ProbeError as error:
            self.missed(facet, reason_of(error))
            return None


def reason_of(error: ProbeError) -> GapReason:
    """Return why a probe that broke off inspected nothing."""
    match error:
        case HostSilent():
            return GapReason.TIMED_OUT
        case ConnectionLost() | ConnectionRefused():
            return GapReason.CONNECTION_BROKEN
        case _:
            return GapReason.PROTOCOL_ERROR


async def look_at_port(contact: Contact, profile: Profile, versions: VersionScanner, notes: PortNotes) -> Service:
    """Return what is on one open TCP port; coverage goes to ``notes``. Raises ``RefusedByScope`` only."""
    found = await identify(contact)
    service = Service(contact.endpoint, found.protocol, tls=found.tls, banner=found.banner)
    if not found.known or found.protocol == "tls":
        service = await _ask_nmap(service, found, profile, versions, notes)
        found = replace(found, protocol=service.protocol, probe=_probe_of(service.protocol))
    return await _look(service, found, contact, profile, notes)


async def look_again(service: Service, contact: Contact, profile: Profile, notes: PortNotes) -> Service:
    """Look once more, on new connections, at what the first look reported; for confirmation."""
    found = Identification(service.protocol, service.tls, service.banner, _probe_of(service.protocol))
    return await _look(service, found, contact, profile, notes)


def _probe_of(protocol: str) -> ServiceProbe | None:
    return next((probe for probe in PROBES if probe.protocol == protocol), None)


async def _look(known: Service, found: Identification, contact: Contact, profile: Profile, notes: PortNotes) -> Service:
    inner = replace(contact, tls=known.tls)
    service, tls_facts = known, known.tls_facts
    if known.tls:
        tls_facts = await _look_at_tls(contact, "", known.tls_facts, profile, notes)
    match known.protocol:
        case "http":
            service = await _look_at_http(known, inner, profile, notes)
        case "ssh":
            service = await _look_at_ssh(known, inner, notes)
        case _ if found.probe is not None:
            facts = await notes.attempt(Facet.SERVICE, found.probe.look(inner))
            service = _with_facts(known, facts)
    if not known.tls and known.protocol in starttls.STARTTLS and _offers_tls(service):
        tls_facts = await _look_at_tls(contact, known.protocol, known.tls_facts, profile, notes)
    if known.protocol != "unknown":
        _note_what_does_not_apply(notes, tls_tried=tls_facts is not None or known.tls, is_http=known.protocol == "http")
    return replace(service, tls_facts=tls_facts)


def _note_what_does_not_apply(notes: PortNotes, *, tls_tried: bool, is_http: bool) -> None:
    """A port that was named has every facet covered that its protocol doesn't have: nothing of it is there."""
    missed = {gap.facet for gap in notes.gaps}
    covered = {Facet.PORT, Facet.SERVICE}
    covered.update(() if tls_tried else (Facet.TLS, Facet.CERTIFICATE))
    covered.update(() if is_http else (Facet.HTTP, Facet.CONTENT))
    notes.looked(*(covered - missed))


async def _ask_nmap(
    service: Service, found: Identification, profile: Profile, versions: VersionScanner, notes: PortNotes
) -> Service:
    """Let nmap name what said something we don't know; total silence is only worth its minutes in a deep look."""
    spoke = bool(found.banner) or found.tls
    named = None
    if (spoke and profile is not Profile.QUICK) or (profile is Profile.DEEP and not found.closes_at_once):
        try:
            named = await versions.name(service.endpoint)
        except ToolError as error:
            notes.missed(Facet.SERVICE, GapReason.TOOL_FAILED, str(error))
    if named is None:
        if not found.tls:
            closes = GapReason.CLOSES_AT_ONCE if found.closes_at_once else GapReason.NOT_IDENTIFIED
            notes.missed(Facet.SERVICE, closes)
        return service
    return replace(service, protocol=named.protocol, product=named.product, version=named.version, cpe=named.cpe)


async def _look_at_tls(
    contact: Contact, protocol: str, before: TlsFacts | None, profile: Profile, notes: PortNotes
) -> TlsFacts | None:
    sweep = tls_hello.look(contact, server_name=contact.target.hostname, starttls=protocol, again=before)
    facts = await notes.attempt(Facet.TLS, sweep)
    if facts is None:
        notes.missed(Facet.CERTIFICATE, GapReason.PROTOCOL_ERROR)
        return None
    if profile is Profile.DEEP:
        facts = await tls_deep.look_deeper(contact, facts, again=before)
    if facts.complete:
        notes.looked(Facet.TLS)
    elif facts.needs_name and not facts.chains:
        notes.missed(Facet.TLS, GapReason.NEEDS_NAME, facts.ended)
    else:
        notes.missed(Facet.TLS, GapReason.CONNECTION_LIMITED, facts.ended)
    if facts.chains:
        notes.looked(Facet.CERTIFICATE)
    elif any(answer is Answer.YES for _, answer in facts.versions) and facts.complete:
        notes.looked(Facet.CERTIFICATE)  # anonymous suites only: there is no certificate to see
    else:
        reason = GapReason.NEEDS_NAME if facts.needs_name else GapReason.PROTOCOL_ERROR
        notes.missed(Facet.CERTIFICATE, reason, facts.ended)
    return facts


async def _look_at_http(known: Service, contact: Contact, profile: Profile, notes: PortNotes) -> Service:
    """Look at the site under the registered name and under the bare address, then for products on top of HTTP."""
    if profile is Profile.QUICK:
        contact = replace(contact, level=Level.GREETING)
    names = dict.fromkeys((contact.target.hostname, None))
    before = {facts.host: facts for facts in known.http}
    sites: list[HttpFacts] = []
    for name in names:
        again = next((facts for host, facts in before.items() if host.startswith(name or _literal(contact))), None)
        facts = await notes.attempt(Facet.HTTP, http.look(contact, host=name, again=again))
        if facts is None:
            notes.missed(Facet.CONTENT, GapReason.PROTOCOL_ERROR)
            continue
        sites.append(facts)
        notes.requests += facts.requests
        notes.looked(Facet.HTTP)
        if again is None or not ((again.blocked and facts.blocked) or contact.level is Level.GREETING):
            _note_content(facts, contact, notes)  # a second look that sees as little as the first is whole
    root = next((site.root for site in sites if site.root is not None), None)
    product = _SERVER.match(root.header("server") or "") if root else None
    service = replace(known, http=tuple(sites))
    if product:
        service = replace(service, product=product[1], version=product[2])
    recognised = await notes.attempt(Facet.SERVICE, _recognise_web_service(contact, sites, known, notes))
    return _with_facts(service, recognised)


def _literal(contact: Contact) -> str:
    address = contact.endpoint.address
    return f"[{address}]" if ":" in address else address


def _note_content(facts: HttpFacts, contact: Contact, notes: PortNotes) -> None:
    if contact.level is Level.GREETING:
        notes.missed(Facet.CONTENT, GapReason.NEEDS_LEVEL)
    elif facts.blocked:
        notes.missed(Facet.CONTENT, GapReason.PROBE_BLOCKED, facts.ended)
    elif not facts.complete:
        notes.missed(Facet.CONTENT, GapReason.TIMED_OUT, facts.ended)
    else:
        notes.looked(Facet.CONTENT)


async def _recognise_web_service(
    contact: Contact, sites: list[HttpFacts], known: Service, notes: PortNotes
) -> ServiceFacts | None:
    roots = [site.root for site in sites if site.root is not None]
    before = known.facts.service if known.facts else ""
    candidates = [
        probe for probe in WEB_PROBES if (probe.service == before if before else _worth_trying(probe, contact, roots))
    ]
    if not candidates:
        return None
    async with HttpSession(contact, contact.target.hostname) as session:
        try:
            for probe in candidates:
                facts = await probe.look(session, contact.level)
                if facts is not None:
                    return facts
        finally:
            notes.requests += session.requests
    return None


def _worth_trying(probe: WebServiceProbe, contact: Contact, roots: list[HttpReply]) -> bool:
    return contact.endpoint.port in probe.ports or any(probe.suspects(root) for root in roots)


async def _look_at_ssh(known: Service, contact: Contact, notes: PortNotes) -> Service:
    facts = await notes.attempt(Facet.SERVICE, ssh.look(contact))
    if facts is None:
        return known
    software = _SSH_SOFTWARE.match(facts.banner)
    product, version = (software[1], software[2]) if software else (known.product, known.version)
    return replace(known, ssh=facts, product=product, version=version)


def _with_facts(service: Service, facts: ServiceFacts | None) -> Service:
    """Attach what a probe learned; a product that it named is better than a banner's."""
    if facts is None or not facts.product:
        return replace(service, facts=facts)
    return replace(service, facts=facts, product=facts.product, version=facts.version)


def _offers_tls(service: Service) -> bool:
    return service.facts is not None and service.facts.attribute("tls") == "offered"


async def look_at_udp(contact: Contact, *, listed: bool, notes: PortNotes) -> Service | None:
    """Ask one UDP port the greetings that belong to it (all we know when it was listed by hand).

    None when nothing was recognised. A port that the host itself calls unreachable (ICMP, RFC 1122 section 4.1.3.1)
    is closed, and so inspected in every facet; silence proves neither an open nor a closed port, and leaves no look.
    """
    port = contact.endpoint.port
    allowed = [p for p in PROBES if contact.level.at_least(p.greeting_level)]
    candidates = [p for p in allowed if p.transport is contact.endpoint.transport and (listed or port in p.ports)]
    candidates.sort(key=lambda probe: port not in probe.ports)
    replies = await asyncio.gather(*(_ask_udp(contact, probe) for probe in candidates))
    for probe, reply in zip(candidates, replies, strict=True):
        if reply and probe.recognises(reply):
            facts = await notes.attempt(Facet.SERVICE, probe.look(contact))
            notes.looked(Facet.PORT, *(() if facts is None else (Facet.SERVICE,)))
            return _with_facts(Service(contact.endpoint, probe.protocol), facts)
    if None in replies:
        notes.looked(*Facet)
    return None


async def _ask_udp(contact: Contact, probe: ServiceProbe) -> bytes | None:
    """Return the answer, empty on silence, None when the host says that nothing listens there.

    On the protocol's own port one lost datagram must not hide the service, so it is asked twice.
    """
    for _ in range(2 if contact.endpoint.port in probe.ports else 1):
        try:
            return await contact.ask(probe.greeting, timeout=UDP_WAIT, any_port=probe.answers_elsewhere)
        except ConnectionRefused:
            return None
        except ProbeError:
            continue
    return b""
