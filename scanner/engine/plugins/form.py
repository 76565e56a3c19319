"""Whether an installed object has the form of a plugin: all of it is taken, or nothing."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from scanner.engine.catalogue.load import Check, Language, read_checks
from scanner.engine.errors import CatalogueError, PluginRefused
from scanner.engine.hostile import printable_bytes
from scanner.engine.model import Level, Transport
from scanner.engine.plugins.api import Plugin
from scanner.engine.plugins.guard import ANYTHING, described, guarded
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.rules.base import Rule

T = TypeVar("T")

NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
"""What an entry point may be called. Without hyphens, so that no plugin's name space lies within another's."""

ID_LIMIT = 64
"""Characters of a check's id that the database takes."""

FOREIGN_REPLIES = (
    b"",
    b"\r\n",
    b"\x00" * 16,
    b"\xff\xfe\xfd",
    b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"220 mail.example.org ESMTP\r\n",
    b"+PONG\r\n",
    b"-ERR unknown command\r\n",
    b"\x15\x03\x01\x00\x02\x02\x28",
)
"""What other services say. A probe that takes one of these for its own would hide what really listens there."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What is used of a plugin. Its probes are guarded: see :mod:`.guard`."""

    probes: tuple[ServiceProbe, ...]
    rules: tuple[Rule, ...]
    checks: Mapping[str, Check]


def prefix_of(name: str) -> str:
    """Return what the ids of the plugin's checks and its service codes begin with: ``X-ACME-`` for ``acme``."""
    return f"X-{name.upper()}-"


def owner_of(check: str) -> str:
    """Return the name of the plugin that a check's id belongs to; empty for Roundsman's own."""
    return check.split("-")[1].lower() if check.startswith("X-") else ""


def accept(name: str, plugin: object) -> Accepted:
    """Return what is used of the plugin ``name``.

    Raises ``PluginRefused``, which says what is wrong and what to do. A plugin's own tests may call it.
    """
    if not NAME.fullmatch(name):
        raise PluginRefused(
            f"{name!r} can't name a plugin; use a small letter, then at most 30 small letters, digits or underscores."
        )
    if not isinstance(plugin, Plugin):
        raise PluginRefused(
            f"its entry point names {_kind(plugin)}; it must name a Plugin from scanner.engine.plugins.api."
        )
    prefix = prefix_of(name)
    for probe in _all(plugin.probes, ServiceProbe, "probes"):
        _accept_probe(probe, prefix)
    _no_two((probe.protocol for probe in plugin.probes), "probes")
    emitted = tuple(check for rule in _all(plugin.rules, Rule, "rules") for check in _emitted(rule))
    _no_two(emitted, "rules")
    checks = _read(plugin)
    for check in checks.values():
        _accept_check(check, prefix)
    _same(set(emitted), set(checks))
    return Accepted(tuple(guarded(name, prefix, probe) for probe in plugin.probes), plugin.rules, checks)


def _all(values: tuple[T, ...], kind: type[T], what: str) -> Iterator[T]:
    if not isinstance(values, tuple):
        raise PluginRefused(f"its {what} are {_kind(values)}; they must be a tuple.")
    for value in values:
        if not isinstance(value, kind):
            raise PluginRefused(f"there is {_kind(value)} among its {what}, where {kind.__name__} is needed.")
        yield value


def _accept_probe(probe: ServiceProbe, prefix: str) -> None:
    named = str(probe.protocol)
    if not re.fullmatch(rf"{prefix.lower()}[a-z0-9_]+(-[a-z0-9_]+)*", named):
        raise PluginRefused(f"its protocol {named!r} must begin with {prefix.lower()!r}; rename it.")
    ports = isinstance(probe.ports, frozenset) and all(isinstance(p, int) and 0 < p < 65536 for p in probe.ports)
    kinds = isinstance(probe.greeting, bytes), probe.transport in (Transport.TCP, Transport.UDP)
    if not ports or not all(kinds) or not isinstance(probe.greeting_level, Level):
        raise PluginRefused(f"its probe {named} has a field of the wrong type; see ServiceProbe for the right ones.")
    if probe.transport is Transport.UDP and not probe.greeting:
        raise PluginRefused(f"its probe {named} is for UDP and has no greeting; without one nothing answers.")
    if probe.also_recognises is not None:
        raise PluginRefused(f"its probe {named} sets also_recognises, which plugins can't; leave it out.")
    _certain(probe)


