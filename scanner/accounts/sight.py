"""What somebody may see and do: the one way from an account to rows.

Pages get rows from :meth:`Sight.rows` and nowhere else, so that whoever asks for what is not theirs finds nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import TypeVar

from allauth.mfa.models import Authenticator
from django.db.models import Exists, Model, OuterRef, QuerySet

from scanner.accounts.models import Assignment, Membership, User
from scanner.accounts.roles import RIGHTS, Right, Role
from scanner.delivery.models import Notice, NoticeDocument, NoticeItem
from scanner.remediation.models import Exemption, Finding, FindingEvent, ProofFile, Remark, RoundScore
from scanner.reports.models import Bulletin, Report, ReportFile
from scanner.rounds.models import HostResult
from targets.models import Authorisation, AuthorisationFile, Contact, Exclusion, Organisation, Target, TargetProposal

M = TypeVar("M", bound=Model)

_OWNERS: Mapping[type[Model], str] = {
    Organisation: "pk",
    Target: "organisation",
    Contact: "organisation",
    Authorisation: "organisation",
    AuthorisationFile: "authorisation__organisation",
    Exclusion: "organisation",
    TargetProposal: "organisation",
    HostResult: "organisation",
    Finding: "organisation",
    FindingEvent: "finding__organisation",
    Exemption: "finding__organisation",
    ProofFile: "finding__organisation",
    Remark: "finding__organisation",
    Assignment: "finding__organisation",
    RoundScore: "organisation",
    Report: "organisation",
    ReportFile: "report__organisation",
    Bulletin: "organisation",
    Notice: "organisation",
    NoticeDocument: "notice__organisation",
    NoticeItem: "notice__organisation",
}
"""Which field of a row names the organisation that it is about. What is not here belongs to the installation."""

_OF_SUBTREES = frozenset({Bulletin})
"""Rows that speak of all that their organisation supervises, so that they are for who sees all of it alone."""

_AMONG_THEMSELVES = frozenset({Remark, Assignment})
"""Rows that need ``DISCUSS`` besides whatever is asked for."""

_OF_ACCOUNTS = frozenset({User, Membership})

_NOTHING: Set[Right] = frozenset()


@dataclass(frozen=True, slots=True)
class Sight:
    """The rights of one account: those that hold everywhere, and those within organisations, by primary key.

    ``has_factor`` tells of an account with a role whether it has a second factor; ``zone`` is the time zone of the
    organisation that all its roles are in, empty where there is not just one.
    """

    everywhere: Set[Right] = _NOTHING
    within: Mapping[int, Set[Right]] = field(default_factory=dict)
    roles: Set[Role] = frozenset()
    has_factor: bool = False
    zone: str = ""

    @classmethod
    def of(cls, user: User) -> Sight:
        """Return what the database grants the account now: one query, two for a supervisor. An ended one sees nothing.

        A retired organisation keeps its rows in sight: what was found there is still theirs to read.
        """
        if not user.is_active:
            return cls()
        factor = Exists(Authenticator.objects.filter(user=OuterRef("user")))
        zone = "organisation__time_zone"
        rows = list(Membership.objects.filter(user=user).values_list("organisation", "role", factor, zone))
        held = [(owner, role) for owner, role, _, _ in rows]
        everywhere: set[Right] = set()
        within: defaultdict[int, set[Right]] = defaultdict(set)
        supervised = [owner for owner, role in held if role == Role.SUPERVISOR]
        for owner, role in held:
            if owner is None:
                everywhere |= RIGHTS[role]
            else:
                within[owner] |= RIGHTS[role]
        for owner in _below(supervised):
            within[owner] |= RIGHTS[Role.SUPERVISOR]
        roles = frozenset(Role(role) for _, role in held)
        zones = {owner: zone or "" for owner, _, _, zone in rows}
        return cls(
            frozenset(everywhere),
            dict(within),
            roles,
            has_factor=any(has for _, _, has, _ in rows),
            zone=next(iter(zones.values())) if len(zones) == 1 else "",
        )

    def may(self, right: Right, organisation: int | None = None) -> bool:
        """Tell whether something may be done to an organisation's rows; without one, anywhere at all."""
        if right in self.everywhere:
            return True
        if organisation is None:
            return any(right in rights for rights in self.within.values())
        return right in self.within.get(organisation, _NOTHING)

    def rows(self, model: type[M], right: Right = Right.READ) -> QuerySet[M]:
        """Return the rows of ``model`` of the organisations to which ``right`` may be done. What is said between an
        organisation and the office needs ``DISCUSS`` besides.

        A model that belongs to the installation takes ``WATCH``, whatever is asked for, and ``ADMINISTER`` if it is one
        of accounts.
        """
        everything: QuerySet[M] = model._default_manager.all()  # noqa: SLF001 - documented by Django
        owner = _OWNERS.get(model)
        if owner is None:
            needed = Right.ADMINISTER if model in _OF_ACCOUNTS else Right.WATCH
            return everything if {needed, right} <= self.everywhere else everything.none()
        needs = {right, Right.DISCUSS} if model in _AMONG_THEMSELVES else {right}
        if needs <= self.everywhere:
            return everything
        allowed = [each for each, rights in self.within.items() if needs <= rights | self.everywhere]
        if model in _OF_SUBTREES:
            allowed = self._with_all_below(allowed)
        return everything.filter(**{f"{owner}__in": allowed})

    def overseen(self) -> QuerySet[Organisation]:
        """Return the active organisations that supervise others, none of whom is hidden."""
        below = Organisation.objects.filter(parent=OuterRef("pk"), retired_at=None)
        supervising = self.rows(Organisation).filter(Exists(below), retired_at=None)
        if Right.READ in self.everywhere:
            return supervising
        return supervising.filter(pk__in=self._with_all_below(self.within))

    def _with_all_below(self, chosen: Iterable[int]) -> list[int]:
        """Return those of ``chosen`` below which there is nothing that is not in sight, too."""
        above = dict(Organisation.objects.values_list("pk", "parent"))
        incomplete: set[int] = set()
        for each in above.keys() - {owner for owner, rights in self.within.items() if Right.READ in rights}:
            upwards: int | None = each
            while upwards is not None and upwards not in incomplete:
                incomplete.add(upwards)
                upwards = above.get(upwards)
        return [each for each in chosen if each not in incomplete]

    @property
    def own(self) -> int | None:
        """The only organisation that is in sight, if there is just one: its people need no list of organisations."""
        only = set(self.within) if not self.everywhere else set()
        return only.pop() if len(only) == 1 else None


def _below(tops: Iterable[int | None]) -> set[int]:
    """Return the organisations below these, at any depth; asks the database only when there are any."""
    wanted = {each for each in tops if each is not None}
    if not wanted:
        return set()
    children: defaultdict[int | None, list[int]] = defaultdict(list)
    for number, parent in Organisation.objects.values_list("pk", "parent"):
        children[parent].append(number)
    found: set[int] = set()
    waiting = list(wanted)
    while waiting:
        for child in children[waiting.pop()]:
            if child not in found:
                found.add(child)
                waiting.append(child)
    return found
