"""The well-known paths that a site is asked for: a fixed list, each with the signature that proves it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from scanner.engine.facts.http import ExposedPath
from scanner.engine.probes import http_products as products
from scanner.engine.probes import http_public_files as public
from scanner.engine.probes import http_signatures as signatures
from scanner.engine.probes.http_environment import env_file
from scanner.engine.probes.http_kept import without_parameters
from scanner.engine.probes.http_listings import likeliest, listing
from scanner.engine.probes.http_signatures import Signature

SNIFF = 32 * 1024
"""Bytes of a well-known path that are read."""

FOLDER_LIMIT = 3
"""Directories, taken from the links of the first page, that are asked for a listing, whatever else there is to ask."""

PLACE_LIMIT = 10
"""Places at which something was found before that are asked at once."""


@dataclass(frozen=True, slots=True)
class WellKnown:
    """One path. ``sibling`` is a path of the same kind with ``{random}`` in it: what it answers with, ``path`` must
    not answer with too. ``also`` is a second path whose signature must hold as well. ``limit`` is how many bytes are
    asked for and read; ``ranged`` asks for only those by a Range header."""

    kind: str
    path: str
    signature: Signature
    sibling: str
    limit: int = SNIFF
    ranged: bool = False
    also: tuple[str, Signature] | None = None
    moves: bool = False
    """Whether a redirect may prove it, too."""
    challenges: bool = False
    """Whether a demand for credentials may, too."""
    slashes: bool = False
    """Whether a redirect to the same with a slash behind the path is followed."""
    by_query: bool = False
    """Whether the path without its query is another place."""
    more: tuple[tuple[str, str], ...] = ()
    """Headers of its own."""

    @property
    def statuses(self) -> tuple[int, ...]:
        """The status codes with which ``signature`` may hold."""
        moved, challenged = (301, 302, 303, 307, 308) if self.moves else (), (401,) if self.challenges else ()
        return (200, *((206,) if self.ranged else ()), *moved, *challenged)

    @property
    def headers(self) -> dict[str, str] | None:
        """Headers of the request besides the usual ones."""
        headers = {"Range": f"bytes=0-{self.limit - 1}"} if self.ranged else {}
        return {**headers, **dict(self.more)} or None


def _archive(name: str) -> WellKnown:
    extension = name.partition(".")[2]
    return WellKnown("backup", f"/{name}", signatures.archive, "/{random}." + extension, limit=32, ranged=True)


def _dump(name: str) -> WellKnown:
    return WellKnown("backup", f"/{name}.sql", signatures.sql_dump, "/{random}.sql", limit=512, ranged=True)


_INTROSPECTION = "?query=%7B__schema%7BqueryType%7Bname%7D%7D%7D"
"""A GraphQL query by GET, which may only read (GraphQL over HTTP): the name of the schema's query type."""

_NOT_A_BROWSER = (("Apollo-Require-Preflight", "true"),)
"""What Apollo Server wants of programs that ask by GET, lest a page of another site ask so (its documentation, "CSRF
prevention")."""

_BAZAAR = ("Bazaar-NG meta directory", "Bazaar meta directory", "Bazaar-NG branch, format")
"""How the formats of its directories are called, with colocated branches and before version 0.8 too."""

