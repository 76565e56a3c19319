"""Says hello to one server as often as needed, and tells a refusal from an accident."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from scanner.engine.errors import ConnectionLost, HostSilent, ProbeError, UnexpectedReply
from scanner.engine.facts.tls import TlsVersion
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.dial import Conversation
from scanner.engine.probes.starttls import ServerBusy, upgrade
from scanner.engine.probes.tls_flight import (
    CLOSE_NOTIFY,
    INTERNAL_ERROR,
    MESSAGE_LIMIT,
    UNRECOGNIZED_NAME,
    FlightReader,
    ServerFlight,
)
from scanner.engine.probes.tls_wire import (
    CLASSIC_SIGNATURES,
    CODES,
    OLD,
    RENEGOTIATION_SCSV,
    ClientHello,
    Hello,
    Ssl2Hello,
)

LANES = 4
"""Connections to one server at a time."""
BUSY_PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Seconds to wait when a server takes no more connections for now. Exim takes 20, and lets go of them late."""
BYTES_LIMIT = 64 * 1024 * 1024
"""Bytes that one server may make us read in one look; an ordinary one sends some 200 KB."""
FLIGHT_LIMIT = 2 * MESSAGE_LIMIT
"""Bytes of one answer to a hello: the longest message, and room for what stands around it."""
PATIENCE = 3
"""How many times longer than usual a server may take that has not answered yet: a small device with a long key."""
SLOWNESS = LANES + 2
"""How many times longer than its slowest answer a server may take: it may be busy with the questions in all lanes."""
LONGEST_WAIT = 15.0
"""Seconds for one answer."""
CONNECTION_LIMIT = 700
"""Connections for one look; a server that takes every suite of every version needs about 600."""


class ConnectionLimited(ProbeError):  # noqa: N818 - reads as the event it is
    """The server stopped answering what it had answered before."""


def accepted(flight: ServerFlight, version: TlsVersion) -> bool:
    """Tell whether the answer is a ServerHello of exactly that version (with suites, where SSL 2.0 lists them)."""
    return flight.version == CODES[version] and (version is not TlsVersion.SSL2 or bool(flight.ssl2_suites))


