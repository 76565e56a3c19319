"""The hello sweep: which versions, suites, groups and features a TLS server accepts.

Every question is a ClientHello of our own on a fresh connection; no key is exchanged, except for the certificate
of a server that speaks TLS 1.3 only. Suites are found by elimination: offer all, take away what the server picks,
until it refuses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from scanner.engine.errors import ConnectionLost, ProbeError, UnexpectedReply
from scanner.engine.facts.tls import Answer, TlsFacts, TlsVersion
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.tls_ask import Asker, accepted
from scanner.engine.probes.tls_behaviour import ask_compression, ask_fallback, ask_preference, ask_sha1
from scanner.engine.probes.tls_chain13 import ChainReader
from scanner.engine.probes.tls_flight import (
    CLOSE_NOTIFY,
    HANDSHAKE_FAILURE,
    INAPPROPRIATE_FALLBACK,
    MISSING_EXTENSION,
    PROTOCOL_VERSION,
    UNRECOGNIZED_NAME,
    ServerFlight,
)
from scanner.engine.probes.tls_groups import find_curves, find_modern_groups
from scanner.engine.probes.tls_kinds import kinds, picks
from scanner.engine.probes.tls_openers import CHUNK, PLAIN, first_answer, is_short, plainer
from scanner.engine.probes.tls_seen import Seen
from scanner.engine.probes.tls_suites import CURVES_BELOW_256, GROUPS_TLS12, by_exchange, group_name, offer
from scanner.engine.probes.tls_wire import HELLO, OLD, SSL2_HELLO, recognises

__all__ = ["HELLO", "SSL2_HELLO", "look", "recognises"]

PARTS = 3
"""Into how many parts the suites of TLS 1.2 are split where a server is far: each is found by elimination, side by side
with the others, and costs one refusal more."""

SECONDS, LONGEST = 60.0, 240.0
"""How long one look may take, and how long at most where the server is slow; what was found by then still counts."""
ANSWERS = 50
"""Answers for which a look has time, were each as slow as the slowest: more than a usual server gives one by one."""
_REFUSALS = (HANDSHAKE_FAILURE, PROTOCOL_VERSION, INAPPROPRIATE_FALLBACK, MISSING_EXTENSION, UNRECOGNIZED_NAME)
"""Alerts that are meant; any other one may be a mishap."""

_UNKNOWN_TO_MULTIPLEXERS = frozenset({TlsVersion.SSL2, TlsVersion.SSL3})
"""Versions whose hellos a multiplexer does not know for TLS, and hands to another service: TLS never hears of them."""


async def look(
    contact: Contact, *, server_name: str | None, starttls: str = "", again: TlsFacts | None = None
) -> TlsFacts:
    """Sweep the server. ``server_name`` is sent as SNI; ``starttls`` names the protocol to upgrade first.

    ``again`` is what a first look found: then only that is asked once more. Raises ``HostSilent``,
    ``ConnectionRefused``, ``ConnectionLost`` or ``UnexpectedReply`` (not TLS) when nothing at all could be
    learned; whatever ends the sweep later is told in ``TlsFacts.ended``.
    """
    asker = Asker(contact, server_name, starttls)
    sweep = Sweep(asker)
    began = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout(SECONDS) as end:

            def allow_more() -> None:
                if not end.expired():
                    end.reschedule(began + _seconds(asker))

            asker.on_slower = allow_more
            await (sweep.everything() if again is None else sweep.confirm(again))
    except TimeoutError:
        sweep.trouble = f"The look took longer than {_seconds(asker):.0f} seconds."
    except ProbeError as error:
        if not sweep.asker.alerts and sweep.asker.control is None:
            raise
        sweep.trouble = str(error)
    if server_name and sweep.asker.control is None and UNRECOGNIZED_NAME in sweep.asker.alerts:
        # The registered name is not served here; what the server shows to everyone else still counts.
        return await look(contact, server_name=None, starttls=starttls, again=again)
    return sweep.seen.facts(sweep.asker, sweep.trouble)


def _seconds(asker: Asker) -> float:
    """Return how long a look may take, by the slowest answer so far. Only its own host waits for a slow server."""
    return min(max(SECONDS, asker.slowest * ANSWERS), LONGEST)


class Sweep:
    """One look in progress: what was asked so far and what came of it."""

    def __init__(self, asker: Asker) -> None:
        self.asker = asker
        self.trouble = ""
        self.seen = Seen()
        self._chunked = False
        self._choked: list[tuple[TlsVersion, list[int]]] = []

    # --- the order of questions

    async def everything(self) -> None:
        """Ask all there is to ask."""
        asker, seen = self.asker, self.seen
        hello, flight = await first_answer(asker)
        self._chunked = is_short(hello)
        opened = {} if self._chunked else {hello.version: flight}
        others = [version for version in TlsVersion if version is not TlsVersion.TLS13]
        await self._each(
            [
                *(self._version(version, opened.get(version)) for version in others),
                self._modern(opened.get(TlsVersion.TLS13)),
            ]
        )
        await self._behind_failures()
        order = {version: seen.accepted_suites(version) for version in TlsVersion}
        await self._each(
            [
                find_curves(asker, seen, GROUPS_TLS12),
                self._modern_chain(),
                ask_preference(asker, seen, order),
                ask_compression(asker, seen),
                ask_fallback(asker, seen),
                ask_sha1(asker, seen),
            ]
        )

    async def confirm(self, first: TlsFacts) -> None:
        """Ask again for what ``first`` found accepted, one suite of every kind, and for the absences that count."""
        asker, seen = self.asker, self.seen
        if not first.suites:
            await first_answer(asker)
            return
        await self._each([self._again(suite.version, numbers) for suite, numbers in kinds(first).items()])
        if asker.control is None and not asker.alerts:
            raise ConnectionLost(self.trouble or "The server no longer answers what it answered before.")
        later: list[Awaitable[None]] = [self._modern_chain()]
        later.extend(
            self._absent(version)
            for version in (TlsVersion.TLS12, TlsVersion.TLS13)
            if first.accepts(version) is Answer.NO
        )
        weak = [number for number in CURVES_BELOW_256 if group_name(number) in first.groups]
        if weak:
            later.append(find_curves(asker, seen, weak))
        if first.fallback_scsv is not Answer.UNTESTED:
            later.append(ask_fallback(asker, seen))
        if first.sha1_signature is not Answer.UNTESTED:
            later.append(ask_sha1(asker, seen))
        if first.server_preference is not Answer.UNTESTED:
            later.append(ask_preference(asker, seen, picks(first)))
        await self._each(later)
        if not first.complete:
            self.trouble = self.trouble or first.ended

    async def _each(self, questions: Sequence[Awaitable[None]]) -> None:
        """Ask side by side. One that ends early leaves its answer untested and does not disturb the others."""
        for result in await asyncio.gather(*questions, return_exceptions=True):
            if isinstance(result, ProbeError):
                self.trouble = self.trouble or str(result.args[0])
            elif isinstance(result, BaseException):
                raise result

    # --- versions and suites

    async def _modern(self, opened: ServerFlight | None) -> None:
        """Ask for TLS 1.3 and then for its groups, beside the other versions."""
        await self._each([self._version(TlsVersion.TLS13, opened)])
        await find_modern_groups(self.asker, self.seen)

    async def _version(self, version: TlsVersion, opened: ServerFlight | None) -> None:
        self.seen.versions[version] = Answer.UNTESTED
        suites = offer(version)
        try:
            flight = opened or await self.asker.settle(self.asker.hello(version, suites))
        except UnexpectedReply:
            # After an upgrade, some servers refuse TLCP's version in plain text.
            if version is not TlsVersion.TLCP and not (
                self.asker.contact.shared and version in _UNKNOWN_TO_MULTIPLEXERS
            ):
                raise
            self.seen.versions[version] = Answer.NO
            return
        if accepted(flight, version):
            far = self.asker.is_far and version is TlsVersion.TLS12
            await (self._eliminate_in_parts if far else self._eliminate)(version, list(suites), flight)
            return
        first = flight
        if flight.version or version not in (TlsVersion.SSL2, TlsVersion.TLCP):  # whose hellos are as plain as can be
            flight = await self.asker.settle(plainer(self.asker, version))
        if accepted(flight, version):
            self.asker.plain.add(version)
            self.seen.note(version, flight, deflate=False)
        if version in OLD and (self._chunked or accepted(flight, version)):
            for at in range(0, len(suites), CHUNK):  # the server chokes on long hellos
                chunk = list(suites[at : at + CHUNK])
                await self._eliminate(version, chunk, await self.asker.settle(self.asker.hello(version, chunk)))
        elif self._fails_on(version, first):
            self._choked.append((version, list(suites)))
        if not self.seen.accepts(version):
            self._refused(version, flight)

    def _refused(self, version: TlsVersion, flight: ServerFlight) -> None:
        names_count = version is not TlsVersion.SSL2  # its hello has no room for a name: no client gets further
        if names_count and flight.alert in (UNRECOGNIZED_NAME, MISSING_EXTENSION):
            raise ConnectionLost(f"{version} was not answered: the server wants to know the host name.")
        self.seen.versions[version] = Answer.NO

    async def _eliminate(self, version: TlsVersion, remaining: list[int], flight: ServerFlight) -> None:
        while accepted(flight, version):
            self.seen.note(version, flight)
            if version is TlsVersion.SSL2 or flight.suite not in remaining:
                return
            remaining.remove(flight.suite)
            if not remaining:
                return
            flight = await self.asker.settle(self.asker.hello(version, remaining))
        if self._fails_on(version, flight):
            self._choked.append((version, remaining))

    async def _eliminate_in_parts(self, version: TlsVersion, remaining: list[int], flight: ServerFlight) -> None:
        """Do the same with less waiting. What the server likes best is known by the first answer, and comes first."""
        self.seen.note(version, flight)
        if flight.suite not in remaining:
            return
        remaining.remove(flight.suite)

        async def part(suites: list[int]) -> None:
            await self._eliminate(version, suites, await self.asker.settle(self.asker.hello(version, suites)))

        await self._each([part(remaining[at::PARTS]) for at in range(PARTS)])
        self.seen.sort(version, (flight.suite, *remaining))

    def _fails_on(self, version: TlsVersion, flight: ServerFlight) -> bool:
        """Tell whether a refusal looks like a failure over a suite that was picked but can't be served.

        Servers that never send an alert refuse by closing; from others it is as odd as ``internal_error``.
        """
        closed = flight.alert in (None, CLOSE_NOTIFY)
        refusal = self.asker.alerts <= {CLOSE_NOTIFY} if closed else flight.alert in _REFUSALS
        return version in OLD and not flight.version and not refusal

    async def _behind_failures(self) -> None:
        """Look for suites behind those that make the server fail, by offering each key exchange alone."""
        if self._choked:
            pieces = [(version, piece) for version, rest in self._choked for piece in by_exchange(rest)]
            await self._each([self._piece(version, piece) for version, piece in pieces])
            await self._each([self.asker.check()])

    async def _piece(self, version: TlsVersion, suites: list[int]) -> None:
        flight = await self.asker.ask(self.asker.hello(version, suites, **PLAIN))
        while accepted(flight, version):
            self.seen.note(version, flight, deflate=False)
            if flight.suite not in suites or len(suites) == 1:
                return
            suites.remove(flight.suite)
            flight = await self.asker.settle(self.asker.hello(version, suites, **PLAIN))

    async def _again(self, version: TlsVersion, suites: list[int]) -> None:
        """Ask for suites of one kind that were accepted before; what may be a failure is asked about more plainly."""
        flight = await self.asker.settle(self.asker.hello(version, suites))
        if accepted(flight, version):
            self.seen.note(version, flight)
        elif version in OLD and not flight.version and flight.alert not in _REFUSALS:
            await self._piece(version, suites)

    async def _absent(self, version: TlsVersion) -> None:
        flight = await self.asker.settle(plainer(self.asker, version))
        if accepted(flight, version):
            self.seen.note(version, flight, deflate=False)
        else:
            self._refused(version, flight)

    async def _modern_chain(self) -> None:
        """Read the certificates that only a handshake of TLS 1.3 shows: those of key types not seen in clear text."""
        if not self.seen.accepts(TlsVersion.TLS13):
            return
        suites = tuple(self.seen.accepted_suites(TlsVersion.TLS13))
        reader = ChainReader(self.asker, suites, tuple(self.seen.groups))
        for flight in await reader.read([leaf for leaf, *_ in self.seen.chains]):
            self.seen.chains.setdefault(flight.certificates)
            self.seen.add("client_certificate", flight.asks_certificate)
            self.seen.add("timestamps_sent", flight.timestamps)
            self.seen.note_staple(flight.stapled, flight.ocsp)
