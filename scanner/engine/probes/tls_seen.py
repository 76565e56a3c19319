"""What a sweep has learned of a server so far, and the facts that it makes in the end."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from scanner.engine.facts.tls import AcceptedSuite, Answer, TlsFacts, TlsVersion
from scanner.engine.probes.tls_ask import Asker
from scanner.engine.probes.tls_flight import (
    HANDSHAKE_FAILURE,
    INTERNAL_ERROR,
    UNRECOGNIZED_NAME,
    ServerFlight,
    group_label,
)
from scanner.engine.probes.tls_suites import GROUPS, group_name, name_of
from scanner.engine.probes.tls_wire import EXTENDED_MASTER_SECRET, OLD, RENEGOTIATION_INFO, SIGNED_TIMESTAMPS

CHAINS = 8
"""Different chains kept of one server."""

OCSP_BYTES = 16 * 1024
"""Bytes up to which a stapled response is kept; those of public authorities take one to three thousand."""


@dataclass(slots=True)
class Seen:
    """Answers as they come in. ``suites`` and ``groups`` keep the order in which they were found."""

    versions: dict[TlsVersion, Answer] = field(default_factory=dict)
    suites: dict[tuple[TlsVersion, int], ServerFlight] = field(default_factory=dict)
    groups: dict[int, None] = field(default_factory=dict)
    chains: dict[tuple[bytes, ...], None] = field(default_factory=dict)
    ssl2_certificate: bytes = b""
    ocsp: dict[bytes, None] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)

    def note(self, version: TlsVersion, flight: ServerFlight, *, deflate: bool = True) -> None:
        """Keep an answer that accepts ``version``; ``deflate`` tells whether compression was offered."""
        self.versions[version] = Answer.YES
        for suite in flight.ssl2_suites or (flight.suite,):
            self.suites.setdefault((version, suite), replace(flight, certificates=(), ocsp=b""))
        if flight.group:
            self.groups.setdefault(flight.group)
        if flight.certificates and version is TlsVersion.SSL2:
            self.ssl2_certificate = flight.certificates[0]
        if version in OLD:
            # SSL 2.0 has room for the leaf only, and TLCP sends a pair of leaves: neither is a chain to judge.
            if flight.certificates and len(self.chains) < CHAINS:
                self.chains.setdefault(flight.certificates)
            if deflate:
                self.add("compression", flight.compression == 1)
            self._note_features(flight)

    def _note_features(self, flight: ServerFlight) -> None:
        """Keep what the answer to an old hello shows besides its suite."""
        self.add("secure_renegotiation", RENEGOTIATION_INFO in flight.extensions)
        self.add("timestamps_sent", SIGNED_TIMESTAMPS in flight.extensions)
        if flight.version > 0x0300:
            self.add("extended_master_secret", EXTENDED_MASTER_SECRET in flight.extensions)
        if flight.done:
            self.add("client_certificate", flight.asks_certificate)
            if flight.certificates:
                self.note_staple(flight.stapled, flight.ocsp)

    def note_staple(self, stapled: bool, response: bytes) -> None:
        """Keep whether a revocation status was sent along, and which, empty when it can't be read."""
        self.add("ocsp_stapled", stapled)
        if 0 < len(response) <= OCSP_BYTES and len(self.ocsp) < CHAINS:
            self.ocsp.setdefault(response)

    def add(self, question: str, seen: bool) -> None:
        """Answer one of the questions of ``TlsFacts`` by its name; what was seen once is a yes for good."""
        known = self.answers.get(question)
        self.answers[question] = Answer.YES if seen or known is Answer.YES else Answer.NO

    def accepts(self, version: TlsVersion) -> bool:
        """Tell whether the server was seen to accept ``version``."""
        return self.versions.get(version) is Answer.YES

    def accepted_suites(self, version: TlsVersion) -> list[int]:
        """Return the suites accepted under ``version``, in the order in which the server picked them."""
        return [suite for found, suite in self.suites if found is version]

    def sort(self, version: TlsVersion, order: Sequence[int]) -> None:
        """Bring the suites of ``version``, found side by side, into an order that is the same in each look."""
        place = {suite: at for at, suite in enumerate(order)}
        found = sorted(self.accepted_suites(version), key=lambda suite: place.get(suite, len(place)))
        flights = {suite: self.suites.pop((version, suite)) for suite in found}
        self.suites.update({(version, suite): flight for suite, flight in flights.items()})

    def facts(self, asker: Asker, trouble: str) -> TlsFacts:
        """Return what has been learned; ``trouble`` says why the sweep ended early, or is empty."""
        alerts = asker.alerts
        # Go's servers choose a version, and then find no certificate to show to who names nobody.
        no_certificate = not self.chains and INTERNAL_ERROR in alerts
        wants_name = UNRECOGNIZED_NAME in alerts or no_certificate
        wants_name = wants_name or (asker.control is None and alerts == {HANDSHAKE_FAILURE})
        return TlsFacts(
            sni=asker.name,
            starttls=asker.starttls,
            versions=tuple((version, self.versions.get(version, Answer.UNTESTED)) for version in TlsVersion),
            suites=tuple(_accepted_suite(version, number, flight) for (version, number), flight in self.suites.items()),
            groups=tuple(group_name(group) for group in self.groups),
            needs_name=asker.name is None and wants_name,
            chains=tuple(tuple(b64encode(der).decode() for der in chain) for chain in self.chains),
            ssl2_certificate=b64encode(self.ssl2_certificate).decode(),
            ocsp_responses=tuple(b64encode(der).decode() for der in self.ocsp),
            complete=not trouble,
            ended=trouble,
            connections=asker.connections,
            **self.answers,
        )


def _accepted_suite(version: TlsVersion, number: int, flight: ServerFlight) -> AcceptedSuite:
    bits = int.from_bytes(flight.prime).bit_length() if flight.prime else GROUPS.get(flight.group, ("", 0))[1]
    return AcceptedSuite(
        version=version,
        suite=name_of(number),
        group=group_label(flight),
        group_bits=bits,
        prime_sha256=hashlib.sha256(flight.prime).hexdigest() if flight.prime else "",
    )
