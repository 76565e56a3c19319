"""Scores an organisation after a round from its findings and coverage, and keeps the score with all its terms."""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models import Exists, Min, OuterRef, QuerySet

from scanner import bulk
from scanner.engine.model import Confidence, Outcome, Severity, Vantage
from scanner.prepared import AnyOf, Given, Prepared
from scanner.remediation.graver import graver_than, is_about_the_same
from scanner.remediation.keys import LOOKED
from scanner.remediation.lifecycle import TO_FIX, age
from scanner.remediation.models import Finding, RoundScore
from scanner.remediation.score import KEY_WEIGHT, OrganisationScore, Scored, outweighs, score_host, score_organisation
from scanner.rounds.models import HostResult, LookNumber, Round, RoundState, whole
from targets.models import Organisation, TargetKind

if TYPE_CHECKING:
    from pydantic import TypeAdapter


_Place = tuple[str, int, str]
"""Host, port and transport."""

_DEFLATED = "deflated"
"""Under which a score is kept as JSON, compressed and in base64: scores are kept for good, and are much alike."""


def store_score(this: Round, organisation: Organisation) -> None:
    """Score the organisation as it stands after this round; a score that is already there stays."""
    kept = as_kept(_score(this, organisation))
    bulk.insert_missing([RoundScore(round=this, organisation=organisation, **kept)])


def as_kept(score: OrganisationScore) -> dict[str, Any]:
    """Return the fields of a row that keeps a score, for :func:`load_score` to read."""
    deflated = zlib.compress(_adapter().dump_json(score), 9)
    return {
        "score": {_DEFLATED: b64encode(deflated).decode()},
        "value": score.value,
        "coverage": score.coverage,
        "grade": score.grade or "",
        "provisional": score.provisional,
    }


def load_score(row: RoundScore) -> OrganisationScore:
    """Return a stored score with its terms; one of an older Roundsman stands there as it is."""
    deflated = row.score.get(_DEFLATED)
    if deflated is None:
        return _adapter().validate_python(row.score)
    return _adapter().validate_json(zlib.decompress(b64decode(deflated)))


def comparable_rounds() -> QuerySet[Round]:
    """Return the whole rounds that ran to their end and were followed: only these are ranked and compared."""
    return Round.objects.filter(whole(), followed__isnull=False).exclude(state=RoundState.CANCELLED)


def never_answered(this: Round, organisation: Organisation) -> set[int]:
    """Return the results of addresses inside registered networks where nothing has ever answered.

    An unused address of a network is no host: it counts neither as inspected nor as missed. An address whose
    inspection ended early is missed, as nobody knows what is there.
    """
    return set(_NEVER_ANSWERED(round=this, organisation=organisation))


class Unused(NamedTuple):
    """The result of an address inside a registered network where nothing had ever answered."""

    result: int
    round: int
    organisation: int
    address: str


def unused_in(rounds: Collection[int]) -> list[Unused]:
    """Return the same as :func:`never_answered` of everybody in several rounds, in two queries."""
    results = HostResult.objects.filter(look=LookNumber.FIRST).order_by()
    mute = results.filter(round__in=rounds, outcome=Outcome.UNREACHABLE, silent=True, target__kind=TargetKind.CIDR)
    rows = [Unused(*row) for row in mute.values_list("pk", "round", "organisation", "address")]
    if not rows:
        return []
    answered = results.filter(outcome__in=LOOKED, address__in=mute.values("address"))
    known = answered.values_list("organisation", "address").annotate(first=Min("round"))
    since = {(owner, address): first for owner, address, first in known}
    return [each for each in rows if since.get((each.organisation, each.address), each.round + 1) > each.round]


def _unused() -> QuerySet[HostResult, int]:
    results = HostResult.objects.filter(organisation=Given("organisation"), look=LookNumber.FIRST)
    answered = results.filter(outcome__in=LOOKED, round__lte=Given("round"), address=OuterRef("address"))
    silent = results.filter(
        round=Given("round"), outcome=Outcome.UNREACHABLE, silent=True, target__kind=TargetKind.CIDR
    )
    # Asked address by address, so that nobody reads all that the organisation ever showed.
    return silent.filter(~Exists(answered)).values_list("pk", flat=True)


