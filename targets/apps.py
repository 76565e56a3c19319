"""The Django app of the register."""

from __future__ import annotations

from django.apps import AppConfig


class TargetsConfig(AppConfig):
    name = "targets"
    label = "targets"
    default_auto_field = "django.db.models.BigAutoField"
