"""What was really looked at on one port, and what was not."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from scanner.engine.errors import ConnectionLost, ConnectionRefused, HostSilent, PluginFailed, ProbeError
from scanner.engine.facts.service import ServiceFacts
from scanner.engine.model import Facet, Gap, GapReason, Look, Service
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.services.base import ServiceProbe

T = TypeVar("T")


@dataclass(slots=True)
class PortNotes:
    """What was really looked at on one port, and what was not: it becomes coverage.

    ``beside`` are the services behind the same port that a multiplexer hands other clients to. ``silent`` tells that it
    left every question of ours unanswered.
    """

    contact: Contact
    looks: set[Look] = field(default_factory=set)
    gaps: list[Gap] = field(default_factory=list)
    beside: list[Service] = field(default_factory=list)
    silent: bool = False

    def looked(self, *facets: Facet) -> None:
        endpoint = self.contact.endpoint
        self.looks.update(Look(endpoint.port, endpoint.transport, facet) for facet in facets)

    def missed(self, facet: Facet, reason: GapReason, detail: str = "", check: str = "") -> None:
        """Note that ``facet`` was not inspected, or of it only what ``check`` would tell."""
        endpoint = self.contact.endpoint
        self.gaps.append(Gap(reason, facet, endpoint.port, endpoint.transport, detail, check))

    async def attempt(self, facet: Facet, look: Awaitable[T]) -> T | None:
        """Await a probe; a ``ProbeError`` becomes a gap of ``facet``, because what broke off proves nothing."""
        try:
            return await look
        except ProbeError as error:
            self._broke_off(facet, error)
            return None

    async def dialogue(self, look: Awaitable[ServiceFacts]) -> ServiceFacts | None:
        """Await a service's dialogue. One that broke off half-way keeps what it showed, and leaves a gap."""
        facts = await self.attempt(Facet.SERVICE, look)
        if facts is not None and facts.ended:
            self.missed(Facet.SERVICE, GapReason.CONNECTION_BROKEN, facts.ended)
        return facts

    def recognised(self, probe: ServiceProbe, reply: bytes) -> bool:
        """Tell whether the reply is of the probe's service; a plugin that fails on it leaves a gap."""
        try:
            return probe.recognises(reply)
        except PluginFailed as error:
            self._broke_off(Facet.SERVICE, error)
            return False

    def _broke_off(self, facet: Facet, error: ProbeError) -> None:
        self.missed(facet, reason_of(error), error.detail if isinstance(error, PluginFailed) else "")


def reason_of(error: ProbeError) -> GapReason:
    """Return why a probe that broke off inspected nothing."""
    match error:
        case HostSilent():
            return GapReason.TIMED_OUT
        case ConnectionLost() | ConnectionRefused():
            return GapReason.CONNECTION_BROKEN
        case PluginFailed():
            return GapReason.TOOL_FAILED
        case _:
            return GapReason.PROTOCOL_ERROR


def with_facts(service: Service, facts: ServiceFacts | None) -> Service:
    """Attach what a probe learned; a product that it named is better than a banner's."""
    if facts is None or not facts.product:
        return replace(service, facts=facts)
    return replace(service, facts=facts, product=facts.product, version=facts.version)
