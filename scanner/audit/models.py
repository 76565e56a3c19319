"""The audit trail: one row for each act, chained by hashes."""

from __future__ import annotations

from typing import Any, NoReturn

from django.db import models

_ADDED_TO = "The audit trail is only added to."


class _AddedTo(models.QuerySet["Entry"]):
    """Refuses every change of rows that exist; triggers of the database refuse it to everyone else."""

    def update(self, **kwargs: Any) -> NoReturn:
        """Raise ``TypeError``."""
        raise TypeError(_ADDED_TO)

    def delete(self) -> NoReturn:
        """Raise ``TypeError``."""
        raise TypeError(_ADDED_TO)

    def bulk_update(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise ``TypeError``."""
        raise TypeError(_ADDED_TO)


class Entry(models.Model):
    """One act. ``subject`` names what it was done to, ``detail`` holds data, no sentences, and no secrets.

    ``digest`` (SHA-256, hex) covers the other fields and ``previous``, the digest of the row before: a row that is
    changed, taken out or put in breaks the chain. The first row's ``previous`` is empty. Rows are made by
    :func:`scanner.audit.trail.record` alone.
    """

    at = models.DateTimeField()
    actor = models.CharField(max_length=200)
    action = models.CharField(max_length=40)
    subject = models.CharField(max_length=300, blank=True)
    detail = models.JSONField(default=dict)
    previous = models.CharField(max_length=64, blank=True)
    digest = models.CharField(max_length=64, unique=True)

    objects = _AddedTo.as_manager()

    class Meta:
        ordering = ("pk",)
        constraints = (models.UniqueConstraint(fields=("previous",), name="audit_chain_does_not_fork"),)

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M}Z {self.actor}: {self.action} {self.subject}".rstrip()

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert the row. Raises ``TypeError`` on a change: the trail is only added to."""
        if self.pk is not None:
            raise TypeError(_ADDED_TO)
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise ``TypeError``: the trail is only added to."""
        raise TypeError(_ADDED_TO)
