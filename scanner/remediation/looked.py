"""One stored look at a host, judged. Only proof of absence counts as not seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from django.conf import settings

from scanner.engine.host import outcome_of
from scanner.engine.intel.store import load as load_intel
from scanner.engine.judge import judge, judge_sharing, judge_whole, ruleset, with_unjudged
from scanner.engine.known_keys import Key, KnownKeys, OrganisationKeys
from scanner.engine.model import (
    NO_PORT,
    Confidence,
    Endpoint,
    Facet,
    HostInspection,
    Outcome,
    Severity,
    Transport,
    port_in,
)
from scanner.engine.model import Finding as Judged
from scanner.engine.plan import Profile, SitePlace
from scanner.engine.plugins.form import owner_of
from scanner.engine.plugins.load import all_checks, plugin_rules
from scanner.engine.policy.load import DEFAULT, TlsPolicy, policy
from scanner.engine.rules.base import Basis
from scanner.engine.rules.web_transport import HTTPS_ABSENT, https_ports, may_have_https, ports_beside
from scanner.prepared import Given, Prepared
from scanner.remediation.graver import graver_than, is_about_the_same, params_since
from scanner.remediation.keys import LOOKED, key_look
from scanner.remediation.last import Last, digest_of
from scanner.remediation.lifecycle import State
from scanner.remediation.models import Finding
from scanner.remediation.tested import Shown, left_out, rare_places, shown, silence_tells, untested_places
from scanner.rounds.models import HostResult
from targets.models import Organisation

Identity = tuple[str, int, Transport, str]
"""Host, port, transport and check: what a finding is known by within its organisation."""

READ = ("hostname", "address", "look", "key_target", "facts")
"""What of a result is read to judge it."""

_DEPTH = list(Profile)

_GRADED = frozenset({Facet.TLS, Facet.CERTIFICATE})
"""The facets whose checks may rest on what a TLS policy says."""


@dataclass(frozen=True, slots=True)
class Looked:
    """One stored look at one host, judged.

    ``inspection`` keeps the coverage and leaves out the facts; ``untested`` are the (port, transport, check) that
    it could not answer for although it covered their facet. ``shown`` is what silence about a finding must rest on, by
    port. ``policy`` names the TLS policy that it was judged by; ``objections`` are what others find there, by which
    findings of the organisation were judged before. ``https`` are the ports at which it saw a site inside TLS;
    ``may_have_https`` tells that there may be one, too, where it could not look inside.
    """

    result_id: int
    host: str
    profile: Profile
    key_target: bool
    inspection: HostInspection
    found: Mapping[Identity, Judged]
    untested: frozenset[tuple[int, Transport, str]]
    shown: Mapping[tuple[int, Transport], Shown]
    policy: str
    objections: Mapping[str, frozenset[Identity]]
    https: tuple[int, ...] = ()
    may_have_https: bool = False

    @property
    def address(self) -> str:
        return self.inspection.target.address

    def speaks_against(self, finding: Finding) -> bool:
        """Tell whether this look is a reason to look again: it proves absence, or its packets were dropped or went
        unanswered, or it saw nothing any more but did not ask where that lay.

        A port that was filtered is asked once more before that counts: see :meth:`PortScan.shut`. So is a site at the
        places that its first page led to before.
        """
        here = finding.vantage == self.inspection.vantage and self.inspection.outcome in LOOKED
        known = finding.check_id in all_checks()
        filtered = self.inspection.coverage.seems_filtered(finding.port, Transport(finding.transport))
        return (here and known and filtered) or self.hears_nothing_of(finding) or self._no_longer_sees(finding)

    def hears_nothing_of(self, finding: Finding) -> bool:
        """Tell whether this look, as deep and from where ``finding`` was last seen, asked its UDP port and nothing came
        back, although the host answers."""
        here = finding.vantage == self.inspection.vantage and self.inspection.outcome in LOOKED
        silent = self.inspection.coverage.kept_silent(finding.port, Transport(finding.transport))
        return here and silent and finding.check_id in all_checks() and self._as_deep_as(finding)

    def proves_absence(self, finding: Finding) -> bool:
        """Tell whether this look could have seen ``finding`` and did not, and asked wherever it was seen before."""
        return self._no_longer_sees(finding) and not left_out(
            finding.check_id, dict(finding.params), self._shown_at(finding)
        )

    def _no_longer_sees(self, finding: Finding) -> bool:
        """Tell whether this look covered ``finding`` and saw neither it nor a graver one in its place.

        It must have covered what the check needs, as deep and from where it was last seen. A check that left the
        catalogue can't be looked for any more.
        """
        check = all_checks().get(finding.check_id)
        transport = Transport(finding.transport)
        if check is None or self.inspection.outcome not in LOOKED or identity_of(finding) in self.found:
            return False
        graver = self.graver(finding)
        if graver is not None and graver.check != HTTPS_ABSENT:  # of which another look may say otherwise
            return False
        if (finding.port, transport, check.id) in self.untested or self._is_only_tolerated(finding):
            return False
        if not self.inspection.coverage.covers(check.facet, finding.port, transport):
            return False
        return finding.vantage == self.inspection.vantage and (
            self._nothing_listens(finding.port, transport)
            or (self._as_deep_as(finding) and self._tells(finding) and self._asked_beside(finding))
        )

    def graver(self, finding: Finding) -> Judged | None:
        """Return what this look saw in place of ``finding`` that is graver, and about the same; None for nothing.

        Asks for no more of a finding than its identity and parameters.
        """
        host, port, transport, check = identity_of(finding)
        seen = (self.found.get((host, port, transport, each)) for each in graver_than(check))
        return next(
            (each for each in seen if each and is_about_the_same(check, dict(finding.params), dict(each.params))), None
        )

    def beside(self, finding: Finding) -> frozenset[int]:
        """Return the further TCP ports that a second look has to ask to agree that ``finding`` is gone."""
        ports = ports_beside(finding.check_id, dict(finding.params))
        asked = {port for port in ports for scan in self.inspection.coverage.scans if port_in(scan.ports, port)}
        return frozenset({*asked, *self.https}) if ports else frozenset()

    def confirms(self, finding: Finding) -> bool:
        """Tell whether this look, as the second of its round, agrees that ``finding`` is gone."""
        return self._is_whole_but_for(self.beside(finding) - {finding.port}) and self.proves_absence(finding)

    def _is_whole_but_for(self, ports: frozenset[int]) -> bool:
        """Tell whether nothing is missing that this look's proofs may rest on; ``ports`` were only to be seen.

        Of a domain it is known for each check whether its own questions were answered, so those of others don't matter.
        Nor do checks that a plugin's rule failed to tell.
        """
        outcome, coverage = self.inspection.outcome, self.inspection.coverage
        others = [gap for gap in coverage.gaps if not gap.check and gap.port not in ports]
        if outcome is Outcome.PARTIAL and len(others) < len(coverage.gaps):
            outcome = outcome_of(others, scanned=bool(coverage.scans))
        return outcome is Outcome.INSPECTED or (self.inspection.target.is_domain and outcome in LOOKED)

    def _tells(self, finding: Finding) -> bool:
        """Tell whether silence would mean anything. A plugin's check rests on its plugin having taken part."""
        owner = owner_of(finding.check_id)
        if owner and owner not in self.inspection.plugins:
            return False
        return silence_tells(finding.check_id, dict(finding.params), self._shown_at(finding))

    def _shown_at(self, finding: Finding) -> Shown:
        return self.shown.get((finding.port, Transport(finding.transport)), Shown())

    def _asked_beside(self, finding: Finding) -> bool:
        """Tell whether it asked every port of which it must be known that there is no HTTPS any more."""
        if (*identity_of(finding)[:3], HTTPS_ABSENT) not in self.found:
            return True
        ports = ports_beside(finding.check_id, dict(finding.params))
        return all(self.inspection.coverage.covers(Facet.PORT, port, Transport.TCP) for port in ports)

    def _is_only_tolerated(self, finding: Finding) -> bool:
        """Tell whether the policy that ``finding`` was judged by still finds it, or is no longer known.

        An organisation that chose another policy has mended nothing by that.
        """
        judged_by = _judged_by(finding)
        if judged_by in (None, self.policy):
            return False
        return judged_by not in self.objections or identity_of(finding) in self.objections[judged_by]

    def _as_deep_as(self, finding: Finding) -> bool:
        """Tell whether it looked as deep as when it was seen; a domain is asked the same in every profile."""
        if self.inspection.target.is_domain:
            return True
        as_deep = _DEPTH.index(self.profile) >= _DEPTH.index(Profile(finding.profile))
        return as_deep and int(self.inspection.level) >= int(finding.level)

    def _nothing_listens(self, port: int, transport: Transport) -> bool:
        open_there = any(port in scan.open for scan in self.inspection.coverage.scans if scan.transport is transport)
        return not open_there and self.inspection.coverage.covers(Facet.PORT, port, transport)


