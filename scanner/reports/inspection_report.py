"""The result of ``roundsman inspect``, for one person and without a database: JSON, plain text and HTML.

The document's schema is published as ``docs/inspection.schema.json``. Targets are turned into their part of the
document one at a time, so that a caller can stream them and forget each host.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from scanner.engine.catalogue.load import Language
from scanner.engine.hostile import line
from scanner.engine.judge import judge_whole, with_unjudged
from scanner.engine.model import (
    Coverage,
    Endpoint,
    Facet,
    Finding,
    Gap,
    GapReason,
    HostInspection,
    Outcome,
    Service,
    Severity,
    Transport,
)
from scanner.engine.rules.base import Basis
from scanner.reports import page, texts
from scanner.reports.dates import utc
from scanner.reports.gaps import gap_sentence
from scanner.reports.words import Words, words

SCHEMA = "roundsman.inspection/1"

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A target to which nothing was sent. ``detail`` says more than the reason does, as a gap's detail."""

    label: str
    reason: GapReason = GapReason.REFUSED_BY_SCOPE
    detail: str = ""


_REFUSAL_OUTCOMES = {
    GapReason.REFUSED_BY_SCOPE: Outcome.REFUSED,
    GapReason.NEEDS_LEVEL: Outcome.REFUSED,
    GapReason.NAME_NOT_RESOLVED: Outcome.UNREACHABLE,
    GapReason.HOST_SILENT: Outcome.UNREACHABLE,
}


def document_head(started: datetime, finished: datetime) -> Document:
    """Return the document without its targets; times are written in UTC, ISO 8601 with seconds."""
    return {"schema": SCHEMA, "started": utc(started), "finished": utc(finished)}


def inspection_target(
    label: str, hosts: Sequence[HostInspection], language: Language, basis: Basis | None = None
) -> Document:
    """Return one target's part of the document: what its addresses showed, judged, worst finding first."""
    vocabulary = words(language)
    judgements = [judge_whole(host, basis) for host in hosts]
    hosts = [with_unjudged(host, judged.unjudged) for host, judged in zip(hosts, judgements, strict=True)]
    outcome = overall_outcome(host.outcome for host in hosts)
    gaps = [gap for host in hosts for gap in host.coverage.gaps]
    findings = [(finding, host) for host, judged in zip(hosts, judgements, strict=True) for finding in judged.findings]
    findings.sort(key=lambda pair: (-pair[0].severity.rank, -pair[0].confidence.rank))
    return {
        "target": line(label),
        "outcome": str(outcome),
        "reason": "" if outcome is Outcome.INSPECTED else _reason(gaps, vocabulary),
        "addresses": sorted(
            {host.target.address for host in hosts if host.target.address and not host.target.is_domain}
        ),
        "coverage": _coverage(hosts, vocabulary),
        "services": [_service(service) for host in hosts for service in host.ports],
        "findings": [_finding(finding, host, language) for finding, host in findings],
    }


def refused_target(refusal: Refusal, language: Language) -> Document:
    """Return the part of the document for a target to which nothing was sent."""
    gap = Gap(refusal.reason, detail=refusal.detail)
    return {
        "target": line(refusal.label),
        "outcome": str(_REFUSAL_OUTCOMES.get(refusal.reason, Outcome.ERROR)),
        "reason": gap_sentence(gap.reason, gap.detail, words(language)),
        "addresses": [],
        "coverage": {
            "scans": [],
            "inspected": [],
            "silent_udp": [],
            "not_inspected": [_gap("", gap, words(language))],
            "connections": 0,
            "requests": 0,
            "datagrams": 0,
        },
        "services": [],
        "findings": [],
    }


def overall_outcome(outcomes: Iterable[Outcome]) -> Outcome:
    """Return what became of a target as a whole: one address left out makes it partial."""
    seen = set(outcomes)
    if len(seen) == 1:
        return seen.pop()
    if seen & {Outcome.INSPECTED, Outcome.PARTIAL}:
        return Outcome.PARTIAL
    return next((worst for worst in (Outcome.ERROR, Outcome.REFUSED) if worst in seen), Outcome.UNREACHABLE)


def target_text(target: Document, language: Language) -> str:
    """Return the plain-text summary of one target. Nothing a host said can put a control character into it."""
    return "\n".join(_text_lines(target, words(language))) + "\n"


