"""Web sites: sound ones, careless ones, ones that answer everything, and hostile ones."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator

from scanner.engine.catalogue.load import catalogue
from tests.lab import web_sites as sites
from tests.lab.case import LabCase, Start
from tests.lab.http_answers import Reply, answers, data, page, text, together
from tests.lab.web_servers import apache, django_in_debug_mode, nginx, php, python_listing, sends

WEB = frozenset(check for check in catalogue() if check.startswith(("WEB-", "CLR-HTTP", "CLR-BASIC")))
OTHERS = frozenset(catalogue()) - WEB
"""What a self-signed certificate or the server's age makes of these hosts is not this module's subject."""

BARE_PAGE = ("WEB-CSP", "WEB-XFO", "WEB-XCTO", "WEB-REFERRER", "WEB-PERMISSIONS")
"""What any page without further headers is told."""


def _on(port: int, *checks: str) -> frozenset[tuple[int | str, str]]:
    return frozenset((port, check) for check in checks)


def _case(
    name: str,
    last: int,
    start: Start,
    expected: frozenset[tuple[int | str, str]] = frozenset(),
    *,
    ports: str = "80",
    hostname: str | None = None,
    outcome: str = "inspected",
    needs: tuple[str, ...] = (),
) -> LabCase:
    """Return a case at 127.10.5.``last`` for which every web check that isn't expected must be silent."""
    return LabCase(
        name=f"web-{name}",
        address=f"127.10.5.{last}",
        ports=ports,
        start=start,
        expected=expected,
        silent=WEB - {check for _, check in expected},
        tolerated=OTHERS,
        hostname=hostname,
        outcome=outcome,
        needs=needs,
    )


def _nginx(last: int, name: str, block: str, fill: object = sites.page("Portal"), **more: object) -> LabCase:
    """Return a case of one plain-HTTP nginx on port 80 that keeps its version to itself."""
    server = f"server {{ listen @address@:80; server_tokens off; {block} }}"
    return _case(name, last, nginx(server, port=80, fill=fill), needs=("nginx",), **more)  # type: ignore[arg-type]  # fields by name


_SOUND_HEADERS = """
add_header Strict-Transport-Security "max-age=63072000" always;
add_header Content-Security-Policy "default-src 'self'; frame-ancestors 'self'" always;
add_header X-Content-Type-Options nosniff always;
add_header Referrer-Policy strict-origin-when-cross-origin always;
add_header Permissions-Policy "camera=()" always;
add_header Set-Cookie "JSESSIONID=8d1f; Path=/; Secure; HttpOnly; SameSite=Lax";
add_header Set-Cookie "csrftoken=8d1f; Path=/; Secure; SameSite=Lax";
add_header Set-Cookie "_ga=GA1.2; Path=/";
"""
_CARELESS_COOKIES = """
add_header Set-Cookie "PHPSESSID=only-for-the-lab-4711; Path=/";
add_header Set-Cookie "theme=dark; Path=/; SameSite=None";
"""


def _endless(_: bytes) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html><title>Endless</title>"
    for _number in range(20_000):
        yield b"<p>and so on" * 100


def _bomb(_: bytes) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\n\r\n"
    yield from (b"\x1f\x8b\x08\x00" + bytes(16_384) for _ in range(64))


def _flood(_: bytes) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
    yield from (b"X-Flood: " + b"a" * 1000 + b"\r\n" for _ in range(2_000))


def _slow_paths(request: bytes) -> Iterator[bytes]:
    if not request.startswith(b"GET / "):
        time.sleep(9)
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


def _random_bodies(_: bytes) -> Iterator[bytes]:
    body = sites.html("Portal", " ".join(secrets.token_hex(secrets.randbelow(8) + 2) for _ in range(60))).encode()
    yield b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def _knows_itself(request: bytes) -> Iterator[bytes]:
    """Redirect to the name that was asked for, as IIS does, or without any to the server's own address."""
    name = b"10.9.8.7" if b"HTTP/1.0" in request.split(b"\r\n")[0] else b"127.10.5.51:8443"
    yield b"HTTP/1.1 302 Found\r\nLocation: https://" + name + b"/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def _noise(_: bytes) -> Iterator[bytes]:
    body = sites.HOSTILE_TITLE.encode() + b"\xff\xfe\x80 not UTF-8"
    yield b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def _hostile(
    name: str, last: int, reply: Callable[[bytes], Iterator[bytes]], *checks: str, outcome: str = "inspected"
) -> LabCase:
    return _case(name, last, sends(80, reply), _on(80, *checks), outcome=outcome)


