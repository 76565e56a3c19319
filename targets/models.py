"""The register: organisations, contacts, zones, targets, authorisations, exclusions. Retired, never deleted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import models
from django.db.models import F, Q

from scanner.quick_rows import QuickRow
from targets.roots import parse_roots


class Language(models.TextChoices):
    CHINESE = "zh-Hans"
    ENGLISH = "en"


class Vantage(models.TextChoices):
    """From where a zone is inspected; the same values as the engine's ``Vantage``."""

    INTERNET = "internet"
    GOVERNMENT = "government"
    INTERNAL = "internal"
    ISOLATED = "isolated"


class TargetKind(models.TextChoices):
    """The same values as :class:`targets.addresses.Kind`."""

    HOSTNAME = "hostname"
    IPV4 = "ipv4"
    IPV6 = "ipv6"
    CIDR = "cidr"
    URL = "url"


class Criticality(models.TextChoices):
    ORDINARY = "ordinary"
    KEY = "key"


class TlsPolicy(models.TextChoices):
    """The same values as the names of the engine's policies."""

    ROUNDSMAN = "roundsman"
    MOZILLA_INTERMEDIATE = "mozilla-intermediate"
    NCSC_NL_2025 = "ncsc-nl-2025"


class ContactRole(models.TextChoices):
    """What a contact is written to for: ``leader`` gets summaries and escalations, ``security`` every report."""

    SECURITY = "security"
    TECHNICAL = "technical"
    LEADER = "leader"


class OptionalMail(models.TextChoices):
    """The kinds of mail that a contact may decline; the same values as the outbox has for them."""

    ROUND_REPORT = "round-report"
    REMINDER = "reminder"
    RECURRENCE = "recurrence"
    DIGEST = "digest"


class Retirable(QuickRow):
    """A row that is retired, never deleted; ``retired_at`` None means it is active."""

    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True


def _validate_time_zone(name: str) -> None:
    if name not in available_timezones():
        raise ValidationError(f"{name!r} is no IANA time zone; an example of one is Asia/Shanghai")


class Organisation(Retirable):
    """Who owns targets. ``parent`` is its supervising organisation; ``weight`` (1 to 3) counts in bulletins.

    ``trusted_roots`` are PEM texts of its own certificate authorities; see :attr:`anchors`. ``tls_policy`` is what its
    TLS is held to, empty for its supervisor's; see :attr:`policy_name`. ``domains`` are names (ASCII) whose DNS is
    judged; see :mod:`targets.domains`. ``blackouts`` are times in which its hosts are left alone (see
    :mod:`targets.windows`), ``rate`` caps packets a second to them (0: no cap).
    """

    slug = models.CharField(max_length=64, unique=True, validators=[validate_slug])
    name_zh = models.CharField(max_length=200)
    name_en = models.CharField(max_length=200)
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="children")
    language = models.CharField(max_length=10, choices=Language.choices, default=Language.CHINESE)
    time_zone = models.CharField(max_length=64, default="Asia/Shanghai", validators=[_validate_time_zone])
    is_key = models.BooleanField(default=False)
    weight = models.FloatField(default=1.0)
    trusted_roots = models.JSONField(default=list, blank=True)
    tls_policy = models.CharField(max_length=40, choices=TlsPolicy.choices, default="", blank=True)
    domains = models.JSONField(default=list, blank=True)
    blackouts = models.JSONField(default=list, blank=True)
    rate = models.FloatField(default=0)

    class Meta:
        ordering = ("slug",)
        constraints = (
            models.CheckConstraint(condition=Q(slug__regex=r"^[a-z0-9][a-z0-9-]*$"), name="organisation_slug_is_plain"),
            models.CheckConstraint(condition=~Q(name_zh="") | ~Q(name_en=""), name="organisation_has_a_name"),
            models.CheckConstraint(condition=Q(language__in=Language.values), name="organisation_language_is_known"),
            models.CheckConstraint(condition=Q(weight__gte=1, weight__lte=3), name="organisation_weight_is_1_to_3"),
            models.CheckConstraint(condition=~Q(parent=F("pk")), name="organisation_is_not_its_own_parent"),
            models.CheckConstraint(condition=Q(rate__gte=0), name="organisation_rate_is_not_negative"),
            models.CheckConstraint(
                condition=Q(tls_policy__in=["", *TlsPolicy.values]), name="organisation_tls_policy_is_known"
            ),
        )

    def __str__(self) -> str:
        return self.slug

    def save(self, *args: Any, **kwargs: Any) -> None:
        self._refuse_cycle()
        super().save(*args, **kwargs)

    @property
    def name(self) -> str:
        """The name in the organisation's own language, or in the other one when that is empty."""
        names = (self.name_zh, self.name_en) if self.language == Language.CHINESE else (self.name_en, self.name_zh)
        return names[0] or names[1]

    def day_of(self, moment: datetime) -> date:
        """Return the day of a moment by the organisation's clocks, as reports, notices and mails have it."""
        return moment.astimezone(ZoneInfo(self.time_zone)).date()

    def last_day_before(self, end: datetime) -> date:
        """Return the last day that has begun before ``end``, by the organisation's clocks."""
        return self.day_of(end - timedelta(microseconds=1))

    @property
    def anchors(self) -> tuple[bytes, ...]:
        """The roots, DER, that this organisation trusts beside the public ones: its own and its supervisors'."""
        found: dict[bytes, None] = {}
        for row in self.upwards():
            for text in row.trusted_roots:
                found.update((root.der, None) for root in parse_roots(text))
        return tuple(found)

    @property
    def policy_name(self) -> str:
        """The TLS policy that holds here: its own, else that of the nearest supervisor who chose one."""
        return next((row.tls_policy for row in self.upwards() if row.tls_policy), TlsPolicy.ROUNDSMAN)

    def upwards(self) -> Iterator[Organisation]:
        """Yield the organisation, its supervisor, that one's supervisor, and so on."""
        row: Organisation | None = self
        while row is not None:
            yield row
            row = row.parent

    def clean(self) -> None:
        super().clean()
        self._refuse_cycle()

    def _refuse_cycle(self) -> None:
        seen = {self.slug}
        above = self.parent
        while above is not None:
            if above.slug in seen:
                raise ValidationError({"parent": f"{self.slug} would supervise itself, through {above.slug}"})
            seen.add(above.slug)
            above = above.parent


