"""The Django app of findings over time."""

from __future__ import annotations

from django.apps import AppConfig


class RemediationConfig(AppConfig):
    name = "scanner.remediation"
    label = "remediation"
    default_auto_field = "django.db.models.BigAutoField"