def render_inspection_html(document: Document, language: Language) -> str:
    """Return the document as one self-contained HTML page."""
    findings = [finding for target in document["targets"] for finding in target["findings"]]
    counts = {severity: sum(f["severity"] == severity for f in findings) for severity in reversed(Severity)}
    return page.render(
        "inspection.html",
        language,
        document=document,
        counts=counts,
        text_of=lambda check: texts.text(check, language),
        gaps_of=gaps_to_tell,
        where=gap_where,
        sent=lambda target: _sent(target, words(language)),
        silent=lambda target: _silent(target, words(language)),
        no_findings=_no_findings,
        tls=_tls,
        endpoint=_endpoint,
    )


def _text_lines(target: Document, vocabulary: Words) -> Iterator[str]:
    findings = target["findings"]
    outcome = vocabulary(f"outcome.{target['outcome']}")
    yield vocabulary("inspect.headline", target=target["target"], outcome=outcome)
    yield "=" * 72
    if target["reason"]:
        yield target["reason"]
    places = _open_places(target)
    if places:
        yield vocabulary("inspect.services", n=len(places))
    if target["outcome"] in (Outcome.INSPECTED, Outcome.PARTIAL):
        yield vocabulary("inspect.findings", n=len(findings)) if findings else vocabulary(_no_findings(target))
    for finding in findings:
        yield ""
        yield from _finding_lines(finding, vocabulary)
    gaps = gaps_to_tell(target)
    if gaps:
        yield ""
        yield vocabulary("gaps.title")
        for gap in gaps:
            yield vocabulary("inspect.gap", where=gap_where(gap, vocabulary), why=gap["message"])
    silent = _silent(target, vocabulary)
    if silent:
        yield ""
        yield from silent
    sent = _sent(target, vocabulary)
    if sent:
        yield ""
        yield sent


def _sent(target: Document, vocabulary: Words) -> str:
    """Return what was sent to a host, or about a domain to the resolver; nothing when nothing was."""
    sent = {name: target["coverage"][name] for name in ("connections", "requests", "datagrams")}
    if target["addresses"]:
        return vocabulary("inspect.sent", **sent)
    return vocabulary("inspect.asked", n=sent["datagrams"]) if sent["datagrams"] else ""


def _open_places(target: Document) -> set[tuple[str, int, str]]:
    """Return where something answered, also where nobody could look at what listens there."""
    named = {(each["address"], each["port"], each["transport"]) for each in target["services"]}
    scans = target["coverage"]["scans"]
    return named | {(each["address"], port, each["transport"]) for each in scans for port in each["open"]}


def _no_findings(target: Document) -> str:
    """Return the key of what is said of a target without findings: how much was looked at bounds what that means."""
    saw_all = target["outcome"] == Outcome.INSPECTED and not target["coverage"]["not_inspected"]
    return "inspect.no_findings" if saw_all else "inspect.no_findings_partly"


def _silent(target: Document, vocabulary: Words) -> list[str]:
    """Return a sentence for each address of which UDP ports said nothing."""
    return [vocabulary("inspect.silent_udp", **each) for each in target["coverage"]["silent_udp"]]


def _tls(service: Document, target: Document) -> str:
    """Return the key of whether a service speaks TLS. UDP services are recognised by what they say in clear text."""
    if service["tls"]:
        return "inventory.tls"
    at = {name: service[name] for name in ("address", "port", "transport")}
    looked = service["transport"] == Transport.UDP or {**at, "facet": str(Facet.TLS)} in target["coverage"]["inspected"]
    return "inventory.no_tls" if looked else "inventory.tls_unknown"


def _finding_lines(finding: Document, vocabulary: Words) -> Iterator[str]:
    severity = vocabulary(f"severity.{finding['severity']}").upper()
    confidence = vocabulary(f"confidence.{finding['confidence']}")
    yield vocabulary("inspect.finding", severity=severity, title=finding["title"], check=finding["check"])
    where = vocabulary("inspect.where", endpoint=_endpoint(finding), confidence=confidence)
    rows = (
        ("label.where", where),
        ("label.evidence", finding["evidence"]),
        ("label.policy", finding["policy"]),
        ("label.fix", finding["remediation"]),
        ("label.verify", finding["verify"]),
    )
    for label, value in rows:
        if value:
            yield vocabulary("inspect.row", label=vocabulary(label), value=value)


def _endpoint(item: Document) -> str:
    return texts.endpoint(item["address"], item["port"], item["transport"])


