"""What is made of versions: by dates, by the distribution behind them, by what was imported."""

from __future__ import annotations

import datetime as dt

import pytest

from scanner.engine.facts.http import ExposedPath, HttpFacts, HttpReply, Page
from scanner.engine.facts.service import Access, Exchange, ServiceFacts
from scanner.engine.facts.ssh import SshFacts
from scanner.engine.facts.tls import Answer, TlsFacts, TlsVersion
from scanner.engine.intel.known import Affected, Exploited, Intel
from scanner.engine.judge import judge
from scanner.engine.model import (
    Confidence,
    Endpoint,
    Finding,
    HostInspection,
    Level,
    Outcome,
    Service,
    Severity,
    Target,
    Vantage,
)
from scanner.engine.rules.base import Basis
from scanner.engine.rules.installed import installed
from scanner.engine.rules.software import SOFTWARE_CHECKS

ADDRESS = "192.0.2.10"
NOW = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
EXPLOITED = {"CVE-2021-41773": Exploited("CVE-2021-41773", dt.date(2021, 11, 3), None, ransomware=True)}


def site(*headers: tuple[str, str], port: int = 80, generator: str = "") -> Service:
    root = HttpReply("GET", "/", 200, headers)
    facts = HttpFacts("http", "portal.test", root=root, page=Page(generator=generator))
    return Service(Endpoint(ADDRESS, port), "http", http=(facts,))


def server(text: str) -> Service:
    return site(("server", text))


def dialogue(service: str, product: str, version: str, port: int = 9200, said: str = "") -> Service:
    facts = ServiceFacts(service, Access.RESTRICTED, product, version, exchanges=(Exchange("hello", said, ""),))
    return Service(Endpoint(ADDRESS, port), service.lower(), facts=facts)


def ssh(banner: str) -> Service:
    return Service(Endpoint(ADDRESS, 22), "ssh", banner=banner, ssh=SshFacts(banner))


def found(
    *services: Service, intel: Intel | None = None, vantage: Vantage = Vantage.INTERNET, now: dt.datetime = NOW
) -> dict[str, Finding]:
    host = HostInspection(Target(ADDRESS, ADDRESS), Outcome.INSPECTED, now, now, vantage, Level.READ, services=services)
    return {each.check: each for each in judge(host, Basis(intel=intel or Intel())) if each.check in SOFTWARE_CHECKS}


def weight(finding: Finding) -> tuple[Severity, Confidence]:
    return finding.severity, finding.confidence


def test_a_release_without_support_is_a_finding_with_its_date() -> None:
    finding = found(server("nginx/1.16.0"))["SW-EOL-APP"]
    assert weight(finding) == (Severity.MEDIUM, Confidence.POSSIBLE)
    assert dict(finding.params)["software"] == "nginx 1.16.0 (2020-04-20)"
    assert dict(finding.params)["maintained_by"] == "-"


def test_what_the_products_own_interface_says_is_probable() -> None:
    finding = found(dialogue("ELASTIC", "Elasticsearch", "7.10.0"))["SW-EOL-APP"]
    assert weight(finding) == (Severity.MEDIUM, Confidence.PROBABLE)


def test_it_weighs_less_from_inside() -> None:
    inside = found(dialogue("ELASTIC", "Elasticsearch", "7.10.0"), vantage=Vantage.INTERNAL)
    assert inside["SW-EOL-APP"].severity is Severity.LOW


def test_it_weighs_more_on_the_internet_when_the_product_is_being_attacked() -> None:
    intel = Intel(EXPLOITED, {"elasticsearch": (Affected("CVE-2021-41773", 9.8, version="1.0"),)})
    assert found(dialogue("ELASTIC", "Elasticsearch", "7.10.0"), intel=intel)["SW-EOL-APP"].severity is Severity.HIGH


def test_a_version_that_a_maintained_distribution_ships_is_only_a_hint_that_says_why() -> None:
    finding = found(server("nginx/1.22.1"))["SW-EOL-APP"]
    assert weight(finding) == (Severity.INFO, Confidence.POSSIBLE)
    assert "Debian 12" in dict(finding.params)["maintained_by"]


