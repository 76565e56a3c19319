"""Writes an inspection as SARIF 2.1.0 (OASIS standard), which code hosts and security platforms import."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from scanner.engine.catalogue.load import Language
from scanner.engine.model import Outcome, Severity, Transport
from scanner.engine.plugins.load import all_checks
from scanner.reports import texts

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

Document = dict[str, Any]


def render_inspection_sarif(document: Document, language: Language = Language.EN) -> Document:
    """Return an inspection document as one SARIF run; what was not inspected becomes a notification, never a pass."""
    findings = [finding for target in document["targets"] for finding in target["findings"]]
    checks = sorted({finding["check"] for finding in findings})
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
                "language": str(language),
                "invocations": [_invocation(document)],
                "results": [_result(finding, checks.index(finding["check"])) for finding in findings],
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


def _invocation(document: Document) -> Document:
    """SARIF calls a run successful when the tool did its work; a target that was not inspected means it did not."""
    missed = [target for target in document["targets"] if target["outcome"] != Outcome.INSPECTED]
    return {
        "executionSuccessful": not missed,
        "startTimeUtc": document["started"],
        "endTimeUtc": document["finished"],
        "toolExecutionNotifications": [
            {
                "level": "warning",
                "message": {"text": f"{target['target']}: {target['outcome']}. {target['reason']}"},
                "descriptor": {"id": target["outcome"]},
            }
            for target in missed
        ],
    }
