"""Tokens by which programs come in, and answers that are kept so that no write is done twice."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q


class Token(models.Model):
    """What a program shows to act for an account, until ``expires`` or ``revoked``; never deleted.

    Only the SHA-256 (hex) of the secret is kept; ``hint`` is its beginning, by which its owner knows it again.
    ``scopes`` are values of :class:`scanner.api.scopes.Scope`. ``last_used`` is right to the minute.
    """

    user = models.ForeignKey("accounts.User", on_delete=models.PROTECT, related_name="tokens")
    name = models.CharField(max_length=64)
    digest = models.CharField(max_length=64, unique=True)
    hint = models.CharField(max_length=16)
    scopes = models.JSONField()
    created = models.DateTimeField()
    created_by = models.CharField(max_length=200)
    expires = models.DateTimeField()
    last_used = models.DateTimeField(null=True, blank=True)
    revoked = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("pk",)
        constraints = (
            models.UniqueConstraint(fields=("name",), condition=Q(revoked=None), name="token_name_is_in_use_once"),
            models.CheckConstraint(condition=~Q(name=""), name="token_has_a_name"),
            models.CheckConstraint(condition=Q(expires__gt=F("created")), name="token_ends_after_it_begins"),
        )

    def __str__(self) -> str:
        return self.name


class Kept(models.Model):
    """The answer to a write that came with a key of its own: the same request again gets it, and does nothing.

    ``request`` is the SHA-256 (hex) of what was asked, so that a key is not used for something else. ``body`` is as it
    was sent.
    """

    token = models.ForeignKey(Token, on_delete=models.CASCADE, related_name="kept")
    key = models.CharField(max_length=200)
    request = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(default=0)
    location = models.CharField(max_length=300, blank=True)
    body = models.BinaryField(default=b"")
    created = models.DateTimeField()

    class Meta:
        ordering = ("pk",)
        constraints = (models.UniqueConstraint(fields=("token", "key"), name="answer_is_kept_once"),)
        indexes = (models.Index(fields=("created",), name="kept_by_age"),)

    def __str__(self) -> str:
        return f"answer {self.status} to {self.token}"