def basis_of(organisation: Organisation, keys: KnownKeys | None = None) -> Basis:
    """Return what hosts of the organisation are judged by; without ``keys`` each is judged as if it were alone."""
    return Basis(
        organisation.anchors,
        load_intel(settings.INTEL_FILE),
        policy(organisation.policy_name),
        OrganisationKeys(keys or KnownKeys(), organisation.slug),
    )


def read(result: HostResult, profile: Profile, basis: Basis, former: Iterable[TlsPolicy]) -> Looked:
    """Load one stored look and judge its facts, by the policy that counts and by those that counted before.

    A look is read as it comes in, for what can't wait, for what to look at again, and in the end. What was judged last
    is remembered for that, as if its host were alone; where a key is shared, what that makes of it is judged anew.
    """
    chosen = tuple(former)
    alone = replace(basis, keys=_ALONE)
    digest = digest_of(result)
    of = (result.host, result.key_target, profile, alone, chosen, ruleset())
    remembered, inspection = _LAST.get(digest, of), None
    if remembered is None:
        inspection = result.inspection()
        keys = key_look(result, basis.keys.organisation, inspection).keys
        remembered = _Remembered(keys, _judged(result, inspection, profile, alone, chosen))
        _LAST.put(digest, of, remembered)
    looked = remembered.looked
    if looked.result_id != result.pk:  # it was judged before it was stored
        looked = replace(looked, result_id=result.pk)
    if not any(key in basis.keys.known for key in remembered.keys):
        return looked
    inspection = inspection or result.inspection()
    if plugin_rules():  # which may ask for the keys, too
        return _judged(result, inspection, profile, basis, chosen)
    return _with_sharing(looked, inspection, basis, chosen)


