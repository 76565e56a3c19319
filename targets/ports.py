"""Port lists as people write them (``22,80,8000-8100``) and as sorted, merged ranges. Framework-free."""

from __future__ import annotations

import re

from targets.wrong import WrongText

PortRanges = tuple[tuple[int, int], ...]
"""Inclusive ranges, sorted, neither overlapping nor adjacent."""

EVERY_PORT: PortRanges = ((1, 65535),)

_PART = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", re.ASCII)


class PortsError(WrongText):
    """The text is no list of ports; the message says what would be."""


def parse_ports(text: str) -> PortRanges:
    """Parse ``22,80,8000-8100`` into merged ranges. Ports are 1 to 65535; raises ``PortsError``."""
    ranges: list[tuple[int, int]] = []
    for part in (piece.strip() for piece in text.split(",")):
        match = _PART.fullmatch(part)
        if not match:
            raise PortsError(
                f"{part!r} is no port or range of ports; write for example 22,80,8000-8100", "no-port", text=part
            )
        first = int(match[1])
        last = int(match[2] or match[1])
        if not 1 <= first <= 65535 or not 1 <= last <= 65535:
            raise PortsError(f"{part} is out of range; ports go from 1 to 65535", "port-out-of-range", text=part)
        if first > last:
            raise PortsError(
                f"{part} ends before it begins; write {last}-{first}",
                "ports-backwards",
                text=part,
                right=f"{last}-{first}",
            )
        ranges.append((first, last))
    return _merged(ranges)


def format_ports(ranges: PortRanges) -> str:
    """The canonical text of ``ranges``, which :func:`parse_ports` reads back."""
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def port_in(ranges: PortRanges, port: int) -> bool:
    """Tell whether ``port`` lies in one of ``ranges``."""
    return any(first <= port <= last for first, last in ranges)


def _merged(ranges: list[tuple[int, int]]) -> PortRanges:
    merged: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return tuple(merged)
