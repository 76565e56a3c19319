"""Everything about one open port: name it, then look at it in each way that fits what it is."""

from __future__ import annotations

import re
import shlex
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from scanner.engine.errors import ConnectionLost, NameRefused, ProbeError, ToolError, UnexpectedReply
from scanner.engine.facts.http import HttpFacts
from scanner.engine.facts.ssh import SshFacts
from scanner.engine.facts.tls import Answer, TlsFacts
from scanner.engine.model import Facet, GapReason, Level, Service
from scanner.engine.plan import Profile
from scanner.engine.plugins.load import plugin_probes
from scanner.engine.probes import http, mqtt_websocket, ssh, starttls, tls_deep, tls_hello
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.http_recognition import Suspects, literal, recognise
from scanner.engine.probes.identify import Manner, identify
from scanner.engine.probes.identify_plugins import ask_plugins
from scanner.engine.probes.identify_questions import Identification
from scanner.engine.probes.notes import PortNotes, reason_of, with_facts
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.devices.base import DeviceProbe
from scanner.engine.probes.services.devices.registry import own_question
from scanner.engine.probes.services.registry import PROBES
from scanner.engine.probes.version_scan import VersionScanner

T = TypeVar("T")

_COUNTS_HANDSHAKES = {"mysql"}
"""Protocols whose servers count broken handshakes and then block the address for good (MySQL's max_connect_errors):
a sweep of TLS breaks off dozens."""

_OURS = {
    "X11": "x11",
    "ajp13": "ajp",
    "cassandra-native": "cassandra",
    "domain": "dns",
    "http-alt": "http",
    "http-proxy": "http",
    "https": "http",
    "https-alt": "http",
    "kerberos-sec": "kerberos",
    "microsoft-ds": "smb",
    "ms-sql-s": "mssql",
    "ms-wbt-server": "rdp",
    "ncacn_http": "ncacn-http",
    "netbios-ssn": "smb",
    "nrpep": "nrpe",
    "rfb": "vnc",
    "shell": "rsh",
    "socks-proxy": "socks",
    "socks4": "socks",
    "socks5": "socks",
    "ssl/http": "http",
    "svnserve": "svn",
    "jabber": "xmpp",
    "xmpp-client": "xmpp",
}
"""nmap's names of protocols that go by another name here. Under a name that none of our probes has, a service that was
slow to answer us would count as looked at though it was never asked what the checks want to know."""

_MISDIRECTED = 421
"""What sites answer everything with that want to be asked for by a name of theirs (RFC 9110 section 15.5.20)."""

_TAKES_BOTH = frozenset({"mongodb", "cassandra"})
"""What may take clear text and TLS on one port, by the first byte; which of them names the port is a matter of luck."""

_UPGRADABLE = starttls.STARTTLS | _TAKES_BOTH

_ALGORITHMS_NAMED = 4
"""Algorithms of a server of one kind that a gap names."""

_PAUSE, _LONGER_PAUSE = 1.0, 3.0
"""Seconds between connections to a server that takes few, and to one that even so turned us away."""

_SERVER = re.compile(r"^([A-Za-z][A-Za-z0-9 _.-]{1,40}?)/(\d[\w.+~-]{0,30})")
_SSH_SOFTWARE = re.compile(r"^SSH-[\d.]+-([A-Za-z][A-Za-z0-9.]*?)[_-](\d\S{0,30})")


async def look_at_port(
    contact: Contact, how: Manner, profile: Profile, versions: VersionScanner, notes: PortNotes
) -> Service:
    """Return what is on one open TCP port; coverage goes to ``notes``, and so does what else is behind the port.

    Raises ``RefusedByScope`` only.
    """
    found = await identify(contact, how)
    if how is Manner.FREE:
        found = await ask_plugins(found, contact, notes)
    question = own_question(contact.endpoint, contact.level)
    if not found.known and how is Manner.LISTEN and question is not None:
        return await _ask_device(question, contact, found, notes)
    if not found.known and how is not Manner.FREE:
        notes.looked(Facet.PORT)
        notes.missed(Facet.SERVICE, GapReason.FRAGILE_PORT)
        return Service(contact.endpoint, found.protocol, banner=found.banner)
    service = Service(contact.endpoint, found.protocol, tls=found.tls, banner=found.banner, http2=found.http2)
    if not found.known or found.protocol == "tls":
        service = await _ask_nmap(service, found, profile, versions, notes)
        found = replace(found, protocol=service.protocol, probe=_probe_of(service.protocol, contact))
    for other in found.beside:
        known = Service(contact.endpoint, other.protocol, banner=other.banner)
        notes.beside.append(await _look(known, other, contact, profile, notes))
    service = await _look(service, found, contact, profile, notes)
    return await _with_broker(service, contact, profile, notes) if service.protocol == "http" else service


