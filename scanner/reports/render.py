"""Renders an organisation's report: one self-contained HTML page, and the same as JSON.

Both depend on the model alone: the same model gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from typing import Any

from scanner.engine.catalogue.load import Language, Text
from scanner.engine.model import Severity
from scanner.remediation.score import KEY_WEIGHT, MEAN_PART, WORST_PART
from scanner.reports import page, texts
from scanner.reports.dates import Dates
from scanner.reports.gaps import gap_sentence
from scanner.reports.model import Finding, Name, Place, ReportModel
from scanner.reports.words import words

SCHEMA = "roundsman.report/1"

_OWN_FORM = frozenset({"findings", "changes"})
"""Parts of the model that the JSON shows in a form of its own."""


@dataclass(frozen=True, slots=True)
class Group:
    """The findings of one check: one repair usually closes them all."""

    check: str
    severity: Severity
    text: Text
    findings: tuple[Finding, ...]


def render_html(model: ReportModel) -> str:
    """Return the report as one HTML page in the organisation's language, without script or outside resource."""
    language = Language(model.organisation.language)
    view = _View(model, language)
    groups = view.groups()
    return page.render(
        "report.html",
        language,
        model=model,
        dates=Dates(language, model.organisation.time_zone, model.generated),
        name=view.name,
        text_of=lambda check: texts.text(check, language),
        evidence=view.evidence,
        policy_verdict=view.policy_verdict,
        verify=view.verify,
        endpoint=endpoint,
        references=references,
        why=lambda reason: gap_sentence(reason.reason, reason.detail, words(language)),
        serious=[group for group in groups if group.severity is not Severity.INFO],
        hints=[group for group in groups if group.severity is Severity.INFO],
        mean_part=MEAN_PART,
        worst_part=WORST_PART,
        key_weight=KEY_WEIGHT,
        verdict=verdict(model),
        severities=list(reversed(Severity)),
    )


def render_json(model: ReportModel, *, indent: int | None = 2) -> str:
    """Return the report as JSON with sorted keys; texts are in the organisation's language, times in UTC.

    Without ``indent`` it is one line, for machines.
    """
    language = Language(model.organisation.language)
    view = _View(model, language)
    document = {name: _plain(getattr(model, name)) for name in _names(ReportModel) if name not in _OWN_FORM}
    document["schema"] = SCHEMA
    document["language"] = str(language)
    document["findings"] = [view.finding(finding) for finding in model.findings]
    document["changes"] = _changes(model, view)
    for action, shown in zip(model.fix_first, document["fix_first"], strict=True):
        text = texts.text(action.check, language)
        shown |= {"title": text.title, "fix": text.fix}
    for host, shown in zip(model.coverage.gaps, document["coverage"]["gaps"], strict=True):
        for reason, entry in zip(host.reasons, shown["reasons"], strict=True):
            entry["message"] = gap_sentence(reason.reason, reason.detail, words(language))
    return json.dumps(document, ensure_ascii=False, sort_keys=True, indent=indent) + "\n"


class _View:
    """Answers the questions that both renderings ask about a model in one language."""

    def __init__(self, model: ReportModel, language: Language) -> None:
        self._model = model
        self._language = language
        self._tls = {
            (host.address, service.port, service.transport)
            for host in model.inventory
            for service in host.services
            if service.tls
        }

    def name(self, name: Name) -> str:
        """Return a name in the report's language, or in the other one when that is all there is."""
        return (name.zh or name.en) if self._language is Language.ZH_HANS else (name.en or name.zh)

    def evidence(self, finding: Finding) -> str:
        return texts.evidence(finding.check, dict(finding.params), self._language)

    def policy_verdict(self, finding: Finding) -> str:
        return texts.policy_verdict(dict(finding.params), self._language)

    def verify(self, finding: Finding) -> str:
        place = finding.place
        where = texts.Place(
            place.address,
            place.port,
            hostname=place.host if place.host != place.address else None,
            tls=(place.address, place.port, place.transport) in self._tls,
        )
        return texts.verify(finding.check, dict(finding.params), where)

    def groups(self) -> list[Group]:
        """Return the open findings by check, in the order in which the first of each appears."""
        by_check: dict[str, list[Finding]] = {}
        for finding in self._model.findings:
            by_check.setdefault(finding.check, []).append(finding)
        return [
            Group(
                check=check,
                severity=max((finding.severity for finding in found), key=lambda severity: severity.rank),
                text=texts.text(check, self._language),
                findings=tuple(found),
            )
            for check, found in by_check.items()
        ]

    def finding(self, finding: Finding) -> dict[str, Any]:
        """Return a finding as plain data, with its texts."""
        text = texts.text(finding.check, self._language)
        data: dict[str, Any] = _plain(finding)
        return data | {
            "title": text.title,
            "impact": text.impact,
            "fix": text.fix,
            "evidence": self.evidence(finding),
            "policy": self.policy_verdict(finding),
            "verify": self.verify(finding),
            "params": dict(finding.params),
        }


def endpoint(place: Place) -> str:
    """Return where a finding is, for people."""
    return texts.endpoint(place.host, place.port, place.transport)


def references(finding: Finding) -> list[str]:
    """Return what a finding cites, weaknesses (CWE) first, each once."""
    return list(dict.fromkeys((*(f"CWE-{cwe}" for cwe in finding.cwe), *finding.references)))


def verdict(model: ReportModel) -> str:
    """Return the key of the one sentence that sums the report up."""
    if model.score.value is None:
        return "nothing_inspected"
    if any(count.overdue for count in model.counts):
        return "overdue"
    worst = next((count.severity for count in _worst_first(model) if count.open), None)
    if worst is None or worst is Severity.INFO:
        return "clean" if model.coverage.not_inspected + model.coverage.partial == 0 else "clean_partly"
    return "urgent" if worst.at_least(Severity.HIGH) else "planned"


def _worst_first(model: ReportModel) -> list[Any]:
    return sorted(model.counts, key=lambda count: -count.severity.rank)


def _changes(model: ReportModel, view: _View) -> dict[str, Any]:
    changes = model.changes

    def numbers(findings: Iterable[Finding]) -> list[int]:
        return [finding.number for finding in findings]

    return {
        "new": numbers(changes.new),
        "reopened": numbers(changes.reopened),
        "still_open": numbers(changes.still_open),
        "not_inspected": numbers(changes.not_inspected),
        "accepted": numbers(changes.accepted),
        "fixed": [
            {
                "finding": view.finding(proof.finding),
                "first_look": _plain(proof.first_look),
                "second_look": _plain(proof.second_look),
            }
            for proof in changes.fixed
        ],
    }


def _plain(value: Any) -> Any:
    """Turn the model's dataclasses, enums and times into what JSON knows."""
    if value is None or isinstance(value, str | int | float):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    kind: type = type(value)
    return {name: _plain(getattr(value, name)) for name in _names(kind)}


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))
