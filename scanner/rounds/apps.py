"""The Django app of rounds."""

from __future__ import annotations

from django.apps import AppConfig


class RoundsConfig(AppConfig):
    name = "scanner.rounds"
    label = "rounds"
    default_auto_field = "django.db.models.BigAutoField"
