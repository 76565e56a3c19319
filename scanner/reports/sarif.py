"""Writes an inspection or a report as SARIF 2.1.0 (OASIS standard), which code hosts and security platforms import."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from scanner.engine.catalogue.load import Language
from scanner.engine.hostile import line
from scanner.engine.model import Outcome, Severity, Transport
from scanner.engine.plugins.load import all_checks
from scanner.remediation.lifecycle import EXEMPT
from scanner.reports import texts
from scanner.reports.dates import utc
from scanner.reports.gaps import gap_sentence
from scanner.reports.inspection_report import gap_where, gaps_to_tell
from scanner.reports.model import Finding, NotInspected, ReportModel
from scanner.reports.render import View
from scanner.reports.words import Words, words

_LEVELS = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.INFO: "note",
}
# Lower bounds of the CVSS 3.1 ratings, which platforms sort by.
_SECURITY_SEVERITY = {
    Severity.CRITICAL: "9.0",
    Severity.HIGH: "7.0",
    Severity.MEDIUM: "4.0",
    Severity.LOW: "0.1",
    Severity.INFO: "0.0",
}

_CULTURES = {Language.ZH_HANS: "zh-CN", Language.EN: "en"}
"""Languages as SARIF names them (section 3.14.7): by ISO 639-1 and, after it, a country; a script has no place."""

Document = dict[str, Any]


def render_inspection_sarif(document: Document, language: Language = Language.EN) -> Document:
    """Return an inspection document as one SARIF run; what was not inspected becomes a notification, never a pass."""
    findings = [finding for target in document["targets"] for finding in target["findings"]]
    checks = _checks(findings)
    results = [_result(finding, checks.index(finding["check"])) for finding in findings]
    return _log(checks, results, _invocation(document, language), language)


def render_report_sarif(model: ReportModel) -> Document:
    """Return a report as one SARIF run, in its organisation's language.

    ``baselineState`` (section 3.27.24) tells what the round changed; what it proved fixed is ``absent``, and what it
    could not look at ``unchanged``, with ``seenNow`` false among its properties. Accepted risks
    and false positives are suppressed (section 3.35). What was not inspected becomes a notification.
    """
    language = Language(model.organisation.language)
    view = View(model, language)
    begun = {each.number for each in (*model.changes.new, *model.changes.reopened)}
    fixed = [proof.finding for proof in model.changes.fixed]
    documents = [_flat(view, each) for each in (*model.findings, *fixed)]
    checks = _checks(documents)
    results = []
    for finding, document in zip((*model.findings, *fixed), documents, strict=True):
        result = _result(document, checks.index(finding.check))
        result["baselineState"] = "absent" if finding.fixed else "new" if finding.number in begun else "unchanged"
        result["properties"] |= _standing(finding)
        if finding.state in EXEMPT:
            result["suppressions"] = [{"kind": "external", "status": "accepted"}]
        results.append(result)
    return _log(checks, results, _round(model, language), language)


def _checks(findings: Iterable[Document]) -> list[str]:
    return sorted({finding["check"] for finding in findings})


def _log(checks: list[str], results: list[Document], invocation: Document, language: Language) -> Document:
    return {
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "Roundsman",
                        "version": version("roundsman"),
                        "rules": [_rule(check, language) for check in checks],
                    }
                },
                "language": _CULTURES[language],
                "invocations": [invocation],
                "results": results,
            }
        ],
    }


def _rule(check: str, language: Language) -> Document:
    text = texts.text(check, language)
    entry = all_checks().get(check)
    tags = ["security", *(f"external/cwe/cwe-{cwe}" for cwe in (entry.cwe if entry else ()))]
    severity = entry.severity if entry else Severity.INFO
    return {
        "id": check,
        "shortDescription": {"text": text.title},
        "fullDescription": {"text": text.impact},
        "help": {"text": text.fix},
        "defaultConfiguration": {"level": _LEVELS[severity]},
        "properties": {"tags": tags, "security-severity": _SECURITY_SEVERITY[severity]},
    }


def _result(finding: Document, rule_index: int) -> Document:
    where = texts.endpoint(finding["address"], finding["port"], finding["transport"])
    return {
        "ruleId": finding["check"],
        "ruleIndex": rule_index,
        "level": _LEVELS[Severity(finding["severity"])],
        "message": {"text": f"{finding['title']}\n{finding['evidence']}"},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": _uri(finding)}},
                "logicalLocations": [{"fullyQualifiedName": where, "kind": "resource"}],
            }
        ],
        "partialFingerprints": {"roundsmanIdentity/v1": f"{where}/{finding['check']}"},
        "properties": {
            "severity": finding["severity"],
            "confidence": finding["confidence"],
            "remediation": finding["remediation"],
            "verify": finding["verify"],
        },
    }


def _uri(finding: Document) -> str:
    """Return where a finding is as a URI; a domain's is that of RFC 4501."""
    if finding["transport"] == Transport.DNS:
        return f"dns:{finding['address']}"
    return f"{finding['transport']}://{texts.Place(finding['address'], finding['port']).hostport}"


