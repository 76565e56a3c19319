"""Which role may do what. Everything else that asks, asks for a right, never for a role."""

from __future__ import annotations

from collections.abc import Mapping, Set
from enum import StrEnum

from django.db import models


class Role(models.TextChoices):
    """The first three hold for the whole installation, the others within one organisation.

    A supervisor sees the organisation and all below it, a unit's manager and members their own unit alone.
    """

    ADMINISTRATOR = "administrator"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    SUPERVISOR = "supervisor"
    UNIT_MANAGER = "unit-manager"
    UNIT_MEMBER = "unit-member"


EVERYWHERE = frozenset({Role.ADMINISTRATOR, Role.OPERATOR, Role.AUDITOR})
"""Roles that belong to no organisation."""


class Right(StrEnum):
    """What somebody may do to an organisation's rows, or, ``WATCH`` and above it, to the installation.

    ``DISCUSS``: see who works on a finding, and what its organisation and the office say of it between themselves.
    ``CLAIM``: work on it: say that it is fixed, which has it looked at again, comment on it, give it to a colleague.
    ``ASK``: ask to accept a risk, or dispute a finding. ``KEEP``: say who gets an organisation's mail, and propose what
    is to be registered. ``WATCH``: see rounds, mail and the audit trail, which speak of all organisations at once.
    """

    READ = "read"
    DISCUSS = "discuss"
    CLAIM = "claim"
    ASK = "ask"
    KEEP = "keep"
    WATCH = "watch"
    OPERATE = "operate"
    ADMINISTER = "administer"


_OPERATOR = frozenset({Right.READ, Right.DISCUSS, Right.CLAIM, Right.ASK, Right.KEEP, Right.WATCH, Right.OPERATE})

RIGHTS: Mapping[str, Set[Right]] = {
    Role.ADMINISTRATOR: _OPERATOR | {Right.ADMINISTER},
    Role.OPERATOR: _OPERATOR,
    Role.AUDITOR: frozenset({Right.READ, Right.DISCUSS, Right.WATCH}),
    Role.SUPERVISOR: frozenset({Right.READ}),
    Role.UNIT_MANAGER: frozenset({Right.READ, Right.DISCUSS, Right.CLAIM, Right.ASK, Right.KEEP}),
    Role.UNIT_MEMBER: frozenset({Right.READ, Right.DISCUSS, Right.CLAIM}),
}
