"""What the web rules make of facts, without a packet."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from scanner.engine.catalogue.load import Language, catalogue
from scanner.engine.facts.http import CrossOrigin, ExposedPath, HttpFacts, HttpReply, Page, ScriptLibrary
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.judge import judge
from scanner.engine.model import (
    Confidence,
    Coverage,
    Endpoint,
    Finding,
    HostInspection,
    Level,
    Outcome,
    PortScan,
    Service,
    Severity,
    Target,
    Transport,
    Vantage,
)
from scanner.engine.rules import web

ADDRESS = "127.10.5.99"
NOW = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
SAFE = (
    ("content-security-policy", "default-src 'self'; frame-ancestors 'none'"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("permissions-policy", "camera=()"),
    ("strict-transport-security", "max-age=63072000"),
)
SECURITY_TXT = ExposedPath("security-txt", HttpReply("GET", "/.well-known/security.txt", 200))


KINDS = (
    *("git", "svn", "hg", "bzr", "ds-store", "env", "backup", "config", "phpinfo", "server-status", "nginx-status"),
    *("actuator", "druid", "swagger", "installer", "admin-panel", "listing", "cross-domain", "error-stack"),
    *("graphql", "robots"),
)


def site(
    scheme: str = "https",
    *headers: tuple[str, str],
    host: str = "portal.lab.test",
    status: int = 200,
    page: Page | None = Page(title="Portal"),  # noqa: B008 - immutable
    safe: bool = True,
) -> HttpFacts:
    root = HttpReply("GET", "/", status, (*headers, *(SAFE if safe else ())))
    return HttpFacts(scheme, host, root=root, page=page, exposed=(SECURITY_TXT,))


def service(*sites: HttpFacts, port: int = 0, facts: ServiceFacts | None = None, address: str = ADDRESS) -> Service:
    tls = sites[0].scheme == "https"
    return Service(Endpoint(address, port or (443 if tls else 80)), "http", tls=tls, http=sites, facts=facts)


def found(*services: Service, ports: str = "80,443") -> dict[tuple[int, str], Finding]:
    opened = tuple(one.endpoint.port for one in services)
    host = HostInspection(
        target=Target("lab", services[0].endpoint.address),
        outcome=Outcome.INSPECTED,
        started=NOW,
        finished=NOW,
        vantage=Vantage.INTERNET,
        level=Level.READ,
        services=services,
        second_looks=services,
        coverage=Coverage(scans=(PortScan(Transport.TCP, ports, opened, 0, "connect"),)),
    )
    about_web = {check for rule in web.RULES for check in rule.checks}
    return {(f.endpoint.port, f.check): f for f in judge(host) if f.check in about_web}


def checks(*services: Service, ports: str = "80,443") -> set[str]:
    return {check for _, check in found(*services, ports=ports)}


def test_the_rules_and_the_catalogue_name_the_same_checks() -> None:
    emitted = {check for rule in web.RULES for check in rule.checks}
    assert emitted == {check for check, entry in catalogue().items() if entry.family == "web"}


def test_every_text_and_command_uses_only_what_the_findings_carry() -> None:
    details = (("severity", "high"), ("framework", "x"), ("endpoints", "env"))
    exposed = tuple(ExposedPath(kind, HttpReply("GET", f"/{kind}", 200), details) for kind in KINDS)
    weak = replace(
        site("https", ("set-cookie", "sid=****; path=/"), ("server", "nginx/1.22.1"), safe=False, host="lab.cn"),
        exposed=exposed,
        cross_origin=(CrossOrigin("null", "null", credentials=True),),
        trace=True,
        methods=("PUT",),
        page=Page(
            title="Welcome to nginx!",
            plain_active=("http://a.test/",),
            password_actions=("http://a.test/",),
            libraries=(ScriptLibrary("jquery", "1.12.4", "/jquery-1.12.4.js"),),
            keywords="百家乐",
            registration="",
            text_length=500,
        ),
    )
    inner = replace(weak, root=HttpReply("GET", "/", 302, (("location", "http://10.0.0.5/"),)))
    clear = site("http", ("www-authenticate", 'Basic realm="x"'))
    findings = [
        *found(service(weak), service(clear)).values(),
        *found(service(clear)).values(),
        *found(service(replace(weak, exposed=()))).values(),
        *found(service(inner, address="192.88.100.1")).values(),
    ]
    known = {"address", "port", "host", "hostport", "name", "url"}
    for finding in findings:
        values = dict.fromkeys(known, "x") | dict(finding.params)
        check = catalogue()[finding.check]
        for text in (check.verify, *(check.texts[language].evidence for language in Language)):
            text.format(**values)
    assert {finding.check for finding in findings} == {check for rule in web.RULES for check in rule.checks}


def test_a_sound_site_is_silent() -> None:
    redirect = site("http", ("location", "https://portal.lab.test/"), status=301, page=None)
    assert checks(service(site()), service(redirect)) == set()


def test_a_recognised_interface_is_not_judged_as_a_page() -> None:
    facts = ServiceFacts("ELASTIC", Access.RESTRICTED)
    weak = site(
        "http", ("set-cookie", "sid=****"), ("server", "x/1.0"), safe=False, page=Page(title="Welcome to nginx!")
    )
    assert checks(service(weak, facts=facts)) == set()


@pytest.mark.parametrize(("status", "page"), [(404, Page()), (302, None), (200, None), (500, Page())])
def test_replies_that_are_no_page_need_no_page_headers(status: int, page: Page | None) -> None:
    headers = checks(service(site("http", safe=False, status=status, page=page)))
    assert not headers & {"WEB-CSP", "WEB-XFO", "WEB-XCTO", "WEB-REFERRER", "WEB-PERMISSIONS"}


def test_http_only_needs_port_443_to_have_been_inspected() -> None:
    clear = service(site("http"))
    assert "WEB-HTTP-ONLY" in checks(clear, ports="1-1000")
    assert "WEB-HTTP-ONLY" not in checks(clear, ports="80")


def test_http_only_is_high_where_passwords_are_asked() -> None:
    login = site("http", page=Page(password_actions=("http://portal.lab.test/in",)))
    assert found(service(login))[80, "WEB-HTTP-ONLY"].severity is Severity.HIGH


def test_https_on_any_port_makes_it_a_missing_redirect() -> None:
    assert checks(service(site("http")), service(site(), port=9443)) == {"WEB-NO-REDIRECT"}


def test_an_interface_for_programs_inside_tls_is_no_https_site() -> None:
    interface = service(site(page=None), port=2376, facts=ServiceFacts("DOCKER", Access.RESTRICTED))
    assert checks(service(site("http")), interface) == {"WEB-HTTP-ONLY"}


def test_tls_that_stayed_unread_proves_neither_way() -> None:
    unread = Service(Endpoint(ADDRESS, 8443), "unknown", tls=True)
    assert checks(service(site("http")), unread) == set()


@pytest.mark.parametrize(
    "clear",
    [
        site("http", ("location", "https://portal.lab.test:9443/"), status=302, page=None),
        site("http", page=Page(refresh="https://portal.lab.test/")),
        site("http", status=403, page=Page()),
        site("http", ("location", "http://other.lab.test/"), status=302, page=None),
    ],
)
def test_what_leaves_clear_text_or_serves_nothing_needs_no_redirect(clear: HttpFacts) -> None:
    assert checks(service(clear, port=8082), service(site(), port=9443)) == set()


def test_a_redirect_within_clear_text_is_no_redirect_to_https() -> None:
    stays = site("http", ("location", "/login"), status=302, page=None)
    assert checks(service(stays), service(site())) == {"WEB-NO-REDIRECT"}


def test_a_preloaded_site_needs_no_redirect() -> None:
    preloaded = site("https", ("strict-transport-security", "max-age=63072000; preload"))
    assert checks(service(site("http")), service(preloaded)) == set()


@pytest.mark.parametrize(
    ("headers", "reported"),
    [
        ((("strict-transport-security", "max-age=31536000"),), False),
        ((("strict-transport-security", "max-age=31535999"),), True),
        ((("strict-transport-security", "max-age=0"), ("strict-transport-security", "max-age=63072000")), True),
        ((), True),
    ],
)
def test_the_first_hsts_header_counts_and_must_last_a_year(
    headers: tuple[tuple[str, str], ...], reported: bool
) -> None:
    others = tuple(header for header in SAFE if header[0] != "strict-transport-security")
    assert ("WEB-HSTS" in checks(service(site("https", *headers, *others, safe=False)))) is reported


def test_hsts_means_nothing_on_a_bare_address_or_on_http() -> None:
    assert "WEB-HSTS" not in checks(service(site("https", host=ADDRESS, safe=False)))
    assert "WEB-HSTS" not in checks(service(site("http", safe=False)))


def test_the_registered_name_decides_and_the_bare_address_is_only_a_default() -> None:
    default = site(host=ADDRESS, safe=False, page=Page(title="Welcome to nginx!"))
    assert checks(service(site(), default)) == set()


def test_frame_ancestors_replaces_x_frame_options_but_not_from_a_meta_element() -> None:
    meta = site(safe=False, page=Page(policy="frame-ancestors 'none'"))
    assert {"WEB-XFO"} == checks(service(meta)) & {"WEB-XFO", "WEB-CSP"}


@pytest.mark.parametrize(
    ("cookie", "expected"),
    [
        ("JSESSIONID=****; Path=/", {"WEB-COOKIE-SECURE", "WEB-COOKIE-HTTPONLY", "WEB-COOKIE-SAMESITE"}),
        ("JSESSIONID=****; SECURE; httponly; samesite=Strict", set()),
        ("csrftoken=****; Secure", set()),
        ("_ga=****; Path=/", set()),
        ("HWWAFSESID=****; Path=/", {"WEB-COOKIE-SECURE"}),
        ("Hm_lvt_1=****", set()),
        ("JSESSIONID=; Max-Age=0", set()),
        ("sid=****; expires=Thu, 01 Jan 1970 00:00:00 GMT", set()),
        ("sid=****; expires=Sat, 31-Oct-2026 08:00:00 GMT", set()),
        ("sid=****; expires=Thu, 01-Jan-70 00:00:00 GMT", set()),
        ("theme=****; expires=Thu, 31-Dec-37 23:55:55 GMT", {"WEB-COOKIE-SECURE"}),
        ("theme=****; expires=Sat, 31-Oct-2099 08:00:00 GMT", {"WEB-COOKIE-SECURE"}),
        ("theme=****; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60", {"WEB-COOKIE-SECURE"}),
        ("theme=****; expires=Sat, 31-Foo-2026 08:00:00 GMT", {"WEB-COOKIE-SECURE"}),
        ("theme=****; expires=Sat, 61-Oct-2026 08:00:00 GMT", {"WEB-COOKIE-SECURE"}),
        ("theme=****; Path=/secure; httponly=1", {"WEB-COOKIE-SECURE"}),
        ("theme=****; SameSite=None", {"WEB-COOKIE-SECURE", "WEB-COOKIE-SAMESITE"}),
    ],
)
def test_cookies_are_judged_by_name_and_attributes(cookie: str, expected: set[str]) -> None:
    assert checks(service(site("https", ("set-cookie", cookie)))) == expected


def test_cookies_over_http_cannot_be_secure() -> None:
    assert "WEB-COOKIE-SECURE" not in checks(service(site("http", ("set-cookie", "sid=****"))))


def test_several_cookies_make_one_finding() -> None:
    weak = site("https", ("set-cookie", "sid=****"), ("set-cookie", "lang=****"))
    finding = found(service(weak))[443, "WEB-COOKIE-SECURE"]
    assert dict(finding.params)["cookies"] == "sid, lang"
    assert finding.severity is Severity.MEDIUM


@pytest.mark.parametrize(
    ("answer", "severity"),
    [
        (CrossOrigin("https://x.invalid", "https://x.invalid", True), Severity.MEDIUM),
        (CrossOrigin("https://x.invalid", "https://x.invalid", False), Severity.LOW),
        (CrossOrigin("null", "null", True), Severity.MEDIUM),
        (CrossOrigin("null", "null", False), None),
        (CrossOrigin("https://x.invalid", "*", False), None),
        (CrossOrigin("https://x.invalid", "https://portal.lab.test", True), None),
    ],
)
def test_foreign_origins_matter_when_they_are_named_back(answer: CrossOrigin, severity: Severity | None) -> None:
    finding = found(service(replace(site(), cross_origin=(answer,)))).get((443, "WEB-CORS"))
    assert (finding.severity if finding else None) is severity


def test_the_command_that_shows_a_named_back_origin_asks_with_one_that_is() -> None:
    for origin, asked in (("null", "null"), ("https://x.invalid", "https://example.invalid")):
        finding = found(service(replace(site(), cross_origin=(CrossOrigin(origin, origin, True),))))[443, "WEB-CORS"]
        assert dict(finding.params)["origin"] == asked


@pytest.mark.parametrize(
    ("methods", "told"),
    [
        (("GET", "PUT"), True),
        (("OPTIONS", "PROPFIND", "DELETE"), True),
        (("GET", "PUT", "PATCH", "DELETE"), False),
        (("GET", "PUT", "PATCH", "DELETE", "PROPFIND"), True),
        (("GET", "POST", "PATCH"), False),
    ],
)
def test_methods_that_write_files_are_told_from_those_that_call_programs(methods: tuple[str, ...], told: bool) -> None:
    assert ("WEB-METHODS" in checks(service(replace(site(), methods=methods)))) is told


@pytest.mark.parametrize(
    ("endpoints", "opened", "severity", "confidence"),
    [
        ("health, info", "", Severity.INFO, Confidence.CONFIRMED),
        ("health, metrics", "", Severity.MEDIUM, Confidence.CONFIRMED),
        ("env, health", "env", Severity.HIGH, Confidence.CONFIRMED),
        ("heapdump", "", Severity.HIGH, Confidence.PROBABLE),
    ],
)
def test_the_actuator_weighs_what_it_lists(
    endpoints: str, opened: str, severity: Severity, confidence: Confidence
) -> None:
    path = ExposedPath("actuator", HttpReply("GET", "/actuator", 200), (("endpoints", endpoints), ("open", opened)))
    finding = found(service(replace(site(), exposed=(path, SECURITY_TXT))))[443, "WEB-ACTUATOR"]
    assert (finding.severity, finding.confidence) == (severity, confidence)


def test_basic_authentication_matters_in_clear_text_only() -> None:
    challenge = ("www-authenticate", 'Basic realm="x"')
    assert "CLR-BASIC" in checks(service(site("http", challenge, status=401)))
    assert "CLR-BASIC" not in checks(service(site("https", challenge, status=401)))
    assert "CLR-BASIC" not in checks(service(site("http", ("www-authenticate", 'Digest realm="Basic"'), status=401)))


@pytest.mark.parametrize(
    ("challenge", "told"),
    [
        ('Bearer realm="x",Basic realm="y"', True),
        ("Negotiate, Basic", True),
        ('Digest realm="x, Basic y", qop="auth"', False),
        ("Basic-Plus abc", False),
    ],
)
def test_basic_is_told_from_other_ways_in_the_same_header(challenge: str, told: bool) -> None:
    asks = site("http", ("www-authenticate", challenge), status=401)
    assert ("CLR-BASIC" in checks(service(asks))) is told


@pytest.mark.parametrize(
    ("expires", "told"),
    [
        ("2026-11-22T23:59:59Z", True),
        ("2026-11-24t00:00:00.000z", False),
        ("", False),
        ("Sun, 22 Nov 2026 00:00:00 +0000", False),
        ("2026-11-22", False),
    ],
)
def test_a_security_contact_that_has_ended_is_none(expires: str, told: bool) -> None:
    contact = replace(SECURITY_TXT, details=(("expires", expires),) if expires else ())
    assert ("WEB-SECURITYTXT" in checks(service(replace(site(), exposed=(contact,))))) is told


def test_a_look_that_ended_early_says_nothing_about_absence() -> None:
    whole = replace(site(), exposed=())
    assert checks(service(whole)) == {"WEB-SECURITYTXT"}
    assert checks(service(replace(whole, complete=False))) == set()
    assert checks(service(replace(whole, blocked=True))) == set()


def test_upgrade_insecure_requests_takes_care_of_mixed_content() -> None:
    mixed = Page(plain_passive=("http://a.test/x.png",))
    assert found(service(site(page=mixed)))[443, "WEB-MIXED"].severity is Severity.LOW
    upgraded = replace(mixed, policy="upgrade-insecure-requests")
    assert checks(service(site(page=upgraded))) == set()


def test_internal_addresses_matter_on_hosts_that_have_none_themselves() -> None:
    leaks = site("https", ("location", "https://10.1.2.3/"), status=302, page=None)
    assert "WEB-INTERNAL-IP" in checks(service(leaks, address="192.88.100.1"))
    assert "WEB-INTERNAL-IP" not in checks(service(leaks, address="192.168.3.4"))
    assert "WEB-INTERNAL-IP" not in checks(service(leaks, address="fd00::1"))


def test_the_same_path_under_name_and_address_is_one_finding_with_its_evidence() -> None:
    path = ExposedPath("git", HttpReply("GET", "/.git/HEAD", 200, body="ref: refs/heads/main"), (("remote", "-"),))
    both = (replace(site(), exposed=(path, SECURITY_TXT)), replace(site(host=ADDRESS), exposed=(path,)))
    finding = found(service(*both))[443, "WEB-GIT"]
    assert dict(finding.params)["paths"] == "/.git/HEAD"
    assert "ref: refs/heads/main" in finding.exchanges[0].received


@pytest.mark.parametrize(
    ("name", "version", "severity"),
    [
        ("jquery", "1.12.4", Severity.LOW),
        ("jquery", "3.4.1", Severity.LOW),
        ("jquery", "3.5.0", None),
        ("jquery", "3.4", Severity.LOW),
        ("bootstrap", "4.3", Severity.INFO),  # it may be the last patch of 4.3
        ("bootstrap", "4.3.1", Severity.INFO),
        ("bootstrap", "4.3.0", Severity.LOW),
        ("bootstrap", "5.0.0", None),
        ("vue", "2.7.16", Severity.INFO),
        ("angularjs", "1.8.3", Severity.LOW),
        ("somebody-else", "1.0.0", None),
    ],
)
def test_libraries_are_judged_by_their_version(name: str, version: str, severity: Severity | None) -> None:
    page = Page(libraries=(ScriptLibrary(name, version, f"/{name}-{version}.js"),))
    finding = found(service(site(page=page))).get((443, "WEB-JS-LIB"))
    assert (finding.severity if finding else None) is severity


@pytest.mark.parametrize(
    ("page", "crawlers", "confidence"),
    [
        (Page(hidden_links=("百家乐 (dark.example)",)), None, Confidence.POSSIBLE),
        (Page(hidden_links=("百家乐 (dark.example)", "时时彩 (dark.example)")), None, Confidence.PROBABLE),
        (Page(title="Portal"), Page(title="bet365 casino"), Confidence.POSSIBLE),
        (Page(hidden_links=("国务院 (www.gov.cn)",)), None, None),
        (Page(title="严厉打击网络赌博", keywords="公安 反诈 体育彩票"), Page(title="occasional news"), None),
    ],
)
def test_dark_words_count_only_where_search_engines_read(
    page: Page, crawlers: Page | None, confidence: Confidence | None
) -> None:
    finding = found(service(replace(site(page=page), for_crawlers=crawlers))).get((443, "WEB-TAMPER"))
    assert (finding.confidence if finding else None) is confidence


@pytest.mark.parametrize(
    ("host", "page", "missing"),
    [
        ("www.lab.gov.cn", Page(registration="", text_length=900), True),
        ("www.lab.gov.cn", Page(registration="京ICP备05000000号", text_length=900), False),
        ("www.lab.gov.cn", Page(registration=None, text_length=900), False),
        ("www.lab.gov.cn", Page(registration="", text_length=20), False),
        ("www.lab.test", Page(registration="", text_length=900), False),
        ("127.10.5.99", Page(registration="", text_length=900), False),
    ],
)
def test_a_registration_number_is_missed_on_whole_pages_under_cn_only(host: str, page: Page, missing: bool) -> None:
    assert ("WEB-ICP" in checks(service(site(host=host, page=page)))) is missing


def test_internal_addresses_are_found_in_links_and_without_a_host_header_too() -> None:
    nameless = HttpReply("GET", "/", 302, (("location", "http://172.20.1.1/"),))
    assert "WEB-INTERNAL-IP" in checks(service(replace(site(), nameless=nameless)))
    assert "WEB-INTERNAL-IP" in checks(service(site(page=Page(internal_urls=("http://192.168.1.9/a",)))))
    assert "WEB-INTERNAL-IP" not in checks(service(site(page=Page(internal_urls=()))))


def test_what_is_said_without_a_name_counts_for_a_site_that_has_one() -> None:
    nameless = HttpReply("GET", "/", 302, (("location", "http://172.20.1.1/"),))
    finding = found(service(site(), replace(site(host=ADDRESS), nameless=nameless)))[443, "WEB-INTERNAL-IP"]
    assert dict(finding.params)["site"] == "https://portal.lab.test"


def test_the_page_behind_redirects_is_judged_and_the_cookies_of_the_way_count() -> None:
    login = HttpReply("GET", "/login", 200, (("set-cookie", "theme=****; Secure"),))
    way = replace(site("https", ("set-cookie", "sid=****"), status=302), hops=(login,))
    told = checks(service(way))
    assert {"WEB-CSP", "WEB-XFO", "WEB-COOKIE-SECURE"} <= told
    assert "WEB-HSTS" not in told  # the redirect sent it, and browsers keep it


@pytest.mark.parametrize(
    ("headers", "framed"),
    [
        ((("x-frame-options", "SAMEORIGIN"),), False),
        ((("x-frame-options", "deny"), ("x-frame-options", "DENY")), False),
        ((("x-frame-options", "ALLOW-FROM https://other.test/"),), True),
        ((("x-frame-options", "ALLOW-FROM https://other.test/"), ("x-frame-options", "DENY")), False),
        ((("x-frame-options", "ALLOWALL"),), True),
        ((("content-security-policy", "frame-ancestors *"), ("x-frame-options", "DENY")), True),
        ((("content-security-policy", "default-src *; frame-ancestors 'self' https://a.test"),), False),
        ((("content-security-policy", "frame-ancestors https:"),), True),
        (
            (("content-security-policy", "default-src 'self'"), ("content-security-policy", "frame-ancestors 'none'")),
            False,
        ),
    ],
)
def test_only_what_keeps_others_out_keeps_from_frames(headers: tuple[tuple[str, str], ...], framed: bool) -> None:
    assert ("WEB-XFO" in checks(service(site("https", *headers, safe=False)))) is framed


def test_a_version_of_four_numbers_is_no_address() -> None:
    told = site("https", ("server", "WebLogic Server 10.3.6.0"), ("x-portal-version", "10.4.0.2"))
    assert "WEB-INTERNAL-IP" not in checks(service(told, address="192.88.100.1"))


def test_a_page_of_errors_for_who_names_nobody_may_tell_an_address() -> None:
    error = HttpReply("GET", "/", 403, body="<address>Apache Server at 10.20.30.40 Port 80</address>")
    told = replace(site(host="192.88.100.1"), nameless=error)
    assert "WEB-INTERNAL-IP" in checks(service(told, address="192.88.100.1"))


def test_a_cookie_with_a_date_long_past_is_deleted() -> None:
    gone = site("https", ("set-cookie", ".ASPXAUTH=****; expires=Tue, 12-Oct-1999 00:00:00 GMT; path=/"))
    assert "WEB-COOKIE-SECURE" not in checks(service(gone))


def test_what_stays_unread_inside_tls_may_be_the_https_site() -> None:
    wants_a_certificate = Service(Endpoint(ADDRESS, 443), "tls", tls=True)
    assert not {"WEB-HTTP-ONLY", "WEB-NO-REDIRECT"} & checks(service(site("http")), wants_a_certificate)
    says_so = service(site(status=400, page=Page(title="400 No required SSL certificate was sent")))
    assert not {"WEB-HTTP-ONLY", "WEB-NO-REDIRECT"} & checks(service(site("http")), says_so)
    assert "WEB-NO-REDIRECT" in checks(service(site("http")), service(site()))


@pytest.mark.parametrize(
    ("product", "told"),
    [("EXPORTER", True), ("HTTP-PROXY", False), ("WEBMIN", False)],
)
def test_metrics_hide_no_administration_page_beside_them(product: str, told: bool) -> None:
    panel = ExposedPath("admin-panel", HttpReply("GET", "/", 200), (("product", "HAProxy"), ("title", "Statistics")))
    shown = replace(site(), exposed=(SECURITY_TXT, panel))
    result = found(service(shown, facts=ServiceFacts(product, Access.OPEN)))
    assert ((443, "WEB-ADMIN-PANEL") in result) is told


def test_a_site_beside_a_proxy_is_judged_as_one() -> None:
    beside = ServiceFacts("HTTP-PROXY", Access.OPEN, "Apache httpd", attributes=(("beside", "site"),))
    checks = {check for _, check in found(service(site(safe=False), facts=beside))}
    assert {"WEB-HSTS", "WEB-XFO"} <= checks