_ALWAYS = (
    WellKnown("git", "/.git/HEAD", signatures.git_head, "/.git/{random}", also=("/.git/config", signatures.git_config)),
    WellKnown("env", "/.env", env_file, "/.{random}"),
    WellKnown(
        "svn", "/.svn/wc.db", signatures.starts_with("SQLite format 3\x00"), "/.svn/{random}.db", 16, ranged=True
    ),
    WellKnown("hg", "/.hg/requires", signatures.hg_requires, "/.hg/{random}", limit=512),
    WellKnown("bzr", "/.bzr/branch-format", signatures.starts_with(*_BAZAAR), "/.bzr/{random}", 64),
    WellKnown("ds-store", "/.DS_Store", signatures.starts_with("\x00\x00\x00\x01Bud1"), "/.{random}", 16, ranged=True),
    _archive("backup.zip"),
    _archive("www.zip"),
    _archive("backup.tar.gz"),
    _dump("backup"),
    WellKnown("backup", "/web.config.bak", signatures.web_config, "/{random}.config.bak", limit=4096),
    WellKnown("config", "/web.config", signatures.web_config, "/{random}.config"),
    WellKnown("config", "/WEB-INF/web.xml", signatures.web_xml, "/WEB-INF/{random}.xml"),
    WellKnown("config", "/config.json", signatures.config_json, "/{random}.json"),
    WellKnown("config", "/.aws/credentials", signatures.aws_credentials, "/.aws/{random}", limit=4096),
    WellKnown("config", "/id_rsa", signatures.private_key, "/{random}", limit=128),
    WellKnown("config", "/.vscode/sftp.json", signatures.sftp_json, "/.vscode/{random}.json", limit=4096),
    WellKnown("phpinfo", "/phpinfo.php", signatures.php_info, "/{random}.php"),
    WellKnown("phpinfo", "/info.php", signatures.php_info, "/{random}.php"),
    WellKnown("server-status", "/server-status", signatures.server_status, "/{random}"),
    WellKnown("nginx-status", "/nginx_status", signatures.nginx_status, "/{random}", limit=512),
    WellKnown("error-stack", "/console", products.debug_console, "/{random}"),
    WellKnown("actuator", "/actuator", signatures.actuator, "/{random}"),
    WellKnown("druid", "/druid/index.html", signatures.druid, "/druid/{random}.html"),
    WellKnown("swagger", "/v3/api-docs", signatures.api_description, "/v3/{random}"),
    WellKnown("swagger", "/v2/api-docs", signatures.api_description, "/v2/{random}"),
    WellKnown("swagger", "/openapi.json", signatures.api_description, "/{random}.json"),
    WellKnown("swagger", "/swagger-ui/index.html", signatures.api_pages, "/swagger-ui/{random}.html"),
    WellKnown("swagger", "/doc.html", signatures.api_documents, "/{random}.html"),
    WellKnown(
        "graphql",
        f"/graphql{_INTROSPECTION}",
        signatures.introspection,
        "/{random}" + _INTROSPECTION,
        slashes=True,
        more=_NOT_A_BROWSER,
    ),
    WellKnown("admin-panel", "/phpmyadmin/", products.admin_panel, "/{random}/"),
    WellKnown("installer", "/install/index.php", products.installer, "/install/{random}.php"),
    WellKnown("cross-domain", "/crossdomain.xml", public.cross_domain, "/{random}.xml"),
    WellKnown("robots", "/robots.txt", public.robots, "/{random}.txt"),
    WellKnown(
        "security-txt", "/.well-known/security.txt", public.security_txt, "/.well-known/{random}.txt", moves=True
    ),
)

_OF_NGINX = re.compile(r"(?i)'server', '(?:nginx|openresty|tengine|angie)")

_OF_PHP = re.compile(r"(?i)\bphp")

_WITH_ROOM = (
    (None, _dump("db")),
    (_OF_NGINX, WellKnown("nginx-status", "/stub_status", signatures.nginx_status, "/{random}", limit=512)),
    (_OF_NGINX, WellKnown("nginx-status", "/status", signatures.nginx_status, "/{random}", limit=512)),
    (
        _OF_PHP,
        WellKnown("backup", "/config.php.bak", signatures.php_source, "/{random}.php.bak", limit=512, ranged=True),
    ),
    (_OF_PHP, WellKnown("admin-panel", "/adminer.php", products.admin_panel, "/{random}.php")),
    (None, _dump("dump")),
    (_OF_NGINX, WellKnown("nginx-status", "/basic_status", signatures.nginx_status, "/{random}", limit=512)),
    (None, _archive("www.rar")),
    (_OF_PHP, WellKnown("admin-panel", "/phpMyAdmin/", products.admin_panel, "/{random}/")),
    (None, _archive("wwwroot.zip")),
)
"""Names that the same things go by elsewhere, and the sign of a server that some of them want."""