_NEVER_ANSWERED = Prepared(_unused)
_COUNTED = Prepared(
    lambda: (
        HostResult.objects.filter(round=Given("round"), organisation=Given("organisation"), look=LookNumber.FIRST)
        .order_by("pk")
        .values_list("pk", "hostname", "address", "outcome", "key_target", "finished")
    )
)
_TO_FIX = Prepared(
    lambda: (
        Finding.objects.filter(organisation=Given("organisation"), state__in=TO_FIX)
        .order_by("host", "port", "transport", "check_id")
        .values_list(
            *("pk", "host", "port", "transport", "check_id", "severity", "confidence", "vantage", "known_exploited"),
            *("reported", "deadline"),
        )
    )
)
_NUMBERS = AnyOf(50)
_PARAMS = Prepared(lambda: Finding.objects.filter(pk__in=_NUMBERS.places).order_by().values_list("pk", "params"))


def _score(this: Round, organisation: Organisation) -> OrganisationScore:
    columns = _COUNTED(round=this, organisation=organisation)
    unused = never_answered(this, organisation)
    counted = [result for result in columns if result[0] not in unused]
    looked = [result for result in counted if result[3] in LOOKED]
    weights: dict[str, float] = {}
    for _, hostname, address, _, is_key, _ in looked:
        host = hostname or address
        weights[host] = max(weights.get(host, 1), KEY_WEIGHT if is_key else 1)
    at = this.finished or max((finished for *_, finished in looked), default=this.created)
    findings = _to_fix(organisation, at)
    hosts = [score_host(host, findings[host], weight) for host, weight in weights.items()]
    return score_organisation(hosts, len(looked) / len(counted) if counted else 0)


def _to_fix(organisation: Organisation, at: datetime) -> Mapping[str, list[Scored]]:
    """Return what an organisation has to fix, by host, as it stands against its deadlines at that time.

    What goes on beside a graver finding that is told in its place now is left out, so that a host scores as if it were
    seen for the first time.
    """
    found: dict[int, Scored] = {}
    places: dict[_Place, dict[str, int]] = defaultdict(dict)
    for pk, host, port, transport, check, severity, confidence, vantage, exploited, reported, due in _TO_FIX(
        organisation=organisation
    ):
        places[host, port, transport][check] = pk
        found[pk] = Scored(
            check=check,
            severity=Severity(severity),
            confidence=Confidence(confidence),
            exposure=Vantage(vantage),
            known_exploited=exploited,
            age=age(reported, due, at),
        )
    left_out = _told_by_graver(found, places)
    by_host: dict[str, list[Scored]] = defaultdict(list)
    for (host, _, _), checks in places.items():
        by_host[host] += [found[pk] for pk in checks.values() if pk not in left_out]
    return by_host


def _told_by_graver(found: Mapping[int, Scored], places: Mapping[_Place, Mapping[str, int]]) -> set[int]:
    """Return the findings that go on beside a graver one which is about the same, and weighs as much at least."""
    pairs = [
        (lesser, checks[graver])
        for checks in places.values()
        for check, lesser in checks.items()
        for graver in graver_than(check)
        if graver in checks and outweighs(found[checks[graver]], found[lesser])
    ]
    parts = _NUMBERS.parts({number for pair in pairs for number in pair})
    params = dict(chain.from_iterable(_PARAMS(**part) for part in parts))
    return {
        lesser
        for lesser, graver in pairs
        if is_about_the_same(found[lesser].check, dict(params[lesser]), dict(params[graver]))
    }


@cache
def _adapter() -> TypeAdapter[OrganisationScore]:
    from pydantic import TypeAdapter  # here, because the import alone takes longer than most commands

    return TypeAdapter(OrganisationScore)
