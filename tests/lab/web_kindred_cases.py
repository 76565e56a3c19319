"""The same exposures in other products and forms than elsewhere in the lab, and what only looks like them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from tests.lab import web_sites as sites
from tests.lab.case import Start
from tests.lab.http_answers import Reply, data, page, redirect, text, together
from tests.lab.web_bare import NOT_FOUND, Site, bare_case, sites_at
from tests.lab.web_cases import BARE_PAGE, OTHERS
from tests.lab.web_servers import apache, haproxy, nginx, sends

_HOME = page("Portal", "<p>Opening hours: from eight to five</p>")


_case = partial(bare_case, "kindred", 98)


def _each(by_port: Mapping[int, Site], *checks: str) -> tuple[tuple[int, str], ...]:
    return tuple((port, check) for port in by_port for check in checks)


def _called_a_page(body: str, content_type: str = "text/html; charset=utf-8") -> Reply:
    return Reply(200, body.encode(), (("Content-Type", content_type),))


# --- Statistics of HAProxy on a port of their own: by its manual's example, by its own default, for those who log in,
# at the root; and a balancer whose servers are all down.
_STATISTICS = """
frontend by-the-manual
  bind @address@:8404
  stats enable
  stats uri /stats
frontend by-itself
  bind @address@:8405
  stats enable
frontend with-a-log-in
  bind @address@:8406
  stats enable
  stats uri /stats
  stats auth lab:only-for-the-lab
frontend at-the-root
  bind @address@:8407
  stats enable
  stats uri /
frontend site
  bind @address@:8408
  default_backend none
backend none
  server one 127.10.98.250:9