def _with_sharing(alone: Looked, inspection: HostInspection, basis: Basis, former: Iterable[TlsPolicy]) -> Looked:
    """Return a look that was judged as if its host were alone with what the keys of other hosts add: our rules about
    these find nothing at a host alone, and no other rule asks for them."""
    judgement = judge_sharing(inspection, basis)
    objections = {
        each.name: frozenset(_by_identity(alone.host, judge_sharing(inspection, replace(basis, policy=each)).findings))
        for each in former
    }
    return replace(
        alone,
        inspection=with_unjudged(alone.inspection, judgement.unjudged),
        found={**alone.found, **_by_identity(alone.host, judgement.findings)},
        objections={name: found | objections[name] for name, found in alone.objections.items()},
    )


_ALONE = OrganisationKeys()


@dataclass(frozen=True, slots=True)
class _Remembered:
    """A judged look, and the keys that its host showed."""

    keys: frozenset[Key]
    looked: Looked


_REMEMBERED = 1024
"""Looks that are remembered as they were judged, some twenty kilobytes each."""

_LAST = Last[_Remembered](_REMEMBERED)


def _judged(
    result: HostResult, inspection: HostInspection, profile: Profile, basis: Basis, former: Iterable[TlsPolicy]
) -> Looked:
    judgement = judge_whole(inspection, basis)
    services = [((each.endpoint.port, each.endpoint.transport), each) for each in inspection.services]
    unanswered = untested_places(inspection, basis.intel)
    unjudged = {(gap.port or NO_PORT, gap.transport, gap.check) for gap in judgement.unjudged if gap.check}
    shown_by: dict[tuple[int, Transport], Shown] = {}
    for port, each in services:
        shown_by[port] = shown(each, basis.anchors, inspection.finished).beside(shown_by.get(port, Shown()))
    objections = {each.name: judge(inspection, replace(basis, policy=each)) for each in former}
    return Looked(
        result_id=result.pk,
        host=result.host,
        profile=profile,
        key_target=result.key_target,
        inspection=replace(with_unjudged(inspection, judgement.unjudged), services=(), second_looks=()),
        found=_by_identity(result.host, judgement.findings),
        untested=frozenset(unanswered | unjudged),
        shown=shown_by,
        policy=basis.policy.name,
        objections={name: frozenset(_by_identity(result.host, found)) for name, found in objections.items()},
        https=https_ports(inspection),
        may_have_https=may_have_https(inspection),
    )


