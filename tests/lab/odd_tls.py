"""TLS servers with a will of their own, made of a few lines or of a real server behind a relay, and a sweep of them."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
from collections.abc import Callable, Iterator

from scanner.engine.facts.tls import TlsFacts
from scanner.engine.model import Endpoint, Level, Target
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.dial import Dialer, Limits
from scanner.engine.probes.tls_hello import look
from tests.lab.case import case_folder
from tests.lab.scripted import Speak, listening
from tests.lab.tls_cases import CASES

ADDRESS = "127.10.4.1"


def server(speak: Speak) -> contextlib.AbstractContextManager[int]:
    """Let ``speak`` do as it likes with each connection to a free port of the test's own address."""
    return listening(ADDRESS, 0, speak)


def sweep(port: int, address: str = ADDRESS, *, name: str | None = None, again: TlsFacts | None = None) -> TlsFacts:
    dialer = Dialer(lambda _: None, Limits(connect_timeout=1, read_timeout=0.5))
    contact = Contact(dialer, Target(address, address, name), Endpoint(address, port), Level.READ)
    return asyncio.run(look(contact, server_name=name, again=again))


@contextlib.contextmanager
def running(name: str) -> Iterator[tuple[str, int]]:
    """Run a lab server on an address of this test's own, so that it can run beside the lab."""
    case = next(case for case in CASES if case.name == name)
    address = f"127.10.4.{130 + CASES.index(case)}"
    folder = case_folder(name)
    try:
        with case.start(address, folder):
            yield address, int(case.ports)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def relay_after(limit: int, address: str, port: int) -> Speak:
    """Return a behaviour that passes ``limit`` connections on to a real server and resets the rest."""

    seen = iter(range(1_000_000))

    def behave(connection: socket.socket) -> None:
        if next(seen) >= limit:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            return
        with socket.create_connection((address, port), timeout=3) as real:
            real.sendall(connection.recv(16_384))
            while data := real.recv(16_384):
                connection.sendall(data)

    return behave


def relay_unless(odd: Callable[[bytes], bytes | None], address: str, port: int) -> Speak:
    """Return a behaviour that sends what ``odd`` returns for a hello, and closes; where it is None, the real server
    answers."""

    def behave(connection: socket.socket) -> None:
        hello = connection.recv(16_384)
        reply = odd(hello)
        if reply is not None:
            connection.sendall(reply)
            return
        with socket.create_connection((address, port), timeout=3) as real:
            real.sendall(hello)
            while data := real.recv(16_384):
                connection.sendall(data)

    return behave
