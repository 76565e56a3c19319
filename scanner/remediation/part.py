"""What a round is about within one organisation, and what of it is still registered."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address

from scanner.engine.model import Confidence, Severity, Transport
from scanner.engine.model import Finding as Judged
from scanner.engine.plugins.load import current_name
from scanner.remediation.models import Finding
from scanner.rounds.models import HostResult, Round
from targets.addresses import Address
from targets.models import Organisation, Target
from targets.query import active_values
from targets.scope import Reach, RefusalReason, Scope


class Register:
    """What an organisation has registered now. Where that can't be read, everything counts as registered."""

    def __init__(self, organisation: Organisation, values: Iterable[str] | None = None) -> None:
        """``values`` are its active targets, for a caller who has read those of many organisations at once."""
        scope = _active_scope(organisation) if values is None else _scope(organisation, values)
        self._unknown = scope.refuse_all is RefusalReason.UNDECIDABLE
        self._targets = scope.targets
        self._domains = scope.domains
        self._known: dict[tuple[str, str], bool] = {}

    def holds(self, finding: Finding) -> bool:
        """Tell whether the place of ``finding`` is registered. What is not is neither inspected nor to be fixed."""
        return self.has(finding.host, finding.transport)

    def has(self, host: str, transport: str) -> bool:
        """Tell whether a place, as a finding has it, is registered."""
        place = (host, transport)
        if place not in self._known:
            there = host in self._domains if transport == Transport.DNS else _reaches(self._targets, host)
            self._known[place] = self._unknown or there
        return self._known[place]

    def names(self, host: str) -> bool:
        """Tell whether ``host``, as findings are known by it, is a registered host or domain."""
        return self._unknown or host in self._domains or _reaches(self._targets, host)


class Part:
    """What ``this`` round is about; see :class:`scanner.rounds.models.Round`."""

    def __init__(self, this: Round, organisation: Organisation) -> None:
        self._findings = frozenset(this.findings)
        self._checks = frozenset(map(current_name, this.checks))
        self._hosts = None if this.hosts is None else frozenset(this.hosts)
        self._targets: Reach | None = None
        self._looked_at: frozenset[str] = frozenset()
        if this.targets is not None:
            values = Target.objects.filter(pk__in=this.targets, organisation=organisation).values_list("value")
            self._targets = Reach.of(value for (value,) in values)
            results = HostResult.objects.filter(round=this, organisation=organisation)
            self._looked_at = frozenset(name or address for name, address in results.values_list("hostname", "address"))

    def concerns(self, finding: Finding) -> bool:
        """Tell whether the round has something to say about a known finding, if only that it was not inspected."""
        return (
            (not self._findings or finding.pk in self._findings)
            and (not self._checks or finding.check_id in self._checks)
            and (self._hosts is None or finding.host in self._hosts)
            and (self._targets is None or self._is_targeted(finding))
        )

    def opens(self, judged: Judged) -> bool:
        """Tell whether the round opens what it saw and nobody knows, or what was fixed and it isn't about.

        A campaign keeps to its checks, and a re-inspection to its findings, but for what can't wait.
        """
        if self._checks and judged.check not in self._checks:
            return False
        return not self._findings or is_urgent(judged)

    def _is_targeted(self, finding: Finding) -> bool:
        if finding.host in self._looked_at:
            return True
        reaches = self._targets is not None and _reaches(self._targets, finding.host)
        return reaches and finding.transport != Transport.DNS


def is_urgent(judged: Judged) -> bool:
    """Tell whether people should hear of it within minutes: confirmed, and critical or used by attackers."""
    weighs = judged.severity is Severity.CRITICAL or judged.known_exploited
    return weighs and judged.confidence is Confidence.CONFIRMED


def in_register(findings: Iterable[Finding]) -> list[Finding]:
    """Return those whose place is still registered, in their order; the register is read once per organisation."""
    registers: dict[int, Register] = {}
    kept: list[Finding] = []
    for finding in findings:
        if finding.organisation_id not in registers:
            registers[finding.organisation_id] = Register(finding.organisation)
        if registers[finding.organisation_id].holds(finding):
            kept.append(finding)
    return kept


def _active_scope(organisation: Organisation) -> Scope:
    """What the organisation has registered now, which is nothing once it is retired; nobody asks what it allowed."""
    if organisation.retired_at is not None:
        return Scope(organisation.slug, refuse_all=RefusalReason.RETIRED_ORGANISATION)
    return _scope(organisation, active_values(organisation))


def _scope(organisation: Organisation, values: Iterable[str]) -> Scope:
    try:
        return Scope(organisation.slug, targets=Reach.of(values), domains=frozenset(organisation.domains))
    except ValueError:
        return Scope(organisation.slug, refuse_all=RefusalReason.UNDECIDABLE)


def _reaches(reach: Reach, host: str) -> bool:
    address = _address_of(host)
    return host in reach.hostnames if address is None else reach.covers(address)


@lru_cache(maxsize=8192)
def _address_of(host: str) -> Address | None:
    """Return the address that a host is known by; None where that is its name."""
    try:
        return ip_address(host)
    except ValueError:
        return None
