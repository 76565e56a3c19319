"""Leftovers and listings under the names that they go by elsewhere, and sites that only seem to have them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.lab import web_sites as sites
from tests.lab.http_answers import Reply, answers, data, page, redirect, text, together
from tests.lab.web_bare import NOT_FOUND, bare_case
from tests.lab.web_servers import nginx

_HOME = page("Portal", "<p>Opening hours: from eight to five</p>")
_BY_PHP = page("Portal", "<p>Opening hours</p>", 200, X_Powered_By="PHP")


_case = partial(bare_case, "leftover", 97)


def _file(content: str | bytes, content_type: str = "application/octet-stream") -> Reply:
    return Reply(200, content.encode() if isinstance(content, str) else content, (("Content-Type", content_type),))


_DUMP = "-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)\n"
_SPACED_ENV = f"# settings\nexport APP_KEY = x\nDB_PASSWORD = {sites.SECRET}\n"
_UI = '<div id="swagger-ui"></div>'
_LINKS = "".join(f'<a href="/{name}/a.html">{name}</a>' for name in ("news", "staff", "rooms", "jobs")) + (
    '<a href="/downloads/">Forms</a>'
)
_LISTS = {
    "GET /": page("Portal", _LINKS),
    "GET /downloads/": page(
        "Index of /downloads/", '<h1>Index of /downloads/</h1><a href="../">../</a><a href="a.pdf">a</a>'
    ),
}
_BY_SERVE = {"GET /": page("Files within srv/", '<h1>Index of <a href="/">srv/</a></h1><a href="/a.txt">a.txt</a>')}
_BY_JAVA = {
    "GET /": page("Directory listing for &#x2F;", '<h1>Directory listing for &#x2F;</h1><ul><li><a href="a">a</a></ul>')
}

_LEFT = {
    8001: ("WEB-BACKUP", {"GET /": _HOME, "GET /db.sql": _file(_DUMP)}),
    8002: ("WEB-BACKUP", {"GET /": _HOME, "GET /dump.sql": _file(_DUMP)}),
    8003: ("WEB-BACKUP", {"GET /": _HOME, "GET /wwwroot.zip": _file(b"PK\x03\x04" + bytes(40))}),
    8004: ("WEB-BACKUP", {"GET /": _BY_PHP, "GET /config.php.bak": _file("<?php\n$user = 'lab';\n")}),
    8005: ("WEB-ENV", {"GET /": _HOME, "GET /.env": _file(_SPACED_ENV)}),
    8006: ("WEB-SWAGGER", {"GET /": page("Swagger UI", _UI)}),
    8007: ("WEB-SWAGGER", {"GET /": redirect("/docs"), "GET /docs": page("Orders - Swagger UI", _UI)}),
    8008: ("WEB-DIRLIST", _LISTS),
    8009: ("WEB-DIRLIST", _BY_SERVE),
    8010: ("WEB-DIRLIST", _BY_JAVA),
}
_SEEMING = {
    8011: {"GET /": _HOME, "GET /db.sql": page("No such file"), "GET /dump.sql": text("-- no dump today")},
    8012: {"GET /": _BY_PHP, "GET /config.php.bak": page("Portal", "&lt;?php")},
    8013: {"GET /": page("All about Swagger UI", "<p>A course in swagger-ui</p>")},
    8014: {"GET /": page("Files within reach", '<a href="/a.txt">a.txt</a>')},
    8015: {"GET /": page("Portal", Server="nginx"), "GET /stub_status": data({"status": "ok"})},
}
_SOURCE_FOR_ALL = _file("<?php echo 1;\n")


def _nothing_else(www: Path) -> None:
    (www / "index.html").write_text(sites.html("Portal"))


CASES = (
    _case(
        "of-other-names",
        1,
        together(*(answers(port, replies, NOT_FOUND) for port, (_, replies) in _LEFT.items())),
        *((port, check) for port, (check, _) in _LEFT.items()),
        ports="8001-8010",
    ),
    _case(
        "that-only-seems-one",
        2,
        together(
            *(answers(port, replies, NOT_FOUND) for port, replies in _SEEMING.items()),
            answers(8016, {"GET /": _BY_PHP}, _SOURCE_FOR_ALL),
        ),
        ports="8011-8016",
    ),
    _case(
        "status-page-of-another-name",
        3,
        nginx(
            "server { listen @address@:80; server_tokens off; location = /stub_status { stub_status; } }",
            port=80,
            fill=_nothing_else,
        ),
        (80, "WEB-NGINX-STATUS"),
        ports="80",
    ),
)
