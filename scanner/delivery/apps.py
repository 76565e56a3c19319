"""The Django app of mail and notices."""

from __future__ import annotations

from django.apps import AppConfig


class DeliveryConfig(AppConfig):
    name = "scanner.delivery"
    label = "delivery"
    default_auto_field = "django.db.models.BigAutoField"
