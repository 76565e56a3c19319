"""Whom to call about what, and every call with what became of it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class Event(models.TextChoices):
    """What may be told. ``RECURRING`` is a finding that came back."""

    OPENED = "finding-opened"
    FIXED = "finding-fixed"
    RECURRING = "finding-recurring"
    OVERDUE = "finding-overdue"
    ROUND_FINISHED = "round-finished"


class CallState(models.TextChoices):
    """``DEAD`` was given up; whoever retries it has it made once more."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DEAD = "dead"


class Webhook(models.Model):
    """An address that is told what an account sees. Revoked, never deleted.

    ``sealed`` is the secret that signs, see :mod:`scanner.sealing`. ``private`` permits addresses that are not public.
    ``seen`` is the primary key of the newest event of a finding that was looked at.
    """

    user = models.ForeignKey("accounts.User", on_delete=models.PROTECT, related_name="webhooks")
    name = models.CharField(max_length=64)
    url = models.CharField(max_length=1000)
    sealed = models.CharField(max_length=500)
    events = models.JSONField()
    private = models.BooleanField(default=False)
    seen = models.BigIntegerField(default=0)
    created = models.DateTimeField()
    created_by = models.CharField(max_length=200)
    revoked = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("pk",)
        constraints = (
            models.UniqueConstraint(fields=("name",), condition=Q(revoked=None), name="webhook_name_is_in_use_once"),
            models.CheckConstraint(condition=~Q(name="") & ~Q(url=""), name="webhook_has_a_name_and_an_address"),
        )

    def __str__(self) -> str:
        return self.name


class Call(models.Model):
    """One thing that is told to one webhook. ``key`` makes it unique: what was told once is not told again.

    ``body`` is what is sent, the same at every try. ``attempt`` counts how often it was claimed and fences, as a
    message's does. ``reply`` is what came back last, or what went wrong.
    """

    webhook = models.ForeignKey(Webhook, on_delete=models.PROTECT, related_name="calls")
    key = models.CharField(max_length=200)
    event = models.CharField(max_length=24, choices=Event.choices)
    body = models.TextField()
    state = models.CharField(max_length=10, choices=CallState.choices, default=CallState.QUEUED)
    attempt = models.PositiveIntegerField(default=0)
    created = models.DateTimeField()
    not_before = models.DateTimeField()
    finished = models.DateTimeField(null=True, blank=True)
    reply = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ("pk",)
        constraints = (
            models.UniqueConstraint(fields=("webhook", "key"), name="webhook_is_told_once"),
            models.CheckConstraint(condition=Q(event__in=Event.values), name="call_event_is_known"),
            models.CheckConstraint(condition=Q(state__in=CallState.values), name="call_state_is_known"),
        )
        indexes = (
            models.Index(fields=("state", "not_before"), name="call_to_make"),
            models.Index(fields=("finished",), name="call_by_end"),
        )

    def __str__(self) -> str:
        return f"{self.event} to {self.webhook}"
