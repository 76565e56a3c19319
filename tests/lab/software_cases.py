"""Old and vulnerable software by its version, and versions that prove nothing.

Software that no longer gets fixes is not to be had from Debian or PyPI, so its banners are given by a server that
answers by a table, as its makers' documents and captures show them; sshd, Redis and nginx are real.
"""

from __future__ import annotations

import datetime as dt

from scanner.engine.intel.known import Affected, Exploited, Intel
from tests.lab.case import LabCase, Start
from tests.lab.http_answers import answers, data, page
from tests.lab.scripted import hangs_up, scripted

DAY = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
"""The day on which these cases are judged: what is supported depends on it."""

ALL = frozenset({"SW-EOL-OS", "SW-EOL-APP", "SW-EOL-SOON", "SW-OUTDATED", "SW-KEV", "SW-CVE"})
_WEB = frozenset({"WEB-HTTP-ONLY", "WEB-XFO", "WEB-XCTO", "WEB-VERSION", "WEB-CSP", "WEB-REFERRER", "WEB-PERMISSIONS"})

INTEL = Intel(
    exploited={"CVE-2021-41773": Exploited("CVE-2021-41773", dt.date(2021, 11, 3), dt.date(2021, 11, 17), True)},
    affected={
        "apache-http-server": (Affected("CVE-2021-41773", 7.5, version="2.4.49"),),
        "nginx": (Affected("CVE-2021-23017", 7.7, start="0.6.18", end="1.20.1", end_included=False),),
        "elasticsearch": (Affected("CVE-2021-22145", 6.5, start="7.10.0", end="7.13.3"),),
        "redis": (Affected("CVE-2022-0543", 10.0, end="6.2", conditional=True),),
    },
    as_of=dt.date(2026, 11, 1),
)
"""A few facts of NVD and of CISA's catalogue, as an import would bring them."""


def _site(**headers: str) -> Start:
    """A site whose headers tell what it runs on; underscores stand for dashes."""
    home = page("Notices", "<p>Office hours</p>", 200, **headers)
    return answers(80, {"GET /": home}, page("Not found", "", 404, **headers))


def _tomcat(version: str) -> Start:
    """A site whose error pages are Tomcat's own, which name it; distributions put their name behind its version."""
    error = page("HTTP Status 404", f"<h1>HTTP Status 404</h1><hr><h3>Apache Tomcat/{version}</h3>", 404)
    return answers(80, {"GET /": page("Notices", "<p>Office hours</p>", 200)}, error)


def _case(
    number: int,
    name: str,
    start: Start,
    *expected: str,
    ports: str = "80",
    hints: frozenset[str] = frozenset(),
    tolerated: frozenset[str] = _WEB,
    outcome: str = "inspected",
) -> LabCase:
    """One host whose software must earn exactly ``expected``; of the other checks none, but for ``hints``."""
    port = int(ports)
    return LabCase(
        name=f"software-{name}",
        address=f"127.10.30.{number}",
        ports=ports,
        start=start,
        expected=frozenset({(port, check) for check in expected}),
        silent=ALL - {*expected} - hints,
        tolerated=tolerated,
        outcome=outcome,
        at=DAY,
        intel=INTEL,
    )


_ELASTIC = data({"name": "n1", "cluster_name": "c", "version": {"number": "7.13.1"}, "tagline": "You Know, for Search"})

CASES = (
    _case(1, "old-php", _site(Server="nginx/1.30.4", X_Powered_By="PHP/5.6.40"), "SW-EOL-APP"),
    _case(2, "old-nginx-of-nobody", _site(Server="nginx/1.16.0"), "SW-EOL-APP", "SW-CVE"),
    _case(3, "old-nginx-of-ubuntu", _site(Server="nginx/1.18.0"), "SW-EOL-APP", "SW-CVE"),
    _case(4, "newest-nginx", _site(Server="nginx/1.30.4")),
    _case(5, "neglected-nginx", _site(Server="nginx/1.30.0"), "SW-OUTDATED"),
    _case(6, "php-near-its-end", _site(X_Powered_By="PHP/8.2.31"), "SW-EOL-SOON", hints=frozenset({"SW-OUTDATED"})),
    _case(7, "windows-2012", _site(Server="Microsoft-IIS/8.5"), "SW-EOL-OS"),
    _case(8, "windows-current", _site(Server="Microsoft-IIS/10.0")),
    _case(9, "centos-7", _site(Server="Apache/2.4.6 (CentOS) OpenSSL/1.0.2k-fips"), "SW-EOL-OS", "SW-EOL-APP"),
    _case(10, "debian-13", _site(Server="Apache/2.4.65 (Debian)")),
    _case(11, "exploited-apache", _site(Server="Apache/2.4.49 (Unix)"), "SW-KEV", "SW-OUTDATED"),
    _case(12, "neighbour-version", _site(Server="Apache/2.4.490")),
    _case(13, "php-in-other-names", _site(Server="phpMyAdmin/5.6.40", X_Powered_By="PHPMailer/5.2.1")),
    _case(14, "no-version", _site(Server="Apache", X_Powered_By="PHP")),
    _case(
        15,
        "old-elasticsearch",
        answers(9200, {"GET /": _ELASTIC}, data({}, 401)),
        "SW-EOL-APP",
        "SW-CVE",
        ports="9200",
        tolerated=frozenset({"SVC-ELASTIC-EXPOSED", "SVC-ELASTIC-UNAUTH"}),
    ),
    _case(
        16,
        "ssh-debian-9",
        scripted(22, hangs_up, banner=b"SSH-2.0-OpenSSH_7.4p1 Debian-10+deb9u7\r\n"),
        "SW-EOL-OS",
        ports="22",
        outcome="partial",
    ),
    _case(
        17,
        "ssh-ubuntu-24",
        scripted(22, hangs_up, banner=b"SSH-2.0-OpenSSH_9.6p1 Ubuntu-3ubuntu13.8\r\n"),
        ports="22",
        outcome="partial",
    ),
    _case(
        18,
        "ssh-ubuntu-20",
        scripted(22, hangs_up, banner=b"SSH-2.0-OpenSSH_8.2p1 Ubuntu-4ubuntu0.11\r\n"),
        "SW-EOL-OS",
        ports="22",
        outcome="partial",
    ),
    _case(
        19,
        "ssh-ubuntu-24.10",
        scripted(22, hangs_up, banner=b"SSH-2.0-OpenSSH_9.7p1 Ubuntu-7ubuntu4.3\r\n"),
        "SW-EOL-OS",
        ports="22",
        outcome="partial",
    ),
    _case(20, "tomcat-of-ubuntu-18", _tomcat("8.5.39 (Ubuntu)"), "SW-EOL-OS"),
    _case(21, "tomcat-of-nobody", _tomcat("8.5.39"), "SW-EOL-APP"),
)
