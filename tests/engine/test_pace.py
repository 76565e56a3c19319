"""All that an inspection sends keeps to one rate together."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from scanner.engine.errors import ProbeError
from scanner.engine.inspect import inspect
from scanner.engine.model import Endpoint, HostInspection, Target, Transport
from scanner.engine.plan import Plan, PortSet, PortSpec
from scanner.engine.probes.dial import Dialer, Limits, Pace
from scanner.engine.probes.nmap import is_privileged

ADDRESS = "127.64.0.1"


def test_turns_are_spread_and_what_was_spent_is_waited_for() -> None:
    async def run() -> list[float]:
        pace, began = Pace(50), time.monotonic()
        when: list[float] = []
        for count in (1, 5, 1):
            await pace.turn(count)
            when.append(time.monotonic() - began)
        pace.spent(4)
        await pace.turn()
        return [*when, time.monotonic() - began]

    first, second, third, last = asyncio.run(run())
    assert (first < 0.015, second >= 0.02, third >= 0.12, last >= 0.22) == (True, True, True, True)


def test_without_a_rate_nobody_waits() -> None:
    async def run() -> float:
        pace, began = Pace(), time.monotonic()
        for _ in range(1000):
            await pace.turn(1000)
        return time.monotonic() - began

    assert asyncio.run(run()) < 1


def test_datagrams_and_connections_share_the_rate() -> None:
    async def run() -> float:
        dialer, began = Dialer(lambda _: None, Limits(rate=40)), time.monotonic()

        async def ask(port: int) -> None:
            with contextlib.suppress(ProbeError):
                await dialer.ask(Endpoint(ADDRESS, port, Transport.UDP), b"x", timeout=0.01)

        async def dial(port: int) -> None:
            with contextlib.suppress(ProbeError):
                async with dialer.connect(Endpoint(ADDRESS, port)):
                    pass

        await asyncio.gather(*(ask(port) for port in range(1, 6)), *(dial(port) for port in range(1, 6)))
        return time.monotonic() - began

    assert asyncio.run(run()) >= 9 / 20


@contextlib.contextmanager
def counted_packets() -> Iterator[list[float]]:
    """Note when each first packet of a connection, and each datagram, leaves for the host."""
    seen: list[float] = []
    over = threading.Event()
    capture = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))  # ETH_P_ALL, linux/if_ether.h
    capture.bind(("lo", 0))
    capture.settimeout(0.2)

    def note() -> None:
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                packet, where = capture.recvfrom(2048)
                to_host = packet[30:34] == socket.inet_aton(ADDRESS) and where[2] == 4  # PACKET_OUTGOING
                begins = packet[23] == socket.IPPROTO_UDP or packet[47] & 0x12 == 0x02  # SYN without ACK
                if to_host and begins:
                    seen.append(time.monotonic())

    thread = threading.Thread(target=note)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
        capture.close()


@pytest.mark.lab
@pytest.mark.skipif(not is_privileged(), reason="a capture needs CAP_NET_RAW")
def test_a_whole_inspection_keeps_to_its_rate() -> None:
    rate = 80
    ports = PortSpec(PortSet.LIST, "1-80", (53, 123, 161))
    plan = Plan((Target(ADDRESS, ADDRESS),), ports, limits=Limits(rate=rate))

    async def run() -> list[HostInspection]:
        return [host async for host in inspect(plan, lambda _: None)]

    with counted_packets() as seen:
        asyncio.run(run())
    assert len(seen) > 80
    for begin in seen:
        assert sum(begin <= moment < begin + 1 for moment in seen) <= rate * 1.15