"""

# --- phpMyAdmin 5.2 with the set-up script that its archive brings along: unconfigured; configured, which ends the
# script; behind a password, as Debian's package has it.
_PMA = page("phpMyAdmin", '<form><input name="pma_username"><input type="password" name="pma_password"></form>')
_SET_UP = page(
    "phpMyAdmin setup",
    '<h1><span class="blue">php</span><span class="orange">MyAdmin</span> setup</h1><div id="menu"><ul><li>'
    '<a href="index.php?lang=en" class="active">Overview</a></li></ul></div>',
)
_SET_UP_ENDS = page("phpMyAdmin", "<h1>phpMyAdmin - Error</h1><p>Configuration already exists, setup is disabled!</p>")
_WANTS_A_PASSWORD = text("Unauthorized", 401, WWW_Authenticate='Basic realm="phpMyAdmin Setup"')
_PANELS_TO_SET_UP: dict[int, Site] = {
    8001: {"GET /": _HOME, "GET /phpmyadmin/": _PMA, "GET /phpmyadmin/setup/": _SET_UP},
    8002: {
        "GET /": redirect("/pma/index.php"),
        "GET /pma/index.php": page("phpMyAdmin", '<div id="pma_navigation"></div>'),
        "GET /pma/setup/": _SET_UP,
    },
}
_PANELS_SET_UP: dict[int, Site] = {
    8011: {"GET /": _HOME, "GET /phpmyadmin/": _PMA, "GET /phpmyadmin/setup/": _SET_UP_ENDS},
    8012: {"GET /": _HOME, "GET /phpmyadmin/": _PMA, "GET /phpmyadmin/setup/": _WANTS_A_PASSWORD},
    8013: {"GET /": _HOME, "GET /phpmyadmin/": _PMA},
}

# --- Repositories in other formats
_REPOSITORIES: dict[int, tuple[str, Site]] = {
    8001: (
        "WEB-BZR",
        {
            "GET /": _HOME,
            "GET /.bzr/branch-format": text("Bazaar meta directory, format 1 (with colocated branches)\n"),
        },
    ),
    8002: ("WEB-BZR", {"GET /": _HOME, "GET /.bzr/branch-format": text("Bazaar-NG branch, format 6\n")}),
    8003: ("WEB-HG", {"GET /": _HOME, "GET /.hg/requires": text("share-safe\n")}),
}
_NO_REPOSITORIES: dict[int, Site] = {
    8011: {"GET /": _HOME, "GET /.bzr/branch-format": text("Bazaar on Saturday, from ten to four\n")},
    8012: {"GET /": _HOME, "GET /.hg/requires": text("store\nopening hours: 9 to 17\n")},
}

# --- Files that are published for programs
_ANY_DOMAIN = '<allow-access-from domain="*" secure="false"/></cross-domain-policy>'
_PUBLISHED: dict[int, tuple[str, Site]] = {
    8001: (
        "WEB-ROBOTS",
        {"GET /": _HOME, "GET /robots.txt": _called_a_page("User-agent: *\nDisallow: /*/houtai/\n")},
    ),
    8002: (
        "WEB-CROSSDOMAIN",
        {
            "GET /": _HOME,
            "GET /crossdomain.xml": _called_a_page(
                "<cross-domain-policy>"
                + "".join(f'<allow-access-from domain="{n}.partner.lab.test"/>' for n in range(150))
                + _ANY_DOMAIN,
                "application/xml",
            ),
        },
    ),
}
_DRUPAL = """User-agent: *
Disallow: /core/
Disallow: /profiles/
Disallow: /README.md
Disallow: /web.config
Disallow: /admin/
Disallow: /comment/reply/
Disallow: /node/add/
Disallow: /user/login
Disallow: /index.php/admin/
Disallow: /index.php/user/login
"""
_JOOMLA = """User-agent: *
Disallow: /administrator/
Disallow: /bin/
Disallow: /cache/
Disallow: /includes/
Disallow: /installation/
Disallow: /language/
Disallow: /libraries/
Disallow: /logs/
Disallow: /tmp/
"""
_PUBLISHED_BY_ALL: dict[int, Site] = {
    8011: {"GET /": _HOME, "GET /robots.txt": text(_DRUPAL)},
    8012: {"GET /": _HOME, "GET /robots.txt": text(_JOOMLA)},
    8013: {
        "GET /": _HOME,
        "GET /crossdomain.xml": _called_a_page(
            f"<cross-domain-policy><!-- a --><!-- {_ANY_DOMAIN} --></cross-domain-policy>", "application/xml"
        ),
    },
}
_CONTACT = "Contact: mailto:security@lab.test\nExpires: 2030-01-01T00:00:00Z\n"


def _moved(to: str) -> Reply:
    """Send elsewhere with a page that reads alike whatever is asked for, as nginx does."""
    return Reply(302, b"<html><title>302 Found</title></html>", (("Content-Type", "text/html"), ("Location", to)))


_CONTACTS: dict[int, Site] = {
    8443: {"GET /": _HOME, "GET /.well-known/security.txt": _called_a_page(_CONTACT)},
    8444: {
        "GET /": _HOME,
        "GET /in": _HOME,
        "GET /.well-known/security.txt": _moved("https://www.lab.test/.well-known/security.txt"),
    },
}
_NO_CONTACTS: dict[int, Site] = {8445: {"GET /": _HOME, "GET /in": _HOME}}

# --- Settings
_LICENCE = f"<!-- {'Licensed to the lab. ' * 300}-->"
_SETTINGS: dict[int, Site] = {
    8001: {
        "GET /": _HOME,
        "GET /web.config": _called_a_page(
            '<?xml version="1.0"?><configuration><connectionStrings><add/></connectionStrings></configuration>'
        ),
    },
    8002: {
        "GET /": _HOME,
        "GET /WEB-INF/web.xml": _called_a_page(f'<?xml version="1.0"?>\n{_LICENCE}\n<web-app version="4.0"></web-app>'),
    },
    8003: {"GET /": _HOME, "GET /config.json": data({"databases": [{"uri": f"mysql://app:{sites.SECRET}@db/app"}]})},
    8004: {
        "GET /": _HOME,
        "GET /.vscode/sftp.json": data(
            [{"name": "live", "host": "lab", "username": "deploy", "password": sites.SECRET}]
        ),
    },
    8005: {
        "GET /": page("Portal", '<input type="hidden" name="__VIEWSTATE">'),
        "GET /Trace.axd": _HOME,
        "GET /trace.axd": page(
            "", '<h1>应用程序跟踪</h1>[ <a href="Trace.axd?clear=1" class="link">清除当前跟踪</a> ]'
        ),
    },
}
_HARMLESS_SETTINGS: dict[int, Site] = {
    8011: {
        "GET /": _HOME,
        "GET /config.json": data(
            {
                "password": "********",
                "dbPassword": "${DB_PASSWORD}",
                "forgotPassword": "/forgot",
                "showPassword": "true",
            }
        ),
    },
    8012: {"GET /": _HOME, "GET /web.config": page("How to write <configuration>", "<system.web/>")},
    8013: {"GET /": _HOME, "GET /.vscode/sftp.json": data([{"host": "lab"}, {"name": "test"}])},
}

# --- GraphQL: a framework that knows its paths by the last slash; a server that wants more of those who ask by GET
_QUERY = "?query=%7B__schema%7BqueryType%7Bname%7D%7D%7D"
_SCHEMA = data({"data": {"__schema": {"queryType": {"name": "Query"}}}})


def _apollo(request: bytes) -> Iterator[bytes]:
    """Apollo Server 4 with its prevention of cross-site requests."""
    path = request.split()[1]
    reply = _HOME if path == b"/" else NOT_FOUND
    if path.startswith(b"/graphql?"):
        refused = {"errors": [{"message": "This operation has been blocked as a potential Cross-Site Request Forgery"}]}
        reply = _SCHEMA if b"apollo-require-preflight" in request.lower() else data(refused, 400)
    content_type = dict(reply.headers)["Content-Type"]
    yield f"HTTP/1.1 {reply.status} Lab\r\nContent-Type: {content_type}\r\nConnection: close\r\n\r\n".encode()
    yield reply.body


_GRAPHQL: dict[int, Site] = {
    8001: {"GET /": _HOME, f"GET /graphql{_QUERY}": redirect(f"/graphql/{_QUERY}"), f"GET /graphql/{_QUERY}": _SCHEMA},
}
_NO_GRAPHQL: dict[int, Site] = {
    8011: {
        "GET /": _HOME,
        f"GET /graphql{_QUERY}": redirect(f"/graphql/{_QUERY}"),
        f"GET /graphql/{_QUERY}": page("GraphQL", json.dumps({"data": {"__schema": {"queryType": {"name": "Query"}}}})),
    },
    8012: {"GET /": _HOME, f"GET /graphql{_QUERY}": redirect("https://api.lab.test/graphql/")},
}


# --- Methods: Tomcat 7's default servlet; Spring's list for a page that any method calls; calls from other origins
def _allows(methods: str, **headers: str) -> Site:
    return {"GET /": _HOME, "OPTIONS /": text("", 200, Allow=methods, **headers)}


_METHODS = {8001: _allows("GET, HEAD, POST, PUT, DELETE, OPTIONS")}
_NO_METHODS = {
    8011: _allows("GET,HEAD,POST,PUT,PATCH,DELETE,OPTIONS"),
    8012: _allows("GET, HEAD", Access_Control_Allow_Methods="GET, PUT, DELETE"),
}


def _apache(port: int, dav: str) -> Start:
    """Apache with an index at its root, for which it answers OPTIONS without a word on WebDAV."""
    settings = f'TraceEnable off\nServerTokens Prod\nDavLockDB "@folder@/lock"\n<Location />\n{dav}\n</Location>'

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        own = folder / str(port)
        own.mkdir()
        folder.chmod(0o755)
        with apache(port, settings, modules=("dav", "dav_fs"), fill=sites.page("Portal"))(address, own):
            yield

    return start


# --- Origins
def _sent(reply: Reply, *headers: str) -> bytes:
    content_type = dict(reply.headers)["Content-Type"]
    head = "".join(f"{header}\r\n" for header in (f"Content-Type: {content_type}", *headers, "Connection: close"))
    return f"HTTP/1.1 {reply.status} Lab\r\n{head}\r\n".encode() + reply.body


def _names_null(reply: Reply, *further: str) -> Start:
    """A site that is to be opened from files and frames, and says nothing to any other origin."""

    def answer(request: bytes) -> Iterator[bytes]:
        null = b"\r\norigin: null\r\n" in request.lower()
        shown = reply if request.split()[1] == b"/" else NOT_FOUND
        yield _sent(shown, *(("Access-Control-Allow-Origin: null", *further) if null else ()))

    return sends(80, answer)


def _refuses_origins(request: bytes) -> Iterator[bytes]:
    """Spring's filter for origins, before a page that shows search engines what visitors don't see."""
    if b"\r\norigin: " in request.lower():
        yield _sent(text("Invalid CORS request", 403))
    elif b"baiduspider" in request.lower():
        yield _sent(_called_a_page(sites.DARK_TITLE))
    else:
        yield _sent(_called_a_page(sites.html("Portal", sites.OFFICE_TEXT)) if b"GET / " in request else NOT_FOUND)


_CREDENTIALS = "Access-Control-Allow-Credentials: true"

CASES = (
    _case(
        "haproxy-for-its-statistics-alone",
        1,
        haproxy(8404, _STATISTICS),
        *((port, "WEB-ADMIN-PANEL") for port in (8404, 8405, 8407)),
        ports="8404-8408",
        outcome="partial",
        needs=("haproxy",),
    ),
    _case(
        "phpmyadmin-and-its-set-up",
        2,
        sites_at(_PANELS_TO_SET_UP | _PANELS_SET_UP),
        *_each(_PANELS_TO_SET_UP, "WEB-INSTALLER"),
        *((8001, "WEB-ADMIN-PANEL"), (8002, "SVC-PHPMYADMIN-UNAUTH")),
        *_each(_PANELS_SET_UP, "WEB-ADMIN-PANEL"),
        ports="8001-8002,8011-8013",
    ),
    _case(
        "repositories-in-other-formats",
        3,
        sites_at({port: replies for port, (_, replies) in _REPOSITORIES.items()} | _NO_REPOSITORIES),
        *((port, check) for port, (check, _) in _REPOSITORIES.items()),
        ports="8001-8003,8011-8012",
    ),
    _case(
        "files-for-programs",
        4,
        sites_at({port: replies for port, (_, replies) in _PUBLISHED.items()}),
        *((port, check) for port, (check, _) in _PUBLISHED.items()),
        ports="8001-8002",
    ),
    _case("files-that-every-site-of-a-kind-has", 5, sites_at(_PUBLISHED_BY_ALL), ports="8011-8013"),
    _case(
        "security-contacts",
        6,
        sites_at(_CONTACTS, _moved("/in"), tls=True),
        ports="8443-8444",
        hostname="portal.lab.test",
        tolerated=OTHERS | {"WEB-HSTS", *BARE_PAGE},
    ),
    _case(
        "no-security-contact",
        7,
        sites_at(_NO_CONTACTS, _moved("/in"), tls=True),
        (8445, "WEB-SECURITYTXT"),
        ports="8445",
        hostname="portal.lab.test",
        tolerated=OTHERS | {"WEB-HSTS", *BARE_PAGE},
    ),
    _case("settings", 8, sites_at(_SETTINGS), *_each(_SETTINGS, "WEB-CONFIG"), ports="8001-8005"),
    _case("settings-without-secrets", 9, sites_at(_HARMLESS_SETTINGS), ports="8011-8013"),
    _case(
        "graphql-that-wants-a-slash-or-a-header",
        10,
        together(sites_at(_GRAPHQL | _NO_GRAPHQL), sends(8002, _apollo)),
        *((port, "WEB-GRAPHQL-INTRO") for port in (8001, 8002)),
        ports="8001-8002,8011-8012",
    ),
    _case(
        "methods-of-files-and-of-programs",
        11,
        sites_at(_METHODS | _NO_METHODS),
        *_each(_METHODS, "WEB-METHODS"),
        ports="8001,8011-8012",
    ),
    _case(
        "status-of-nginx-as-in-its-manual",
        16,
        nginx(
            "server { listen @address@:80; server_tokens off; location = /basic_status { stub_status; } }"
            "server { listen @address@:8080; server_tokens off; location = /basic_status { stub_status; deny all; } }",
            port=80,
            fill=sites.page("Portal"),
        ),
        (80, "WEB-NGINX-STATUS"),
        ports="80,8080",
        needs=("nginx",),
    ),
    _case(
        "apache-whose-index-hides-webdav",
        17,
        together(_apache(80, "Dav On"), _apache(8080, "Dav Off")),
        (80, "WEB-METHODS"),
        ports="80,8080",
        needs=("apache2",),
    ),
    _case("null-named-back-by-a-page", 12, _names_null(_HOME, _CREDENTIALS), (80, "WEB-CORS"), ports="80"),
    _case(
        "null-named-back-to-programs",
        13,
        _names_null(data({"status": "ok"}), _CREDENTIALS),
        (80, "WEB-CORS"),
        ports="80",
    ),
    _case("null-without-credentials", 14, _names_null(_HOME), ports="80"),
    _case("planted-page-behind-a-filter-of-origins", 15, sends(80, _refuses_origins), (80, "WEB-TAMPER"), ports="80"),
)
