"""The hello sweep: which versions, suites, groups and features a TLS server accepts.

Every question is a ClientHello of our own on a fresh connection; no key is exchanged, except for the certificate
of a server that speaks TLS 1.3 only. Suites are found by elimination: offer all, take away what the server picks,
until it refuses.
"""

from __future__ import annotations

import asyncio
import hashlib
from base64 import b64encode
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace

from scanner.engine.errors import ConnectionLost, HostSilent, ProbeError, UnexpectedReply
from scanner.engine.facts.tls import AcceptedSuite, Answer, TlsFacts, TlsVersion
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.tls_ask import Asker, accepted
from scanner.engine.probes.tls_chain13 import ChainReader
from scanner.engine.probes.tls_flight import (
    ALERTS,
    HANDSHAKE_FAILURE,
    INAPPROPRIATE_FALLBACK,
    MISSING_EXTENSION,
    UNRECOGNIZED_NAME,
    ServerFlight,
    group_label,
)
from scanner.engine.probes.tls_kinds import kinds, picks
from scanner.engine.probes.tls_suites import (
    CURVES_BELOW_256,
    GROUPS,
    GROUPS_TLS12,
    GROUPS_TLS13,
    group_name,
    name_of,
    offer,
)
from scanner.engine.probes.tls_wire import (
    ALL_SIGNATURES,
    COMMON_SHARES,
    EXTENDED_MASTER_SECRET,
    FALLBACK_SCSV,
    HELLO,
    RENEGOTIATION_INFO,
    RENEGOTIATION_SCSV,
    SHA1_SIGNATURES,
    SSL2_HELLO,
    ClientHello,
    Hello,
    Ssl2Hello,
    recognises,
)

__all__ = ["HELLO", "SSL2_HELLO", "look", "recognises"]

SECONDS = 60.0
"""The longest that one look may take; what was found by then still counts."""
CHUNK = 64
"""Suites in one hello for servers that choke on long lists."""
CHAINS = 8
"""Different chains kept of one server."""

OLD = (TlsVersion.SSL3, TlsVersion.TLS10, TlsVersion.TLS11, TlsVersion.TLS12)
"""Versions whose certificate and key exchange travel in the clear, ascending."""


async def look(
    contact: Contact, *, server_name: str | None, starttls: str = "", again: TlsFacts | None = None
) -> TlsFacts:
    """Sweep the server. ``server_name`` is sent as SNI; ``starttls`` names the protocol to upgrade first.

    ``again`` is what a first look found: then only that is asked once more. Raises ``HostSilent``,
    ``ConnectionRefused``, ``ConnectionLost`` or ``UnexpectedReply`` (not TLS) when nothing at all could be
    learned; whatever ends the sweep later is told in ``TlsFacts.ended``.
    """
    sweep = Sweep(Asker(contact, server_name, starttls))
    try:
        async with asyncio.timeout(SECONDS):
            await (sweep.everything() if again is None else sweep.confirm(again))
    except TimeoutError:
        sweep.trouble = f"The look took longer than {SECONDS:.0f} seconds."
    except ProbeError as error:
        if not sweep.asker.alerts and sweep.asker.control is None:
            raise
        sweep.trouble = str(error)
    if server_name and sweep.asker.control is None and UNRECOGNIZED_NAME in sweep.asker.alerts:
        # The registered name is not served here; what the server shows to everyone else still counts.
        return await look(contact, server_name=None, starttls=starttls, again=again)
    return sweep.facts()


