"""Offers a port that none of our own probes recognised to those of the plugins.

They come last, so that a plugin can name only what would be unknown without it, and never hides a service of ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from scanner.engine.errors import PluginFailed
from scanner.engine.hostile import printable_bytes
from scanner.engine.model import Transport
from scanner.engine.plugins.load import plugin_probes
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.first_reply import converse
from scanner.engine.probes.identify_questions import BANNER_WAIT, Identification
from scanner.engine.probes.notes import PortNotes
from scanner.engine.probes.services.base import ServiceProbe


async def ask_plugins(found: Identification, contact: Contact, notes: PortNotes) -> Identification:
    """Return ``found``, or what a plugin takes the port for when it is unknown, or unknown inside TLS.

    The probes that belong to this port are asked one after the other, each with the port to itself, then all others at
    once. A plugin that fails leaves a gap. Raises ``RefusedByScope``.
    """
    inside = found.protocol == "tls"
    allowed = [
        probe
        for probe in plugin_probes()
        if probe.transport is Transport.TCP and contact.level.at_least(probe.greeting_level)
    ]
    if not allowed or found.closes_at_once or (found.known and not inside):
        return found
    inner = replace(contact, tls=inside)
    likely = [probe for probe in allowed if contact.endpoint.port in probe.ports]
    for probe in likely:
        if named := await _offer(probe.greeting, [probe], inner, notes):
            return named
    others: dict[bytes, list[ServiceProbe]] = {}
    for probe in allowed:
        if probe not in likely and not probe.own_ports_only:
            others.setdefault(probe.greeting, []).append(probe)
    answers = await asyncio.gather(*(_offer(greeting, probes, inner, notes) for greeting, probes in others.items()))
    return next(filter(None, answers), found)


async def _offer(
    greeting: bytes, probes: Sequence[ServiceProbe], contact: Contact, notes: PortNotes
) -> Identification | None:
    """Say ``greeting`` (empty: listen) and let the probes that share it judge the reply."""
    at_home = len(probes) == 1 and contact.endpoint.port in probes[0].ports
    reply, _ = await converse(contact, greeting, BANNER_WAIT, _enough(probes[0]) if at_home else None)
    for probe in probes:
        if reply and notes.recognised(probe, reply):
            return Identification(probe.protocol, contact.tls, printable_bytes(reply), probe)
    return None


def _enough(probe: ServiceProbe) -> Callable[[bytes], bool]:
    """Tell whether a reply needs no further pieces; where the plugin fails, that is noted when the reply is judged."""

    def enough(reply: bytes) -> bool:
        try:
            return probe.recognises(reply)
        except PluginFailed:
            return True

    return enough
