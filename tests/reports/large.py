"""A model of a large unit, to measure how long its report takes and how big it gets."""

from __future__ import annotations

from dataclasses import replace
from itertools import cycle, islice

from scanner.engine.catalogue.load import catalogue
from scanner.engine.intel.lifecycles import Support
from scanner.engine.model import Outcome, Severity, Transport
from scanner.remediation.score import Scored, score_host, score_organisation
from scanner.reports import model as m
from scanner.reports.gauges import gauges_of
from scanner.reports.inventory import certificates_of
from scanner.reports.places import Certificate, InventoryHost, InventoryService, ProductAge
from scanner.reports.priorities import fix_first
from scanner.reports.risky import risky_services
from tests.reports.sample import DAY, NOW, clean, finding, place, trend

PORTS = (22, 80, 443, 3306, 6379)


def large(hosts: int = 1000, each: int = 5, language: str = "en", kinds: int = 1000) -> m.ReportModel:
    """Return a unit of so many hosts, each with as many findings, of every check there is or so many kinds of them, and
    with five services."""
    checks = [check for check in catalogue() if not check.startswith("DOM-")][:kinds]
    chosen = islice(cycle(checks), hosts * each)
    findings = sorted(
        (
            finding(
                number,
                check,
                place(f"host{number // each}.example.org", PORTS[number % len(PORTS)], _address(number // each)),
                params=tuple((name, f"value-{number}") for name in ("access", "protocol", "version", "site", "suites")),
                history=tuple(m.Event("changed", NOW - DAY * day, day + 1) for day in range(6, 0, -1)),
            )
            for number, check in enumerate(chosen)
        ),
        key=lambda one: (-one.severity.rank, one.check, one.place.host),
    )
    scores = [
        score_host(f"host{host}.example.org", [Scored(c.check, c.severity, c.confidence) for c in found])
        for host, found in _by_host(findings, hosts)
    ]
    inventory = tuple(_host(host) for host in range(hosts))
    score = score_organisation(scores, 1)
    base = clean(language)
    age = ProductAge("nginx", "nginx", "1.20.1", Support.ENDED, NOW.date() - 300 * DAY, None, (), ())
    return replace(
        base,
        score=score,
        counts=tuple(
            m.SeverityCount(severity, sum(one.severity is severity for one in findings), 0)
            for severity in reversed(Severity)
        ),
        fix_first=fix_first(findings),
        changes=m.Changes(
            new=tuple(findings[: len(findings) // 2]),
            reopened=(),
            fixed=tuple(m.Proof(one, NOW - DAY, NOW) for one in findings[:500]),
            still_open=tuple(findings[len(findings) // 2 :]),
            not_inspected=(),
            accepted=(),
            overdue=tuple(findings[:1000]),
        ),
        findings=tuple(findings),
        inventory=inventory,
        gauges=gauges_of(findings, NOW),
        risky=risky_services(findings, frozenset(range(100))),
        trend=trend(score.value or 0),
        certificates=certificates_of(inventory),
        products=tuple(replace(age, version=f"1.20.{number}") for number in range(200)),
    )


def _by_host(findings: list[m.Finding], hosts: int) -> list[tuple[int, list[m.Finding]]]:
    found: list[list[m.Finding]] = [[] for _ in range(hosts)]
    for one in findings:
        found[int(one.place.host.split(".")[0].removeprefix("host"))].append(one)
    return list(enumerate(found))


def _address(host: int) -> str:
    return f"10.{host // 65536}.{host // 256 % 256}.{host % 256}"


def _host(host: int) -> InventoryHost:
    certificate = Certificate(f"CN=host{host}.example.org", "CN=Example CA", NOW + (host % 200) * DAY)
    services = tuple(
        InventoryService(
            port,
            Transport.TCP,
            "http",
            port == 443,
            "nginx",
            "1.22.1",
            ("TLSv1.2", "TLSv1.3") if port == 443 else (),
            certificate if port == 443 else None,
            1,
        )
        for port in PORTS
    )
    name = f"host{host}.example.org"
    return InventoryHost(name, _address(host), name, False, Outcome.INSPECTED, Severity.HIGH, 60.0, services)