def gaps_to_tell(target: Document) -> list[Document]:
    """Return the gaps that the target's reason has not told already."""
    told = target["reason"]
    return [
        gap
        for gap in target["coverage"]["not_inspected"]
        if gap["port"] is not None or gap["facet"] or gap["message"] != told or len(target["addresses"]) > 1
    ]


def gap_where(gap: Document, vocabulary: Words) -> str:
    """Return where something was left out, and what."""
    if gap.get("check"):
        what = vocabulary("gaps.check", title=texts.text(gap["check"], vocabulary.language).title)
    else:
        what = vocabulary(f"facet.{gap['facet']}" if gap["facet"] else "gaps.everything")
    where = (gap["address"] or vocabulary("gaps.target")) if gap["port"] is None else _endpoint(gap)
    return vocabulary("gaps.where", where=where, what=what)


def _finding(finding: Finding, host: HostInspection, language: Language) -> Document:
    params = dict(finding.params)
    place = _place(finding.endpoint, host)
    text = texts.text(finding.check, language)
    return {
        "check": finding.check,
        "severity": str(finding.severity),
        "confidence": str(finding.confidence),
        "address": place.address,
        "port": place.port,
        "transport": str(finding.endpoint.transport),
        "known_exploited": finding.known_exploited,
        "title": text.title,
        "evidence": texts.evidence(finding.check, params, language),
        "policy": texts.policy_verdict(params, language),
        "remediation": text.fix,
        "verify": texts.verify(finding.check, params, place),
    }


def _place(endpoint: Endpoint, host: HostInspection) -> texts.Place:
    tls = any(service.tls for service in host.services if service.endpoint == endpoint)
    return texts.Place(endpoint.address, endpoint.port, host.target.hostname, tls)


def _service(service: Service) -> Document:
    facts = service.facts
    named_by_facts = facts is not None and service.protocol == "http"
    return {
        "address": service.endpoint.address,
        "port": service.endpoint.port,
        "transport": str(service.endpoint.transport),
        "service": line(facts.service.lower() if facts and named_by_facts else service.protocol),
        "product": line(service.product or (facts.product if facts else "")),
        "version": line(service.version or (facts.version if facts else "")),
        "cpe": [line(cpe) for cpe in service.cpe],
        "tls": service.tls,
    }


def _coverage(hosts: Sequence[HostInspection], vocabulary: Words) -> Document:
    everywhere: list[tuple[str, Coverage]] = [(host.target.address, host.coverage) for host in hosts]
    return {
        "scans": [
            {
                "address": address,
                "transport": str(scan.transport),
                "ports": scan.ports,
                "open": list(scan.open),
                "filtered": scan.filtered,
                "filtered_ports": scan.filtered_ports,
                "still_filtered": scan.still_filtered,
                "method": scan.method,
            }
            for address, coverage in everywhere
            for scan in coverage.scans
        ],
        "inspected": [
            {"address": address, "port": look.port, "transport": str(look.transport), "facet": str(look.facet)}
            for address, coverage in everywhere
            for look in sorted(coverage.looks)
        ],
        "silent_udp": [
            {"address": address, "ports": coverage.silent_udp}
            for address, coverage in everywhere
            if coverage.silent_udp
        ],
        "not_inspected": [_gap(address, gap, vocabulary) for address, coverage in everywhere for gap in coverage.gaps],
        "connections": sum(coverage.connections for _, coverage in everywhere),
        "requests": sum(coverage.requests for _, coverage in everywhere),
        "datagrams": sum(coverage.datagrams for _, coverage in everywhere),
    }


def _gap(address: str, gap: Gap, vocabulary: Words) -> Document:
    return {
        "address": address,
        "port": gap.port,
        "transport": str(gap.transport),
        "facet": str(gap.facet) if gap.facet else None,
        "reason": str(gap.reason),
        "message": gap_sentence(gap.reason, gap.detail, vocabulary),
        **({"check": gap.check} if gap.check else {}),
    }


def _reason(gaps: Sequence[Gap], vocabulary: Words) -> str:
    """Say what kept the target from being inspected: what concerns a whole host, else the commonest single reason."""
    whole = [gap for gap in gaps if gap.port is None and not gap.facet]
    chosen = whole or gaps
    if not chosen:
        return vocabulary("gaps.unknown")
    reasons = [gap.reason for gap in chosen]
    commonest = max(chosen, key=lambda gap: (reasons.count(gap.reason), gap.reason))
    return gap_sentence(commonest.reason, commonest.detail, vocabulary)