async def _with_broker(web: Service, contact: Contact, profile: Profile, notes: PortNotes) -> Service:
    """Return the site, with the broker behind it noted; where there is only a broker, that is the service."""
    if profile is Profile.QUICK:
        return web
    broker = await notes.attempt(Facet.SERVICE, mqtt_websocket.find(web, replace(contact, tls=web.tls)))
    if broker is None:
        return web
    if web.http:
        notes.beside.append(broker)
        return web
    notes.gaps = [gap for gap in notes.gaps if gap.facet not in (Facet.SERVICE, Facet.HTTP, Facet.CONTENT)]
    notes.looked(Facet.SERVICE, Facet.HTTP, Facet.CONTENT)
    return replace(broker, tls_facts=web.tls_facts)


async def _ask_device(question: DeviceProbe, contact: Contact, found: Identification, notes: PortNotes) -> Service:
    """Put the one question of its own protocol to a device's port that said nothing by itself."""
    notes.looked(Facet.PORT)
    try:
        facts = await question.look(contact)
    except ProbeError as error:
        notes.missed(Facet.SERVICE, GapReason.NOT_IDENTIFIED, str(error.args[0]))
        return Service(contact.endpoint, "unknown", banner=found.banner)
    _note_what_does_not_apply(notes, may_have_tls=False, is_http=False)
    return with_facts(Service(contact.endpoint, question.protocol), facts)


async def look_again(service: Service, contact: Contact, profile: Profile, notes: PortNotes) -> Service:
    """Look once more, on new connections, at what the first look reported; for confirmation."""
    probe = _probe_of(service.protocol, contact, spoken_with=service.facts is not None)
    found = Identification(service.protocol, service.tls, service.banner, probe)
    return await _look(service, found, contact, profile, notes)


def _probe_of(protocol: str, contact: Contact, *, spoken_with: bool = False) -> ServiceProbe | None:
    """Return the probe of a protocol that was named before or by nmap, if it may ask this port anything.

    It may at a port that is not its own where it was ``spoken_with`` before: an answer to something else had told it.
    """
    named = next((probe for probe in (*PROBES, *plugin_probes()) if probe.protocol == protocol), None)
    if named is None or not contact.level.at_least(named.greeting_level):
        return None
    at_home = contact.endpoint.port in named.ports or not named.own_ports_only
    return named if at_home or spoken_with else None


async def _look(known: Service, found: Identification, contact: Contact, profile: Profile, notes: PortNotes) -> Service:
    inner = replace(contact, tls=known.tls, http2=known.http2)
    service, tls_facts = known, known.tls_facts
    if known.tls and (known.protocol != mqtt_websocket.PROTOCOL or tls_facts is not None):  # else the site's count
        tls_facts = await _look_at_tls(known, replace(contact, shared=bool(found.beside)), profile, notes)
    match known.protocol:
        case "http":
            service = await _look_at_http(known, inner, profile, notes)
        case mqtt_websocket.PROTOCOL:
            service = await _look_at_broker(known, inner, notes)
        case "ssh":
            service = await _look_at_ssh(known, inner, notes)
        case _ if found.probe is not None:
            facts = await notes.dialogue(_patient(found.probe.look, inner))
            service = with_facts(known, facts)
    upgradable = not known.tls and known.protocol in _UPGRADABLE and _offers_tls(service)
    if upgradable:
        tls_facts = await _look_at_tls(service, contact, profile, notes)
    if known.protocol == "tls":
        asks_us = tls_facts is not None and tls_facts.client_certificate is Answer.YES
        notes.missed(Facet.SERVICE, GapReason.CLIENT_CERTIFICATE if asks_us else GapReason.UNNAMED_INSIDE_TLS)
    elif known.protocol != "unknown":
        may_have_tls = known.tls or upgradable or _leaves_tls_open(service)
        _note_what_does_not_apply(notes, may_have_tls=may_have_tls, is_http=known.protocol == "http")
    return replace(service, tls_facts=tls_facts)


