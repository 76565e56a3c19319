"""People who may sign in, the roles they have, the links by which they come in, and what is remembered of tries."""

from __future__ import annotations

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from scanner.accounts.roles import EVERYWHERE, Role
from targets.models import Language

_EVERYWHERE = sorted(EVERYWHERE)


class User(AbstractBaseUser):
    """A person with an account, known by the mail address. Never deleted: one that is not ``is_active`` can't sign in.

    ``language`` is what pages are shown in; empty for what the browser asks for.
    """

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=200)
    language = models.CharField(max_length=10, choices=Language.choices, blank=True)
    is_active = models.BooleanField(default=True)
    created = models.DateTimeField()

    objects = BaseUserManager["User"]()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    class Meta:
        ordering = ("email",)
        constraints = (
            models.CheckConstraint(condition=Q(email=Lower("email")), name="user_address_is_in_small_letters"),
            models.CheckConstraint(condition=~Q(name=""), name="user_has_a_name"),
        )

    def __str__(self) -> str:
        return self.email


class Membership(models.Model):
    """A role that somebody has: everywhere, or within an organisation (see :class:`~scanner.accounts.roles.Role`)."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="memberships")
    organisation = models.ForeignKey(
        "targets.Organisation", on_delete=models.PROTECT, null=True, related_name="memberships"
    )
    role = models.CharField(max_length=16, choices=Role.choices)

    class Meta:
        ordering = ("user", "pk")
        constraints = (
            models.UniqueConstraint(fields=("user", "organisation"), name="user_has_one_role_in_an_organisation"),
            models.UniqueConstraint(
                fields=("user",), condition=Q(organisation=None), name="user_has_one_role_everywhere"
            ),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="membership_role_is_known"),
            models.CheckConstraint(
                condition=Q(organisation=None, role__in=_EVERYWHERE)
                | Q(organisation__isnull=False) & ~Q(role__in=_EVERYWHERE),
                name="membership_role_fits_where_it_holds",
            ),
        )

    def __str__(self) -> str:
        return f"{self.user}: {self.role}"


class Assignment(models.Model):
    """Who works on a finding, as long as their role lets them; see :mod:`scanner.accounts.assigning`."""

    finding = models.OneToOneField("remediation.Finding", on_delete=models.PROTECT, related_name="assignment")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="assignments")
    since = models.DateTimeField()

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"{self.finding_id} to {self.user}"


class SavedView(models.Model):
    """What somebody lists again and again, under a name of their own; ``asked`` are the filter's fields and values."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="saved_views")
    name = models.CharField(max_length=60)
    asked = models.JSONField()
    created = models.DateTimeField()

    class Meta:
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint(fields=("user", "name"), name="saved_view_has_a_name_of_its_own"),
            models.CheckConstraint(condition=~Q(name=""), name="saved_view_has_a_name"),
        )

    def __str__(self) -> str:
        return self.name


class Invitation(models.Model):
    """A link by which somebody sets a password, once and until ``expires``; only its SHA-256 (hex) is kept."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="invitations")
    digest = models.CharField(max_length=64, unique=True)
    created = models.DateTimeField()
    created_by = models.CharField(max_length=200)
    expires = models.DateTimeField()
    used = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("pk",)
        constraints = (
            models.CheckConstraint(
                condition=Q(expires__gt=models.F("created")), name="invitation_ends_after_it_begins"
            ),
        )

    def __str__(self) -> str:
        return f"invitation of {self.user}"


class Origin(models.Model):
    """A network (see :func:`scanner.accounts.origins.network_of`) from which an account signed in, and when last."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="origins")
    network = models.CharField(max_length=50)
    last = models.DateTimeField()

    class Meta:
        ordering = ("pk",)
        constraints = (models.UniqueConstraint(fields=("user", "network"), name="user_has_a_network_once"),)

    def __str__(self) -> str:
        return f"{self.user}: {self.network}"


class Tally(models.Model):
    """What is counted for a while, such as wrong tries; ``digest`` is the SHA-256 (hex) of what it is counted by."""

    digest = models.CharField(max_length=64, primary_key=True)
    value = models.JSONField()
    until = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.digest