_NOT_FOUND = page("Not Found", "<h1>Not Found</h1>", 404)


def _html(body: str | bytes, content_type: str = "text/html", status: int = 200, /, **headers: str) -> Reply:
    """Answer with a page as it is."""
    more = ((name.replace("_", "-"), value) for name, value in headers.items())
    return Reply(status, body.encode() if isinstance(body, str) else body, (("Content-Type", content_type), *more))


def _answers(last: int, name: str, replies: dict[str, Reply], *checks: str, **more: object) -> LabCase:
    """Return a case of one HTTP server that answers by a table."""
    expected = _on(80, *checks)
    return _case(name, last, answers(80, replies, _NOT_FOUND), expected, **more)  # type: ignore[arg-type]  # fields by name


_DEFAULT_PAGES = {
    8001: _html("<html><body><h1>It works!</h1></body></html>\n"),
    8002: _html(sites.html("Test Page for the HTTP Server on Rocky Linux"), "text/html", 403),
    8003: _html(sites.html("Apache Tomcat", "<h1>It works !</h1>")),
    8004: _html(sites.html("Caddy works!")),
}
_OWN_PAGES = {
    8011: _html("<html><body><h1>It works! Our new portal</h1></body></html>\n"),
    8012: _html(sites.html("403 Forbidden"), "text/html", 403),
    8013: _html(sites.html("Apache Tomcat", "<p>A course in three days</p>")),
    8014: _html(sites.html("Welcome to nginx! - A course in three days", "<p>Book now</p>")),
}
_LEFT_BY_FRAMEWORKS = {
    "GET /": _html(
        "<html><head><title>lab - /</title></head><body><H1>lab - /</H1><hr>\n\n<pre>"
        '<A HREF="/web.sql">web.sql</A><br></pre></body></html>'
    ),
    "GET /trace.axd": _html("<html><h1>Application Trace</h1>Requests to this Application</html>"),
    "GET /env": _html(
        '{"profiles":[],"server.ports":{}}',
        "application/vnd.spring-boot.actuator.v1+json",
        X_Application_Context="application:80",
    ),
    "GET /.git/HEAD": _html("ref: refs/heads/main\n"),
    "GET /.git/config": _html("[core]\n\trepositoryformatversion = 0\n"),
    "GET /.env": _html(sites.ENV),
    "GET /backup.sql": _html("/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19\n", "text/plain"),
}
_HARMLESS_LOOK_ALIKES = {
    "GET /": _html(sites.html("Portal"), "text/html", Server="WebLogic Server 10.3.6.0", X_Frame_Options="DENY"),
    "GET /robots.txt": text("User-agent: *\nDisallow: /latest/\nDisallow: /secretariat/\nDisallow: /administration/\n"),
    "GET /crossdomain.xml": _html(
        '<cross-domain-policy><!-- <allow-access-from domain="*"/> --></cross-domain-policy>', "application/xml"
    ),
    "GET /env": data({"profiles": [], "status": "ok"}),
    "GET /composer.json": data({"require": "nothing"}),
}
_JQUERY = "/*! jQuery v1.12.4 | (c) jQuery Foundation | jquery.org/license */\n"
_ENTRANCE = {
    "GET /": _html('<html><meta http-equiv="refresh" content="0;url=/portal/in.html"></html>'),
    "GET /portal/in.html": _html(
        sites.html(
            "Portal",
            '<script src="../js/jquery.min.js"></script><script>var a = "http://10.20.30.40:8080/api"</script>',
        ),
        Set_Cookie="JSESSIONID=8d1f; Path=/",
        X_Frame_Options="ALLOWALL",
    ),
    "GET /js/jquery.min.js": Reply(200, _JQUERY.encode(), (("Content-Type", "text/javascript"),)),
}


def _trace_in_json(request: bytes) -> Iterator[bytes]:
    """A Spring Boot application that tells its stack traces, in the JSON that programs get."""
    path = request.split()[1]
    status = b"200 OK" if path == b"/" else b"404 Not Found"
    body = (
        b'{"status":404,"trace":"o.s.NoResourceFoundException: x\\n\\tat org.lab.Handler.handle(Handler.java:585)\\n"}'
    )
    yield b"HTTP/1.1 " + status + b"\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n" + body