_BY_SIGN = (
    (
        re.compile(r"(?i)asp\.net|__viewstate|\.aspx\b|microsoft-iis"),
        WellKnown("config", "/trace.axd", signatures.application_trace, "/{random}.axd"),
    ),
    (
        re.compile(r"(?i)asp\.net|__viewstate|\.aspx\b|microsoft-iis"),
        WellKnown("config", "/elmah.axd", signatures.error_log, "/{random}.axd"),
    ),
    (
        re.compile(r"(?i)x-application-context"),  # which Spring Boot 1 sends with everything
        WellKnown("actuator", "/env", signatures.actuator_1, "/{random}", limit=64),
    ),
    (
        re.compile(r"Apache Tomcat|Apache-Coyote"),
        WellKnown("admin-panel", "/manager/html", products.tomcat_manager, "/{random}/html", challenges=True),
    ),
    (_OF_PHP, WellKnown("config", "/composer.json", signatures.composer, "/{random}.json")),
    (
        re.compile(r"(?i)asp\.net|kestrel|microsoft-iis|404 page not found"),
        WellKnown("swagger", "/swagger/index.html", signatures.api_pages, "/swagger/{random}.html"),
    ),
)
"""Paths of one framework each, and what its pages and headers say."""

_FOLDER = re.compile(r"(/[A-Za-z0-9._-]{1,40})/")
"""The folder at a path's beginning."""

_OF_APPLICATIONS = {
    question.path: question
    for question in _ALWAYS
    if question.path in ("/actuator", "/v3/api-docs", "/v2/api-docs", "/druid/index.html")
}
"""What Spring has below an application's context path (``server.servlet.context-path``), by its path there."""

_BALANCER = re.compile(r"<h1>503 Service Unavailable</h1>\s{1,3}No server is available to handle this request\.")
"""HAProxy's page where nobody is there to hand a request to, as on a port that is for its own pages alone."""
_OF_BALANCER = tuple(
    WellKnown("admin-panel", path, products.admin_panel, "/{random}", by_query=True)
    for path in ("/stats", "/haproxy?stats", "/haproxy-status")
)
"""Where its statistics are: in its manual's examples, by itself, and as guides have it."""

_RARE = {question.path: question for question in (*(rare for _, rare in (*_WITH_ROOM, *_BY_SIGN)), *_OF_BALANCER)}

NOT_ALWAYS = frozenset(_RARE)
"""Paths that a look may leave out: by what the site says, or because its requests don't reach."""

ANYWHERE: Mapping[str, Signature] = {
    "listing": listing,
    "admin-panel": products.admin_panel,
    "installer": products.installer,
    "phpinfo": signatures.php_info,
    "swagger": signatures.api_pages,
}
"""What may lie at any path, by its kind: wherever the first page leads to."""

_PMA = "phpMyAdmin"

_EVERYWHERE_ASKED = frozenset(question.path for question in _ALWAYS) | {"/"}
_ASKABLE = re.compile(r"/[!-\"$->@-z|~]{0,300}")
"""A path that can stand in a request, without a query and without the braces of a sibling's pattern."""


def may_be_left_out(kind: str, path: str) -> bool:
    """Tell whether a look at the site may end without asking whether this lies at that path."""
    anywhere = kind in ANYWHERE or _in_application(kind, path) is not None
    return path in NOT_ALWAYS or (anywhere and path not in _EVERYWHERE_ASKED)


def at_places(places: Iterable[tuple[str, str]]) -> list[WellKnown]:
    """Return what to ask where a kind of thing was found before, as (kind, path), and what may be left out else."""
    askable = (place for place in dict.fromkeys(places) if place[1] in _RARE or _ASKABLE.fullmatch(place[1]))
    asked = [_at_place(kind, path) for kind, path in askable]
    return [question for question in asked if question is not None][:PLACE_LIMIT]


