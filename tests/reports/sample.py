"""Report models and inspections to render: an organisation with troubles, a clean one, a silent one, a crowded one.

Addresses are from the documentation ranges (RFC 5737, RFC 3849).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from scanner.engine.catalogue.load import catalogue
from scanner.engine.facts.service import Access, Exchange, ServiceFacts
from scanner.engine.intel.lifecycles import Support
from scanner.engine.model import (
    Confidence,
    Coverage,
    Endpoint,
    Facet,
    Gap,
    GapReason,
    HostInspection,
    Level,
    Look,
    Outcome,
    PortScan,
    Service,
    Severity,
    Target,
    Transport,
    Vantage,
)
from scanner.remediation.score import Age, OrganisationScore, Scored, score_host, score_organisation
from scanner.reports import model as m
from scanner.reports.gauges import gauges_of
from scanner.reports.inventory import certificates_of
from scanner.reports.places import Certificate, InventoryHost, InventoryService, Place, ProductAge
from scanner.reports.risky import risky_services

NOW = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
DAY = timedelta(days=1)
UNAUTH, EXPOSED = "SVC-REDIS-UNAUTH", "SVC-REDIS-EXPOSED"

HOSTILE = (
    "'\"><script>alert(1)</script><img src=//evil.example/x onerror=alert(2)>"
    "{{7*7}}{% x %}{0.__class__}\x1b[31m$(id)`id`"
)
"""What a spiteful server would say: breaks out of attributes, elements, templates, format strings and shells."""


def place(host: str, port: int, address: str = "", transport: Transport = Transport.TCP) -> Place:
    return Place(host, address or host, port, transport)


def finding(number: int, check: str, where: Place, **changes: object) -> m.Finding:
    """An open, confirmed finding first seen two days ago; ``changes`` override any field."""
    entry = catalogue()[check]
    base = m.Finding(
        number=number,
        check=check,
        state="open",
        severity=entry.severity,
        confidence=Confidence.CONFIRMED,
        place=where,
        service="redis",
        params=(("access", "open"), ("protocol", "redis"), ("product", "Redis 7.0.15")),
        exchanges=(
            Exchange("INFO server\\r\\n", "$312\\r\\n# Server\\r\\nredis_version:7.0.15\\r\\n", NOW.isoformat()),
        ),
        cwe=entry.cwe,
        references=entry.references,
        known_exploited=False,
        key_target=False,
        first_seen=NOW - 2 * DAY,
        last_seen=NOW,
        last_inspected=NOW,
        fixed=None,
        deadline=NOW + DAY,
        overdue=False,
        recurrences=0,
        seen_now=True,
        reported=NOW - 2 * DAY,
        history=(m.Event("opened", NOW - 2 * DAY, 11),),
        products=("redis",),
    )
    return replace(base, **changes)  # type: ignore[arg-type]  # fields by name


def busy(language: str = "en") -> m.ReportModel:
    """Several findings, changes in every direction, gaps, and strings from a spiteful server."""
    redis, mirror = place("cache.example.org", 6379, "192.0.2.10"), place("2001:db8::10", 6380)
    findings = (
        finding(
            101,
            UNAUTH,
            redis,
            overdue=True,
            deadline=NOW - 2 * DAY,
            first_seen=NOW - 9 * DAY,
            reported=NOW - 5 * DAY,
            key_target=True,
        ),
        finding(102, UNAUTH, mirror, recurrences=1, known_exploited=True, history=_history()),
        finding(103, EXPOSED, place("192.0.2.22", 6379), confidence=Confidence.POSSIBLE, params=_hostile_params()),
        finding(104, EXPOSED, place("192.0.2.40", 6379), seen_now=False, last_inspected=NOW - 7 * DAY),
        finding(105, EXPOSED, place("192.0.2.23", 6379), state="claimed", severity=Severity.MEDIUM, claimed=NOW - DAY),
        finding(106, EXPOSED, place("192.0.2.24", 6379), severity=Severity.LOW, deadline=None),
    )
    gone = finding(90, UNAUTH, place("192.0.2.11", 6379), state="fixed", fixed=NOW)
    scored = score_organisation(
        [
            score_host("192.0.2.10", [Scored(UNAUTH, Severity.CRITICAL, Confidence.CONFIRMED, age=Age.OVERDUE)], 2),
            score_host("2001:db8::10", [Scored(UNAUTH, Severity.CRITICAL, Confidence.CONFIRMED)]),
            score_host("192.0.2.22", [Scored(EXPOSED, Severity.HIGH, Confidence.POSSIBLE)]),
            score_host("192.0.2.23", []),
        ],
        0.8,
    )
    return _model(
        language,
        m.Name("示例市水务集团", "Example Water Works"),
        score=scored,
        score_change=m.ScoreChange(before=48.5, now=scored.value or 0, hosts=4, previous_round=11),
        counts=_counts(
            {Severity.CRITICAL: (2, 1), Severity.HIGH: (2, 0), Severity.MEDIUM: (1, 0), Severity.LOW: (1, 0)}
        ),
        fix_first=(
            m.Action(UNAUTH, Severity.CRITICAL, (redis, mirror), NOW - 2 * DAY, overdue=True),
            m.Action(EXPOSED, Severity.HIGH, tuple(each.place for each in findings[2:]), NOW + DAY, overdue=False),
        ),
        changes=m.Changes(
            new=(findings[2], findings[5]),
            reopened=(findings[1],),
            fixed=(m.Proof(gone, NOW - timedelta(minutes=20), NOW - timedelta(minutes=4)),),
            still_open=(findings[0], findings[4]),
            not_inspected=(findings[3],),
            accepted=(finding(107, EXPOSED, place("192.0.2.25", 6379), state="accepted", exemption=exemption()),),
            overdue=(findings[0],),
        ),
        coverage=_coverage(
            5,
            (
                m.NotInspected(
                    "192.0.2.40",
                    "192.0.2.40",
                    "192.0.2.40",
                    Outcome.UNREACHABLE,
                    (m.Reason(GapReason.HOST_SILENT, None, None, Transport.TCP, ""),),
                ),
                m.NotInspected(
                    "mail.example.org",
                    "mail.example.org",
                    "192.0.2.41",
                    Outcome.PARTIAL,
                    (
                        m.Reason(GapReason.TIMED_OUT, Facet.TLS, 443, Transport.TCP, HOSTILE),
                        m.Reason(GapReason.NEEDS_NAME, Facet.CERTIFICATE, 8443, Transport.TCP, ""),
                    ),
                ),
            ),
        ),
        findings=findings,
        inventory=_inventory(),
        trend=trend(scored.value or 0),
        next_round=m.NextRound("weekly", NOW + 7 * DAY),
        contacts=(m.Contact("Zhang San", "security"), m.Contact(HOSTILE, "technical")),
        products=(
            ProductAge("redis", "Redis", "6.0.16", Support.ENDED, NOW.date() - 900 * DAY, None, (), (redis, mirror)),
            ProductAge("openssh", "OpenSSH", "9.2p1", Support.UNKNOWN, None, None, ("Debian 12",), (redis,)),
            ProductAge("x", HOSTILE, "1", Support.ENDING, NOW.date() + 60 * DAY, None, (), (mirror,)),
        ),
    )


def clean(language: str = "en") -> m.ReportModel:
    """Everything inspected, nothing found, first round."""
    hosts = tuple(f"198.51.100.{number}" for number in range(1, 5))
    return _model(
        language,
        m.Name("示例市图书馆", "Example City Library"),
        score=score_organisation([score_host(host, []) for host in hosts], 1),
        coverage=_coverage(4, ()),
        inventory=tuple(InventoryHost(host, host, host, False, Outcome.INSPECTED, None, 100.0, ()) for host in hosts),
    )


def unreachable(language: str = "en") -> m.ReportModel:
    """Nothing could be inspected: no score, no good news."""
    silent = (m.Reason(GapReason.HOST_SILENT, None, None, Transport.TCP, ""),)
    hosts = ("203.0.113.5", "203.0.113.6")
    return _model(
        language,
        m.Name("示例县医院", "Example County Hospital"),
        score=score_organisation([], 0),
        coverage=_coverage(
            2, tuple(m.NotInspected(host, host, host, Outcome.UNREACHABLE, silent) for host in hosts), inspected=0
        ),
        inventory=tuple(InventoryHost(host, host, host, False, Outcome.UNREACHABLE, None, None, ()) for host in hosts),
    )


def crowded(language: str = "en") -> m.ReportModel:
    """Sixty findings of two checks on sixty hosts."""
    findings = tuple(
        finding(
            number,
            EXPOSED if number % 3 else UNAUTH,
            place(f"198.51.100.{number}", 6379),
            deadline=NOW + (7 if number % 3 else 3) * DAY,
        )
        for number in range(1, 61)
    )
    findings = tuple(sorted(findings, key=lambda each: -each.severity.rank))
    hosts = [score_host(each.place.host, [Scored(each.check, each.severity, each.confidence)]) for each in findings]
    critical = [each for each in findings if each.severity is Severity.CRITICAL]
    return _model(
        language,
        m.Name("示例大学", "Example University"),
        score=score_organisation(hosts, 1),
        counts=_counts({Severity.CRITICAL: (len(critical), 0), Severity.HIGH: (60 - len(critical), 0)}),
        fix_first=(
            m.Action(UNAUTH, Severity.CRITICAL, tuple(e.place for e in critical), NOW + 3 * DAY, overdue=False),
        ),
        changes=m.Changes(findings, (), (), (), (), ()),
        coverage=_coverage(60, ()),
        findings=findings,
        inventory=tuple(
            InventoryHost(
                e.place.host,
                e.place.host,
                "198.51.100.0/24",
                False,
                Outcome.INSPECTED,
                e.severity,
                59.0,
                (InventoryService(6379, Transport.TCP, "redis", False, "Redis", "7.0.15", (), None, 1),),
            )
            for e in findings
        ),
    )


def inspections(hostile: bool = False) -> list[tuple[str, tuple[HostInspection, ...]]]:
    """What ``roundsman inspect`` hands over: one target with an open Redis, one that did not answer."""
    said = HOSTILE if hostile else "99.0.1"  # a version of which no age is known
    endpoint = Endpoint("192.0.2.10", 6379)
    redis = Service(
        endpoint,
        "redis",
        version=said,
        facts=ServiceFacts("REDIS", Access.OPEN, "Redis", said, exchanges=(Exchange("INFO", said, NOW.isoformat()),)),
    )
    web = Service(
        Endpoint("192.0.2.10", 9200), "http", facts=ServiceFacts("ELASTIC", Access.RESTRICTED, "Elasticsearch", "8.1")
    )
    seen = HostInspection(
        Target(HOSTILE if hostile else "192.0.2.10", "192.0.2.10"),
        Outcome.PARTIAL,
        NOW - timedelta(seconds=40),
        NOW,
        Vantage.INTERNET,
        Level.READ,
        services=(redis, web),
        second_looks=(redis,),
        coverage=Coverage(
            scans=(PortScan(Transport.TCP, "6379,9200", (6379, 9200), 0, "connect"),),
            looks=(Look(6379, Transport.TCP, Facet.SERVICE),),
            gaps=(Gap(GapReason.TIMED_OUT, Facet.HTTP, 9200, detail=said),),
            connections=9,
            requests=2,
        ),
    )
    silent = HostInspection(
        Target("192.0.2.99", "192.0.2.99"),
        Outcome.UNREACHABLE,
        NOW,
        NOW,
        Vantage.INTERNET,
        Level.READ,
        coverage=Coverage(gaps=(Gap(GapReason.HOST_SILENT),)),
    )
    return [(seen.target.label, (seen,)), ("192.0.2.99", (silent,))]


def exemption(**changes: object) -> m.Exemption:
    """A risk that was accepted for another hundred days."""
    base = m.Exemption(
        "accepted", "granted", "Li Si", "The vendor ends it in March", "", NOW + 100 * DAY, NOW - 9 * DAY, NOW - 8 * DAY
    )
    return replace(base, **changes)  # type: ignore[arg-type]  # fields by name


def trend(now: float) -> tuple[m.TrendPoint, ...]:
    """Twelve rounds a week apart, which end at the score ``now``; in the third, nothing could be inspected."""
    return tuple(
        m.TrendPoint(
            round=1 + week,
            at=NOW - (11 - week) * 7 * DAY,
            score=None if week == 2 else now - 2.5 * (11 - week) + 4 * (week % 3 - (11 % 3)),
            coverage=0.9,
            open=_counts(
                {
                    Severity.CRITICAL: (4 - week // 4, 0),
                    Severity.HIGH: (9 - week // 2, 0),
                    Severity.MEDIUM: (14 - week, 0),
                    Severity.LOW: (6 + week % 3, 0),
                }
            ),
            fixed=week % 4,
            median_days=(5.0 + week % 3) if week % 4 else None,
            longest_days=(20.0 - week) if week % 4 else None,
        )
        for week in range(12)
    )


def _history() -> tuple[m.Event, ...]:
    return (
        m.Event("opened", NOW - 60 * DAY, 5),
        m.Event("changed", NOW - 50 * DAY, 6, Severity.HIGH, Severity.CRITICAL),
        m.Event("claimed", NOW - 45 * DAY, None),
        m.Event("claim-refuted", NOW - 40 * DAY, 7),
        m.Event("fixed", NOW - 30 * DAY, 8),
        m.Event("reopened", NOW, 12),
    )


def _hostile_params() -> tuple[tuple[str, str], ...]:
    return (("access", HOSTILE), ("protocol", HOSTILE), ("product", HOSTILE))


def _counts(numbers: dict[Severity, tuple[int, int]]) -> tuple[m.SeverityCount, ...]:
    return tuple(m.SeverityCount(severity, *numbers.get(severity, (0, 0))) for severity in reversed(Severity))


def _coverage(hosts: int, gaps: tuple[m.NotInspected, ...], inspected: int | None = None) -> m.Coverage:
    partial = sum(gap.outcome is Outcome.PARTIAL for gap in gaps)
    missing = len(gaps) - partial
    full = hosts - len(gaps) if inspected is None else inspected
    return m.Coverage(hosts, hosts, full, partial, missing, (full + partial) / hosts, gaps, 7, 310, 42, 18, 96)


def _inventory() -> tuple[InventoryHost, ...]:
    expired = Certificate("mail.example.org", "Example CA", NOW - 3 * DAY)
    valid = Certificate(f"CN={HOSTILE}", HOSTILE, NOW + 40 * DAY)
    return (
        InventoryHost(
            "cache.example.org",
            "192.0.2.10",
            "cache.example.org",
            True,
            Outcome.INSPECTED,
            Severity.CRITICAL,
            43.8,
            (
                InventoryService(22, Transport.TCP, "ssh", False, "OpenSSH", "9.2p1", (), None, 0),
                InventoryService(443, Transport.TCP, "http", True, "nginx", "1.22.1", ("TLSv1.2", "TLSv1.3"), valid, 0),
                InventoryService(6379, Transport.TCP, "redis", False, "Redis", "7.0.15", (), None, 1),
            ),
        ),
        InventoryHost(
            "mail.example.org",
            "192.0.2.41",
            "mail.example.org",
            False,
            Outcome.PARTIAL,
            None,
            100.0,
            (
                InventoryService(443, Transport.TCP, "http", True, "", "", ("TLSv1.2",), expired, 0),
                InventoryService(8443, Transport.TCP, "unknown", None, HOSTILE, HOSTILE, (), None, 0),
            ),
        ),
        InventoryHost("192.0.2.40", "192.0.2.40", "192.0.2.40", False, Outcome.UNREACHABLE, None, None, ()),
    )


def _model(
    language: str,
    name: m.Name,
    *,
    score: OrganisationScore,
    coverage: m.Coverage,
    inventory: tuple[InventoryHost, ...],
    score_change: m.ScoreChange | None = None,
    counts: tuple[m.SeverityCount, ...] | None = None,
    fix_first: tuple[m.Action, ...] = (),
    changes: m.Changes | None = None,
    findings: tuple[m.Finding, ...] = (),
    **more: object,
) -> m.ReportModel:
    chinese = language == "zh-Hans"
    changes = changes or m.Changes((), (), (), (), (), ())
    new = {each.number for each in (*changes.new, *changes.reopened)}
    made = m.ReportModel(
        organisation=m.Organisation(
            "example",
            name,
            language,
            "Asia/Shanghai" if chinese else "Europe/Lisbon",
            m.Name("示例市网信办", "Example Cyber Office"),
        ),
        round=m.RoundInfo(
            12, NOW - timedelta(hours=2), NOW - timedelta(minutes=3), "standard", "top1000", (Vantage.INTERNET,)
        ),
        generated=NOW,
        authorisations=(
            m.Authorisation("2026-17", "Example Cyber Office", Level.READ, NOW - 90 * DAY, NOW + 275 * DAY),
        ),
        score=score,
        score_change=score_change,
        counts=counts or _counts({}),
        fix_first=fix_first,
        changes=changes,
        coverage=coverage,
        findings=findings,
        inventory=inventory,
        method=m.Method((m.Tool("Roundsman", "0.1.0"), m.Tool("nmap", "7.93")), ("connect",), (Level.READ,)),
        gauges=gauges_of(findings, NOW),
        risky=risky_services(findings, new),
        certificates=certificates_of(inventory),
    )
    return replace(made, **more)  # type: ignore[arg-type]  # fields by name
