"""A port that dropped the scan's packets is tried once more, by a connection of our own.

A firewall that drops them is a fix; a limiter that dropped ours, or a packet lost on the way, is not. So silence counts
only when the same host answers on another port right after it. Where a finding would rest on a port being shut, that it
refused the scan is not enough either: a server that was just being restarted refuses, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from scanner.engine.errors import ConnectionRefused, ProbeError
from scanner.engine.model import PortScan, port_in
from scanner.engine.plan import as_ranges, count_ports, ports_of
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.discovery import Discovered

AT_MOST = 16
"""Filtered ports that are tried again: those of a short list, as of a second look, not the thousand of a wide one."""

SAMPLE = 8
"""Filtered ports of a wide scan that are tried again where others refused: a limiter drops ports here and there, and
some answer now, while those behind a firewall stay silent."""

HTTPS = 443
"""Tried again in any scan: whether a site can be had over HTTPS is judged by this port."""


async def knock(
    found: Discovered, contact_of: Callable[[int], Contact], *, https_matters: bool = False
) -> tuple[str, tuple[int, ...]]:
    """Try the filtered ports of a finished scan again; return those that stay shut, as ranges, and those that do not.

    These let us in; or they answer at all, after a wide scan that they left unanswered; or, of 443 where
    ``https_matters``, they refused the scan and don't refuse us. A port that answered the scan and falls silent is
    among them: then we were shut out. Nothing is sent on a connection. Raises ``RefusedByScope``.
    """
    scan = found.scan
    if scan is None:
        return "", ()
    reached = (HTTPS,) if https_matters and await _refuses_no_more(scan, HTTPS, contact_of) else ()
    shut, let_in = await _knock_at_filtered(scan, found.unanswered, contact_of)
    return shut, (*reached, *let_in)


async def _refuses_no_more(scan: PortScan, port: int, contact_of: Callable[[int], Contact]) -> bool:
    """Tell whether a port that refused the scan does not refuse a connection of our own."""
    refused = port_in(scan.ports, port) and port not in scan.open and not scan.dropped(port)
    return refused and await _answer(contact_of(port)) is not False


async def _knock_at_filtered(
    scan: PortScan, unanswered: str, contact_of: Callable[[int], Contact]
) -> tuple[str, tuple[int, ...]]:
    filtered = list(ports_of(scan.filtered_ports))
    sample = _sample(scan, unanswered) if len(filtered) > AT_MOST else []
    if len(filtered) > AT_MOST:
        filtered = [port for port in filtered if port == HTTPS]
    witness = _witness(scan)
    tried = sorted({*filtered, *sample})
    if not tried or witness is None:
        return "", ()
    answers = dict(zip(tried, await asyncio.gather(*(_answer(contact_of(port)) for port in tried)), strict=True))
    if await _answer(contact_of(witness)) is None:
        return "", (witness,)
    reached = tuple(port for port, answer in answers.items() if answer or (port in sample and answer is False))
    return as_ranges(set(tried).difference(reached)), reached


def _sample(scan: PortScan, unanswered: str) -> list[int]:
    """Return ports of a wide scan that went unanswered where others refused, evenly spread."""
    refuses = scan.filtered + len(scan.open) < count_ports(scan.ports)
    silent = list(ports_of(unanswered)) if refuses and unanswered else []
    return silent[:: -(-len(silent) // SAMPLE)] if silent else []


def _witness(scan: PortScan) -> int | None:
    """Return a port that answered the scan: an open one, or one that refused."""
    closed = (port for port in ports_of(scan.ports) if port not in scan.open and not scan.dropped(port))
    return min(scan.open, default=None) or next(closed, None)


async def _answer(contact: Contact) -> bool | None:
    """Tell whether the port lets us in (True), refuses (False), or says nothing (None)."""
    try:
        async with contact.open():
            return True
    except ConnectionRefused:
        return False
    except ProbeError:
        return None
