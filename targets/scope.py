"""May this be touched? The only code that answers.

:meth:`Scope.decide` is a pure function of frozen values, so its promises can be tested as properties: exclusions
win over everything, nothing outside registration and authorisation is allowed, and whatever can't be decided is
refused. :func:`targets.query.scope_of` builds a ``Scope`` from the database. Importing this module imports no Django.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from ipaddress import ip_network

from targets.addresses import Address, AddressError, Network, parse_address, parse_hostname, parse_target, unmapped
from targets.ports import EVERY_PORT, PortRanges, port_in
from targets.special import faces, special_range

_log = logging.getLogger(__name__)

TRANSPORTS = ("tcp", "udp")

_REMEMBERED = 8192
"""Addresses that are remembered with the networks above them: the same hosts are asked about again and again."""


class RefusalReason(StrEnum):
    """Why the gate said no."""

    UNKNOWN_ORGANISATION = "unknown-organisation"
    RETIRED_ORGANISATION = "retired-organisation"
    TIME_WITHOUT_ZONE = "time-without-zone"
    BAD_ADDRESS = "bad-address"
    BAD_PORT = "bad-port"
    BAD_TRANSPORT = "bad-transport"
    BAD_HOSTNAME = "bad-hostname"
    EXCLUDED = "excluded"
    NAME_NOT_REGISTERED = "name-not-registered"
    DOMAIN_NOT_REGISTERED = "domain-not-registered"
    DOMAIN_NOT_AUTHORISED = "domain-not-authorised"
    ADDRESS_NOT_REGISTERED = "address-not-registered"
    SPECIAL_ADDRESS = "special-address"
    NOT_AUTHORISED = "not-authorised"
    AUTHORISATION_NOT_BEGUN = "authorisation-not-begun"
    AUTHORISATION_ENDED = "authorisation-ended"
    PORT_NOT_AUTHORISED = "port-not-authorised"
    UNDECIDABLE = "undecidable"


@dataclass(frozen=True, slots=True)
class Reach:
    """A set of networks (an address is a network of one) and ASCII host names."""

    networks: frozenset[Network] = frozenset()
    hostnames: frozenset[str] = frozenset()
    _prefixes: frozenset[tuple[int, int]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        networks = frozenset(unmapped(network) for network in self.networks)
        object.__setattr__(self, "networks", networks)
        object.__setattr__(self, "_prefixes", frozenset((net.version, net.prefixlen) for net in networks))

    @classmethod
    def of(cls, entries: Iterable[str]) -> Reach:
        """Parse canonical addresses, networks, host names and URLs (their host counts). Raises ``AddressError``."""
        parsed = [parse_target(entry) for entry in entries]
        return cls(
            frozenset(target.network for target in parsed if target.network),
            frozenset(target.hostname for target in parsed if target.hostname),
        )

    def covers(self, address: Address, at_least: int = 0) -> bool:
        """Tell whether one of the networks holds ``address``, looking only at prefixes of ``at_least`` bits."""
        return self.includes(_alone(address), at_least)

    def includes(self, network: Network, at_least: int = 0) -> bool:
        """Tell whether one of the networks holds all of ``network``."""
        return any(
            _above(network, prefix) in self.networks
            for version, prefix in self._prefixes
            if version == network.version and at_least <= prefix <= network.prefixlen
        )


@lru_cache(maxsize=_REMEMBERED)
def _read(address: str) -> Address:
    return parse_address(address)


@lru_cache(maxsize=_REMEMBERED)
def _alone(address: Address) -> Network:
    return ip_network(address)


@lru_cache(maxsize=_REMEMBERED)
def _above(network: Network, prefix: int) -> Network:
    return network.supernet(new_prefix=prefix)


@dataclass(frozen=True, slots=True)
class AuthorisationTerms:
    """What one authorisation allows: valid from ``valid_from`` up to, not including, ``valid_until`` (both aware).

    ``level`` is 0 greetings, 1 one safe read, 2 default credentials and the like; see the engine's ``Level``.
    """

    id: int
    document: str
    allowed_by: str
    valid_from: datetime
    valid_until: datetime
    reach: Reach
    ports: PortRanges = EVERY_PORT
    level: int = 0


@dataclass(frozen=True, slots=True)
class ExclusionTerms:
    """What must not be touched, up to, not including, ``until``; for ever when that is None."""

    reach: Reach
    reason: str
    ports: PortRanges = EVERY_PORT
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The gate's answer. Allowed: ``authorisation`` is set. Refused: ``reason``, with ``params`` for its text."""

    authorisation: AuthorisationTerms | None = None
    reason: RefusalReason | None = None
    params: tuple[tuple[str, str], ...] = ()

    @property
    def allowed(self) -> bool:
        return self.authorisation is not None and self.reason is None

    @property
    def level(self) -> int | None:
        """How far probes may go (0, 1, 2), or None when refused."""
        return self.authorisation.level if self.authorisation and self.allowed else None