class Contact(Retirable):
    """Someone at an organisation who can act. ``declined`` holds values of :class:`OptionalMail`."""

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="contacts")
    name = models.CharField(max_length=200)
    email = models.EmailField()
    role = models.CharField(max_length=20, choices=ContactRole.choices, default=ContactRole.SECURITY)
    language = models.CharField(max_length=10, choices=Language.choices)
    declined = models.JSONField(default=list, blank=True)

    class Meta:
        ordering = ("organisation", "email")
        constraints = (
            models.UniqueConstraint(fields=("organisation", "email"), name="contact_is_registered_once"),
            models.CheckConstraint(condition=Q(role__in=ContactRole.values), name="contact_role_is_known"),
            models.CheckConstraint(condition=Q(language__in=Language.values), name="contact_language_is_known"),
        )

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"


class Zone(QuickRow):
    """A part of the network that is inspected from one vantage. ``rate`` caps packets a second into it (0: no cap)."""

    name = models.CharField(max_length=64, unique=True)
    vantage = models.CharField(max_length=20, choices=Vantage.choices)
    rate = models.FloatField(default=0)

    class Meta:
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(condition=Q(vantage__in=Vantage.values), name="zone_vantage_is_known"),
            models.CheckConstraint(condition=~Q(name=""), name="zone_has_a_name"),
            models.CheckConstraint(condition=Q(rate__gte=0), name="zone_rate_is_not_negative"),
        )

    def __str__(self) -> str:
        return self.name


class Target(Retirable):
    """One registered address. ``value`` is canonical (see :mod:`targets.addresses`), ``display`` has Unicode names.

    ``ports`` replaces the plan's port list for this target; empty means the plan's. ``shared`` says that another
    organisation may register the same address. ``blackouts`` are its own, beside its organisation's.
    """

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="targets")
    kind = models.CharField(max_length=10, choices=TargetKind.choices)
    value = models.CharField(max_length=2048)
    display = models.CharField(max_length=2048)
    zone = models.ForeignKey(Zone, on_delete=models.PROTECT, related_name="targets")
    criticality = models.CharField(max_length=10, choices=Criticality.choices, default=Criticality.ORDINARY)
    tags = models.JSONField(default=list, blank=True)
    ports = models.TextField(default="", blank=True)
    shared = models.BooleanField(default=False)
    blackouts = models.JSONField(default=list, blank=True)

    class Meta:
        ordering = ("organisation", "value")
        constraints = (
            models.UniqueConstraint(fields=("organisation", "value"), name="target_is_registered_once"),
            models.CheckConstraint(condition=Q(kind__in=TargetKind.values), name="target_kind_is_known"),
            models.CheckConstraint(condition=Q(criticality__in=Criticality.values), name="target_criticality_is_known"),
            models.CheckConstraint(condition=~Q(value="") & ~Q(value__startswith="-"), name="target_value_is_plain"),
        )

    def __str__(self) -> str:
        return self.value


