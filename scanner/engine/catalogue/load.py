"""Reads the catalogue's TOML files into immutable entries, and refuses what contradicts itself.

A file holds one table per check, named by its id::

    [TLS-V10]
    facet = "tls"
    severity = "medium"
    cwe = [327]
    references = ["RFC 8996"]
    verify = "openssl s_client -connect {hostport} -tls1 -cipher DEFAULT@SECLEVEL=0 </dev/null"
    en.title = "TLS 1.0 is accepted"
    en.impact = "…"
    en.fix = "…"
    en.evidence = "Accepted with {suites}."
    zh-Hans.title = "…"

Files named ``services-*.toml`` hold one table per exposed service instead; each makes ``SVC-<CODE>-EXPOSED`` and,
where a safe proof exists, ``SVC-<CODE>-UNAUTH``, from the shared texts of ``service_texts.toml``. Severities are
given as ``[from the internet, from inside]``::

    [REDIS]
    exposed = ["high", "medium"]
    unauth = ["critical", "critical"]
    verify = "printf 'INFO server\\r\\n' | nc -w 3 {address} {port}"
    en.name = "Redis"
    zh-Hans.name = "Redis 缓存数据库"
"""

from __future__ import annotations

import string
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from scanner.engine.errors import CatalogueError
from scanner.engine.model import Facet, Severity, Vantage


class Language(StrEnum):
    ZH_HANS = "zh-Hans"
    EN = "en"


@dataclass(frozen=True, slots=True)
class Text:
    """What people read of a check in one language. ``evidence`` has ``{placeholders}`` for finding params."""

    title: str
    impact: str
    fix: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Check:
    """One entry. ``severity_inside`` applies from the internal and isolated vantage points.

    ``proves`` are the CVEs that a finding shows to be there, as opposed to those that it merely has to do with.
    ``formerly`` are ids that the check had before, so that its findings go on under the new one.
    """

    id: str
    family: str
    facet: Facet
    severity: Severity
    severity_inside: Severity
    cwe: tuple[int, ...]
    references: tuple[str, ...]
    verify: str
    texts: Mapping[Language, Text]
    proves: tuple[str, ...] = ()
    formerly: tuple[str, ...] = ()

    def severity_at(self, vantage: Vantage) -> Severity:
        """Return the severity seen from ``vantage``."""
        inside = vantage in (Vantage.INTERNAL, Vantage.ISOLATED)
        return self.severity_inside if inside else self.severity


class Catalogue(Mapping[str, Check]):
    """Every check by id."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = dict(checks)

    def __getitem__(self, check: str) -> Check:
        return self._checks[check]

    def __iter__(self) -> Iterator[str]:
        return iter(self._checks)

    def __len__(self) -> int:
        return len(self._checks)


@cache
def catalogue() -> Catalogue:
    """Return the shipped catalogue. Raises ``CatalogueError`` naming the file, the check and the field.

    What plugins add to it is in :func:`scanner.engine.plugins.load.all_checks`.
    """
    tables = _tables(resources.files(__package__))
    texts = tables.pop("service_texts")
    return Catalogue(
        _checks(
            {
                name: _service_entries(texts, table) if _family(name) == "services" else table
                for name, table in tables.items()
            }
        )
    )


def read_checks(folder: Traversable | Path) -> dict[str, Check]:
    """Return the checks of a folder of TOML files, which hold one table per check.

    Raises ``CatalogueError`` as :func:`catalogue`, ``OSError`` and ``ValueError`` when a file can't be read.
    """
    return _checks(_tables(folder))


def _tables(folder: Traversable | Path) -> dict[str, dict[str, Any]]:
    return {
        source.name.removesuffix(".toml"): tomllib.loads(source.read_text(encoding="utf-8"))
        for source in sorted(folder.iterdir(), key=lambda item: item.name)
        if source.name.endswith(".toml")
    }


def _family(name: str) -> str:
    return name.partition("-")[0]


def _checks(tables: Mapping[str, Mapping[str, Any]]) -> dict[str, Check]:
    checks: dict[str, Check] = {}
    for name, entries in tables.items():
        for check_id, entry in entries.items():
            if check_id in checks:
                raise CatalogueError(f"{name}.toml: {check_id} is defined twice; keep one.")
            checks[check_id] = _check(f"{name}.toml", _family(name), check_id, entry)
    former_names(checks)
    return checks


def former_names(checks: Mapping[str, Check]) -> dict[str, str]:
    """Return the present id of each former one.

    Raises ``CatalogueError`` where an id is both, or leads to two: findings would not know where to go on. So no name
    leads in a circle either.
    """
    present: dict[str, str] = {}
    for check in checks.values():
        for former in check.formerly:
            if former in checks:
                raise CatalogueError(f"{check.id}: {former} is still a check, so it can't be a former name; keep one.")
            if present.setdefault(former, check.id) != check.id:
                raise CatalogueError(f"{check.id}: {former} is a former name of {present[former]} too; keep one.")
    return present


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
        raise TypeError("formerly must be a list of ids")
    return tuple(value)


def _check(source: str, family: str, check_id: str, entry: Mapping[str, Any]) -> Check:
    try:
        severity = Severity(entry["severity"])
        return Check(
            id=check_id,
            family=family,
            facet=Facet(entry["facet"]),
            severity=severity,
            severity_inside=Severity(entry.get("severity_inside", severity)),
            cwe=tuple(entry.get("cwe", ())),
            references=tuple(entry.get("references", ())),
            verify=entry["verify"],
            texts={language: Text(**entry[str(language)]) for language in Language},
            proves=tuple(entry.get("proves", ())),
            formerly=_names(entry.get("formerly", [])),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CatalogueError(f"{source}: {check_id}: {error!r}; see an entry beside it for the form.") from error


def _service_entries(texts: dict[str, Any], services: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Expand each service into its two checks, filling the shared texts with the service's name."""
    entries: dict[str, dict[str, Any]] = {}
    for code, service in services.items():
        for suffix in ("EXPOSED", "UNAUTH"):
            if suffix.lower() not in service:
                continue
            severities = service[suffix.lower()]
            shared = texts[suffix.lower()]
            entries[f"SVC-{code}-{suffix}"] = {
                "facet": "service",
                "severity": severities[0],
                "severity_inside": severities[-1],
                "cwe": shared["cwe"],
                "references": shared["references"],
                "verify": service["verify"],
                **{
                    language: {
                        field: _fill(template, service=service[language]["name"])
                        for field, template in (shared[language] | service[language].get(suffix.lower(), {})).items()
                    }
                    for language in Language
                },
            }
    return entries


class _Keep(dict[str, str]):
    """Leaves placeholders that are filled later as they are."""

    def __missing__(self, key: str) -> str:
        return "{" + key + "}"


def _fill(template: str, **values: str) -> str:
    return string.Formatter().vformat(template, (), _Keep(values))