class _Refused(Exception):  # noqa: N818 - reads as the event it is
    def __init__(self, reason: RefusalReason, **params: str) -> None:
        super().__init__(reason)
        self.decision = Decision(reason=reason, params=tuple(params.items()))


@dataclass(frozen=True, slots=True)
class _Question:
    address: Address
    port: int
    when: datetime
    hostname: str | None


@dataclass(frozen=True, slots=True)
class Scope:
    """Everything that decides about one organisation. ``refuse_all`` refuses whatever is asked."""

    organisation: str
    targets: Reach = field(default_factory=Reach)
    authorisations: tuple[AuthorisationTerms, ...] = ()
    exclusions: tuple[ExclusionTerms, ...] = ()
    refuse_all: RefusalReason | None = None
    domains: frozenset[str] = frozenset()

    def decide_domain(self, name: str, when: datetime) -> Decision:
        """Decide whether the DNS may be asked about the domain ``name`` at ``when`` (timezone-aware).

        It must be registered as a domain, and an authorisation in force must name it, letter for letter: an
        authorisation for addresses, or for a host below it, does not speak of the domain. An exclusion that names it
        wins, whatever its ports. Never raises: what can't be decided is refused.
        """
        if self.refuse_all:
            return Decision(reason=self.refuse_all, params=(("organisation", self.organisation),))
        try:
            return Decision(authorisation=self._authorisation_of_domain(parse_hostname(name), when))
        except _Refused as refusal:
            return refusal.decision
        except Exception as error:  # noqa: BLE001 - as in decide
            _log.warning("the scope of %s could not decide", self.organisation, exc_info=True)
            return Decision(reason=RefusalReason.UNDECIDABLE, params=(("error", type(error).__name__),))

    def _authorisation_of_domain(self, name: str, when: datetime) -> AuthorisationTerms:
        if when.utcoffset() is None:
            raise _Refused(RefusalReason.TIME_WITHOUT_ZONE, when=when.isoformat())
        for exclusion in self.exclusions:
            if name in exclusion.reach.hostnames and (exclusion.until is None or when < exclusion.until):
                raise _Refused(RefusalReason.EXCLUDED, address=name, why=exclusion.reason)
        if name not in self.domains:
            raise _Refused(RefusalReason.DOMAIN_NOT_REGISTERED, domain=name)
        holding = [terms for terms in self.authorisations if name in terms.reach.hostnames]
        if not holding:
            raise _Refused(RefusalReason.DOMAIN_NOT_AUTHORISED, domain=name)
        return max(_in_force(holding, when), key=lambda terms: (terms.level, terms.valid_until, terms.id))

    def decide(self, address: str, port: int, transport: str, when: datetime, hostname: str | None = None) -> Decision:
        """Decide whether ``address``:``port`` may be touched at ``when`` (timezone-aware).

        ``hostname`` is the registered name that was resolved to ``address``; None when the address was registered
        itself. Never raises: what can't be decided is refused.
        """
        if self.refuse_all:
            return Decision(reason=self.refuse_all, params=(("organisation", self.organisation),))
        try:
            question = _understood(address, port, transport, when, hostname)
            self._refuse_excluded(question)
            self._refuse_unregistered(question)
            return Decision(authorisation=self._authorisation(question))
        except _Refused as refusal:
            return refusal.decision
        except Exception as error:  # noqa: BLE001 - the gate fails closed whatever goes wrong in it
            _log.warning("the scope of %s could not decide", self.organisation, exc_info=True)
            return Decision(reason=RefusalReason.UNDECIDABLE, params=(("error", type(error).__name__),))

    def foreseen(self, hostname: str, when: datetime) -> Decision | None:
        """Return the refusal that a name meets wherever it resolves to, or None when only its address can tell."""
        if self.refuse_all:
            return Decision(reason=self.refuse_all, params=(("organisation", self.organisation),))
        try:
            self._refuse_name(parse_hostname(hostname), when)
        except _Refused as refusal:
            return refusal.decision
        except AddressError as error:
            return Decision(reason=RefusalReason.BAD_HOSTNAME, params=(("hostname", hostname), ("error", str(error))))
        return None

    def _refuse_name(self, name: str, when: datetime) -> None:
        for exclusion in self.exclusions:
            holds = exclusion.until is None or when < exclusion.until
            if holds and exclusion.ports == EVERY_PORT and name in exclusion.reach.hostnames:
                raise _Refused(RefusalReason.EXCLUDED, address=name, why=exclusion.reason)
        if name not in self.targets.hostnames:
            raise _Refused(RefusalReason.NAME_NOT_REGISTERED, hostname=name)
        if not self.authorisations:
            raise _Refused(RefusalReason.NOT_AUTHORISED, address=name)
        _in_force(list(self.authorisations), when)

    def _refuse_excluded(self, question: _Question) -> None:
        for exclusion in self.exclusions:
            if exclusion.until is not None and question.when >= exclusion.until:
                continue
            named = question.hostname in exclusion.reach.hostnames
            held = named or any(exclusion.reach.covers(face) for face in faces(question.address))
            if held and port_in(exclusion.ports, question.port):
                raise _Refused(RefusalReason.EXCLUDED, address=str(question.address), why=exclusion.reason)

    def _refuse_unregistered(self, question: _Question) -> None:
        if question.hostname is not None:
            if question.hostname not in self.targets.hostnames:
                raise _Refused(RefusalReason.NAME_NOT_REGISTERED, hostname=question.hostname)
        elif not self.targets.covers(question.address):
            raise _Refused(RefusalReason.ADDRESS_NOT_REGISTERED, address=str(question.address))

    def _authorisation(self, question: _Question) -> AuthorisationTerms:
        """The authorisation that allows most, among those that hold here, now and for this port."""
        holding = self._holding(question)
        valid = _in_force(holding, question.when)
        for_port = [terms for terms in valid if port_in(terms.ports, question.port)]
        if not for_port:
            raise _Refused(RefusalReason.PORT_NOT_AUTHORISED, port=str(question.port), document=valid[0].document)
        return max(for_port, key=lambda terms: (terms.level, terms.valid_until, terms.id))

    def _holding(self, question: _Question) -> list[AuthorisationTerms]:
        """Authorisations that cover the address or, for an ordinary address, the name it was resolved from."""
        special = special_range(question.address)
        if special:
            name, network = special
            explicit = [
                terms for terms in self.authorisations if terms.reach.covers(question.address, network.prefixlen)
            ]
            if not explicit:
                raise _Refused(
                    RefusalReason.SPECIAL_ADDRESS, address=str(question.address), kind=name, range=str(network)
                )
            return explicit
        covering = [
            terms
            for terms in self.authorisations
            if terms.reach.covers(question.address) or question.hostname in terms.reach.hostnames
        ]
        if not covering:
            raise _Refused(RefusalReason.NOT_AUTHORISED, address=str(question.address))
        return covering


