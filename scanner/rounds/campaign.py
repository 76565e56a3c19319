"""What a campaign is about: patterns of checks, and the ports where their services usually are."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from itertools import chain

from scanner.engine.errors import Refused
from scanner.engine.model import Transport
from scanner.engine.plugins.load import all_checks
from scanner.engine.probes.services.registry import PROBES
from scanner.engine.probes.services.web.registry import WEB_PROBES

_SERVICE = "SVC-"


def expand_checks(patterns: Iterable[str]) -> tuple[str, ...]:
    """Return the checks that the patterns name (``TLS-V10``, ``SVC-REDIS-*``), sorted.

    Raises ``Refused`` for a pattern that names none.
    """
    known = all_checks()
    found: set[str] = set()
    for pattern in patterns:
        named = {check for check in known if fnmatchcase(check, pattern.strip().upper())}
        if not named:
            raise Refused(
                f"No check is called {pattern!r}; docs/coverage.md lists them. '*' stands for anything.",
                "check-unknown",
                text=pattern,
            )
        found |= named
    return tuple(sorted(found))


def usual_ports(checks: Iterable[str]) -> str:
    """Return the port list where the services of the checks usually are; empty when one of them is not bound to any.

    TCP ports stand bare, so that services that are known at the same UDP port are asked there too.
    """
    tcp: set[int] = set()
    udp: set[int] = set()
    for check in checks:
        code = check.removeprefix(_SERVICE).rpartition("-")[0] if check.startswith(_SERVICE) else ""
        ours = [(probe.transport, probe.ports) for probe in PROBES if probe.protocol.upper() == code]
        ours += [(Transport.TCP, probe.ports) for probe in WEB_PROBES if probe.service == code]
        if not any(ports for _, ports in ours):
            return ""
        tcp.update(chain.from_iterable(ports for transport, ports in ours if transport is Transport.TCP))
        udp.update(chain.from_iterable(ports for transport, ports in ours if transport is Transport.UDP))
    return ",".join([*map(str, sorted(tcp)), *(f"U:{port}" for port in sorted(udp))])
