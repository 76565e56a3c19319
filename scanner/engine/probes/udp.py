"""One UDP port: ask it in the words of the services that live there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from scanner.engine.errors import ConnectionRefused, HostSilent, HostUnreachable, ProbeError
from scanner.engine.model import Facet, GapReason, Service
from scanner.engine.plugins.load import plugin_probes
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.notes import PortNotes, with_facts
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.devices.registry import DEVICE_PORTS, own_question
from scanner.engine.probes.services.registry import PROBES

UDP_WAIT = 1.0
"""Seconds that a datagram's answer may take; longer than any round trip on earth, and a host has many ports."""


async def look_at_udp(contact: Contact, *, listed: bool, notes: PortNotes) -> Service | None:
    """Ask one UDP port the greetings that belong to it (all that fit any port when it was listed by hand).

    None when nothing was recognised. A port that the host itself calls unreachable (ICMP, RFC 1122 section 4.1.3.1)
    is closed, and so inspected in every facet; silence proves neither an open nor a closed port, and leaves no look,
    but is noted. A port that was listed by hand and that nothing may be sent to is a gap.
    """
    port = contact.endpoint.port
    if port in DEVICE_PORTS:
        if listed and own_question(contact.endpoint, contact.level) is None:
            notes.missed(Facet.PORT, GapReason.FRAGILE_PORT)
        return await _ask_device(contact, notes)
    candidates: list[ServiceProbe] = []
    for probes in (PROBES, plugin_probes()):
        fitting = [probe for probe in _allowed(probes, contact) if listed or port in probe.ports]
        candidates += sorted(fitting, key=lambda probe: port not in probe.ports)
    if listed and not candidates:
        notes.missed(Facet.PORT, GapReason.NEEDS_LEVEL)
    return await _ask_each(contact, candidates, notes)


async def look_at_udp_again(service: Service, contact: Contact, notes: PortNotes) -> Service | None:
    """Ask once more what the port answered at the first look, and nothing else."""
    known = [probe for probe in _allowed((*PROBES, *plugin_probes()), contact) if probe.protocol == service.protocol]
    return await _ask_each(contact, known, notes)


async def _ask_device(contact: Contact, notes: PortNotes) -> Service | None:
    """Put the one question of its own protocol to a device's port, where the level allows it, and nothing else."""
    question = own_question(contact.endpoint, contact.level)
    if question is None:
        return None
    try:
        facts = await question.look(contact)
    except ConnectionRefused:
        notes.looked(*Facet)
        return None
    except ProbeError as error:
        notes.silent = _says_nothing(error)
        return None
    notes.looked(Facet.PORT, Facet.SERVICE)
    return with_facts(Service(contact.endpoint, question.protocol), facts)


def _allowed(probes: Iterable[ServiceProbe], contact: Contact) -> list[ServiceProbe]:
    """Return the probes whose greeting may be sent to this port at this level."""
    endpoint = contact.endpoint
    fitting = [probe for probe in probes if probe.transport is endpoint.transport]
    at_home = [probe for probe in fitting if endpoint.port in probe.ports or not probe.own_ports_only]
    return [probe for probe in at_home if contact.level.at_least(probe.greeting_level)]


async def _ask_each(contact: Contact, candidates: list[ServiceProbe], notes: PortNotes) -> Service | None:
    replies = await asyncio.gather(*(_ask_udp(contact, probe) for probe in candidates))
    for probe, reply in zip(candidates, replies, strict=True):
        if isinstance(reply, bytes) and notes.recognised(probe, reply):
            facts = await notes.dialogue(probe.look(contact))
            notes.looked(Facet.PORT, *(() if facts is None or facts.ended else (Facet.SERVICE,)))
            return with_facts(Service(contact.endpoint, probe.protocol), facts)
    if any(isinstance(reply, bytes) for reply in replies):
        notes.missed(Facet.SERVICE, GapReason.NOT_IDENTIFIED)
        return None
    if any(isinstance(reply, ConnectionRefused) for reply in replies):
        notes.looked(*Facet)
    else:
        notes.silent = bool(replies) and all(map(_says_nothing, replies))
    return None


def _says_nothing(reply: ProbeError | bytes) -> bool:
    """Tell whether a question got no answer from the port: silence, or a firewall's word that the way to it is shut."""
    return isinstance(reply, HostSilent | HostUnreachable)


async def _ask_udp(contact: Contact, probe: ServiceProbe) -> bytes | ProbeError:
    """Return the answer, or why there was none: ``ConnectionRefused`` when the host says that nothing listens there.

    On the protocol's own port one lost datagram must not hide the service, so it is asked twice. A socket that takes
    answers from any port is not told that a port is unreachable; so one that hears of no other asks last.
    """
    from_any_port = [probe.answers_elsewhere] * (2 if contact.endpoint.port in probe.ports else 1)
    if probe.answers_elsewhere:
        from_any_port.append(False)
    failure: ProbeError = HostSilent("No datagram came back in time.")
    for any_port in from_any_port:
        try:
            return await contact.ask(probe.greeting, timeout=UDP_WAIT, tries=1, any_port=any_port)
        except ConnectionRefused as error:
            return error
        except ProbeError as error:
            failure = error
    return failure
