"""Looks again at single findings that are claimed to be fixed, and says how that went."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum

from django.db import transaction
from django.db.models import Q

from scanner.engine.errors import InputError
from scanner.engine.model import Transport
from scanner.engine.plan import Profile
from scanner.engine.rules.web_transport import ports_beside
from scanner.remediation.keys import LOOKED
from scanner.remediation.lifecycle import Happened, State
from scanner.remediation.models import Finding, FindingEvent
from scanner.rounds.making import RoundRequest, make_round
from scanner.rounds.models import HostResult, LookNumber, PlanKind, Round, RoundState
from scanner.rounds.tools import tool_versions

PRIORITY = 100
"""Comes before what plans make: somebody waits for it, and it is short."""

WITNESSES = 2
"""Further ports known open on a host that are asked too, so that a filtered port can be told from a dead host."""

DOMAINS_ONLY = "T:443"
"""The port list of a re-inspection that is about domains alone, whose DNS has no ports."""

_DEPTH = list(Profile)


class Verdict(StrEnum):
    """How the re-inspection of a finding went. ``NOT_VERIFIED``: it could not look; a claim stays a claim."""

    FIXED = "fixed"
    STILL_THERE = "still-there"
    NOT_VERIFIED = "not-verified"


def request_reinspection(findings: Sequence[Finding], *, by: str, now: datetime) -> Round:
    """Make a round, or widen one that has not begun, that looks at just these findings of one organisation.

    Raises ``InputError`` for none, or for findings of several organisations, and what ``make_round`` raises.
    """
    owners = {finding.organisation_id: finding.organisation for finding in findings}
    if len(owners) != 1:
        raise InputError("A re-inspection is about findings of one organisation.")
    (owner,) = owners.values()
    tools = tool_versions()
    with transaction.atomic():
        waiting = _not_begun(findings[0])
        ours = {*(waiting.findings if waiting else ()), *(finding.pk for finding in findings)}
        chosen = list(Finding.objects.filter(pk__in=ours).order_by("pk"))
        wanted = RoundRequest(
            organisations=(owner,),
            requested_by=by,
            profile=max((Profile(each.profile) for each in chosen), key=_DEPTH.index),
            ports=_ports(chosen),
            kind=PlanKind.REINSPECTION,
            hosts=tuple(sorted({each.host for each in chosen})),
            findings=tuple(each.pk for each in chosen),
            priority=PRIORITY,
        )
        if waiting is None:
            return make_round(wanted, now, tools)
        waiting.hosts, waiting.findings = list(wanted.hosts or ()), list(wanted.findings)
        waiting.profile, waiting.ports = wanted.profile, wanted.ports
        waiting.save(update_fields=["hosts", "findings", "profile", "ports"])
        return waiting


def verdicts(this: Round) -> list[tuple[Finding, Verdict]]:
    """Return how a re-inspection that was followed went, for each finding that it was about."""
    events: defaultdict[int, set[str]] = defaultdict(set)
    told = FindingEvent.objects.filter(round=this, finding__in=this.findings)
    for number, kind in told.values_list("finding", "kind"):
        events[number].add(kind)
    findings = Finding.objects.filter(pk__in=this.findings).select_related("organisation").order_by("pk")
    return [(each, _verdict(each, events[each.pk], this.created)) for each in findings]


def _verdict(finding: Finding, happened: set[str], asked: datetime) -> Verdict:
    """Return how it went, ``asked`` for when. Another round may have been quicker: then this one had nothing to add."""
    if happened & {Happened.SEEN, Happened.CLAIM_REFUTED, Happened.REOPENED, Happened.OPENED}:
        return Verdict.STILL_THERE
    if happened & {Happened.FIXED, Happened.NOT_SEEN} or finding.state == State.FIXED:
        return Verdict.FIXED
    seen_since = finding.state != State.CLAIMED and finding.last_seen > asked
    return Verdict.STILL_THERE if seen_since else Verdict.NOT_VERIFIED


def _not_begun(finding: Finding) -> Round | None:
    """Return a re-inspection of the same organisation that no worker has taken up yet."""
    waiting = Round.objects.select_for_update().filter(
        kind=PlanKind.REINSPECTION, plan=None, state=RoundState.PLANNED, organisations=finding.organisation_id
    )
    return waiting.exclude(pk__in=Round.objects.filter(jobs__attempt__gt=0)).order_by("-pk").first()


def _ports(findings: Iterable[Finding]) -> str:
    """Return the port list: where the findings are and what they rest on, and on each host what else is known to
    answer."""
    chosen = list(findings)
    tcp, udp = ports_rested_on(chosen)
    asked: defaultdict[tuple[int, str], set[int]] = defaultdict(set)
    for each in chosen:
        if each.transport != Transport.DNS:
            asked[each.organisation_id, each.host] |= {each.port} if each.transport == Transport.TCP else set()
    for (owner, host), ports in asked.items():
        tcp |= set(sorted(_known_open(owner, host) - ports)[:WITNESSES])
    return listed_ports(tcp, udp) or DOMAINS_ONLY


def ports_rested_on(findings: Iterable[Finding]) -> tuple[set[int], set[int]]:
    """Return the TCP and the UDP ports that a look at the findings has to ask: theirs, and others that they rest on."""
    tcp: set[int] = set()
    udp: set[int] = set()
    for each in findings:
        if each.transport == Transport.UDP:
            udp.add(each.port)
        elif each.transport == Transport.TCP:
            tcp |= {each.port, *ports_beside(each.check_id, dict(each.params))}
    return tcp, udp


def listed_ports(tcp: Iterable[int], udp: Iterable[int]) -> str:
    """Return ports as a round's port list has them."""
    return ",".join([f"T:{port}" for port in sorted(tcp)] + [f"U:{port}" for port in sorted(udp)])


def _known_open(owner: int, host: str) -> set[int]:
    """Return the TCP ports that answered on the host when it was last looked at."""
    here = Q(hostname=host) | Q(hostname="", address=host)
    looks = HostResult.objects.filter(here, organisation=owner, look=LookNumber.FIRST, outcome__in=LOOKED)
    last = looks.order_by("-pk").first()
    scans = last.inspection().coverage.scans if last else ()
    return {port for scan in scans if scan.transport is Transport.TCP for port in scan.open}
