"""Acts on several findings at once: each is done, or refused for a reason of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from scanner.engine.errors import Refused
from scanner.remediation import acts
from scanner.remediation.models import Finding
from scanner.remediation.reinspection import request_reinspection


@dataclass(frozen=True, slots=True)
class Outcome:
    """The findings to which it was done, and those to which it was not, with the reason."""

    done: tuple[Finding, ...]
    refused: tuple[tuple[Finding, Refused], ...]


def one_by_one(findings: Iterable[Finding], act: Callable[[Finding], object]) -> Outcome:
    """Do something to each finding; one that is refused keeps no other from it."""
    done: list[Finding] = []
    refused: list[tuple[Finding, Refused]] = []
    for each in findings:
        try:
            act(each)
        except Refused as refusal:
            refused.append((each, refusal))
        else:
            done.append(each)
    return Outcome(tuple(done), tuple(refused))


def claim_together(findings: Iterable[Finding], by: str, note: str, now: datetime) -> Outcome:
    """Claim that findings are fixed, and have them looked at again: in one round for each organisation.

    Raises what :func:`request_reinspection` raises; then nothing is claimed.
    """

    def claim(finding: Finding) -> None:
        if not acts.claim(finding, by, note, now):
            raise acts.claimed_already(finding)

    with transaction.atomic():
        outcome = one_by_one(findings, claim)
        for owner in sorted({each.organisation_id for each in outcome.done}):
            theirs = [each for each in outcome.done if each.organisation_id == owner]
            request_reinspection(theirs, by=by, now=now)
    return outcome