class Asker:
    """One server under one name.

    ``control`` is a hello that it answered, to test it with when it goes quiet. ``plain`` are the versions under
    which it fails on what is new in a hello. ``slowest`` is the longest that an answer has taken, in seconds;
    ``on_slower`` is called when that grows.
    """

    def __init__(self, contact: Contact, name: str | None, starttls: str) -> None:
        self.contact = contact
        self.name = name
        self.starttls = starttls
        self.connections = 0
        self._received = 0
        self._patient = 0
        self.slowest = 0.0
        self.on_slower: Callable[[], None] = lambda: None
        self.control: Hello | None = None
        self.alerts: set[int] = set()
        self.plain: set[TlsVersion] = set()
        self._lanes = asyncio.Semaphore(LANES)

    @property
    def is_far(self) -> bool:
        """Tell whether waiting for the server is what takes the time."""
        return self.contact.dialer.window_of(self.contact.endpoint).is_far

    @property
    def wait(self) -> float:
        """Return the seconds that one answer may take, by the slowest that the server has given."""
        usual = self.contact.dialer.limits.read_timeout * (PATIENCE if self._patient else 1)
        return max(usual, min(self.slowest * SLOWNESS, LONGEST_WAIT))

    def hello(self, version: TlsVersion, suites: Sequence[int], **options: object) -> Hello:
        """Return a hello for exactly ``version`` under the server's name; ``options`` are fields of ``ClientHello``."""
        if version is TlsVersion.SSL2:
            return Ssl2Hello(tuple(suites))
        extra = (RENEGOTIATION_SCSV,) if version is TlsVersion.SSL3 else ()
        fields: dict[str, object] = {"deflate": version in OLD, "named": UNRECOGNIZED_NAME in self.alerts}
        if version in self.plain:
            fields["signatures"] = CLASSIC_SIGNATURES
        fields.update(options)
        return ClientHello(version, (*suites, *extra), self.name, **fields)  # type: ignore[arg-type]  # names of its own fields

    async def ask(self, hello: Hello) -> ServerFlight:
        """Send one hello on a fresh connection. Raises ``ProbeError``; a close or reset is an answer, ``closed``."""
        async with self._lanes:
            for pause in BUSY_PAUSES:
                try:
                    flight = await self._ask_once(hello)
                    break
                except ServerBusy:
                    await asyncio.sleep(pause)  # with the lane kept, so that the others press less
            else:
                flight = await self._ask_once(hello)
        if flight.alert is not None:
            self.alerts.add(flight.alert)
        if accepted(flight, hello.version) and (self.control is None or self._is_cheap(hello)):
            self.control = hello
        return flight

    async def ask_longer(self, hello: Hello) -> ServerFlight:
        """Ask a server that gave no answer yet, and may be slow, with more patience. Raises ``ProbeError``."""
        self._patient += 1
        try:
            return await self.ask(hello)
        finally:
            self._patient -= 1

    def _is_cheap(self, hello: Hello) -> bool:
        """Tell whether the answer costs the server no signature: without a key share it asks for one, and no more."""
        return isinstance(hello, ClientHello) and hello.version is TlsVersion.TLS13 and not hello.shares

    async def _ask_once(self, hello: Hello) -> ServerFlight:
        if self.connections >= CONNECTION_LIMIT:
            raise ConnectionLimited(f"The limit of {CONNECTION_LIMIT} connections for one server is used up.")
        self.connections += 1
        async with self.contact.dialer.connect(self.contact.endpoint, budget=FLIGHT_LIMIT) as conversation:
            if self.starttls:
                conversation = await upgrade(conversation, self.starttls, self.name)
            return await self._talk(conversation, hello)

    def count(self, received: int) -> None:
        """Count bytes read from the server. Raises ``ConnectionLimited`` when it has sent far too many."""
        self._received += received
        if self._received > BYTES_LIMIT:
            raise ConnectionLimited(f"The server has sent more than {BYTES_LIMIT >> 20} MiB in answer to our hellos.")

    async def _talk(self, conversation: Conversation, hello: Hello) -> ServerFlight:
        reader = FlightReader(ssl2=hello.version is TlsVersion.SSL2)
        began = time.monotonic()
        deadline = began + self.wait
        try:
            await conversation.send(hello.encode())
            while not reader.over:
                data = await conversation.receive(16_384, max(0.001, deadline - time.monotonic()))
                if not data:
                    break
                self.count(len(data))
                reader.feed(data)
        except HostSilent:
            if not reader.flight.version:
                raise
        except ConnectionLost:
            pass
        except UnexpectedReply:
            if not self.starttls:  # after an upgrade it is a refusal in the words of the protocol around TLS
                raise
        flight = reader.end()
        took = time.monotonic() - began
        if flight.version and reader.over and took > self.slowest:
            self.slowest = took
            self.on_slower()
        return flight

    async def settle(self, hello: Hello) -> ServerFlight:
        """Ask, and once more when the answer could be an accident.

        A refusal counts when it is an alert, or when the connection is closed twice while the control is still
        answered in between: Schannel refuses without a word, but so does a host that limits connections, which
        raises ``ConnectionLimited``.
        """
        try:
            flight = await self.ask(hello)
        except UnexpectedReply:
            raise
        except ProbeError as error:
            await asyncio.sleep(0.2)
            unknown = self.control is None and isinstance(error, HostSilent)
            flight = await (self.ask_longer(hello) if unknown else self.ask(hello))
        if flight.version or (flight.alert is not None and flight.alert not in (CLOSE_NOTIFY, INTERNAL_ERROR)):
            return flight
        flight = await self.ask(hello)
        if not flight.version:
            await self.check()
        return flight

    async def check(self) -> None:
        """Raise ``ConnectionLimited`` when the server no longer answers what it answered before."""
        if self.control is not None and not (await self.ask(self.control)).version:
            raise ConnectionLimited("The server stopped answering hellos that it had answered before.")
