"""Looks at a host whose time server told strangers its variables, beside a web site."""

from __future__ import annotations

from dataclasses import replace

from scanner.engine.facts.service import Access, Exchange, ServiceFacts
from scanner.engine.model import (
    Coverage,
    Endpoint,
    Facet,
    HostInspection,
    Look,
    Outcome,
    PortScan,
    Service,
    Target,
    Transport,
    Vantage,
)
from scanner.engine.plan import Plan
from tests.remediation.looks import day

PORT = 123


def _look(target: Target, plan: Plan, coverage: Coverage, *services: Service) -> HostInspection:
    return HostInspection(
        target,
        Outcome.INSPECTED,
        day(0),
        day(0),
        plan.vantage,
        plan.level,
        services=services,
        second_looks=services,
        coverage=coverage,
    )


WEB = PortScan(Transport.TCP, "80", (80,), 0, "connect")


def exposed(target: Target, plan: Plan) -> HostInspection:
    """A time server that tells strangers its variables."""
    evidence = (Exchange("readvar", "version=ntpd 4.2.6", "2026-03-01T00:00:00.000+00:00"),)
    told = (("mode6", "answered"), ("bytes_in", "12"), ("bytes_out", "300"))
    facts = ServiceFacts("NTP", Access.OPEN, attributes=told, exchanges=evidence)
    looks = tuple(Look(PORT, Transport.UDP, facet) for facet in (Facet.PORT, Facet.SERVICE))
    return _look(
        target,
        plan,
        Coverage((WEB,), looks),
        Service(Endpoint(target.address, PORT, Transport.UDP), "ntp", facts=facts),
    )


def silent(target: Target, plan: Plan) -> HostInspection:
    """Nothing comes back from the UDP port, while the web site answers."""
    return _look(target, plan, Coverage((WEB,), silent_udp="19,123"))


def silent_from_inside(target: Target, plan: Plan) -> HostInspection:
    return replace(silent(target, plan), vantage=Vantage.INTERNAL)


def all_silent(target: Target, plan: Plan) -> HostInspection:
    """Nor does anything come back from its TCP ports."""
    scan = PortScan(Transport.TCP, "80", (), 1, "connect", "80")
    return _look(target, plan, Coverage((scan,), silent_udp="19,123"))


def refused(target: Target, plan: Plan) -> HostInspection:
    """The host calls the UDP port unreachable."""
    return _look(target, plan, Coverage((WEB,), tuple(Look(PORT, Transport.UDP, facet) for facet in Facet)))
