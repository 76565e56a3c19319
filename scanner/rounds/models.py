"""Plans, the rounds they make, the jobs of a round, and what each round saw of each host."""

from __future__ import annotations

from collections.abc import Collection

from django.db import models
from django.db.models import Q

from scanner.engine.errors import Refused
from scanner.engine.model import HostInspection, Outcome, Severity
from scanner.engine.plan import Profile
from scanner.quick_rows import QuickRow
from scanner.rounds.unpacked import Unpacked
from targets.addresses import display_name
from targets.models import Organisation


class PlanKind(models.TextChoices):
    """Why a round is made. ``CADENCE`` and ``BY_HAND`` rounds have no plan: the first looks again at hosts that earned
    it, the second is what an operator asks for at once."""

    ROUTINE = "routine"
    SPOT_CHECK = "spot-check"
    CAMPAIGN = "campaign"
    SELF_CHECK = "self-check"
    REINSPECTION = "re-inspection"
    CADENCE = "cadence"
    BY_HAND = "by-hand"


class RoundState(models.TextChoices):
    """``RUNNING`` is also how a round looks whose process died; its jobs are taken up again by whoever works next."""

    PLANNED = "planned"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    CANCELLED = "cancelled"


ENDED = (RoundState.DONE, RoundState.CANCELLED)


class JobKind(models.TextChoices):
    """The steps of a round, in order: hosts are listed, looked at, looked at again, findings followed, people told.

    ``PREPARE`` makes the ``LOOK`` jobs of an organisation, ``DOUBT`` those of the second look. ``KEYS`` counts the keys
    that hosts share, of whatever organisation; then ``FOLLOW`` and ``TELL`` jobs are about a few organisations each.
    ``CLOSE`` ends the round.
    """

    PREPARE = "prepare"
    LOOK = "look"
    DOUBT = "doubt"
    KEYS = "keys"
    FOLLOW = "follow"
    TELL = "tell"
    CLOSE = "close"


class JobState(models.TextChoices):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


class LookNumber(models.IntegerChoices):
    """``AGAIN`` is the confirming look at what the first one no longer saw."""

    FIRST = 1
    AGAIN = 2


class Plan(QuickRow):
    """When to inspect what, and how deep. ``retired_at`` marks a removed plan: its rounds stay, its name is free.

    ``schedule`` (see :mod:`scanner.rounds.schedule`) is read in ``time_zone``; empty for a plan that runs only when
    asked. ``until`` ends it: a due time at or after it never comes. ``jitter`` is the most seconds that a due time may
    be put off by. ``blackouts`` are windows as in :mod:`targets.windows`, in ``time_zone`` too. No organisations means
    all active ones. ``share`` (above 0, up to 1) is the part of the targets that a spot check draws, ``checks`` are
    those a campaign is about (none: all). ``deadlines`` maps severities to days, for those that differ from the
    default. ``rate`` caps packets a second (0: no cap). ``notice_from`` is the least severity that is asked to be fixed
    by a notice; empty: no notices. ``next_due`` is the next time by the schedule, before any putting off; None means
    never.
    """

    name = models.CharField(max_length=64)
    kind = models.CharField(max_length=16, choices=PlanKind.choices)
    organisations = models.ManyToManyField("targets.Organisation", related_name="plans", blank=True)
    schedule = models.CharField(max_length=200, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC")
    until = models.DateTimeField(null=True, blank=True)
    jitter = models.PositiveIntegerField(default=0)
    blackouts = models.JSONField(default=list, blank=True)
    profile = models.CharField(max_length=10, choices=[(profile, profile) for profile in Profile])
    ports = models.TextField()
    share = models.FloatField(default=1.0)
    checks = models.JSONField(default=list, blank=True)
    deadlines = models.JSONField(default=dict, blank=True)
    rate = models.FloatField(default=0)
    priority = models.SmallIntegerField(default=0)
    notice_from = models.CharField(max_length=8, blank=True, choices=[(each, each) for each in Severity])
    paused = models.BooleanField(default=False)
    next_due = models.DateTimeField(null=True, blank=True)
    created = models.DateTimeField()
    created_by = models.CharField(max_length=200)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint(fields=("name",), condition=Q(retired_at=None), name="plan_name_is_in_use_once"),
            models.CheckConstraint(condition=Q(kind__in=PlanKind.values), name="plan_kind_is_known"),
            models.CheckConstraint(condition=Q(share__gt=0, share__lte=1), name="plan_share_is_above_0_up_to_1"),
            models.CheckConstraint(condition=Q(rate__gte=0), name="plan_rate_is_not_negative"),
        )

    def __str__(self) -> str:
        return self.name


