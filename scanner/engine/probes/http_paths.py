"""The well-known paths that a site is asked for: a fixed list, each with the signature that proves it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scanner.engine.probes import http_products as products
from scanner.engine.probes import http_signatures as signatures
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

    @property
    def statuses(self) -> tuple[int, ...]:
        """The status codes with which ``signature`` may hold."""
        moved, challenged = (301, 302, 303, 307, 308) if self.moves else (), (401,) if self.challenges else ()
        return (200, *((206,) if self.ranged else ()), *moved, *challenged)

    @property
    def headers(self) -> dict[str, str] | None:
        """Headers of the request besides the usual ones."""
        return {"Range": f"bytes=0-{self.limit - 1}"} if self.ranged else None


def _archive(name: str) -> WellKnown:
    extension = name.partition(".")[2]
    return WellKnown("backup", f"/{name}", signatures.archive, "/{random}." + extension, limit=32, ranged=True)


def _dump(name: str) -> WellKnown:
    return WellKnown("backup", f"/{name}.sql", signatures.sql_dump, "/{random}.sql", limit=512, ranged=True)


_INTROSPECTION = "?query=%7B__schema%7BqueryType%7Bname%7D%7D%7D"
"""A GraphQL query by GET, which may only read (GraphQL over HTTP): the name of the schema's query type."""

_ALWAYS = (
    WellKnown("git", "/.git/HEAD", signatures.git_head, "/.git/{random}", also=("/.git/config", signatures.git_config)),
    WellKnown("env", "/.env", signatures.env_file, "/.{random}"),
    WellKnown(
        "svn", "/.svn/wc.db", signatures.starts_with("SQLite format 3\x00"), "/.svn/{random}.db", 16, ranged=True
    ),
    WellKnown("hg", "/.hg/requires", signatures.hg_requires, "/.hg/{random}", limit=512),
    WellKnown("bzr", "/.bzr/branch-format", signatures.starts_with("Bazaar-NG meta directory"), "/.bzr/{random}", 64),
    WellKnown("ds-store", "/.DS_Store", signatures.starts_with("\x00\x00\x00\x01Bud1"), "/.{random}", 16, ranged=True),
    _archive("backup.zip"),
    _archive("www.zip"),
    _archive("backup.tar.gz"),
    _dump("backup"),
    WellKnown("backup", "/web.config.bak", signatures.web_config, "/{random}.config.bak", limit=4096),
    WellKnown("config", "/web.config", signatures.web_config, "/{random}.config"),
    WellKnown("config", "/WEB-INF/web.xml", signatures.web_xml, "/WEB-INF/{random}.xml", limit=4096),
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
    WellKnown("graphql", f"/graphql{_INTROSPECTION}", signatures.introspection, "/{random}" + _INTROSPECTION),
    WellKnown("admin-panel", "/phpmyadmin/", products.admin_panel, "/{random}/"),
    WellKnown("installer", "/install/index.php", products.installer, "/install/{random}.php"),
    WellKnown("cross-domain", "/crossdomain.xml", signatures.cross_domain, "/{random}.xml", limit=4096),
    WellKnown("robots", "/robots.txt", signatures.robots, "/{random}.txt"),
    WellKnown(
        "security-txt",
        "/.well-known/security.txt",
        signatures.security_txt,
        "/.well-known/{random}.txt",
        limit=4096,
        moves=True,
    ),
)

_WITH_ROOM = (
    (None, _dump("db")),
    (None, _dump("dump")),
    (
        re.compile(r"(?i)'server', '(?:nginx|openresty|tengine)"),
        WellKnown("nginx-status", "/stub_status", signatures.nginx_status, "/{random}", limit=512),
    ),
    (
        re.compile(r"(?i)\bphp"),
        WellKnown("backup", "/config.php.bak", signatures.php_source, "/{random}.php.bak", limit=512, ranged=True),
    ),
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
    (re.compile(r"(?i)\bphp"), WellKnown("config", "/composer.json", signatures.composer, "/{random}.json")),
)
"""Paths of one framework each, and what its pages and headers say."""

_RARE = {question.path: question for _, question in (*_WITH_ROOM, *_BY_SIGN)}

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

_EVERYWHERE_ASKED = frozenset(question.path for question in _ALWAYS) | {"/"}
_ASKABLE = re.compile(r"/[!-\"$->@-z|~]{0,300}")
"""A path that can stand in a request, without a query and without the braces of a sibling's pattern."""


def may_be_left_out(kind: str, path: str) -> bool:
    """Tell whether a look at the site may end without asking whether this lies at that path."""
    return path in NOT_ALWAYS or (kind in ANYWHERE and path not in _EVERYWHERE_ASKED)


def at_places(places: Iterable[tuple[str, str]]) -> list[WellKnown]:
    """Return what to ask where a kind of thing was found before, as (kind, path), and what may be left out else."""
    asked = [_at_place(kind, path) for kind, path in dict.fromkeys(places) if _ASKABLE.fullmatch(path)]
    return [question for question in asked if question is not None][:PLACE_LIMIT]


def _at_place(kind: str, path: str) -> WellKnown | None:
    if path in _RARE or not may_be_left_out(kind, path):
        return _RARE.get(path)
    folder, _, name = path.removesuffix("/").rpartition("/")
    if path.endswith("/"):
        return WellKnown(kind, path, ANYWHERE[kind], "/{random}/")
    dot, extension = name.rpartition(".")[1:] if "." in name else ("", "")
    return WellKnown(kind, path, ANYWHERE[kind], f"{folder}/{{random}}{dot}{extension}")


def to_ask(
    name: str | None, folders: Iterable[str], said: str, *, has_room: bool
) -> tuple[list[WellKnown], list[WellKnown]]:
    """Return what to ask a site registered under ``name``, and what else as far as its requests reach.

    ``folders`` are those that its first page leads to, ``said`` is what its pages and headers say. Where there is room,
    it is asked for what no sign speaks for, too. The rarest come last, should requests run out.
    """
    listings = [_folder(path) for path in likeliest(folders)]
    signed = [question for sign, question in _BY_SIGN if has_room or sign.search(said)]
    further = [question for sign, question in _WITH_ROOM if sign is None or sign.search(said)]
    archives = [_archive(f"{name}.zip"), _archive(f"{name}.tar.gz")] if name else []
    first = [*_ALWAYS, *archives, *listings[:FOLDER_LIMIT], *signed]
    return first, [*further, *listings[FOLDER_LIMIT:]] if has_room else []


def _folder(path: str) -> WellKnown:
    """Return the question whether the directory ``path`` lists its files."""
    return WellKnown("listing", path, listing, "/{random}/")