def test_another_distribution_on_the_host_speaks_against_that() -> None:
    findings = found(server("nginx/1.22.1"), ssh("SSH-2.0-OpenSSH_9.6p1 Ubuntu-3ubuntu13.8"))
    assert findings["SW-EOL-APP"].severity is Severity.MEDIUM


def test_another_release_of_the_distribution_speaks_against_that_too() -> None:
    """Debian 13 ships nginx 1.26.3; a host of Debian 12 has it from elsewhere."""
    assert found(server("nginx/1.26.3"))["SW-EOL-APP"].severity is Severity.INFO
    beside = found(server("nginx/1.26.3"), ssh("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7"))
    assert beside["SW-EOL-APP"].severity is Severity.MEDIUM
    nameless = found(server("nginx/1.26.3"), dialogue("PROMETHEUS", "Prometheus", "2.42.0+ds"))
    assert nameless["SW-EOL-APP"].severity is Severity.MEDIUM, "its version tells Debian 12"


@pytest.mark.parametrize(
    "service",
    [
        site(generator="WordPress 6.1.9"),
        dialogue("INFLUX", "InfluxDB", "1.6.7"),
        dialogue("ZABBIX", "Zabbix", "6.0.14"),
    ],
)
def test_what_debian_maintains_is_not_called_neglected(service: Service) -> None:
    assert "SW-OUTDATED" not in found(service, ssh("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7"))


@pytest.mark.parametrize(("version", "mark"), [("8.5.39", "Ubuntu 18.04"), ("10.1.34", "Debian")])
def test_tomcat_names_its_distribution_behind_its_version(version: str, mark: str) -> None:
    body = f"<h3>Apache Tomcat/{version} ({mark.split()[0]})</h3>"
    reply = HttpReply("GET", "/none", 404, (), body)
    facts = HttpFacts("http", "portal.test", root=reply, baselines=(reply,))
    service = Service(Endpoint(ADDRESS, 8080), "http", http=(facts,))
    assert [(each.label, each.mark.label if each.mark else "") for each in installed(service)] == [
        (f"Apache Tomcat {version}", mark)
    ]
    assert "SW-EOL-APP" not in found(service)


@pytest.mark.parametrize(
    "service",
    [
        dialogue("MYSQL", "MariaDB", "10.5.15", said="5.5.5-10.5.15-MariaDB-0+deb11u1"),
        dialogue("DNS", "BIND", "9.18.49-1~deb12u3-Debian"),
        ssh("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7"),
        server("Apache/2.4.57 (Debian)"),
    ],
)
def test_what_a_distribution_packaged_is_not_judged_by_its_makers_dates(service: Service) -> None:
    assert found(service).keys() & {"SW-EOL-APP", "SW-EOL-SOON", "SW-OUTDATED"} == set()


@pytest.mark.parametrize(
    ("banner", "severity", "confidence"),
    [
        ("SSH-2.0-OpenSSH_7.4p1 Debian-10+deb9u7", Severity.HIGH, Confidence.PROBABLE),
        ("SSH-2.0-OpenSSH_8.4p1 Debian-5+deb11u3", Severity.HIGH, Confidence.PROBABLE),
        ("SSH-2.0-OpenSSH_8.2p1 Ubuntu-4ubuntu0.11", Severity.LOW, Confidence.PROBABLE),
        ("SSH-2.0-OpenSSH_9.7p1 Ubuntu-7ubuntu4.3", Severity.HIGH, Confidence.PROBABLE),
        ("SSH-2.0-OpenSSH_5.3p1 Debian-3ubuntu7.1", Severity.HIGH, Confidence.PROBABLE),
        ("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7", Severity.INFO, Confidence.PROBABLE),
    ],
)
def test_an_operating_system_is_judged_by_all_support_there_is(
    banner: str, severity: Severity, confidence: Confidence
) -> None:
    """Debian 12 is past its regular end, but everyone gets its long-term support; Ubuntu's takes a contract."""
    assert weight(found(ssh(banner))["SW-EOL-OS"]) == (severity, confidence)


