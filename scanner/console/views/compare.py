"""What two rounds saw of a finding, beside each other."""

from __future__ import annotations

from collections.abc import Sequence

from django.http import HttpResponse
from django.shortcuts import render

from scanner.console import beside
from scanner.console.requests import NUMBER, PageRequest
from scanner.console.views.findings import finding_of
from scanner.remediation.lifecycle import Observation
from scanner.remediation.models import FindingEvent
from scanner.remediation.sightings import Told, seen_by, told_by_rounds


def show(request: PageRequest, number: int) -> HttpResponse:
    """Show two rounds that are chosen by the address; else the last two that could tell."""
    finding = finding_of(request, number)
    request.zone = finding.organisation.time_zone
    told = told_by_rounds(request.sight.rows(FindingEvent).filter(finding=finding))
    chosen = _chosen(request, told)
    shown: dict[str, object] = {"finding": finding, "told": told, "chosen": chosen}
    if chosen is not None:
        left, right = (seen_by(each.round, finding) for each in chosen)
        rows = beside.facts(left, right)
        shown |= {
            "sides": (left, right),
            "known": [
                side.tells and each.observation is not Observation.NOT_INSPECTED
                for each, side in zip(chosen, (left, right), strict=True)
            ],
            "evidence": beside.evidence(left, right)[: beside.ROWS],
            "exchanges": beside.exchanges(left, right),
            "differing": [row for row in rows if row.differs][: beside.ROWS],
            "alike": [row for row in rows if not row.differs][: beside.ROWS],
            "left_out": max(0, len(rows) - 2 * beside.ROWS),
        }
    return render(request, "compare.html", shown)


def _chosen(request: PageRequest, told: Sequence[Told]) -> tuple[Told, Told] | None:
    """Return the two rounds, the older first; None when there are no two."""
    if len(told) < 2:
        return None
    by_number = {each.round: each for each in told}
    telling = [each for each in told if each.observation is not Observation.NOT_INSPECTED]
    usual = iter((*telling, *(each for each in told if each not in telling)))
    picked = []
    for name in ("first", "second"):
        asked = request.GET.get(name, "")
        found = by_number.get(int(asked)) if NUMBER.fullmatch(asked) else None
        if found is not None and found not in picked:
            picked.append(found)
    while len(picked) < 2:
        candidate = next(usual)
        if candidate not in picked:
            picked.append(candidate)
    older, newer = sorted(picked, key=lambda each: each.round)
    return older, newer
