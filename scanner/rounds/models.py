"""Rounds, and what each saw of each host."""

from __future__ import annotations

from django.db import models

from scanner.engine.model import HostInspection, Outcome
from scanner.engine.plan import Profile
from scanner.engine.serialize import load_host
from targets.addresses import display_name


class RoundState(models.TextChoices):
    """``RUNNING`` is also how a round looks whose process died; executing it again goes on where it stopped."""

    PLANNED = "planned"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


class LookNumber(models.IntegerChoices):
    """``AGAIN`` is the confirming look at what the first one no longer saw."""

    FIRST = 1
    AGAIN = 2


class Round(models.Model):
    """One pass over the targets of some organisations; its number is its primary key.

    ``ports`` is what was asked for (``top1000``, ``22,80``); ``followed`` tells when its findings were followed.
    ``tools`` holds the version of each program by its name.
    """

    organisations = models.ManyToManyField("targets.Organisation", related_name="rounds")
    state = models.CharField(max_length=10, choices=RoundState.choices, default=RoundState.PLANNED)
    profile = models.CharField(max_length=10, choices=[(profile, profile) for profile in Profile])
    ports = models.TextField()
    requested_by = models.CharField(max_length=200)
    tools = models.JSONField(default=dict)
    created = models.DateTimeField()
    started = models.DateTimeField(null=True, blank=True)
    finished = models.DateTimeField(null=True, blank=True)
    followed = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("pk",)
        constraints = (
            models.CheckConstraint(condition=models.Q(state__in=RoundState.values), name="round_state_is_known"),
        )

    def __str__(self) -> str:
        return f"round {self.pk}"


class HostResult(models.Model):
    """One look of a round at one host, or domain, of one organisation: how it ended, and the facts.

    ``label`` is the registered target's value. ``address`` is empty when the name did not resolve, ``hostname``
    when the target is an address. A domain, which is no target, has its name in place of the address. ``silent`` marks
    a host that was asked to the end and answered nothing at all, which a host that ran out of time is not. ``facts``
    holds :func:`scanner.engine.serialize.dump_host`.
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

    class Meta:
        ordering = ("round", "organisation", "hostname", "address", "look")
        constraints = (
            models.UniqueConstraint(
                fields=("round", "organisation", "address", "hostname", "look"), name="host_is_looked_at_once"
            ),
            models.CheckConstraint(condition=models.Q(outcome__in=list(Outcome)), name="host_outcome_is_known"),
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
        return load_host(bytes(self.facts))