def _in_force(holding: list[AuthorisationTerms], when: datetime) -> list[AuthorisationTerms]:
    """Those of the authorisations that are valid at ``when``; refuses when none is."""
    valid = [terms for terms in holding if terms.valid_from <= when < terms.valid_until]
    if valid:
        return valid
    ended = [terms for terms in holding if terms.valid_until <= when]
    last = max(ended or holding, key=lambda terms: terms.valid_until)
    if ended:
        raise _Refused(RefusalReason.AUTHORISATION_ENDED, document=last.document, until=last.valid_until.isoformat())
    raise _Refused(RefusalReason.AUTHORISATION_NOT_BEGUN, document=last.document, begins=last.valid_from.isoformat())


def _understood(address: str, port: int, transport: str, when: datetime, hostname: str | None) -> _Question:
    if when.utcoffset() is None:
        raise _Refused(RefusalReason.TIME_WITHOUT_ZONE, when=when.isoformat())
    if transport not in TRANSPORTS:
        raise _Refused(RefusalReason.BAD_TRANSPORT, transport=str(transport))
    if not isinstance(port, int) or not 1 <= port <= 65535:
        raise _Refused(RefusalReason.BAD_PORT, port=str(port))
    try:
        literal = _read(address)
    except AddressError as error:
        raise _Refused(RefusalReason.BAD_ADDRESS, address=address, error=str(error)) from error
    if hostname is None:
        return _Question(literal, port, when, None)
    try:
        return _Question(literal, port, when, parse_hostname(hostname))
    except AddressError as error:
        raise _Refused(RefusalReason.BAD_HOSTNAME, hostname=hostname, error=str(error)) from error
