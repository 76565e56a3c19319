"""What one round says about each finding of an organisation: the looks of all its results, held against each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from scanner.engine.known_keys import KnownKeys
from scanner.engine.model import Finding as Judged
from scanner.engine.plan import Profile, ports_of
from scanner.engine.policy.load import policies
from scanner.engine.rules.web_transport import HTTPS_ABSENT
from scanner.remediation.graver import graver_than
from scanner.remediation.lifecycle import Look, Observation, State
from scanner.remediation.looked import Identity, Looked, as_it_was, basis_of, gone_on, identity_of, read
from scanner.remediation.models import Finding
from scanner.remediation.moves import Moves
from scanner.remediation.silence import Silences
from scanner.rounds.models import HostResult, LookNumber
from targets.models import Organisation


@dataclass(frozen=True, slots=True)
class Observed:
    """What the round says about one finding: the look for the state machine, and where and how it was judged.

    ``looked`` is the look whose evidence is kept; where there is none, that of before stays. ``left`` are addresses
    where it was seen, and to which its name no longer leads.
    """

    look: Look
    judged: Judged | None = None
    looked: Looked | None = None
    addresses: tuple[str, ...] = ()
    first_look: datetime | None = None
    left: tuple[str, ...] = ()


class RoundView:
    """Everything that one round saw of one organisation, judged by its own trusted roots and TLS policy.

    ``keys`` are those of the whole inventory; without them each host is judged as if it were alone. ``former`` names
    the policies that counted when findings that it may be asked about were seen. ``moves`` tells which addresses names
    have left; without them absence must be shown wherever a finding was seen. ``silences`` tells which UDP ports have
    been silent for long; without them silence proves nothing.
    """

    def __init__(
        self,
        results: Iterable[HostResult],
        profile: Profile,
        organisation: Organisation,
        keys: KnownKeys | None = None,
        former: Iterable[str] = (),
        moves: Moves | None = None,
        silences: Silences | None = None,
    ) -> None:
        self._moves = moves
        self._silences = silences
        self._addresses: dict[str, set[str]] = defaultdict(set)
        self._first: dict[tuple[str, str], Looked] = {}
        self._again: dict[tuple[str, str], Looked] = {}
        self._seen: dict[Identity, list[Looked]] = defaultdict(list)
        basis = basis_of(organisation, keys)
        names = {*former} - {basis.policy.name}
        others = [each for name, each in policies().items() if name in names]
        for result in results:
            looked = read(result, profile, basis, others)
            looks = self._first if result.look == LookNumber.FIRST else self._again
            looks[looked.host, looked.address] = looked
            self._addresses[looked.host].add(looked.address)
            for identity in looked.found:
                self._seen[identity].append(looked)
        self._retract_what_is_there()

    def _retract_what_is_there(self) -> None:
        """Forget what one look missed at an address and another look of the round met there: it is not absent."""
        looks = [*self._first.values(), *self._again.values()]
        there = {looked.address for looked in looks if looked.may_have_https}
        for identity in [each for each in self._seen if each[3] == HTTPS_ABSENT]:
            left = [looked for looked in self._seen.pop(identity) if looked.address not in there]
            if left:
                self._seen[identity] = left

    def seen(self) -> frozenset[Identity]:
        """The identities of all findings that this round saw."""
        return frozenset(self._seen)

    def doubtful(self, finding: Finding) -> list[Looked]:
        """Return the first looks that no longer saw ``finding``, when all of them speak against it; else nothing.

        These hosts need a second look before the finding may count as fixed.
        """
        firsts = [self._first.get((finding.host, address)) for address in self._places(finding)]
        proofs = [looked for looked in firsts if looked is not None and looked.speaks_against(finding)]
        gone = identity_of(finding) not in self._seen and firsts and len(proofs) == len(firsts)
        return proofs if gone else []

    def witness(self, looked: Looked) -> int | None:
        """Return a TCP port that answered, to show in a second look that the host is still up.

        It was open and without gaps; where none is, it refused.
        """
        troubled = {gap.port for gap in looked.inspection.coverage.gaps}
        scans = looked.inspection.coverage.scans
        opened = (port for scan in scans for port in scan.open if port not in troubled)
        refused = (
            port for scan in scans for port in ports_of(scan.ports) if port not in scan.open and not scan.dropped(port)
        )
        return min(opened, default=None) or next(refused, None)

    def observe_seen(self, identity: Identity) -> Observed:
        """Return what the round says of a finding that it saw, at its worst."""
        looks = self._seen[identity]
        worst = max(looks, key=lambda each: (each.found[identity].severity.rank, each.found[identity].confidence.rank))
        return _seen(looks, worst, worst.found[identity])

    def sees(self, finding: Finding) -> Observed | None:
        """Return what the round says of a known finding that it saw, as it was or grown graver; None for neither."""
        identity = identity_of(finding)
        if identity in self._seen:
            return self.observe_seen(identity)
        grown = [(looked, graver) for looked in self._graver_at(finding) if (graver := looked.graver(finding))]
        if not grown:
            return None
        last, graver = grown[-1]
        return _seen([looked for looked, _ in grown], last, gone_on(finding, graver))

    def observe(self, finding: Finding, now: datetime) -> Observed:
        """Return what the round says of a known finding: seen, gone in both looks, or not inspected.

        What was gone already has not come back where only a graver one is seen.
        """
        if identity_of(finding) in self._seen or not _is_gone(finding):
            seen = self.sees(finding)
            if seen is not None:
                return self._no_lighter(finding, seen)
        firsts = self.doubtful(finding)
        seconds = [self._again.get((finding.host, address)) for address in self._places(finding)]
        confirmed = [each for each in seconds if each and (each.confirms(finding) or self._is_mute(finding, each))]
        if not firsts or any(each.graver(finding) for each in firsts) or len(confirmed) != len(seconds):
            return Observed(Look(Observation.NOT_INSPECTED, now))
        when = max(second.inspection.finished for second in confirmed)
        first_look = max(first.inspection.finished for first in firsts)
        left = tuple(address for address in finding.addresses if address not in self._places(finding))
        return Observed(Look(Observation.NOT_SEEN, when), first_look=first_look, left=left)

    def _is_mute(self, finding: Finding, second: Looked) -> bool:
        """Tell whether the second look heard nothing of a UDP service which has been silent for long."""
        if self._silences is None or not second.hears_nothing_of(finding):
            return False
        return self._silences.lasts(finding, second.address)

    def _no_lighter(self, finding: Finding, seen: Observed) -> Observed:
        """Let a finding weigh what it did while an address where it was seen, too, was not looked at.

        What weighed so much may lie there. Then its evidence stays as it was.
        """
        if seen.judged is None or _is_gone(finding) or {*seen.addresses}.issuperset(finding.addresses):
            return seen
        was = as_it_was(finding)
        if _weight(seen.judged) >= _weight(was):
            return seen
        firsts = [self._first.get((finding.host, each)) for each in self._places(finding) if each not in seen.addresses]
        if all(first is not None and first.proves_absence(finding) for first in firsts):
            return seen
        look = replace(seen.look, severity=was.severity, confidence=was.confidence)
        return replace(seen, look=look, judged=was, looked=None)

    def _graver_at(self, finding: Finding) -> Iterator[Looked]:
        """Yield the looks that saw at the place of ``finding`` what is told instead of it where it has got worse."""
        host, port, transport, check = identity_of(finding)
        for each in graver_than(check):
            yield from self._seen.get((host, port, transport, each), ())

    def _places(self, finding: Finding) -> list[str]:
        """Return the addresses where absence must be shown: where it was seen, but for those that its name has left;
        then wherever the name leads now, too."""
        now = self._addresses.get(finding.host, set()) - {""}
        if not now or self._moves is None:
            return list(finding.addresses)
        left = {each for each in finding.addresses if each not in now and self._moves.has_left(finding.host, each)}
        return sorted({*finding.addresses} - left | now) if left else list(finding.addresses)


def _seen(looks: Sequence[Looked], worst: Looked, judged: Judged) -> Observed:
    """Return that these looks saw a finding, which is judged by the worst of them."""
    look = Look(
        Observation.SEEN,
        max(each.inspection.finished for each in looks),
        judged.severity,
        judged.confidence,
        key_target=any(each.key_target for each in looks),
        began=max(each.inspection.started for each in looks),
    )
    return Observed(look, judged, worst, tuple(sorted({each.address for each in looks})))


def _is_gone(finding: Finding) -> bool:
    """Tell whether a finding was proven gone, be it while it was exempt."""
    return finding.state == State.FIXED or finding.gone is not None


def _weight(judged: Judged) -> tuple[int, bool, int]:
    return judged.severity.rank, judged.known_exploited, judged.confidence.rank