class Sweep:
    """One look in progress: what was asked so far and what came of it."""

    def __init__(self, asker: Asker) -> None:
        self.asker = asker
        self.trouble = ""
        self._versions: dict[TlsVersion, Answer] = {}
        self._suites: dict[tuple[TlsVersion, int], ServerFlight] = {}
        self._groups: dict[int, None] = {}
        self._chains: dict[tuple[bytes, ...], None] = {}
        self._chunked = False
        self._answers: dict[str, Answer] = {}

    # --- the order of questions

    async def everything(self) -> None:
        """Ask all there is to ask."""
        opened = await self._first_answer()
        await self._each([self._version(version, opened.get(version)) for version in TlsVersion])
        await self._each(
            [
                self._modern_groups(),
                self._weak_curves(),
                self._preference({version: self._accepted_suites(version) for version in TlsVersion}),
                self._fallback(),
                self._sha1(SHA1_SIGNATURES),
                self._modern_chain(),
            ]
        )

    async def confirm(self, first: TlsFacts) -> None:
        """Ask again for what ``first`` found accepted, one suite of every kind, and for the absences that count."""
        if not first.suites:
            await self._first_answer()
            return
        known = picks(first)
        await self._each([self._again(suite.version, numbers) for suite, numbers in kinds(first).items()])
        if self.asker.control is None and not self.asker.alerts:
            raise ConnectionLost(self.trouble or "The server no longer answers what it answered before.")
        later: list[Awaitable[None]] = [self._modern_chain()]
        later.extend(
            self._absent(version)
            for version in (TlsVersion.TLS12, TlsVersion.TLS13)
            if first.accepts(version) is Answer.NO
        )
        weak = [number for number in CURVES_BELOW_256 if group_name(number) in first.groups]
        if weak:
            later.append(self._eliminate_groups(self._ecdhe_version(), weak))
        if first.fallback_scsv is not Answer.UNTESTED:
            later.append(self._fallback())
        if first.sha1_signature is not Answer.UNTESTED:
            later.append(self._sha1(SHA1_SIGNATURES))
        if first.server_preference is not Answer.UNTESTED:
            later.append(self._preference(known))
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

    def _hello(self, version: TlsVersion, suites: Sequence[int], **options: object) -> Hello:
        if version is TlsVersion.SSL2:
            return Ssl2Hello(tuple(suites))
        extra = (RENEGOTIATION_SCSV,) if version is TlsVersion.SSL3 else ()
        fields: dict[str, object] = {"deflate": version in OLD, **options}
        return ClientHello(version, (*suites, *extra), self.asker.name, **fields)  # type: ignore[arg-type]  # names of its own fields

    def _openers(self) -> list[Hello]:
        """Return hellos from the likeliest to the strangest; one of them is answered by every TLS server."""
        modern, classic = offer(TlsVersion.TLS13), offer(TlsVersion.TLS12)
        return [
            self._hello(TlsVersion.TLS12, classic),
            self._hello(TlsVersion.TLS13, modern),
            self._hello(TlsVersion.TLS13, modern[:3], groups=(29, 23, 24, 25, 30, 256), shares=COMMON_SHARES),
            *(
                self._hello(version, offer(version))
                for version in (TlsVersion.TLS10, TlsVersion.SSL3, TlsVersion.TLS11, TlsVersion.SSL2, TlsVersion.TLCP)
            ),
            *(self._hello(TlsVersion.TLS12, classic[at : at + CHUNK]) for at in range(0, len(classic), CHUNK)),
            self._hello(TlsVersion.TLS12, classic[:CHUNK], bare=True),
        ]

    async def _first_answer(self) -> dict[TlsVersion, ServerFlight]:
        """Find one hello that is answered, and return that answer. Raises when there is none."""
        silences = 0
        trouble: ProbeError | None = None
        for hello in self._openers():
            if silences >= 2 and hello.version is not TlsVersion.SSL2:
                continue  # silent to TLS; only the oldest of hellos may still be understood
            try:
                flight = await self.asker.ask(hello)
            except HostSilent as error:
                silences, trouble = silences + 1, error
                continue
            except UnexpectedReply as error:
                if trouble is not None and hello.version is not TlsVersion.SSL2:
                    raise
                trouble = error
                continue
            if accepted(flight, hello.version):
                self._chunked = hello.version is TlsVersion.TLS12 and len(hello.suites) <= CHUNK
                return {} if self._chunked else {hello.version: flight}
        if self.asker.alerts:
            names = ", ".join(ALERTS.get(alert, str(alert)) for alert in sorted(self.asker.alerts))
            raise ConnectionLost(f"The server refused every hello ({names}).")
        raise trouble or ConnectionLost("The server closed the connection after every hello.")

    async def _version(self, version: TlsVersion, opened: ServerFlight | None) -> None:
        self._versions[version] = Answer.UNTESTED
        suites = offer(version)
        try:
            flight = opened or await self.asker.settle(self._hello(version, suites))
        except UnexpectedReply:
            if version is not TlsVersion.TLCP:
                raise
            self._versions[version] = Answer.NO  # after an upgrade, some servers refuse its version in plain text
            return
        if accepted(flight, version):
            await self._eliminate(version, list(suites), flight)
            return
        flight = await self.asker.settle(self._second_form(version))
        if accepted(flight, version):
            self._note(version, flight)
        if version in OLD and (self._chunked or accepted(flight, version)):
            for at in range(0, len(suites), CHUNK):  # the server chokes on long hellos
                chunk = list(suites[at : at + CHUNK])
                await self._eliminate(version, chunk, await self.asker.settle(self._hello(version, chunk)))
        if self._versions[version] is not Answer.YES:
            self._refused(version, flight)

    def _refused(self, version: TlsVersion, flight: ServerFlight) -> None:
        if flight.alert in (UNRECOGNIZED_NAME, MISSING_EXTENSION):
            raise ConnectionLost(f"{version} was not answered: the server wants to know the host name.")
        self._versions[version] = Answer.NO

    def _second_form(self, version: TlsVersion) -> Hello:
        """Return the hello that is asked before a refusal is believed: shorter and plainer than the first."""
        if version is TlsVersion.TLS13:
            return self._hello(version, offer(version)[:3], groups=(29, 23, 24, 25, 30, 256), shares=COMMON_SHARES)
        return self._hello(version, offer(version)[:CHUNK], deflate=False)

    async def _eliminate(self, version: TlsVersion, remaining: list[int], flight: ServerFlight) -> None:
        while accepted(flight, version):
            self._note(version, flight)
            if version is TlsVersion.SSL2 or flight.suite not in remaining:
                return
            remaining.remove(flight.suite)
            if not remaining:
                return
            flight = await self.asker.settle(self._hello(version, remaining))

    def _note(self, version: TlsVersion, flight: ServerFlight) -> None:
        self._versions[version] = Answer.YES
        for suite in flight.ssl2_suites or (flight.suite,):
            self._suites.setdefault((version, suite), replace(flight, certificates=()))
        if flight.group:
            self._groups.setdefault(flight.group)
        if flight.certificates and len(self._chains) < CHAINS and version in OLD:
            # SSL 2.0 has room for the leaf only, and TLCP sends a pair of leaves: neither is a chain to judge.
            self._chains.setdefault(flight.certificates)
        if version in OLD:
            self._note_features(flight)

    def _note_features(self, flight: ServerFlight) -> None:
        """Keep what the answer to an old hello shows besides its suite."""
        self._answers["compression"] = _merge(self._answers.get("compression"), flight.compression == 1)
        self._answers["secure_renegotiation"] = _merge(
            self._answers.get("secure_renegotiation"), RENEGOTIATION_INFO in flight.extensions
        )
        if flight.version > 0x0300:
            self._answers["extended_master_secret"] = _merge(
                self._answers.get("extended_master_secret"), EXTENDED_MASTER_SECRET in flight.extensions
            )
        if flight.done:
            self._answers["client_certificate"] = _merge(
                self._answers.get("client_certificate"), flight.asks_certificate
            )
            if flight.certificates:
                self._answers["ocsp_stapled"] = _merge(self._answers.get("ocsp_stapled"), flight.stapled)

    async def _again(self, version: TlsVersion, suites: list[int]) -> None:
        flight = await self.asker.settle(self._hello(version, suites))
        if accepted(flight, version):
            self._note(version, flight)

    async def _absent(self, version: TlsVersion) -> None:
        flight = await self.asker.settle(self._second_form(version))
        if accepted(flight, version):
            self._note(version, flight)
        else:
            self._refused(version, flight)

    # --- groups

    def _accepted_suites(self, version: TlsVersion) -> list[int]:
        return [suite for found, suite in self._suites if found is version]

    def _ecdhe_version(self) -> TlsVersion | None:
        """Return the highest version up to 1.2 under which the server negotiates curves."""
        return next(
            (
                version
                for version in reversed(OLD[1:])
                if any("_ECDH" in name_of(s) and s in self._ephemeral() for s in self._accepted_suites(version))
            ),
            None,
        )

    def _ephemeral(self) -> set[int]:
        return {suite for _, suite in self._suites if "ECDHE" in name_of(suite) or "ECDH_anon" in name_of(suite)}

    async def _modern_groups(self) -> None:
        if self._versions.get(TlsVersion.TLS13) is Answer.YES:
            await self._eliminate_groups(TlsVersion.TLS13, list(GROUPS_TLS13))

    async def _weak_curves(self) -> None:
        """Find the curves of the older versions: all of them, or only weak ones where TLS 1.3 named the others."""
        modern = self._versions.get(TlsVersion.TLS13) is Answer.YES
        await self._eliminate_groups(self._ecdhe_version(), list(CURVES_BELOW_256 if modern else GROUPS_TLS12))

    async def _eliminate_groups(self, version: TlsVersion | None, remaining: list[int]) -> None:
        if version is None:
            return
        suites = self._accepted_suites(version)
        if version is not TlsVersion.TLS13:
            suites = [suite for suite in suites if suite in self._ephemeral()]
        while remaining:
            flight = await self.asker.settle(self._hello(version, suites, groups=tuple(remaining)))
            if not accepted(flight, version) or not flight.group:
                return
            self._groups.setdefault(flight.group)
            if flight.group not in remaining:
                return
            remaining.remove(flight.group)

    # --- behaviour

    async def _preference(self, order: Mapping[TlsVersion, Sequence[int]]) -> None:
        """Offer the first and the last pick in turned order: a server with a mind of its own picks as before."""
        for version in (*reversed(OLD), TlsVersion.TLS13):
            suites = order[version]
            if len(suites) > 1:
                flight = await self.asker.settle(self._hello(version, (suites[-1], suites[0])))
                if accepted(flight, version):
                    self._answers["server_preference"] = _merge(None, flight.suite == suites[0])
                return

    async def _fallback(self) -> None:
        """Claim to fall back from a higher version (RFC 7507); only the proper alert shows that it is noticed."""
        spoken = [version for version in OLD if self._versions.get(version) is Answer.YES]
        if len(spoken) < 2:
            return
        version = spoken[-2]
        suites = (*self._accepted_suites(version), FALLBACK_SCSV)
        flight = await self.asker.settle(self._hello(version, suites))
        if flight.alert == INAPPROPRIATE_FALLBACK:
            self._answers["fallback_scsv"] = Answer.YES
        elif accepted(flight, version):
            self._answers["fallback_scsv"] = Answer.NO

    async def _sha1(self, signatures: tuple[int, ...]) -> None:
        """Offer SHA-1 signatures only (RFC 9155) where the key exchange is signed and the algorithm is told."""
        version = TlsVersion.TLS12
        signed = [
            suite
            for suite in self._accepted_suites(version)
            if "DHE_" in name_of(suite) and "PSK" not in name_of(suite) and "anon" not in name_of(suite)
        ]
        if not signed:
            return
        flight = await self.asker.settle(self._hello(version, signed, signatures=signatures))
        if flight.signature is not None or flight.alert is not None:
            self._answers["sha1_signature"] = _merge(None, flight.signature in signatures)

    async def _modern_chain(self) -> None:
        """Read the certificate of a server whose only clear-text version is TLS 1.3, by handshake."""
        if self._chains or self._versions.get(TlsVersion.TLS13) is not Answer.YES:
            return
        reader = ChainReader(self.asker, tuple(self._accepted_suites(TlsVersion.TLS13)), tuple(self._groups))
        for seen in await reader.read(ALL_SIGNATURES):
            self._chains.setdefault(seen.certificates)
            self._answers["client_certificate"] = _merge(self._answers.get("client_certificate"), seen.asks_certificate)
            self._answers["ocsp_stapled"] = _merge(self._answers.get("ocsp_stapled"), seen.stapled)

    # --- the result

    def facts(self) -> TlsFacts:
        """Return what has been learned."""
        alerts = self.asker.alerts
        wants_name = UNRECOGNIZED_NAME in alerts or (self.asker.control is None and alerts == {HANDSHAKE_FAILURE})
        return TlsFacts(
            sni=self.asker.name,
            starttls=self.asker.starttls,
            versions=tuple((version, self._versions.get(version, Answer.UNTESTED)) for version in TlsVersion),
            suites=tuple(
                _accepted_suite(version, number, flight) for (version, number), flight in self._suites.items()
            ),
            groups=tuple(group_name(group) for group in self._groups),
            needs_name=self.asker.name is None and wants_name,
            chains=tuple(tuple(b64encode(der).decode() for der in chain) for chain in self._chains),
            complete=not self.trouble,
            ended=self.trouble,
            connections=self.asker.connections,
            **self._answers,
        )


def _merge(known: Answer | None, seen: bool) -> Answer:
    """Seen once is yes."""
    return Answer.YES if seen or known is Answer.YES else Answer.NO


def _accepted_suite(version: TlsVersion, number: int, flight: ServerFlight) -> AcceptedSuite:
    bits = int.from_bytes(flight.prime).bit_length() if flight.prime else GROUPS.get(flight.group, ("", 0))[1]
    return AcceptedSuite(
        version=version,
        suite=name_of(number),
        group=group_label(flight),
        group_bits=bits,
        prime_sha256=hashlib.sha256(flight.prime).hexdigest() if flight.prime else "",
    )