class Round(QuickRow):
    """One pass over the targets of some organisations; its number is its primary key.

    ``ports`` is what was asked for (``top1000``, ``22,80``); ``followed`` tells when its findings were followed.
    ``tools`` holds the version of each program by its name. ``due`` is the time for which its plan made it, and
    ``missed`` how many earlier due times it stands for as well, when nothing ran. ``seed`` is what a spot check
    drew by. ``pruned`` is when its host results began to be removed, because their time was over.

    A round may be about a part only: ``targets`` are primary keys (None: all), ``hosts`` are names and addresses that
    findings are known by (None: all), ``checks`` those it is about (none: all), ``findings`` the primary keys of those
    that it looks at again (none: all). See :attr:`is_whole`.
    """

    organisations = models.ManyToManyField("targets.Organisation", related_name="rounds")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, null=True, blank=True, related_name="rounds")
    kind = models.CharField(max_length=16, choices=PlanKind.choices, default=PlanKind.BY_HAND)
    due = models.DateTimeField(null=True, blank=True)
    missed = models.PositiveIntegerField(default=0)
    seed = models.CharField(max_length=64, blank=True)
    targets = models.JSONField(null=True, blank=True)
    hosts = models.JSONField(null=True, blank=True)
    checks = models.JSONField(default=list, blank=True)
    findings = models.JSONField(default=list, blank=True)
    state = models.CharField(max_length=10, choices=RoundState.choices, default=RoundState.PLANNED)
    profile = models.CharField(max_length=10, choices=[(profile, profile) for profile in Profile])
    ports = models.TextField()
    rate = models.FloatField(default=0)
    priority = models.SmallIntegerField(default=0)
    requested_by = models.CharField(max_length=200)
    tools = models.JSONField(default=dict)
    created = models.DateTimeField()
    started = models.DateTimeField(null=True, blank=True)
    finished = models.DateTimeField(null=True, blank=True)
    followed = models.DateTimeField(null=True, blank=True)
    pruned = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("pk",)
        constraints = (
            models.CheckConstraint(condition=Q(state__in=RoundState.values), name="round_state_is_known"),
            models.CheckConstraint(condition=Q(kind__in=PlanKind.values), name="round_kind_is_known"),
            models.UniqueConstraint(fields=("plan", "due"), name="plan_makes_one_round_when_due"),
        )
        # What looks every few seconds for rounds to begin, in work or just over reads no others, however many.
        indexes = (
            models.Index(fields=("state", "id"), name="round_by_state"),
            models.Index(fields=("followed",), name="round_by_end"),
        )

    def __str__(self) -> str:
        return f"round {self.pk}"

    @property
    def is_whole(self) -> bool:
        """Whether it is about everything that its organisations registered, so that it can be scored and compared."""
        return self.targets is None and self.hosts is None and not self.checks and not self.findings

    def owners(self, only: Collection[int] | None = None) -> models.QuerySet[Organisation]:
        """Return its organisations, by name; those of them alone whose primary keys are among ``only``."""
        chosen = self.organisations.all() if only is None else self.organisations.filter(pk__in=only)
        return chosen.order_by("slug")

    def need_facts(self) -> None:
        """Raise ``Refused`` when host results were removed, so that what is left would tell a wrong story."""
        if self.pruned is not None:
            raise Refused(
                f"What round {self.pk} saw was pruned on {self.pruned:%Y-%m-%d}, as ROUNDSMAN_KEEP_FACTS_DAYS says; "
                "it can be neither rendered nor judged again. Take a newer round.",
                "round-pruned",
                number=self.pk,
                day=self.pruned.date(),
            )