def _at_place(kind: str, path: str) -> WellKnown | None:
    if path in _RARE or not may_be_left_out(kind, path):
        return _RARE.get(path)
    if question := _in_application(kind, path):
        return question
    folder, _, name = path.removesuffix("/").rpartition("/")
    if path.endswith("/"):
        return WellKnown(kind, path, ANYWHERE[kind], "/{random}/")
    dot, extension = name.rpartition(".")[1:] if "." in name else ("", "")
    return WellKnown(kind, path, ANYWHERE[kind], f"{folder}/{{random}}{dot}{extension}")


def _in_application(kind: str, path: str) -> WellKnown | None:
    """Return the question for ``path`` below the context path of an application; None for any other path."""
    folder = _FOLDER.match(path)
    question = _OF_APPLICATIONS.get(path.removeprefix(folder[1])) if folder else None
    if folder is None or question is None or question.kind != kind:
        return None
    return replace(question, path=path, sibling=f"{folder[1]}{question.sibling}")


def _of_application(shown: str) -> list[WellKnown]:
    """Return what to ask of the application that a site's first page leads to, where ``shown`` is below a folder."""
    folder = _FOLDER.match(shown)
    below = [(question.kind, f"{folder[1]}{path}") for path, question in _OF_APPLICATIONS.items()] if folder else []
    return [question for kind, path in below if (question := _in_application(kind, path)) is not None]


def to_ask(
    name: str | None, folders: Iterable[str], said: str, *, has_room: bool, shown: str = "/"
) -> tuple[list[WellKnown], list[WellKnown]]:
    """Return what to ask a site registered under ``name``, and what else as far as its requests reach.

    ``folders`` are those that its first page leads to, ``said`` is what its pages and headers say, ``shown`` the path
    of the page that is shown. Where there is room, it is asked for what no sign speaks for, too. The rarest come last.
    """
    listings = [_folder(path) for path in likeliest(folders)]
    signed = [question for sign, question in _BY_SIGN if sign.search(said)]
    unsigned = [question for _, question in _BY_SIGN if question not in signed]
    further = [question for sign, question in _WITH_ROOM if sign is None or sign.search(said)]
    archives = [_archive(f"{name}.zip"), _archive(f"{name}.tar.gz")] if name else []
    balancer = _OF_BALANCER if _BALANCER.search(said) else ()
    first = [*_ALWAYS, *archives, *listings[:FOLDER_LIMIT], *signed, *balancer]
    return first, [*_of_application(shown), *further, *unsigned, *listings[FOLDER_LIMIT:]] if has_room else []


def pages_of_balancer(said: str) -> tuple[str, ...]:
    """Return where a balancer may have pages of its own, by what it says for want of somebody to hand requests to."""
    return tuple(question.path for question in _OF_BALANCER) if _BALANCER.search(said) else ()


def set_ups_of(exposed: Iterable[ExposedPath]) -> list[WellKnown]:
    """Return what to ask for the set-up that phpMyAdmin brings along (its manual, "Setup script"), wherever it was
    found."""
    panels = (path.reply.path for path in exposed if path.kind == "admin-panel" and path.detail("product") == _PMA)
    folders = dict.fromkeys(path.rpartition("/")[0] for path in panels)
    return [WellKnown("installer", f"{at}/setup/", products.installer, f"{at}/{{random}}/") for at in folders]


def that_proved(questions: Iterable[WellKnown], exposed: Iterable[ExposedPath]) -> list[WellKnown]:
    """Return those of ``questions`` that proved something in the look that saw ``exposed``."""
    proved = {(path.kind, _place(path.reply.path)) for path in exposed}
    return [question for question in questions if (question.kind, _place(question.path)) in proved]


def _place(path: str) -> str:
    return without_parameters(path).rstrip("/")


def _folder(path: str) -> WellKnown:
    """Return the question whether the directory ``path`` lists its files."""
    return WellKnown("listing", path, listing, "/{random}/")