async def _patient(look: Callable[[Contact], Awaitable[T]], contact: Contact) -> T:
    """Look once more, with pauses, where a service that was just recognised hangs up on us or turns us away.

    Some take one connection of an address at a time (OpenSSH's ``PerSourceMaxStartups``, vsftpd's ``max_per_ip``), and
    need a moment to notice that the one before has ended; the longer, the busier they are.
    """
    for pause in (contact.pause, _PAUSE):
        try:
            return await look(replace(contact, pause=pause))
        except (ConnectionLost, UnexpectedReply):
            continue
    return await look(replace(contact, pause=_LONGER_PAUSE))


def _note_what_does_not_apply(notes: PortNotes, *, may_have_tls: bool, is_http: bool) -> None:
    """A port that was named has every facet covered that its protocol doesn't have: nothing of it is there."""
    missed = {gap.facet for gap in notes.gaps if not gap.check}
    covered = {Facet.PORT, Facet.SERVICE}
    covered.update(() if may_have_tls else (Facet.TLS, Facet.CERTIFICATE))
    covered.update(() if is_http else (Facet.HTTP, Facet.CONTENT))
    notes.looked(*(covered - missed))


def _why_unnamed(found: Identification) -> GapReason:
    return GapReason.CLOSES_AT_ONCE if found.closes_at_once else GapReason.NOT_IDENTIFIED


async def _ask_nmap(
    service: Service, found: Identification, profile: Profile, versions: VersionScanner, notes: PortNotes
) -> Service:
    """Let nmap name what said something we don't know; total silence is only worth its minutes in a deep look."""
    named = None
    if (found.banner and profile is not Profile.QUICK) or (profile is Profile.DEEP and not found.closes_at_once):
        try:
            named = await versions.name(service.endpoint)
        except ToolError as error:
            notes.missed(Facet.SERVICE, GapReason.TOOL_FAILED, str(error))
    if named is None:
        if not found.tls:
            notes.missed(Facet.SERVICE, _why_unnamed(found))
        return service
    protocol = _OURS.get(named.protocol, named.protocol)
    tls = service.tls or named.tls
    return replace(service, protocol=protocol, tls=tls, product=named.product, version=named.version, cpe=named.cpe)


async def _look_at_tls(known: Service, contact: Contact, profile: Profile, notes: PortNotes) -> TlsFacts | None:
    at_once = known.tls or known.protocol in _TAKES_BOTH
    upgraded, before = "" if at_once else known.protocol, known.tls_facts
    if upgraded in _COUNTS_HANDSHAKES and profile is not Profile.DEEP:
        notes.missed(Facet.TLS, GapReason.WOULD_BLOCK_US)
        notes.missed(Facet.CERTIFICATE, GapReason.WOULD_BLOCK_US)
        return None
    name = (known.facts.attribute("domain") if upgraded and known.facts else "") or contact.target.hostname
    sweep = tls_hello.look(contact, server_name=name, starttls=upgraded, again=before)
    facts = await notes.attempt(Facet.TLS, sweep)
    if facts is None:
        notes.missed(Facet.CERTIFICATE, GapReason.PROTOCOL_ERROR)
        return None
    if profile is Profile.DEEP:
        facts = await tls_deep.look_deeper(
            contact, facts, http=known.protocol == "http" and not known.http2, again=before
        )
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
    suspects = Suspects(contact)
    sites: list[HttpFacts] = []
    unseen, hides = 0, False
    for name in names:
        again = next((facts for host, facts in before.items() if host.startswith(name or literal(contact))), None)
        try:
            facts = await http.look(contact, host=name, again=again, may_be_product=suspects.any_by)
        except ProbeError as error:
            if sites and isinstance(error, NameRefused):
                continue  # under the bare address there is no site at all
            unseen += 1
            notes.missed(Facet.HTTP, reason_of(error))
            notes.missed(Facet.CONTENT, GapReason.PROTOCOL_ERROR)
            continue
        if sites and facts.blocked and facts.root is not None and facts.root.status == _MISDIRECTED:
            continue
        sites.append(facts)
        _note_page(facts, again, notes)
        hides = hides or bool(facts.unseen and not (again and again.unseen))
        if again is None or not ((again.blocked and facts.blocked) or contact.level is Level.GREETING):
            _note_content(facts, contact, notes)  # a second look that sees as little as the first is whole
    root = next((site.root for site in sites if site.root is not None), None)
    product = _SERVER.match(root.header("server") or "") if root else None
    service = replace(known, http=tuple(sites))
    if product:
        service = replace(service, product=product[1], version=product[2])
    recognised = await notes.attempt(Facet.SERVICE, recognise(contact, sites, known, suspects))
    if recognised is None and (unseen or hides):
        # A product may hide behind the page that was not seen, or was seen before.
        notes.missed(Facet.SERVICE, GapReason.PROTOCOL_ERROR if unseen else GapReason.PAGE_UNSEEN)
    return with_facts(service, recognised)


