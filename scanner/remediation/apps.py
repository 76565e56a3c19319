"""The Django app of findings over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.apps import AppConfig

from targets.changed import places_changed

if TYPE_CHECKING:
    from targets.models import Organisation


class RemediationConfig(AppConfig):
    name = "scanner.remediation"
    label = "remediation"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Have findings marked whenever the register is changed."""
        places_changed.connect(_mark, dispatch_uid="findings")


def _mark(organisations: list[Organisation], **_: object) -> None:
    from scanner.remediation.registered import mark_all  # here, because models can't be read before

    mark_all(organisations)
