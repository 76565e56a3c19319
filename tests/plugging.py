"""Plugins of a test's own making: objects that take the place of what is installed."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest

from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Service
from scanner.engine.plugins import load
from scanner.engine.plugins.api import Contact, Context, Finding, Plugin, Rule, ServiceProbe

CHECK = "X-ACME-OPEN"


class Plugs:
    """Makes objects the installed plugins."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch

    def __call__(self, **plugins: object) -> None:
        """Install these, by name, instead of what was there."""
        entries = []
        for name, plugin in plugins.items():
            module = ModuleType(f"plugged_{name}")
            vars(module)["PLUGIN"] = plugin
            self._patch.setitem(sys.modules, module.__name__, module)
            entries.append(EntryPoint(name, f"{module.__name__}:PLUGIN", load.GROUP))
        self.entries(*entries)

    def entries(self, *entries: EntryPoint) -> None:
        """Let these entry points be all there are."""
        self._patch.setattr(load, "entry_points", lambda group: entries)
        load.forget()


def write_catalogue(
    folder: Path, *checks: str, extra: str = "", chinese: str = "zh-Hans", evidence: str = "Seen."
) -> Path:
    """Write a catalogue of these checks and return its folder."""
    folder.mkdir(exist_ok=True)
    entries = (
        f"""[{check}]
facet = "service"
severity = "critical"
verify = "true"
{extra}
en = {{ title = "Open", impact = "Bad.", fix = "Close it.", evidence = "{evidence}" }}
{chinese} = {{ title = "开放", impact = "有风险。", fix = "请关闭。", evidence = "发现。" }}
"""
        for check in checks
    )
    (folder / "checks.toml").write_text("\n".join(entries), encoding="utf-8")
    return folder


def open_ones(service: Service, context: Context) -> Iterable[Finding]:
    """Report the plugin's service where it is open."""
    if service.facts and service.facts.service == "X-ACME-THING" and service.facts.access is Access.OPEN:
        yield context.finding(CHECK, service)


async def look(contact: Contact) -> ServiceFacts:
    """Find every port open."""
    return ServiceFacts("X-ACME-THING", Access.OPEN)


def recognises(reply: bytes) -> bool:
    """Know the thing by its first word."""
    return reply.startswith(b"THING")


PROBE = ServiceProbe("x-acme-thing", frozenset({7001}), b"THING?\r\n", recognises, look)


def plugin(folder: Path, *rules: Rule, probes: tuple[ServiceProbe, ...] = (PROBE,)) -> Plugin:
    """Return a plugin in good form with these rules (else one that reports its service where it is open)."""
    rules = rules or (Rule(frozenset({CHECK}), open_ones),)
    checks = sorted({check for rule in rules for check in rule.checks})
    return Plugin(write_catalogue(folder / "catalogue", *checks), rules, probes)