def whole(prefix: str = "") -> Q:
    """Return the condition that :attr:`Round.is_whole` is, for a query; ``prefix`` leads to the round (``round__``)."""
    nothing = {f"{prefix}{name}__isnull": True for name in ("targets", "hosts")}
    return Q(**nothing, **{f"{prefix}{name}": [] for name in ("checks", "findings")})


class Job(QuickRow):
    """One step of a round for a worker: the unit that is leased, retried and cancelled.

    ``hosts`` and ``terms`` say what a ``LOOK`` job looks at and how (see :mod:`scanner.rounds.assignment`); a host that
    has a result already is left alone. The terms of ``FOLLOW`` and ``TELL`` jobs name their ``organisations``.
    ``attempt`` counts how often it was claimed and fences: a worker writes only while the row still has the attempt
    that it claimed. ``failures`` counts the attempts in which the process that ran the probes died, ``losses`` how
    often in a row, without a new result, its worker was lost. ``beat`` grows with every heartbeat; a running job whose
    beat stands still lost its worker. ``why`` tells people why it waits.
    """

    round = models.ForeignKey(Round, on_delete=models.PROTECT, related_name="jobs")
    organisation = models.ForeignKey("targets.Organisation", on_delete=models.PROTECT, null=True, related_name="jobs")
    kind = models.CharField(max_length=8, choices=JobKind.choices)
    look = models.PositiveSmallIntegerField(choices=LookNumber.choices, default=LookNumber.FIRST)
    zone = models.CharField(max_length=64, blank=True)
    hosts = models.JSONField(default=list)
    terms = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=JobState.choices, default=JobState.WAITING)
    priority = models.SmallIntegerField(default=0)
    not_before = models.DateTimeField(null=True, blank=True)
    attempt = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)
    losses = models.PositiveIntegerField(default=0)
    beat = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=100, blank=True)
    why = models.CharField(max_length=200, blank=True)
    created = models.DateTimeField()
    started = models.DateTimeField(null=True, blank=True)
    finished = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-priority", "round", "pk")
        constraints = (
            models.CheckConstraint(condition=Q(kind__in=JobKind.values), name="job_kind_is_known"),
            models.CheckConstraint(condition=Q(state__in=JobState.values), name="job_state_is_known"),
            models.UniqueConstraint(
                fields=("round", "kind"),
                condition=Q(kind__in=("doubt", "keys", "close")),
                name="round_has_one_doubt_keys_and_close",
            ),
            models.UniqueConstraint(
                fields=("round", "organisation"), condition=Q(kind="prepare"), name="round_prepares_organisation_once"
            ),
        )
        indexes = (models.Index(fields=("state", "-priority", "round", "id"), name="job_to_claim"),)

    def __str__(self) -> str:
        return f"job {self.pk} ({self.kind}) of {self.round}"

    @property
    def owner(self) -> Organisation:
        """The organisation of a job that prepares or looks."""
        if self.organisation is None:
            raise AssertionError("A job that prepares or looks belongs to an organisation.")
        return self.organisation


class Worker(models.Model):
    """A process that works, where several machines share a database; see :mod:`scanner.rounds.fleet`.

    ``name`` begins those of its workers in jobs. ``zones`` are those whose hosts it looks at (None: all), by up to
    ``concurrency`` jobs at a time. ``seen`` is its last beat, by the clock of the database.
    """

    name = models.CharField(max_length=100, unique=True)
    machine = models.CharField(max_length=253)
    zones = models.JSONField(null=True, blank=True)
    concurrency = models.PositiveSmallIntegerField()
    version = models.CharField(max_length=40)
    started = models.DateTimeField()
    seen = models.DateTimeField()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Stop(models.Model):
    """The kill switch: while a row is not lifted, no job is claimed and what runs is ended. Rows are never deleted."""

    at = models.DateTimeField()
    by = models.CharField(max_length=200)
    reason = models.CharField(max_length=500, blank=True)
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ("pk",)
        constraints = (
            models.UniqueConstraint(fields=("lifted_by",), condition=Q(lifted_at=None), name="stop_is_on_once"),
        )

    def __str__(self) -> str:
        return f"stopped at {self.at:%Y-%m-%d %H:%M}Z by {self.by}"


