"""The engine's gate, answered by an organisation's scope."""

from __future__ import annotations

import datetime as dt
import shlex
from bisect import bisect_right
from collections.abc import Iterable, Mapping

from scanner.engine.model import Endpoint, Level, Transport
from targets.scope import Decision, Scope


class ScopeGate:
    """Says why an endpoint may not be touched, or None; ask it like a function.

    ``names`` are the registered host names that were resolved to each address (None for an address that is
    registered itself); all of them must be permitted. An authorisation that no longer reaches ``level`` refuses.
    A domain (see :func:`scanner.engine.model.domain_endpoint`) needs an authorisation of its own.
    Answers are remembered until :meth:`renew`, one for each run of ports that no rule of the scope tells apart.
    """

    def __init__(self, scope: Scope, names: Mapping[str, Iterable[str | None]], level: Level, now: dt.datetime) -> None:
        self._names = {address: tuple(hostnames) for address, hostnames in names.items()}
        self._level = level
        self.renew(scope, now)

    def renew(self, scope: Scope, now: dt.datetime) -> None:
        """Forget every answer and decide by ``scope``, as things are ``now``."""
        self._scope = scope
        self._borders = port_borders(scope)
        self._when = now
        self._answers: dict[tuple[str, int, str], str | None] = {}

    def __call__(self, endpoint: Endpoint) -> str | None:
        key = (endpoint.address, bisect_right(self._borders, endpoint.port), endpoint.transport)
        if key not in self._answers:
            self._answers[key] = self._decide(endpoint)
        return self._answers[key]

    def _decide(self, endpoint: Endpoint) -> str | None:
        if endpoint.transport is Transport.DNS:
            decision = self._scope.decide_domain(endpoint.address, self._when)
            return None if decision.allowed else refusal(decision)
        for hostname in self._names.get(endpoint.address, (None,)):
            decision = self._scope.decide(
                endpoint.address, endpoint.port, endpoint.transport, self._when, hostname=hostname
            )
            if not decision.allowed:
                return refusal(decision)
            if decision.level is None or decision.level < int(self._level):
                return f"level-lowered level={decision.level}"
        return None


class Permits:
    """Notices that less is permitted than before. Connections ask the gate one by one; a port scan asked it about its
    hosts when it began, and may run for an hour since.

    ``ports`` are those that are scanned; the other values are those of :class:`ScopeGate`.
    """

    def __init__(
        self,
        scope: Scope,
        names: Mapping[str, Iterable[str | None]],
        level: Level,
        ports: Iterable[int],
        now: dt.datetime,
    ) -> None:
        self._names, self._level, self._ports = names, level, tuple(ports)
        self._scope, self._when = scope, now
        self._gate = ScopeGate(scope, names, level, now)

    def lessened(self, addresses: Iterable[str], scope: Scope, now: dt.datetime) -> bool:
        """Tell whether a port of these addresses may not be touched any more, as things are ``now``."""
        if scope == self._scope and not _turns(scope, self._when, now):
            return False
        before, after = self._gate, ScopeGate(scope, self._names, self._level, now)
        ports = one_of_each(self._ports, tuple(sorted({*port_borders(self._scope), *port_borders(scope)})))
        self._scope, self._when, self._gate = scope, now, after
        endpoints = (Endpoint(address, port) for address in addresses for port in ports)
        return any(before(each) is None and after(each) is not None for each in endpoints)


def _turns(scope: Scope, then: dt.datetime, now: dt.datetime) -> bool:
    """Tell whether a rule of the scope begins or ends between two moments."""
    moments = [moment for rule in scope.authorisations for moment in (rule.valid_from, rule.valid_until)]
    moments += [rule.until for rule in scope.exclusions if rule.until is not None]
    return any((moment <= then) != (moment <= now) for moment in moments)


def port_borders(scope: Scope) -> tuple[int, ...]:
    """Return the ports where some rule of the scope begins to hold or ceases to; between them all ports are alike."""
    ranges = [*(rule.ports for rule in scope.authorisations), *(rule.ports for rule in scope.exclusions)]
    return tuple(sorted({border for ports in ranges for first, last in ports for border in (first, last + 1)}))


def one_of_each(ports: Iterable[int], borders: tuple[int, ...]) -> list[int]:
    """Return one port of each run of ports that the borders tell apart."""
    return list({bisect_right(borders, port): port for port in ports}.values())


def refusal(decision: Decision) -> str:
    """Return a refusal as data for a gap: its reason and the values that belong to it, quoted like shell words."""
    return shlex.join([str(decision.reason), *(f"{name}={value}" for name, value in decision.params)])