class Authorisation(Retirable):
    """Who allowed what to be inspected, on what document, from ``valid_from`` up to, not including, ``valid_until``.

    ``scope`` lists canonical networks, addresses and host names; ``level`` is how far probes may go.
    """

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="authorisations")
    document = models.CharField(max_length=200)
    allowed_by = models.CharField(max_length=200)
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField()
    scope = models.JSONField()
    ports = models.TextField(default="1-65535")
    level = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ("organisation", "document")
        constraints = (
            models.UniqueConstraint(fields=("organisation", "document"), name="authorisation_is_registered_once"),
            models.CheckConstraint(
                condition=Q(valid_until__gt=F("valid_from")), name="authorisation_ends_after_it_begins"
            ),
            models.CheckConstraint(condition=Q(level__in=(0, 1, 2)), name="authorisation_level_is_0_to_2"),
            models.CheckConstraint(
                condition=~Q(document="") & ~Q(allowed_by=""), name="authorisation_has_a_document_and_an_author"
            ),
        )

    def __str__(self) -> str:
        return self.document


class Exclusion(Retirable):
    """What must not be touched, for one organisation or, when it is None, for all; ``until`` None means for ever."""

    organisation = models.ForeignKey(
        Organisation, on_delete=models.PROTECT, null=True, blank=True, related_name="exclusions"
    )
    value = models.CharField(max_length=2048)
    ports = models.TextField(default="1-65535")
    reason = models.CharField(max_length=500)
    until = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("organisation", "value", "ports")
        constraints = (
            models.UniqueConstraint(
                fields=("organisation", "value", "ports"),
                name="exclusion_is_registered_once",
            ),
            models.UniqueConstraint(
                fields=("value", "ports"), condition=Q(organisation=None), name="global_exclusion_is_registered_once"
            ),
            models.CheckConstraint(condition=~Q(value="") & ~Q(reason=""), name="exclusion_has_a_value_and_a_reason"),
        )

    def __str__(self) -> str:
        return self.value


class HandedIn(models.Model):
    """A file that somebody handed in; never changed.

    ``kind`` is what the content is (see :mod:`targets.documents`), ``digest`` its SHA-256 (hex), ``size`` in bytes.
    """

    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=10)
    size = models.PositiveIntegerField()
    digest = models.CharField(max_length=64)
    content = models.BinaryField()
    added = models.DateTimeField()
    added_by = models.CharField(max_length=200)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name


class AuthorisationFile(HandedIn):
    """The document of an authorisation; a better copy is one more row."""

    authorisation = models.ForeignKey(Authorisation, on_delete=models.PROTECT, related_name="files")

    class Meta:
        ordering = ("authorisation", "pk")
        constraints = (models.CheckConstraint(condition=Q(size__gt=0), name="authorisation_file_is_not_empty"),)


class RegisterDraft(models.Model):
    """A file of the register that somebody handed in to see what it would change; gone once that is decided.

    ``organisation`` is set for a list of targets (CSV), which speaks of one; without it the file is YAML.
    """

    name = models.CharField(max_length=200)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    content = models.BinaryField()
    created = models.DateTimeField()
    created_by = models.CharField(max_length=200)

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return self.name


class ProposalState(models.TextChoices):
    """``WAITING`` for the office, which approves or declines; ``WITHDRAWN`` by who proposed."""

    WAITING = "waiting"
    APPROVED = "approved"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


class TargetProposal(models.Model):
    """Addresses that an organisation asks to have registered as its targets; nothing is inspected because of it.

    ``addresses`` are canonical (see :mod:`targets.addresses`), ``answer`` is what the office said of it.
    """

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="proposals")
    addresses = models.JSONField()
    note = models.CharField(max_length=2000, blank=True)
    state = models.CharField(max_length=10, choices=ProposalState.choices, default=ProposalState.WAITING)
    proposed = models.DateTimeField()
    proposed_by = models.CharField(max_length=200)
    decided = models.DateTimeField(null=True, blank=True)
    decided_by = models.CharField(max_length=200, blank=True)
    answer = models.CharField(max_length=2000, blank=True)

    class Meta:
        ordering = ("pk",)
        constraints = (
            models.CheckConstraint(condition=Q(state__in=ProposalState.values), name="proposal_state_is_known"),
            models.CheckConstraint(
                condition=Q(state=ProposalState.WAITING, decided__isnull=True)
                | (~Q(state=ProposalState.WAITING) & Q(decided__isnull=False)),
                name="proposal_is_decided_at_a_time",
            ),
        )
        indexes = (models.Index(fields=("state", "organisation"), name="proposal_by_state"),)

    def __str__(self) -> str:
        return f"proposal {self.pk} of {self.organisation}"
