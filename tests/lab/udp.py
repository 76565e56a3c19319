"""Lab servers on UDP: waiting for real ones, and scripted ones for what Debian doesn't ship."""

from __future__ import annotations

import contextlib
import ipaddress
import socketserver
import struct
import time
from collections.abc import Iterator
from pathlib import Path

from tests.lab.case import Start
from tests.lab.scripted import Answer, serving


def wait_until_bound(address: str, port: int, seconds: float = 10) -> None:
    """Wait until somebody has bound this UDP address. Raises ``RuntimeError``."""
    (host,) = struct.unpack("=I", ipaddress.IPv4Address(address).packed)
    wanted = f" {host:08X}:{port:04X} "
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if wanted in Path("/proc/net/udp").read_text():
            return
        time.sleep(0.05)
    raise RuntimeError(f"Nobody has bound {address}:{port}/udp.")


def scripted_udp(port: int, answer: Answer) -> Start:
    """Return a server that answers each datagram, or keeps silent where it has no answer."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            datagram, channel = self.request
            reply = answer(datagram)
            if reply is not None:
                channel.sendto(reply, self.client_address)

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        with serving(socketserver.ThreadingUDPServer((address, port), Handler)):
            yield

    return start