def _certain(probe: ServiceProbe) -> None:
    for reply in FOREIGN_REPLIES:
        shown = printable_bytes(reply, 40)
        try:
            wrong = probe.recognises(reply)
        except ANYTHING as error:
            raise PluginRefused(
                f"recognises() of its probe {probe.protocol} fails on {shown!r} ({described(error)}); "
                "it must answer for any bytes."
            ) from error
        if wrong:
            raise PluginRefused(
                f"its probe {probe.protocol} takes {shown!r} for its own; recognises() must be certain."
            )


def _emitted(rule: Rule) -> list[str]:
    if not isinstance(rule.checks, frozenset) or not rule.checks or not callable(rule.judge):
        raise PluginRefused("a rule of it lacks its checks or its function; make it by the decorator rule.")
    return sorted(map(str, rule.checks))


def _read(plugin: Plugin) -> dict[str, Check]:
    try:
        return read_checks(plugin.catalogue)
    except CatalogueError as error:
        raise PluginRefused(f"its catalogue is wrong: {error}") from error
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise PluginRefused(
            f"its catalogue can't be read ({described(error)}); it must be a folder of TOML files in UTF-8."
        ) from error


def _accept_check(check: Check, prefix: str) -> None:
    if not re.fullmatch(rf"{prefix}[A-Z0-9_]+(-[A-Z0-9_]+)*", check.id) or len(check.id) > ID_LIMIT:
        raise PluginRefused(
            f"its check {check.id!r} must begin with {prefix!r}, in capitals, and have at most {ID_LIMIT} characters."
        )
    texts = [text for each in check.texts.values() for text in (each.title, each.impact, each.fix, each.evidence)]
    listed = [*check.references, *check.proves]
    if not all(isinstance(text, str) and text for text in (*texts, *listed, check.verify)):
        raise PluginRefused(f"a text of its check {check.id} is empty or not a string; see an entry of ours.")
    if not all(isinstance(number, int) for number in check.cwe):
        raise PluginRefused(f"cwe of its check {check.id} must be a list of numbers.")
    if not all(former.startswith(prefix) for former in check.formerly):
        raise PluginRefused(f"a former name of its check {check.id} does not begin with {prefix!r}.")
    shown = [_placeholders(check, check.texts[language].evidence) for language in Language]
    _placeholders(check, check.verify)
    if any(names != shown[0] for names in shown):
        raise PluginRefused(f"the evidence of its check {check.id} has other placeholders in each language.")


def _placeholders(check: Check, template: str) -> set[str]:
    try:
        return {name for _, name, _, _ in string.Formatter().parse(template) if name}
    except ValueError as error:
        raise PluginRefused(
            f"{template!r} of its check {check.id} is no template ({error}); write {{{{ for a brace."
        ) from error


def _same(emitted: set[str], known: set[str]) -> None:
    """A check that no rule looks for would seem to be gone wherever it isn't reported."""
    if emitted - known:
        raise PluginRefused(f"a rule may emit {_listed(emitted - known)}, but its catalogue has no such entry; add it.")
    if known - emitted:
        raise PluginRefused(f"no rule emits {_listed(known - emitted)} of its catalogue; add one, or drop the entry.")


def _no_two(names: Iterable[str], what: str) -> None:
    twice = {name for name, count in Counter(names).items() if count > 1}
    if twice:
        raise PluginRefused(f"{_listed(twice)} is there twice among its {what}; keep one.")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _kind(value: object) -> str:
    return f"an object of type {type(value).__name__}"