def _by_identity(host: str, findings: Iterable[Judged]) -> dict[Identity, Judged]:
    return {(host, each.endpoint.port, each.endpoint.transport, each.check): each for each in findings}


def identity_of(finding: Finding) -> Identity:
    """Return what a stored finding is known by."""
    return finding.host, finding.port, Transport(finding.transport), finding.check_id


def gone_on(finding: Finding, graver: Judged) -> Judged:
    """Return how a stored finding goes on where ``graver`` was seen in its place: it weighs what it did."""
    params = params_since(finding.check_id, dict(finding.params), dict(graver.params))
    return replace(as_it_was(finding), params=tuple(params.items()), exchanges=graver.exchanges)


def as_it_was(finding: Finding) -> Judged:
    """Return a stored finding as it was judged when it was last seen, without its evidence."""
    return Judged(
        check=finding.check_id,
        severity=Severity(finding.severity),
        confidence=Confidence(finding.confidence),
        endpoint=Endpoint(next(iter(finding.addresses), finding.host), finding.port, Transport(finding.transport)),
        params=tuple((name, value) for name, value in finding.params),
        known_exploited=finding.known_exploited,
    )


def places_of(finding: Finding) -> tuple[SitePlace, ...]:
    """Return where on its site a stored finding lay, of what a look may leave out."""
    kind, paths = rare_places(finding.check_id, dict(finding.params))
    return tuple(SitePlace(finding.port, kind, path) for path in paths)


def policies_of_open(organisation: Organisation) -> frozenset[str]:
    """Return the TLS policies that the organisation's findings were judged by, but for those that are fixed."""
    graded = tuple(check.id for check in all_checks().values() if check.facet in _GRADED)
    return frozenset(map(_policy_in, _open_params(graded)(organisation=organisation)))


@lru_cache(maxsize=4)
def _open_params(checks: tuple[str, ...]) -> Prepared[list[tuple[str, str]]]:
    return Prepared(
        lambda: (
            Finding.objects.filter(organisation=Given("organisation"), check_id__in=checks)
            .exclude(state=State.FIXED)
            .order_by()
            .values_list("params", flat=True)
            .distinct()
        )
    )


def _judged_by(finding: Finding) -> str | None:
    """Return the TLS policy that a finding was judged by; None when no policy has a say in its check."""
    check = all_checks().get(finding.check_id)
    return _policy_in(finding.params) if check is not None and check.facet in _GRADED else None


def _policy_in(params: Iterable[tuple[str, str]]) -> str:
    """Return the policy that a finding's parameters name. What says nothing was judged by the default one."""
    return dict(params).get("policy", DEFAULT)
