"""Hears every packet of the namespace, and remembers which second sent something to which address."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import Counter
from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network

_ETH_P_ALL, _IPV4 = 3, b"\x08\x00"  # linux/if_ether.h
_ICMP, _TCP = 1, 6
_ANSWERS = {0, 3, 11}
"""Types of ICMP that answer (RFC 792): echo reply, unreachable, time exceeded."""


class Capture:
    """A capture of what is sent to hosts. ``ports`` are those that servers of ours answer from: answers don't count."""

    def __init__(self, ports: Collection[int]) -> None:
        self._ports = frozenset(ports)
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        self._socket.settimeout(0.5)
        self.heard: Counter[tuple[int, bytes]] = Counter()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="capture", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        self._socket.close()

    def packets(self, network: IPv4Network, since: float, until: float) -> int:
        """Return :func:`packets_to` of what was heard until now."""
        return packets_to(network, since, until, self.heard)

    def addresses(self) -> set[IPv4Address]:
        """Return every address that something was sent to."""
        return {IPv4Address(address) for _, address in list(self.heard)}

    def _listen(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                packet = self._socket.recv(64)
                if packet[12:14] == _IPV4 and not self._answers(packet):
                    self.heard[int(time.monotonic()), packet[30:34]] += 1

    def _answers(self, packet: bytes) -> bool:
        start = 14 + (packet[14] & 15) * 4
        if packet[23] == _ICMP:
            return packet[start] in _ANSWERS
        return packet[23] == _TCP and int.from_bytes(packet[start : start + 2]) in self._ports


def packets_to(network: IPv4Network, since: float, until: float, heard: Counter[tuple[int, bytes]]) -> int:
    """Return how many packets went to the network in the whole seconds between two moments of the monotonic clock."""
    return sum(
        count
        for (second, address), count in list(heard.items())
        if since <= second and second + 1 <= until and IPv4Address(address) in network
    )
