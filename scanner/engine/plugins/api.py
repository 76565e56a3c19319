"""What a plugin is made of. A plugin imports from here, and from nowhere else in Roundsman.

``docs/plugins.md`` walks through a whole one. Names that are listed in ``__all__`` change only with a word in the
change log.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path

from scanner.engine.errors import ConnectionLost, ConnectionRefused, HostSilent, ProbeError, UnexpectedReply
from scanner.engine.facts.service import Access, Exchange, ServiceFacts
from scanner.engine.hostile import line, printable
from scanner.engine.model import Confidence, Endpoint, Finding, Level, Service, Severity, Target, Transport, Vantage
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.rules.base import Context, Rule, rule, worse

__all__ = [
    "Access",
    "Confidence",
    "ConnectionLost",
    "ConnectionRefused",
    "Contact",
    "Context",
    "Endpoint",
    "Exchange",
    "Finding",
    "HostSilent",
    "Level",
    "Plugin",
    "ProbeError",
    "Rule",
    "Service",
    "ServiceFacts",
    "ServiceProbe",
    "Severity",
    "Target",
    "Transport",
    "UnexpectedReply",
    "Vantage",
    "exchange",
    "line",
    "printable",
    "rule",
    "worse",
]


@dataclass(frozen=True, slots=True)
class Plugin:
    """What an entry point of the group ``roundsman.plugins`` names.

    ``catalogue`` is a folder of TOML files with an entry, in both languages, for every check that ``rules`` may emit
    (the form is told in :mod:`scanner.engine.catalogue.load`). All ids live in the plugin's own name space: for the
    entry point ``acme``, checks and service codes begin with ``X-ACME-``, and protocols with ``x-acme-``.
    """

    catalogue: Traversable | Path
    rules: tuple[Rule, ...]
    probes: tuple[ServiceProbe, ...] = ()
