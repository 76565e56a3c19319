"""A report model like those of every day, for previews, for checks of templates, and for the pictures in the documents.

A water works with eight hosts, after its third round: something was fixed, something came back, one host is silent.
Addresses are from the documentation ranges (RFC 5737).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from scanner.engine.catalogue.load import Language, catalogue
from scanner.engine.facts.service import Exchange
from scanner.engine.intel.lifecycles import Support
from scanner.engine.model import (
    Confidence,
    Facet,
    GapReason,
    Level,
    Outcome,
    Severity,
    Transport,
    Vantage,
)
from scanner.remediation.score import Age, OrganisationScore, Scored, score_host, score_organisation
from scanner.reports import model as m
from scanner.reports.findings import count, worst_first
from scanner.reports.gauges import gauges_of
from scanner.reports.inventory import certificates_of
from scanner.reports.places import Certificate, InventoryHost, InventoryService, Place, ProductAge
from scanner.reports.priorities import fix_first
from scanner.reports.risky import risky_services

NOW = datetime(2026, 11, 23, 1, 30, tzinfo=UTC)
DAY = timedelta(days=1)
NAME = m.Name("示例市水务集团", "Example Water Works")
SUPERVISOR = m.Name("示例市网络安全办公室", "Example City Cyber Office")

WWW, MAIL, PORTAL = "www.water.example", "mail.water.example", "portal.water.example"
ADDRESSES = {WWW: "192.0.2.20", MAIL: "192.0.2.21", PORTAL: "192.0.2.22"}
CACHE, MIRROR, DATA, PRINTER, SILENT = (f"192.0.2.{last}" for last in (10, 11, 31, 32, 40))
REMOTE = "git@git.water.example:web/portal.git"
HOSTS = (WWW, MAIL, PORTAL, CACHE, MIRROR, DATA, PRINTER, SILENT)


def sample_report(language: Language) -> m.ReportModel:
    """Return the report on the third round, in ``language``."""
    found, proof = _findings(language), _proof()
    new, back = {41, 42}, {17}
    unfinished = [each for each in found if each.state in ("open", "claimed")]
    score = _score(unfinished)
    inventory = _inventory(found, score)
    chinese = language is Language.ZH_HANS
    return m.ReportModel(
        organisation=m.Organisation("water", NAME, str(language), "Asia/Shanghai", SUPERVISOR),
        round=m.RoundInfo(
            3, NOW - timedelta(hours=2), NOW - timedelta(minutes=20), "standard", "top1000", (Vantage.INTERNET,)
        ),
        generated=NOW,
        authorisations=(
            m.Authorisation(
                "水务函〔2026〕17号" if chinese else "Order 2026-17",
                "王主任" if chinese else "Director Wang",
                Level.READ,
                NOW - 90 * DAY,
                NOW + 275 * DAY,
            ),
        ),
        score=score,
        score_change=m.ScoreChange(before=47.5, now=score.value or 0, hosts=7, previous_round=2),
        counts=count(unfinished),
        fix_first=fix_first(unfinished),
        changes=m.Changes(
            new=_chosen(found, new),
            reopened=_chosen(found, back),
            fixed=(proof,),
            still_open=_chosen(found, {28, 29, 36, 37}),
            not_inspected=_chosen(found, {33}),
            accepted=_chosen(found, {12}),
            overdue=_chosen(found, {36}),
        ),
        coverage=_coverage(),
        findings=found,
        inventory=inventory,
        method=m.Method((m.Tool("Roundsman", "0.1.0"), m.Tool("nmap", "7.93")), ("connect",), (Level.READ,)),
        gauges=gauges_of(unfinished, NOW),
        risky=risky_services(unfinished, new | back),
        next_round=m.NextRound("每周例行巡检" if chinese else "weekly", NOW + 7 * DAY),
        trend=_trend(score.value, found),
        contacts=(m.Contact("张三" if chinese else "Zhang San", "security"),),
        certificates=certificates_of(inventory),
        products=(
            ProductAge(
                "nginx",
                "nginx",
                "1.18.0",
                Support.ENDED,
                date(2021, 4, 20),
                None,
                ("Debian", "Ubuntu"),
                (_place(WWW, 443),),
            ),
        ),
    )


def _place(host: str, port: int) -> Place:
    return Place(host, ADDRESSES.get(host, host), port, Transport.TCP)


def _finding(number: int, check: str, where: Place, age: int, due: float | None, **params: str) -> m.Finding:
    """An open, confirmed finding, first seen ``age`` days ago and to be fixed in ``due`` days: at the end of a day."""
    entry = catalogue()[check]
    first = NOW - age * DAY
    return m.Finding(
        number=number,
        check=check,
        state="open",
        severity=entry.severity,
        confidence=Confidence.CONFIRMED,
        place=where,
        service=params.get("protocol", "http"),
        params=tuple(params.items()),
        exchanges=(),
        cwe=entry.cwe,
        references=entry.references,
        known_exploited=False,
        key_target=where.host == PORTAL,
        first_seen=first,
        last_seen=NOW,
        last_inspected=NOW,
        fixed=None,
        deadline=None if due is None else NOW + due * DAY,
        overdue=due is not None and due < 0,
        recurrences=0,
        seen_now=True,
        reported=first,
        history=(m.Event("opened", first, max(1, 3 - age // 7)),),
        products=("nginx",) if check.startswith(("WEB", "TLS", "CERT")) else (),
    )


def _findings(language: Language) -> tuple[m.Finding, ...]:
    said = Exchange("INFO server\\r\\n", "$312\\r\\n# Server\\r\\nredis_version:7.0.15\\r\\n", NOW.isoformat())
    redis = {"access": "open", "protocol": "redis", "product": "Redis 7.0.15"}
    name = {"options": f"-servername {MAIL}", "subject": MAIL}
    old = {"suites": "ECDHE-RSA-AES128-SHA", "policy": "roundsman", "grade": "insufficient", "clause": "RFC 8996"}
    git = {"site": f"https://{PORTAL}", "paths": "/.git/HEAD", "details": REMOTE}
    mysql = {"protocol": "mysql", "product": "MySQL 8.0.36", "access": "restricted"}
    rdp = {"protocol": "rdp", "product": "", "access": "restricted"}
    back = _finding(17, "SVC-REDIS-UNAUTH", _place(MIRROR, 6379), 14, 3.6, **redis)
    history = (
        m.Event("opened", NOW - 14 * DAY, 1),
        m.Event("claimed", NOW - 9 * DAY, None),
        m.Event("fixed", NOW - 7 * DAY, 2),
        m.Event("reopened", NOW, 3),
    )
    found = (
        replace(_finding(41, "SVC-REDIS-UNAUTH", _place(CACHE, 6379), 0, 3.6, **redis), exchanges=(said,)),
        replace(back, exchanges=(said,), recurrences=1, history=history, reported=NOW),
        _finding(42, "WEB-GIT", _place(PORTAL, 443), 0, 3.6, **git),
        _finding(36, "SVC-MYSQL-EXPOSED", _place(DATA, 3306), 14, -6.4, **mysql),
        replace(
            _finding(37, "CERT-EXPIRED", _place(MAIL, 443), 7, 23.6, **name, not_after="2026-11-16", days="7"),
            state="claimed",
            claimed=NOW - DAY,
        ),
        replace(
            _finding(33, "SVC-RDP-EXPOSED", _place(SILENT, 3389), 7, 0.6, **rdp),
            seen_now=False,
            last_seen=NOW - 7 * DAY,
            last_inspected=NOW - 7 * DAY,
        ),
        _finding(28, "TLS-V10", _place(MAIL, 443), 14, 16.6, options=f"-servername {MAIL}", **old),
        _finding(
            29, "WEB-HSTS", _place(WWW, 443), 14, 76.6, site=f"https://{WWW}", header="max-age=300", seconds="300"
        ),
        replace(
            _finding(12, "TLS-V10", _place(PRINTER, 443), 14, None, options="", **old),
            state="accepted",
            exemption=_exemption(language),
        ),
    )
    return tuple(sorted(found, key=worst_first))


def _exemption(language: Language) -> m.Exemption:
    chinese = language is Language.ZH_HANS
    return m.Exemption(
        kind="accepted",
        state="granted",
        owner="李四" if chinese else "Li Si",
        reason="设备将于年底报废，已限制在办公网内使用。"
        if chinese
        else "The device is retired at the end of the year and reached from the office network only.",
        proof="",
        until=NOW + 60 * DAY,
        requested=NOW - 12 * DAY,
        decided=NOW - 11 * DAY,
    )


def _proof() -> m.Proof:
    gone = _finding(31, "CERT-EXPIRED", _place(WWW, 443), 14, -7, subject=WWW, not_after="2026-11-08", days="1")
    fixed = replace(gone, state="fixed", fixed=NOW, overdue=False)
    return m.Proof(fixed, NOW - timedelta(minutes=70), NOW - timedelta(minutes=24))


def _chosen(found: tuple[m.Finding, ...], numbers: set[int]) -> tuple[m.Finding, ...]:
    return tuple(each for each in found if each.number in numbers)


def _score(found: list[m.Finding]) -> OrganisationScore:
    by_host = {host: [each for each in found if each.place.host == host and each.seen_now] for host in HOSTS[:-1]}
    return score_organisation([score_host(host, map(_scored, those)) for host, those in by_host.items()], 7 / 8)


def _scored(found: m.Finding) -> Scored:
    return Scored(found.check, found.severity, found.confidence, age=Age.OVERDUE if found.overdue else Age.IN_TIME)


def _coverage() -> m.Coverage:
    silent = m.Reason(GapReason.HOST_SILENT, None, None, Transport.TCP, "")
    slow = m.Reason(GapReason.TIMED_OUT, Facet.TLS, 8443, Transport.TCP, "")
    return m.Coverage(
        targets=5,
        hosts=8,
        inspected=6,
        partial=1,
        not_inspected=1,
        share=7 / 8,
        gaps=(
            m.NotInspected(SILENT, SILENT, SILENT, Outcome.UNREACHABLE, (silent,)),
            m.NotInspected(PORTAL, PORTAL, ADDRESSES[PORTAL], Outcome.PARTIAL, (slow,)),
        ),
        ports=12,
        connections=410,
        requests=64,
        datagrams=18,
        busiest=96,
        unused=246,
    )


_SERVICES = {
    WWW: ((80, "http", "nginx", "1.18.0"), (443, "http", "nginx", "1.18.0")),
    MAIL: ((25, "smtp", "Postfix", ""), (443, "http", "nginx", "1.26.2")),
    PORTAL: ((443, "http", "nginx", "1.26.2"), (8443, "unknown", "", "")),
    CACHE: ((22, "ssh", "OpenSSH", "9.2p1"), (6379, "redis", "Redis", "7.0.15")),
    MIRROR: ((6379, "redis", "Redis", "7.0.15"),),
    DATA: ((3306, "mysql", "MySQL", "8.0.36"),),
    PRINTER: ((443, "http", "", ""),),
}
_EXPIRES = {WWW: 84, MAIL: -7, PORTAL: 25, PRINTER: 700}


def _inventory(found: tuple[m.Finding, ...], score: OrganisationScore) -> tuple[InventoryHost, ...]:
    scores = {host.host: host.value for host in score.hosts}
    partial = {PORTAL: Outcome.PARTIAL, SILENT: Outcome.UNREACHABLE}
    hosts = []
    for host in HOSTS:
        here = [each for each in found if each.place.host == host]
        hosts.append(
            InventoryHost(
                host=host,
                address=ADDRESSES.get(host, host),
                target=host if host in ADDRESSES else "192.0.2.0/24",
                key_target=host == PORTAL,
                outcome=partial.get(host, Outcome.INSPECTED),
                worst=here[0].severity if here else None,
                score=scores.get(host),
                services=tuple(_service(host, each, here) for each in _SERVICES.get(host, ())),
            )
        )
    return tuple(hosts)


def _service(host: str, known: tuple[int, str, str, str], here: list[m.Finding]) -> InventoryService:
    port, protocol, product, version = known
    tls = {443: True, 8443: None}.get(port, False)
    issuer = "CN=Example Trust CA G2"
    certificate = Certificate(f"CN={host}", issuer, NOW + _EXPIRES[host] * DAY) if tls else None
    return InventoryService(
        port,
        Transport.TCP,
        protocol,
        tls,
        product,
        version,
        (("TLSv1.0",) if host in (MAIL, PRINTER) else ()) + ("TLSv1.2", "TLSv1.3") if tls else (),
        certificate,
        sum(each.place.port == port for each in here),
        (product.lower(),) if product == "nginx" else (),
    )


def _trend(score: float | None, found: tuple[m.Finding, ...]) -> tuple[m.TrendPoint, ...]:
    earlier = (
        (1, 14, 38.2, {Severity.CRITICAL: 1, Severity.HIGH: 4, Severity.MEDIUM: 1, Severity.LOW: 2}, 0),
        (2, 7, 47.5, {Severity.HIGH: 4, Severity.MEDIUM: 1, Severity.LOW: 1}, 2),
    )
    before = tuple(
        m.TrendPoint(
            number,
            NOW - days * DAY,
            value,
            7 / 8,
            tuple(m.SeverityCount(each, open_ones.get(each, 0), 0) for each in reversed(Severity)),
            fixed,
            7.0 if fixed else None,
            7.0 if fixed else None,
        )
        for number, days, value, open_ones, fixed in earlier
    )
    open_now = count([each for each in found if each.state in ("open", "claimed")])
    return (*before, m.TrendPoint(3, NOW, score, 7 / 8, open_now, 1, 14.0, 14.0))
