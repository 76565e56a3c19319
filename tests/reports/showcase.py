"""An ordinary report, as an organisation gets it: for the pictures of the documentation."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from scanner.engine.model import Outcome, Severity, Transport
from scanner.remediation.score import Age, Scored, score_host, score_organisation
from scanner.reports import model as m
from scanner.reports.gauges import gauges_of
from scanner.reports.inventory import certificates_of
from scanner.reports.places import Certificate, InventoryHost, InventoryService, Place
from scanner.reports.risky import risky_services
from tests.reports.sample import DAY, NOW, busy, clean, finding, place, trend

WWW, MAIL, CACHE, DATA = "www.example.org", "mail.example.org", "192.0.2.10", "192.0.2.31"
S_CLIENT = f"-servername {MAIL}"


def showcase(language: str = "en") -> m.ReportModel:
    """Six hosts, one of them silent; six findings, from an open cache to a missing header."""
    base = busy(language)
    findings = (
        finding(
            41, "SVC-REDIS-UNAUTH", place(CACHE, 6379), first_seen=NOW - DAY, reported=NOW - DAY, deadline=NOW + 2 * DAY
        ),
        _finding(
            42, "WEB-GIT", place(WWW, 443, "192.0.2.20"), 5, site=f"https://{WWW}", paths="/.git/HEAD", details="—"
        ),
        _finding(36, "SVC-MYSQL-EXPOSED", place(DATA, 3306), -1, access="restricted", protocol="mysql"),
        _finding(
            37,
            "CERT-EXPIRED",
            place(MAIL, 443, "192.0.2.21"),
            6,
            options=S_CLIENT,
            subject=MAIL,
            not_after="2026-11-20",
            days="3",
        ),
        _finding(
            28,
            "TLS-V10",
            place(MAIL, 443, "192.0.2.21"),
            18,
            options=S_CLIENT,
            suites="ECDHE-RSA-AES128-SHA",
            policy="roundsman",
            grade="insufficient",
            clause="RFC 8996",
        ),
        _finding(
            29,
            "WEB-HSTS",
            place(WWW, 443, "192.0.2.20"),
            70,
            site=f"https://{WWW}",
            header="max-age=300",
            seconds="300",
        ),
    )
    scored = {host: [each for each in findings if each.place.host == host] for host in (WWW, MAIL, CACHE, DATA)}
    score = score_organisation(
        [score_host(host, [_scored(each) for each in found]) for host, found in scored.items()]
        + [score_host("192.0.2.32", [])],
        5 / 6,
    )
    silent = base.coverage.gaps[0]
    inventory = (
        *(
            InventoryHost(host, found[0].place.address, host, False, Outcome.INSPECTED, found[0].severity, 80.0,
                            tuple(_service(each) for each in found[:1]))
            for host, found in scored.items()
        ),
        base.inventory[-1],
    )  # fmt: skip
    return replace(
        clean(language),
        score=score,
        score_change=m.ScoreChange(before=63.4, now=score.value or 0, hosts=5, previous_round=11),
        counts=tuple(
            m.SeverityCount(
                severity,
                sum(each.severity is severity for each in findings),
                sum(each.severity is severity and each.overdue for each in findings),
            )
            for severity in reversed(Severity)
        ),
        fix_first=tuple(
            m.Action(each.check, each.severity, (each.place,), each.deadline, each.overdue, who)
            for each, who in zip(findings[:5], ("database", "web", "database", "mail", "mail"), strict=True)
        ),
        changes=m.Changes(
            findings[:2], (), base.changes.fixed, findings[2:], (), base.changes.accepted, (findings[2],)
        ),
        coverage=replace(base.coverage, targets=4, hosts=6, inspected=5, partial=0, not_inspected=1, gaps=(silent,)),
        findings=findings,
        inventory=inventory,
        gauges=gauges_of(findings, NOW),
        risky=risky_services(findings, {each.number for each in findings[:2]}),
        next_round=m.NextRound("weekly", NOW + 7 * DAY),
        trend=trend(score.value or 0),
        contacts=(m.Contact("张三" if language == "zh-Hans" else "Zhang San", "security"),),
        certificates=certificates_of(inventory),
        products=base.products[:1],
    )


def _finding(number: int, check: str, where: Place, due: int, **params: str) -> m.Finding:
    return finding(
        number,
        check,
        where,
        params=tuple(params.items()),
        exchanges=(),
        reported=NOW - timedelta(days=max(3, 30 - due) if due < 60 else 20),
        first_seen=NOW - timedelta(days=max(3, 30 - due) if due < 60 else 20),
        deadline=NOW + timedelta(days=due),
        overdue=due < 0,
        products=("nginx",) if check.startswith(("WEB", "TLS", "CERT")) else (),
    )


def _scored(found: m.Finding) -> Scored:
    age = Age.OVERDUE if found.overdue else Age.IN_TIME
    return Scored(found.check, found.severity, found.confidence, age=age)


def _service(found: m.Finding) -> InventoryService:
    tls = found.place.port == 443
    protocol = {443: "http", 3306: "mysql", 6379: "redis"}[found.place.port]
    versions = ("TLSv1.2", "TLSv1.3") if tls else ()
    days = {WWW: 12, MAIL: -3}.get(found.place.host, 60)
    certificate = Certificate(f"CN={found.place.host}", "CN=Example CA", NOW + days * DAY) if tls else None
    return InventoryService(found.place.port, Transport.TCP, protocol, tls, "", "", versions, certificate, 1)