def _note_page(facts: HttpFacts, again: HttpFacts | None, notes: PortNotes) -> None:
    as_before = again is not None and (again.blocked, bool(again.unseen)) == (facts.blocked, bool(facts.unseen))
    if facts.blocked and not as_before:
        notes.missed(Facet.HTTP, GapReason.PROBE_BLOCKED, facts.unseen)
    elif facts.unseen and not as_before:
        notes.missed(Facet.HTTP, GapReason.PAGE_UNSEEN, facts.unseen)
    else:
        notes.looked(Facet.HTTP)


def _note_content(facts: HttpFacts, contact: Contact, notes: PortNotes) -> None:
    if contact.level is Level.GREETING:
        notes.missed(Facet.CONTENT, GapReason.NEEDS_LEVEL)
    elif facts.blocked:
        notes.missed(Facet.CONTENT, GapReason.PROBE_BLOCKED, facts.ended)
    elif not facts.complete:
        notes.missed(Facet.CONTENT, GapReason.TIMED_OUT, facts.ended)
    else:
        notes.looked(Facet.CONTENT)


async def _look_at_broker(known: Service, contact: Contact, notes: PortNotes) -> Service:
    path = known.facts.attribute("path") if known.facts else mqtt_websocket.PATH
    facts = await notes.attempt(Facet.SERVICE, mqtt_websocket.look(contact, path))
    return replace(known, facts=facts)


async def _look_at_ssh(known: Service, contact: Contact, notes: PortNotes) -> Service:
    facts = await notes.attempt(Facet.SERVICE, _patient(ssh.look, contact))
    if facts is None:
        return known
    if facts.ended and contact.level.at_least(Level.CREDENTIAL):
        notes.missed(Facet.SERVICE, GapReason.CONNECTION_BROKEN, facts.ended)
    elif facts.kex and not facts.host_keys and not facts.ended:
        _note_what_the_key_would_tell(facts, contact, notes)
    elif facts.host_keys and facts.auth_methods is None and contact.level.at_least(Level.CREDENTIAL):
        offered = ", ".join((*facts.ciphers[:_ALGORITHMS_NAMED], *facts.macs[:_ALGORITHMS_NAMED]))
        detail = shlex.join(["no-common-cipher", f"offered={offered}"])
        notes.missed(Facet.SERVICE, GapReason.PROTOCOL_ERROR, detail, "SSH-PASSWORD")
    software = _SSH_SOFTWARE.match(facts.banner)
    product, version = (software[1], software[2]) if software else (known.product, known.version)
    return replace(known, ssh=facts, product=product, version=version)


def _leaves_tls_open(service: Service) -> bool:
    """Tell whether the service may offer an upgrade to TLS that it did not come to speak of: it hung up on us, say."""
    told = service.facts is not None and service.facts.attribute("tls")
    return service.protocol in _UPGRADABLE and not told


def _note_what_the_key_would_tell(facts: SshFacts, contact: Contact, notes: PortNotes) -> None:
    """Without a key exchange that we know there is neither a host key nor an answer about log-in methods."""
    detail = shlex.join(["no-common-exchange", f"offered={', '.join(facts.kex[:_ALGORITHMS_NAMED])}"])
    by_credential = ("SSH-PASSWORD",) if contact.level.at_least(Level.CREDENTIAL) else ()
    for check in ("SSH-HOSTKEY-WEAK", *by_credential):
        notes.missed(Facet.SERVICE, GapReason.PROTOCOL_ERROR, detail, check)


def _offers_tls(service: Service) -> bool:
    return service.facts is not None and service.facts.attribute("tls") == "offered"