@pytest.mark.parametrize("banner", ["SSH-2.0-OpenSSH_9.6p1 Ubuntu-3ubuntu13.8", "SSH-2.0-OpenSSH_9.9", "SSH-2.0-x"])
def test_a_supported_or_unnamed_system_is_no_finding(banner: str) -> None:
    assert found(ssh(banner)) == {}


def test_iis_gives_its_windows_away() -> None:
    finding = found(server("Microsoft-IIS/7.5"))["SW-EOL-OS"]
    assert dict(finding.params)["system"] == "Windows Server 2008 R2"
    assert finding.severity is Severity.HIGH
    assert found(server("Microsoft-IIS/10.0")) == {}, "it came with four releases"


def test_the_end_is_announced_half_a_year_ahead() -> None:
    assert "SW-EOL-SOON" in found(site(("x-powered-by", "PHP/8.2.33")))
    earlier = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
    assert "SW-EOL-SOON" not in found(site(("x-powered-by", "PHP/8.2.33")), now=earlier)


def test_missing_updates_count_after_ninety_days() -> None:
    neglected = server("nginx/1.30.0")
    assert weight(found(neglected)["SW-OUTDATED"]) == (Severity.LOW, Confidence.POSSIBLE)
    assert found(server("nginx/1.30.4")) == {}
    assert found(neglected, now=dt.datetime(2026, 9, 1, tzinfo=dt.UTC)) == {}


def test_a_product_that_mends_only_its_newest_is_judged_by_releases() -> None:
    old = found(site(generator="WordPress 5.8.1"))
    assert set(old) == {"SW-OUTDATED"}, "its branches have no dates that hold"
    assert found(site(generator="WordPress 7.1")) == {}


def test_a_date_that_may_have_moved_lowers_the_confidence() -> None:
    service = dialogue("REGISTRY", "PHP", "8.2.33")
    ended = dt.datetime(2027, 2, 1, tzinfo=dt.UTC)
    assert found(service, now=ended)["SW-EOL-APP"].confidence is Confidence.POSSIBLE


APACHE = Intel(EXPLOITED, {"apache-http-server": (Affected("CVE-2021-41773", 7.5, version="2.4.49", epss=0.943),)})
REDIS = Intel({}, {"redis": (Affected("CVE-2024-1", 8.8, end="9"), Affected("CVE-2024-2", 9.9, end="1"))})


def test_an_exploited_flaw_of_a_version_in_a_banner_is_high_and_possible() -> None:
    finding = found(server("Apache/2.4.49 (Unix)"), intel=APACHE)["SW-KEV"]
    assert weight(finding) == (Severity.HIGH, Confidence.POSSIBLE)
    assert dict(finding.params)["cves"] == "CVE-2021-41773 (CVSS 7.5, EPSS 94.3%)"
    assert not finding.known_exploited, "possible matches don't weigh as exploited"


def test_an_exploited_flaw_that_the_product_itself_admits_is_critical() -> None:
    intel = Intel(EXPLOITED, {"elasticsearch": (Affected("CVE-2021-41773", 5.0, end="8"),)})
    finding = found(dialogue("ELASTIC", "Elasticsearch", "7.10.0"), intel=intel)["SW-KEV"]
    assert weight(finding) == (Severity.CRITICAL, Confidence.PROBABLE)
    assert finding.known_exploited


def test_a_backport_makes_it_possible_and_light_and_says_why() -> None:
    intel = Intel(EXPLOITED, {"openssh": (Affected("CVE-2021-41773", 9.8, end="9.5"),)})
    finding = found(ssh("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7"), intel=intel)["SW-KEV"]
    assert weight(finding) == (Severity.LOW, Confidence.POSSIBLE)
    assert dict(finding.params)["maintained_by"] == "Debian 12"


