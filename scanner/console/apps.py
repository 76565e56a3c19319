"""The Django app of the console; it has no tables."""

from __future__ import annotations

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "scanner.console"
    label = "console"
