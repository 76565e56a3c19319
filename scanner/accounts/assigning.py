"""Findings are given to those who work on them: people of the organisation, or of the office.

Whoever loses the role that lets them has them no more, in the same transaction.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet

from scanner.accounts.models import Assignment, Membership, User
from scanner.accounts.roles import EVERYWHERE, RIGHTS, Right, Role
from scanner.audit.trail import Action, record
from scanner.engine.errors import Refused
from scanner.engine.hostile import line
from scanner.remediation.lifecycle import State
from scanner.remediation.models import Finding, Remark, RemarkKind

_WORK = [role for role in Role if Right.CLAIM in RIGHTS[role]]
_OF_THE_OFFICE = [role for role in _WORK if role in EVERYWHERE]
_OF_A_UNIT = [role for role in _WORK if role not in EVERYWHERE]


def colleagues(organisation: int | None, *, office: bool) -> QuerySet[User]:
    """Return whom findings of an organisation can be given to: its people, and with ``office`` those of the office."""
    held = Q(role__in=_OF_A_UNIT, organisation=organisation) if organisation is not None else Q(pk__in=())
    if office:
        held |= Q(role__in=_OF_THE_OFFICE)
    return User.objects.filter(pk__in=Membership.objects.filter(held).values("user"), is_active=True)


def assign(finding: Finding, to: User | None, by: str, now: datetime) -> bool:
    """Give a finding to somebody, or to nobody; return whether that is news. Raises ``Refused``."""
    with transaction.atomic():
        row = Finding.objects.select_for_update().select_related("organisation").get(pk=finding.pk)
        held = Assignment.objects.select_related("user").filter(finding=row).first()
        if (held.user if held else None) == to:
            return False
        if to is None:
            Assignment.objects.filter(finding=row).delete()
        else:
            _check(row, to)
            Assignment.objects.update_or_create(finding=row, defaults={"user": to, "since": now})
        kind = RemarkKind.ASSIGNED if to else RemarkKind.UNASSIGNED
        Remark.objects.create(finding=row, kind=kind, at=now, actor=line(by, 200), text=to.name if to else "")
        record(Action.FINDING_ASSIGNED, f"finding {row.pk}", actor=by, at=now, to=to.email if to else None)
    return True


def objection_to_assigning(row: Finding) -> Refused | None:
    """Return why a finding can be given to nobody."""
    return Refused(f"Finding {row.pk} is fixed.", "is-fixed") if row.state == State.FIXED else None


def take_back(user: User, by: str, now: datetime) -> None:
    """Take the findings from somebody that their roles don't let them work on any more.

    Belongs into the transaction that takes the role.
    """
    held = Assignment.objects.filter(user=user)
    if user.is_active:
        roles = Membership.objects.filter(user=user)
        if roles.filter(role__in=_OF_THE_OFFICE).exists():
            return
        held = held.exclude(finding__organisation__in=roles.filter(role__in=_OF_A_UNIT).values("organisation"))
    findings = list(held.order_by("finding").values_list("finding", flat=True))
    if findings:
        Assignment.objects.filter(finding__in=findings).delete()
        Remark.objects.bulk_create(
            Remark(finding_id=each, kind=RemarkKind.UNASSIGNED, at=now, actor=line(by, 200)) for each in findings
        )
        record(Action.FINDINGS_UNASSIGNED, f"account {user.email}", actor=by, at=now, findings=findings)


def _check(row: Finding, to: User) -> None:
    """Raise ``Refused`` when nobody, or this one not, can be given the finding. Locks the roles that let them."""
    objection = objection_to_assigning(row)
    if objection is not None:
        raise objection
    held = Q(role__in=_OF_A_UNIT, organisation=row.organisation_id) | Q(role__in=_OF_THE_OFFICE)
    roles = Membership.objects.select_for_update().filter(held, user=to, user__is_active=True)
    if not roles:
        said = f"Finding {row.pk} can only be given to people of {row.organisation.slug} or of the office."
        raise Refused(said, "no-colleague")