def _flat(view: View, finding: Finding) -> Document:
    """Return a report's finding as an inspection writes it."""
    place, document = finding.place, view.finding(finding)
    return document | {
        "address": place.address or place.host,
        "port": place.port,
        "transport": place.transport,
        "remediation": document["fix"],
    }


def _standing(finding: Finding) -> Document:
    dates = {
        "firstSeen": finding.first_seen,
        "lastSeen": finding.last_seen,
        "lastInspected": finding.last_inspected,
        "deadline": finding.deadline,
    }
    return {
        "number": finding.number,
        "host": finding.place.host,
        "state": finding.state,
        "overdue": finding.overdue,
        "knownExploited": finding.known_exploited,
        "recurrences": finding.recurrences,
        "seenNow": finding.seen_now,
        **{name: utc(moment) for name, moment in dates.items() if moment},
    }


def _round(model: ReportModel, language: Language) -> Document:
    told = model.round
    t = words(language)
    return {
        "executionSuccessful": told.finished is not None and not model.coverage.gaps,
        "startTimeUtc": utc(told.started),
        **({"endTimeUtc": utc(told.finished)} if told.finished else {}),
        "toolExecutionNotifications": [
            {
                "level": "warning",
                "message": {"text": t("summary.gap", target=line(gap.target), why=why)},
                "descriptor": {"id": str(gap.outcome)},
            }
            for gap in model.coverage.gaps
            for why in _why(gap, t)
        ],
    }


def _why(gap: NotInspected, t: Words) -> Iterable[str]:
    sentences = (gap_sentence(each.reason, each.detail, t) for each in gap.reasons)
    return dict.fromkeys(sentences) or (t("gaps.unknown"),)


def _invocation(document: Document, language: Language) -> Document:
    """SARIF calls a run successful when the tool did its work; a target that was not inspected means it did not."""
    told = [each for target in document["targets"] for each in _left_out(target, words(language))]
    return {
        "executionSuccessful": all(target["outcome"] == Outcome.INSPECTED for target in document["targets"]),
        "startTimeUtc": document["started"],
        "endTimeUtc": document["finished"],
        "toolExecutionNotifications": [
            {"level": "warning", "message": {"text": text}, "descriptor": {"id": why}} for why, text in told
        ],
    }


def _left_out(target: Document, t: Words) -> Iterable[tuple[str, str]]:
    """Yield why a target was not inspected as a whole, then each part that was left out: a word, and a sentence."""
    name = target["target"]
    if target["outcome"] != Outcome.INSPECTED:
        yield target["outcome"], f"{name}: {target['outcome']}. {target['reason']}"
    for gap in gaps_to_tell(target):
        yield gap["reason"], t("summary.gap", target=f"{name}: {gap_where(gap, t)}", why=gap["message"])
