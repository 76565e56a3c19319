"""Teaches Roundsman to recognise Acme's door controllers, and to report those that obey anyone."""

from __future__ import annotations

from importlib import resources

from roundsman_example_plugin import doors, rules
from scanner.engine.plugins.api import Plugin

PLUGIN = Plugin(catalogue=resources.files(__name__) / "catalogue", rules=rules.RULES, probes=(doors.PROBE,))
