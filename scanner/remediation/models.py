"""Findings as they stand, their history, and how each organisation scored after each round."""

from __future__ import annotations

from typing import Any

from django.db import models

from scanner.engine.known_keys import KeyKind
from scanner.engine.model import Confidence, Level, Severity, Transport, Vantage, where
from scanner.engine.plan import Profile
from scanner.literal import Literal
from scanner.quick_rows import QuickRow
from scanner.remediation.lifecycle import (
    EXEMPT,
    MERELY_SEEN,
    Claimed,
    Exempt,
    Fixed,
    Ground,
    Happened,
    Open,
    Situation,
    Standing,
    State,
    Told,
)
from targets.models import HandedIn


def _exactly_in(states: list[State], field: str) -> models.Q:
    """The field is set in these states, and in no other."""
    return models.Q(state__in=states, **{f"{field}__isnull": False}) | (
        ~models.Q(state__in=states) & models.Q(**{f"{field}__isnull": True})
    )


class Finding(QuickRow):
    """One finding for life: (organisation, host, port, transport, check); its number is its primary key.

    ``host`` is the registered hostname, the address when there is none, or a domain (port 0, transport ``dns``);
    ``addresses`` are those where it was seen since it was opened; ``reported`` is when its organisation was first told,
    from which its deadline counts. ``claimed``, ``fixed``, ``exempt_until`` and ``gone`` belong to its state; see
    :class:`scanner.remediation.lifecycle.Standing`. ``profile``, ``level`` and ``vantage`` are those of the look that
    last saw it: a shallower look, or one from elsewhere, can't tell that it is gone. ``exchanges`` is the evidence last
    seen, as objects with ``sent``, ``received`` and ``at``. ``registered`` says whether its place is; it is kept by
    :mod:`scanner.remediation.registered`, for questions that are answered within the database.
    """

    organisation = models.ForeignKey("targets.Organisation", on_delete=models.PROTECT, related_name="findings")
    host = models.CharField(max_length=253)
    port = models.PositiveIntegerField()
    transport = models.CharField(max_length=3, choices=[(each, each) for each in Transport])
    check_id = models.CharField(max_length=64)
    addresses = models.JSONField(default=list)
    state = models.CharField(max_length=16, choices=[(each, each) for each in State])
    severity = models.CharField(max_length=8, choices=[(each, each) for each in Severity])
    confidence = models.CharField(max_length=9, choices=[(each, each) for each in Confidence])
    key_target = models.BooleanField(default=False)
    known_exploited = models.BooleanField(default=False)
    params = models.JSONField(default=list)
    exchanges = models.JSONField(default=list)
    profile = models.CharField(max_length=10, choices=[(each, each) for each in Profile])
    level = models.CharField(max_length=1, choices=[(each, each) for each in Level])
    vantage = models.CharField(max_length=10, choices=[(each, each) for each in Vantage])
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    last_inspected = models.DateTimeField()
    claimed = models.DateTimeField(null=True, blank=True)
    fixed = models.DateTimeField(null=True, blank=True)
    exempt_until = models.DateTimeField(null=True, blank=True)
    gone = models.DateTimeField(null=True, blank=True)
    reported = models.DateTimeField(null=True, blank=True)
    deadline = models.DateTimeField(null=True, blank=True)
    recurrences = models.PositiveIntegerField(default=0)
    registered = models.BooleanField(default=True)

    class Meta:
        ordering = ("organisation", "host", "port", "transport", "check_id")
        constraints = (
            models.UniqueConstraint(
                fields=("organisation", "host", "port", "transport", "check_id"), name="finding_is_one_for_life"
            ),
            models.CheckConstraint(condition=models.Q(state__in=list(State)), name="finding_state_is_known"),
            models.CheckConstraint(condition=_exactly_in([State.FIXED], "fixed"), name="finding_is_fixed_at_a_time"),
            models.CheckConstraint(
                condition=_exactly_in([State.CLAIMED], "claimed"), name="finding_is_claimed_at_a_time"
            ),
            models.CheckConstraint(
                condition=_exactly_in(sorted(EXEMPT), "exempt_until"), name="finding_is_exempt_until_a_time"
            ),
            models.CheckConstraint(
                condition=models.Q(gone__isnull=True) | models.Q(exempt_until__isnull=False),
                name="finding_is_gone_while_exempt",
            ),
        )
        # All that lists, counts and searches ask for, so that they read no row, whose evidence is long. The primary key
        # is named for PostgreSQL, whose indexes don't hold it by themselves.
        indexes = (
            models.Index(
                fields=(
                    "state",
                    "severity",
                    "deadline",
                    "organisation",
                    "first_seen",
                    "host",
                    "check_id",
                    "registered",
                    "id",
                ),
                name="finding_by_state",
            ),
            models.Index(
                fields=("organisation", "state", "severity", "deadline", "first_seen", "registered", "id"),
                name="finding_by_organisation",
            ),
        )

    def __str__(self) -> str:
        return f"{self.check_id} on {where(self.host, self.port, self.transport)}"

    @property
    def standing(self) -> Standing:
        """How it stands, as the state machine knows it."""
        return Standing(
            severity=Severity(self.severity),
            confidence=Confidence(self.confidence),
            key_target=self.key_target,
            first_seen=self.first_seen,
            last_seen=self.last_seen,
            last_inspected=self.last_inspected,
            situation=self._situation,
            told=Told(self.reported, self.deadline) if self.reported else None,
            recurrences=self.recurrences,
        )

    @standing.setter
    def standing(self, standing: Standing) -> None:
        self.state = standing.state
        self.severity = standing.severity
        self.confidence = standing.confidence
        self.key_target = standing.key_target
        self.first_seen = standing.first_seen
        self.last_seen = standing.last_seen
        self.last_inspected = standing.last_inspected
        self.recurrences = standing.recurrences
        self.reported = standing.told.at if standing.told else None
        self.deadline = standing.deadline
        self.fixed = standing.fixed
        situation = standing.situation
        self.claimed = situation.since if isinstance(situation, Claimed) else None
        self.exempt_until = situation.until if isinstance(situation, Exempt) else None
        self.gone = situation.gone if isinstance(situation, Exempt) else None

    @property
    def _situation(self) -> Situation:
        if self.fixed is not None:
            return Fixed(self.fixed)
        if self.claimed is not None:
            return Claimed(self.claimed)
        if self.exempt_until is not None:
            return Exempt(Ground(self.state), self.exempt_until, self.gone)
        return Open()


