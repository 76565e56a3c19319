"""What organisations ask to have registered: kept until the office has approved or declined it, and afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from django.db import transaction

from scanner.audit.trail import Action, record
from scanner.engine.errors import Refused
from targets.addresses import AddressError, parse_target
from targets.models import Organisation, ProposalState, Target, TargetProposal

MOST_ADDRESSES = 200
"""Of one proposal; more than that comes as a file, to the office."""

MOST_WAITING = 20
"""Proposals of one organisation that may wait at a time."""

LONGEST = 2000
"""Characters of a note, and of an answer."""


class WrongAddressError(Refused):
    """One of the addresses can't be registered; the message says which, and what would be right."""


def propose_targets(
    organisation: Organisation, lines: Iterable[str], note: str, by: str, now: datetime
) -> TargetProposal:
    """Keep what an organisation asks for. Nothing is resolved, and nothing is registered.

    Raises ``Refused`` when there is nothing new in it, too much, or something that is no address.
    """
    addresses = _read(lines)
    with transaction.atomic():
        waiting = TargetProposal.objects.filter(organisation=organisation, state=ProposalState.WAITING)
        if waiting.count() >= MOST_WAITING:
            raise Refused(
                f"{MOST_WAITING} proposals of {organisation.slug} wait already; wait for the answers.",
                "too-many-proposals",
                most=MOST_WAITING,
            )
        new = _unknown(organisation, addresses)
        if not new:
            raise Refused("All of these are registered already.", "registered-already")
        made = TargetProposal.objects.create(
            organisation=organisation, addresses=new, note=note.strip()[:LONGEST], proposed=now, proposed_by=by
        )
        record(Action.TARGETS_PROPOSED, _subject(made), actor=by, at=now, addresses=new)
    return made


def approve(
    proposal: TargetProposal, register: Callable[[list[str]], object], answer: str, by: str, now: datetime
) -> None:
    """Approve a proposal, and have ``register`` write those of its addresses that are not registered yet, or neither.

    Raises what ``register`` raises, and ``Refused`` when it was decided before.
    """
    with transaction.atomic():
        _decide(proposal, ProposalState.APPROVED, Action.PROPOSAL_APPROVED, answer, by, now)
        new = _unknown(proposal.organisation, proposal.addresses)
        if new:
            register(new)


def decline(proposal: TargetProposal, answer: str, by: str, now: datetime) -> None:
    """Decline a proposal. Raises ``Refused`` without a reason, and when it was decided before."""
    if not answer.strip():
        raise Refused("Say why it is declined: the organisation reads it.", "decline-without-reason")
    with transaction.atomic():
        _decide(proposal, ProposalState.DECLINED, Action.PROPOSAL_DECLINED, answer, by, now)


def withdraw(proposal: TargetProposal, by: str, now: datetime) -> None:
    """Take back a proposal that was not decided yet. Raises ``Refused`` for another."""
    with transaction.atomic():
        _decide(proposal, ProposalState.WITHDRAWN, Action.PROPOSAL_WITHDRAWN, "", by, now)


def _decide(
    proposal: TargetProposal, state: ProposalState, action: Action, answer: str, by: str, now: datetime
) -> None:
    answer = answer.strip()[:LONGEST]
    waiting = TargetProposal.objects.filter(pk=proposal.pk, state=ProposalState.WAITING)
    if not waiting.update(state=state, decided=now, decided_by=by, answer=answer):
        raise Refused(f"Proposal {proposal.pk} was decided before.", "proposal-decided")
    record(action, _subject(proposal), actor=by, at=now, answer=answer)


def _read(lines: Iterable[str]) -> list[str]:
    addresses: dict[str, None] = {}
    for line in filter(None, map(str.strip, lines)):
        try:
            addresses[parse_target(line).value] = None
        except AddressError as error:
            raise WrongAddressError.saying(error.sentence) from error
        if len(addresses) > MOST_ADDRESSES:
            raise WrongAddressError(
                f"These are more than {MOST_ADDRESSES} addresses; hand them to the office as a file.",
                "too-many-addresses",
                most=MOST_ADDRESSES,
            )
    return list(addresses)


def _unknown(organisation: Organisation, addresses: Iterable[str]) -> list[str]:
    known = set(Target.objects.filter(organisation=organisation, retired_at=None).values_list("value", flat=True))
    return [each for each in addresses if each not in known]


def _subject(proposal: TargetProposal) -> str:
    return f"proposal {proposal.pk} of {proposal.organisation.slug}"