TO_READ = Q(nothing_new=None)
"""The results that are read before their round is followed."""


class HostResult(QuickRow):
    """One look of a round at one host, or domain, of one organisation: how it ended, and the facts.

    ``label`` is the registered target's value. ``address`` is empty when the name did not resolve, ``hostname``
    when the target is an address. A domain, which is no target, has its name in place of the address. ``silent`` marks
    a host that was asked to the end and answered nothing at all, which a host that ran out of time is not. ``facts``
    holds :func:`scanner.engine.serialize.dump_host`. ``nothing_new`` is true where the result, judged as it came in,
    showed all that was known of its host and nothing that can't wait; what nobody judged then has nothing there.
    """

    round = models.ForeignKey(Round, on_delete=models.PROTECT, related_name="results")
    organisation = models.ForeignKey("targets.Organisation", on_delete=models.PROTECT, related_name="host_results")
    target = models.ForeignKey("targets.Target", on_delete=models.PROTECT, null=True, related_name="host_results")
    look = models.PositiveSmallIntegerField(choices=LookNumber.choices, default=LookNumber.FIRST)
    label = models.CharField(max_length=2048)
    address = models.CharField(max_length=253)
    hostname = models.CharField(max_length=253, blank=True)
    key_target = models.BooleanField(default=False)
    outcome = models.CharField(max_length=12, choices=[(outcome, outcome) for outcome in Outcome])
    started = models.DateTimeField()
    finished = models.DateTimeField()
    silent = models.BooleanField(default=False)
    ports_asked = models.PositiveIntegerField(default=0)
    ports_open = models.PositiveIntegerField(default=0)
    connections = models.PositiveIntegerField(default=0)
    requests = models.PositiveIntegerField(default=0)
    facts = models.BinaryField()
    nothing_new = models.BooleanField(null=True)

    class Meta:
        ordering = ("round", "organisation", "hostname", "address", "look")
        constraints = (
            models.UniqueConstraint(
                fields=("round", "organisation", "address", "hostname", "look"), name="host_is_looked_at_once"
            ),
            models.CheckConstraint(condition=Q(outcome__in=list(Outcome)), name="host_outcome_is_known"),
        )
        # All that counts and comparisons ask for, so that they read no row, whose facts are long.
        indexes = (
            models.Index(fields=("round", "look", "outcome", "organisation", "id"), name="result_by_outcome"),
            models.Index(fields=("address", "organisation", "look", "outcome", "round"), name="result_by_address"),
            models.Index(fields=("round", "look", "id"), name="result_to_read", condition=TO_READ),
        )

    def __str__(self) -> str:
        return f"{self.host} in round {self.round_id}"

    @property
    def host(self) -> str:
        """What findings of this host are known by: its registered name, or its address when it has none."""
        return self.hostname or self.address

    @property
    def display(self) -> str:
        """The registered entry as people write it, with names in Unicode."""
        return self.target.display if self.target else display_name(self.label)

    def inspection(self) -> HostInspection:
        """The stored facts. Raises ``InputError`` when a newer Roundsman wrote them."""
        return _UNPACKED.read(bytes(self.facts))

    def hold(self, inspection: HostInspection) -> None:
        """Let those who read the facts soon find them unpacked: ``inspection`` is what they were made of."""
        _UNPACKED.keep(bytes(self.facts), inspection)


_UNPACKED = Unpacked()