TELLING = ~models.Q(kind__in=[Literal(each) for each in MERELY_SEEN])
"""The events that reports tell, spelt as the index over them has it: most rounds only add that a finding was seen."""


class FindingEvent(QuickRow):
    """Something that happened to a finding; written once, never changed. ``detail`` holds data, no sentences.

    ``round`` is the one that tells it; None for what people did (``actor``) or what time did.
    """

    finding = models.ForeignKey(Finding, on_delete=models.PROTECT, related_name="events")
    # Every round adds a row for each finding, so indexes are most of the table; the constraint's begins with the round.
    round = models.ForeignKey(
        "rounds.Round", on_delete=models.PROTECT, null=True, related_name="finding_events", db_index=False
    )
    kind = models.CharField(max_length=16, choices=[(each, each) for each in Happened])
    at = models.DateTimeField()
    actor = models.CharField(max_length=200, blank=True)
    detail = models.JSONField(default=dict)

    class Meta:
        ordering = ("pk",)
        constraints = (
            models.UniqueConstraint(fields=("round", "kind", "finding"), name="event_happens_once_a_round"),
            models.CheckConstraint(condition=models.Q(kind__in=list(Happened)), name="event_kind_is_known"),
        )
        indexes = (
            # The history that reports tell, without the rows of most rounds.
            models.Index(fields=("finding",), condition=~models.Q(kind__in=list(MERELY_SEEN)), name="event_that_tells"),
        )

    def __str__(self) -> str:
        return f"{self.kind}: {self.finding}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert the event. Raises ``TypeError`` on a change: history is only added to."""
        if self.pk is not None:
            raise TypeError("The history of a finding is only added to.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Raise ``TypeError``: history is only added to."""
        raise TypeError("The history of a finding is only added to.")


class RemarkKind(models.TextChoices):
    """``ASSIGNED``: it was given to somebody, whose name the text is; ``UNASSIGNED``: to nobody any more."""

    COMMENT = "comment"
    ASSIGNED = "assigned"
    UNASSIGNED = "unassigned"


class Remark(models.Model):
    """What an organisation and the office say about a finding between themselves; written once, never changed.

    It is no event of the finding's history, which reports, bulletins, mails and webhooks tell to others.
    """

    finding = models.ForeignKey(Finding, on_delete=models.PROTECT, related_name="remarks")
    kind = models.CharField(max_length=16, choices=RemarkKind.choices)
    at = models.DateTimeField()
    actor = models.CharField(max_length=200)
    text = models.CharField(max_length=2000, blank=True)

    class Meta:
        ordering = ("pk",)
        constraints = (
            models.CheckConstraint(condition=models.Q(kind__in=RemarkKind.values), name="remark_kind_is_known"),
        )

    def __str__(self) -> str:
        return f"{self.kind}: {self.finding}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert the remark. Raises ``TypeError`` on a change: remarks are only added."""
        if self.pk is not None:
            raise TypeError("Remarks on a finding are only added.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Raise ``TypeError``: remarks are only added."""
        raise TypeError("Remarks on a finding are only added.")


class ExemptionKind(models.TextChoices):
    """The values of the states that a finding has while one holds."""

    ACCEPTED = "accepted"
    FALSE_POSITIVE = "false-positive"


class ExemptionState(models.TextChoices):
    """``REQUESTED`` by the organisation and not decided yet; ``ENDED`` when its time was over, or by a person."""

    REQUESTED = "requested"
    GRANTED = "granted"
    REFUSED = "refused"
    ENDED = "ended"


class Exemption(models.Model):
    """A risk that is accepted, or a finding that is said to be wrong, up to, not including, ``until``.

    ``owner`` answers for it, ``proof`` names the document or the evidence. ``warned`` is when the end was announced.
    """

    finding = models.ForeignKey(Finding, on_delete=models.PROTECT, related_name="exemptions")
    kind = models.CharField(max_length=16, choices=ExemptionKind.choices)
    state = models.CharField(max_length=10, choices=ExemptionState.choices)
    owner = models.CharField(max_length=200)
    reason = models.CharField(max_length=2000)
    proof = models.CharField(max_length=2000, blank=True)
    until = models.DateTimeField()
    requested_by = models.CharField(max_length=200)
    requested_at = models.DateTimeField()
    decided_by = models.CharField(max_length=200, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    warned = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("pk",)
        constraints = (
            models.CheckConstraint(condition=models.Q(kind__in=ExemptionKind.values), name="exemption_kind_is_known"),
            models.CheckConstraint(
                condition=models.Q(state__in=ExemptionState.values), name="exemption_state_is_known"
            ),
            models.UniqueConstraint(
                fields=("finding",),
                condition=models.Q(state__in=("requested", "granted")),
                name="finding_has_one_exemption_at_a_time",
            ),
        )
        indexes = (
            models.Index(fields=("state", "until"), name="exemption_by_end"),
            models.Index(fields=("state", "ended_at"), name="exemption_by_ended"),
        )

    def __str__(self) -> str:
        return f"{self.kind} until {self.until:%Y-%m-%d}: {self.finding}"


class ProofFile(HandedIn):
    """A file about a finding: proof of a fix, or of a reason."""

    finding = models.ForeignKey(Finding, on_delete=models.PROTECT, related_name="proofs")

    class Meta:
        ordering = ("pk",)
        constraints = (
            models.UniqueConstraint(fields=("finding", "digest"), name="proof_is_kept_once"),
            models.CheckConstraint(condition=models.Q(size__gt=0), name="proof_is_not_empty"),
        )


class Attention(QuickRow):
    """When a host earns its next look between the rounds of its plans; see :mod:`scanner.remediation.cadence`.

    ``host`` is what its findings are known by. ``hours`` is the present interval, ``silent`` counts the rounds in which
    it did not answer, one after the other.
    """

    organisation = models.ForeignKey("targets.Organisation", on_delete=models.PROTECT, related_name="attention")
    host = models.CharField(max_length=253)
    hours = models.PositiveIntegerField()
    silent = models.PositiveIntegerField(default=0)
    due = models.DateTimeField()

    class Meta:
        ordering = ("due",)
        constraints = (models.UniqueConstraint(fields=("organisation", "host"), name="host_earns_attention_once"),)
        indexes = (models.Index(fields=("due",), name="attention_by_due"),)

    def __str__(self) -> str:
        return f"{self.host} at {self.due:%Y-%m-%d %H:%M}Z"


class SeenKey(QuickRow):
    """A public key where it was last seen; see :mod:`scanner.remediation.keys` for when it goes.

    ``kind`` and ``fingerprint`` are those of :class:`scanner.engine.known_keys.Key`, the other fields those of its
    ``Place``; ``target`` is the registered target that stands for the host.
    """

    organisation = models.ForeignKey("targets.Organisation", on_delete=models.PROTECT, related_name="seen_keys")
    target = models.ForeignKey("targets.Target", on_delete=models.PROTECT, related_name="seen_keys")
    hostname = models.CharField(max_length=253, blank=True)
    address = models.CharField(max_length=64)
    port = models.PositiveIntegerField()
    kind = models.CharField(max_length=12, choices=[(each, each) for each in KeyKind])
    fingerprint = models.CharField(max_length=64)
    ssl2 = models.BooleanField(default=False)
    named = models.BooleanField(default=True)
    seen = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("organisation", "hostname", "address", "port", "kind", "fingerprint"),
                name="key_is_seen_once_at_a_place",
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} key at {self.hostname or self.address}:{self.port}"


class RoundScore(models.Model):
    """How an organisation scored after a round; ``score`` is an ``OrganisationScore`` with all its terms, as
    :func:`scanner.remediation.scores.load_score` reads it.

    What queries over many rounds ask for stands beside it; ``grade`` is empty for none. That of a round about a part is
    about this part, and marks that the round was followed: it is in no trend.
    """

    organisation = models.ForeignKey("targets.Organisation", on_delete=models.PROTECT, related_name="scores")
    round = models.ForeignKey("rounds.Round", on_delete=models.PROTECT, related_name="scores")
    score = models.JSONField()
    value = models.FloatField(null=True)
    coverage = models.FloatField(default=0)
    grade = models.CharField(max_length=1, blank=True)
    provisional = models.BooleanField(default=False)

    class Meta:
        ordering = ("organisation", "round")
        constraints = (models.UniqueConstraint(fields=("organisation", "round"), name="organisation_is_scored_once"),)
        # All that a trend asks for, so that it reads no row, whose terms are long.
        indexes = (
            models.Index(
                fields=("round", "organisation", "provisional", "value", "coverage", "id"), name="score_by_round"
            ),
        )

    def __str__(self) -> str:
        return f"{self.organisation} in round {self.round_id}"