def test_a_published_flaw_has_the_weight_of_its_score_only_when_it_is_sure() -> None:
    sure = found(dialogue("REDIS", "Redis", "7.2.1", port=6379), intel=REDIS)["SW-CVE"]
    assert weight(sure) == (Severity.HIGH, Confidence.PROBABLE)
    packaged = found(dialogue("REDIS", "Redis", "7.0.15", port=6379), intel=REDIS)["SW-CVE"]
    assert weight(packaged) == (Severity.INFO, Confidence.POSSIBLE)


def test_a_range_with_conditions_is_only_possible() -> None:
    intel = Intel({}, {"redis": (Affected("CVE-2022-0543", 10.0, end="9", conditional=True),)})
    assert weight(found(dialogue("REDIS", "Redis", "7.2.1"), intel=intel)["SW-CVE"]) == (
        Severity.LOW,
        Confidence.POSSIBLE,
    )


def test_a_weakness_that_is_an_exploited_cve_itself_says_so() -> None:
    facts = TlsFacts(sni=None, versions=((TlsVersion.TLS12, Answer.YES),), heartbleed=Answer.YES)
    service = Service(Endpoint(ADDRESS, 443), "http", tls=True, tls_facts=facts)
    host = HostInspection(
        Target(ADDRESS, ADDRESS), Outcome.INSPECTED, NOW, NOW, Vantage.INTERNET, Level.READ, services=(service,)
    )
    listed = Intel({"CVE-2014-0160": Exploited("CVE-2014-0160", dt.date(2022, 5, 4), None, ransomware=False)})

    def exploited(intel: Intel) -> bool:
        return next(each for each in judge(host, Basis(intel=intel)) if each.check == "TLS-HEARTBLEED").known_exploited

    assert exploited(listed)
    assert not exploited(Intel())


@pytest.mark.parametrize(
    ("service", "named"),
    [
        (
            server("Apache/2.4.6 (CentOS) OpenSSL/1.0.2k-fips PHP/5.4.16"),
            "Apache HTTP Server 2.4.6, OpenSSL 1.0.2k-fips, PHP 5.4.16",
        ),
        (server("Jetty(9.4.53.v20231009)"), "Jetty 9.4.53.v20231009"),
        (site(("x-jenkins", "2.426.1")), "Jenkins 2.426.1"),
        (site(("x-owa-version", "15.1.2507.6")), "Microsoft Exchange Server 15.1.2507.6"),
        (site(generator="MediaWiki 1.39.3"), "MediaWiki 1.39.3"),
        (site(generator="Drupal 10 (https://www.drupal.org)"), "Drupal 10"),
        (server("Apache-Coyote/1.1"), ""),
        (server("Apache"), ""),
        (server("mod_wsgi/4.5 Python/3.6"), "Python 3.6"),
        (Service(Endpoint(ADDRESS, 445), "smb", product="Samba smbd", version="4.6.2"), ""),
        (
            Service(Endpoint(ADDRESS, 21), "ftp", product="FTP", version="1.3.5e", cpe=("cpe:/a:proftpd:proftpd:1.3",)),
            "ProFTPD 1.3.5e",
        ),
    ],
)  # fmt: skip
def test_products_are_recognised_where_they_name_themselves(service: Service, named: str) -> None:
    assert ", ".join(each.label for each in installed(service)) == named


def test_an_error_page_and_phpinfo_name_their_software() -> None:
    missing = HttpReply("GET", "/x", 404, body="<h3>Apache Tomcat/8.5.5</h3>")
    info = ExposedPath("phpinfo", HttpReply("GET", "/info.php", 200), (("version", "7.4.3"),))
    facts = HttpFacts("http", "a.test", root=HttpReply("GET", "/", 200), baselines=(missing,), exposed=(info,))
    service = Service(Endpoint(ADDRESS, 8080), "http", http=(facts,))
    assert {each.label for each in installed(service)} == {"PHP 7.4.3", "Apache Tomcat 8.5.5"}