CASES = (
    _case(
        "sound-https",
        1,
        nginx(
            "server { listen @address@:80; server_tokens off; return 301 https://portal.lab.test$request_uri; }"
            f"server {{ listen @address@:443 ssl; server_tokens off; {_SOUND_HEADERS} }}",
            port=443,
            fill=sites.SOUND,
        ),
        ports="80,443",
        hostname="portal.lab.test",
        needs=("nginx", "openssl"),
    ),
    _nginx(
        2,
        "http-only-with-login",
        "",
        sites.LOGIN,
        ports="80,443",
        expected=_on(80, "WEB-HTTP-ONLY", "CLR-HTTP-LOGIN", *BARE_PAGE),
    ),
    _case(
        "careless-https-behind-a-redirect-on-odd-ports",
        3,
        nginx(
            "server { listen @address@:8082; server_tokens off; return 302 https://app.lab.test:9443/; }"
            f"server {{ listen @address@:9443 ssl; {_CARELESS_COOKIES} }}",
            port=9443,
            fill=sites.MIXED,
        ),
        _on(
            9443,
            *BARE_PAGE,
            *("WEB-HSTS", "WEB-VERSION", "WEB-MIXED", "WEB-SECURITYTXT"),
            *("WEB-COOKIE-SECURE", "WEB-COOKIE-HTTPONLY", "WEB-COOKIE-SAMESITE"),
        ),
        ports="8082,9443",
        hostname="app.lab.test",
        needs=("nginx", "openssl"),
    ),
    _case(
        "no-redirect",
        4,
        nginx(
            "server { listen @address@:80; listen @address@:443 ssl; server_tokens off;"
            ' add_header Strict-Transport-Security "max-age=300" always; }',
            port=443,
            fill=sites.page("Portal"),
        ),
        _on(80, "WEB-NO-REDIRECT", *BARE_PAGE) | _on(443, *BARE_PAGE),
        ports="80,443",
        needs=("nginx", "openssl"),
    ),
    _nginx(
        5,
        "git-env-listing",
        'location /files/ { autoindex on; } location = /server-status { return 200 "x"; }',
        sites.repository,
        expected=_on(80, "WEB-GIT", "WEB-ENV", "WEB-DIRLIST", *BARE_PAGE),
    ),
    _nginx(
        6,
        "other-repositories",
        "",
        sites.other_repositories,
        expected=_on(80, "WEB-SVN", "WEB-HG", "WEB-BZR", "WEB-DS_STORE", *BARE_PAGE),
    ),
    _nginx(
        7,
        "leftovers",
        "",
        sites.leftovers,
        expected=_on(80, "WEB-BACKUP", "WEB-CONFIG", "WEB-CROSSDOMAIN", *BARE_PAGE),
    ),
    _nginx(
        8,
        "management-pages",
        "location = /nginx_status { stub_status; }"
        "location = /actuator { default_type application/json; try_files /actuator/index.json =404; }"
        "location ~ ^/(v3/|graphql) { default_type application/json; } location ~ [.]php$ { default_type text/html; }"
        'location = / { if ($request_method = OPTIONS) { add_header Allow "GET, HEAD, PUT, DELETE"; return 204; } }',
        sites.MANAGEMENT,
        expected=_on(
            80,
            *BARE_PAGE,
            *("WEB-NGINX-STATUS", "WEB-ACTUATOR", "WEB-SWAGGER", "WEB-DRUID", "WEB-PHPINFO", "WEB-INSTALLER"),
            *("WEB-ADMIN-PANEL", "WEB-METHODS", "WEB-ROBOTS", "WEB-GRAPHQL-INTRO"),
        ),
    ),
    _nginx(
        9,
        "finished-and-harmless",
        "location = /actuator { default_type application/json; try_files /actuator/index.json =404; }"
        "location = /graphql { default_type application/json; }"
        "location ~ [.]php$ { default_type text/html; } location ~ /[.]git/HEAD { deny all; }",
        sites.FINISHED,
        expected=_on(80, "WEB-ACTUATOR", *BARE_PAGE),
    ),
    _case(
        "apache-status-trace",
        10,
        apache(
            80,
            "TraceEnable on\nServerTokens Full\n<Location /server-status>\nSetHandler server-status\n</Location>",
            modules=("status",),
            fill=sites.Site({"index.html": sites.html("Apache2 Debian Default Page: It works")}),
        ),
        _on(80, "WEB-SERVER-STATUS", "WEB-TRACE", "WEB-VERSION", "WEB-DEFAULT-PAGE", *BARE_PAGE),
        needs=("apache2",),
    ),
    _case(
        "apache-listing",
        11,
        apache(
            80,
            'TraceEnable off\nServerTokens Prod\n<Directory "@folder@/www">\nOptions Indexes\n</Directory>',
            modules=("autoindex",),
            fill=sites.Site({"database-backup.sql": "-- empty", "readme.txt": "x"}),
        ),
        _on(80, "WEB-DIRLIST", *BARE_PAGE),
        needs=("apache2",),
    ),
    _case(
        "python-listing",
        12,
        python_listing(8000, sites.Site({"a.txt": "a", "b/c.txt": "c"})),
        _on(8000, "WEB-DIRLIST", "WEB-VERSION", *BARE_PAGE),
        ports="8000",
    ),
    _case(
        "django-debug",
        13,
        django_in_debug_mode(8000),
        _on(8000, "WEB-ERROR-STACK", "WEB-VERSION", *BARE_PAGE),
        ports="8000",
    ),
    _nginx(
        14,
        "cors-reflecting",
        "add_header Access-Control-Allow-Origin $http_origin always;"
        "add_header Access-Control-Allow-Credentials true always;",
        expected=_on(80, "WEB-CORS", *BARE_PAGE),
    ),
    _nginx(
        15, "cors-any-without-credentials", "add_header Access-Control-Allow-Origin *;", expected=_on(80, *BARE_PAGE)
    ),
    _nginx(20, "soft-404-error-page", "error_page 404 =200 /index.html;", expected=_on(80, *BARE_PAGE)),
    _nginx(21, "soft-404-single-page-app", "location / { try_files $uri /index.html; }", expected=_on(80, *BARE_PAGE)),
    _nginx(22, "soft-404-login-for-all", "location / { return 302 https://sso.lab.test/login; }"),
    _nginx(
        23,
        "soft-404-with-every-mark",
        "location / { try_files /index.html =404; }",
        sites.Site({"index.html": sites.EVERY_MARK}),
        expected=_on(80, *BARE_PAGE),
    ),
    _nginx(
        24,
        "basic-for-all",
        'auth_basic "lab"; auth_basic_user_file /dev/null;',
        expected=_on(80, "CLR-BASIC"),
    ),
    _nginx(25, "firewall-for-all", "return 403;", outcome="partial"),
    _hostile("endless-body", 30, _endless, *BARE_PAGE),
    _hostile("gzip-bomb", 31, _bomb, *BARE_PAGE),
    _hostile("header-flood", 32, _flood, outcome="partial"),
    _nginx(33, "redirect-loop", "return 302 /;"),
    _nginx(34, "redirect-off-scope", "return 302 http://127.10.5.251:80/;"),
    _nginx(35, "redirects-without-end", "location / { return 302 $uri/on; }"),
    _nginx(
        39,
        "redirect-to-a-careless-login",
        "location = / { return 302 /app/login?next=%2F; }"
        f'location = /app/login {{ add_header Set-Cookie "PHPSESSID={sites.SECRET}"; try_files /index.html =404;'
        " add_header Access-Control-Allow-Origin $http_origin; add_header Access-Control-Allow-Credentials true; }",
        sites.LOGIN,
        expected=_on(80, "WEB-COOKIE-HTTPONLY", "WEB-COOKIE-SAMESITE", "WEB-CORS", "CLR-HTTP-LOGIN", *BARE_PAGE),
    ),
    _nginx(
        41,
        "redirect-to-a-listing",
        "location = / { return 301 /files/; } location /files/ { autoindex on; }",
        sites.Site({"files/readme.txt": "x"}),
        expected=_on(80, "WEB-DIRLIST", *BARE_PAGE),
    ),
    _nginx(
        42,
        "redirect-by-a-cookie-to-a-sound-page",
        f'location / {{ if ($http_cookie != "gate={sites.SECRET}") {{'
        f' add_header Set-Cookie "gate={sites.SECRET}; HttpOnly; SameSite=Lax"; return 302 /; }} {_SOUND_HEADERS} }}',
    ),
    _nginx(
        43,
        "internal-address-in-a-redirect",
        "return 302 http://10.20.30.40:8080/portal/;",
        expected=_on(80, "WEB-INTERNAL-IP"),
    ),
    _hostile("random-bodies", 36, _random_bodies, *BARE_PAGE),
    _hostile("script-in-title-and-noise", 37, _noise),
    _hostile("slow-paths", 38, _slow_paths, outcome="partial"),
    _nginx(44, "old-libraries", "", sites.OLD_LIBRARIES, expected=_on(80, "WEB-JS-LIB", *BARE_PAGE)),
    _nginx(45, "maintained-libraries", "", sites.NEW_LIBRARIES, expected=_on(80, *BARE_PAGE)),
    _nginx(
        46,
        "planted-links",
        "",
        sites.PLANTED_LINKS,
        hostname="www.lab.cn",
        expected=_on(80, "WEB-TAMPER", *BARE_PAGE),
    ),
    _nginx(
        47,
        "planted-page-for-search-engines",
        "set $page index.html; if ($http_user_agent ~* baiduspider) { set $page dark.html; }"
        "location = / { try_files /$page =404; }",
        sites.Site({"index.html": sites.html("Portal", sites.OFFICE_TEXT), "dark.html": sites.DARK_TITLE}),
        expected=_on(80, "WEB-TAMPER", *BARE_PAGE),
    ),
    _nginx(48, "office-that-warns", "", sites.ORDINARY_OFFICE, hostname="www.lab.cn", expected=_on(80, *BARE_PAGE)),
    _nginx(
        49,
        "office-without-registration-number",
        "",
        sites.UNREGISTERED_OFFICE,
        hostname="www.lab.cn",
        expected=_on(80, "WEB-ICP", *BARE_PAGE),
    ),
    _nginx(
        50, "office-drawn-by-script", "", sites.FRAME_FOR_SCRIPT, hostname="www.lab.cn", expected=_on(80, *BARE_PAGE)
    ),
    _case("internal-address-without-a-name", 51, sends(80, _knows_itself), _on(80, "WEB-INTERNAL-IP")),
    _answers(
        52,
        "login-with-a-counter-of-visits",
        {"GET /": _html(sites.COUNTED_LOGIN)},
        *("WEB-HTTP-ONLY", "CLR-HTTP-LOGIN", *BARE_PAGE),
        ports="80,443",
    ),
    _answers(53, "office-of-many-pages", {"GET /": _html(sites.LONG_OFFICE)}, *BARE_PAGE, hostname="www.lab.cn"),
    _answers(
        54,
        "office-in-gbk",
        {"GET /": _html(sites.GBK_OFFICE, "text/html; charset=GBK")},
        *BARE_PAGE,
        hostname="www.lab.cn",
    ),
    _answers(
        55,
        "planted-links-in-gbk",
        {"GET /": _html(sites.GBK_PLANTED, "text/html; charset=gb2312")},
        *("WEB-TAMPER", *BARE_PAGE),
        hostname="www.lab.cn",
    ),
    _answers(
        56,
        "entrance-that-sends-on",
        _ENTRANCE,
        *("WEB-COOKIE-HTTPONLY", "WEB-COOKIE-SAMESITE", "WEB-JS-LIB", "WEB-INTERNAL-IP", *BARE_PAGE),
    ),
    _answers(
        57,
        "left-by-frameworks",
        _LEFT_BY_FRAMEWORKS,
        *("WEB-DIRLIST", "WEB-CONFIG", "WEB-ACTUATOR", "WEB-GIT", "WEB-ENV", "WEB-BACKUP", *BARE_PAGE),
    ),
    _answers(58, "harmless-look-alikes", _HARMLESS_LOOK_ALIKES, "WEB-VERSION", *(set(BARE_PAGE) - {"WEB-XFO"})),
    _case(
        "default-pages",
        59,
        together(
            *(answers(port, {"GET /": reply}, _NOT_FOUND) for port, reply in (_DEFAULT_PAGES | _OWN_PAGES).items())
        ),
        frozenset((port, "WEB-DEFAULT-PAGE") for port in _DEFAULT_PAGES)
        | frozenset((port, check) for port in (8001, 8003, 8004, 8011, 8013, 8014) for check in BARE_PAGE),
        ports="8001-8004,8011-8014",
    ),
    _case(
        "php-that-shows-its-messages",
        61,
        php("<!doctype html><title>Portal</title><?php throw new Exception('no database');", 8001),
        _on(8001, "WEB-ERROR-STACK", "WEB-VERSION", *BARE_PAGE),
        ports="8001",
        needs=("php",),
    ),
    _case(
        "limiter-behind-the-first-page",
        62,
        answers(80, {"GET /": _html(sites.html("Portal"))}, text("slow down", 429)),
        _on(80, *BARE_PAGE),
        outcome="partial",
    ),
    _case("stack-trace-in-json", 60, sends(80, _trace_in_json), _on(80, "WEB-ERROR-STACK")),
    _case(
        "interface-for-programs",
        40,
        answers(80, {"GET /": data({"status": "ok"}, Server="kestrel/2.1")}, text("no such call", 404)),
        _on(80, "WEB-VERSION"),
    ),
)
