"""Web sites as they are set up every day: links without a last slash, files as tools write them, empty folders, origins
that are named back to some, certificates that are asked of visitors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.lab import web_sites as sites
from tests.lab.http_answers import Reply, answers, data, page, text, together
from tests.lab.web_bare import NOT_FOUND, bare_case
from tests.lab.web_cases import BARE_PAGE, OTHERS
from tests.lab.web_servers import apache, nginx, nothing, sends

_HOME = page("Portal", "<p>Opening hours: from eight to five</p>")


_case = partial(bare_case, "plain", 99)


_LINK = page("Portal", '<a href="/uploads">Forms</a> <a href="/news">News</a>')
_LISTING = page("Index of /uploads/", '<h1>Index of /uploads/</h1><a href="../">../</a><a href="form.pdf">form.pdf</a>')
_BY_PHP = page("Portal", "<p>Opening hours</p>", 200, X_Powered_By="PHP")

_LEFT = {
    8001: ("WEB-CONFIG", {"GET /": _BY_PHP, "GET /composer.json": data({"require": {"monolog/monolog": "^2.9"}})}),
    8002: (
        "WEB-ENV",
        {"GET /": _HOME, "GET /.env": text(f"NODE_ENV=x\nDATABASE_URL=mysql://app:{sites.SECRET}@db/app\n")},
    ),
    8003: ("WEB-CONFIG", {"GET /": _HOME, "GET /config.json": data({"db_user": "app", "db_pass": sites.SECRET})}),
    8004: ("WEB-DIRLIST", {"GET /": _LINK, "GET /uploads/": _LISTING}),
}
_SEEMING = {
    8011: {"GET /": _BY_PHP, "GET /composer.json": data({"require": {"A quiet room": True}})},
    8012: {"GET /": _HOME, "GET /.env": text("NODE_ENV=production\nDATABASE_URL=sqlite:///data/app.db\n")},
    8013: {"GET /": _HOME, "GET /config.json": data({"bypass": "nothing", "compass": "north"})},
    8014: {"GET /": _LINK, "GET /uploads/": page("Forms", '<a href="/forms/form.pdf">The form</a>')},
    8015: {"GET /": page("Index of /pub, the guide", "<p>Where to eat</p>")},
}
_CALLED_A_PAGE = Reply(
    200, json.dumps({"code": 0, "data": []}).encode(), (("Content-Type", "text/html; charset=UTF-8"),)
)


def _origin(request: bytes) -> bytes:
    lines = (line.partition(b": ") for line in request.split(b"\r\n"))
    return next((value for name, _, value in lines if name.lower() == b"origin"), b"")


def _page_for(origin: bytes, credentials: bool = True) -> bytes:
    """A page that may be read from ``origin``."""
    body = sites.html("Portal").encode()
    allowed = b"Access-Control-Allow-Origin: %s\r\n" % origin if origin else b""
    allowed += b"Access-Control-Allow-Credentials: true\r\n" if origin and credentials else b""
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n%sContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (
        allowed,
        len(body),
        body,
    )


def _like_starlette(request: bytes) -> Iterator[bytes]:
    """``allow_origins=["*"], allow_credentials=True``: the origin is named to those who send a cookie."""
    origin = _origin(request)
    named = origin if b"\r\ncookie:" in request.lower() else b"*"
    yield _page_for(named if origin else b"")


def _for_partners(request: bytes) -> Iterator[bytes]:
    origin = _origin(request)
    yield _page_for(origin if origin == b"https://partner.lab.test" else b"")


def _for_everyone(request: bytes) -> Iterator[bytes]:
    """``*`` beside credentials, to everyone: browsers refuse that pair (Fetch standard, CORS check)."""
    yield _page_for(b"*" if _origin(request) else b"")


def _tells_its_address(request: bytes) -> Iterator[bytes]:
    """A page under its name; asked without one, it redirects to where the server believes itself to be."""
    if b"HTTP/1.0" in request.split(b"\r\n")[0]:
        yield b"HTTP/1.1 302 Found\r\nLocation: http://10.9.8.7/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    else:
        yield _page_for(b"")


def _head(www: Path) -> None:
    (www / "head.html").write_text("<!DOCTYPE html><html><head><title>Forms of the office</title></head><body>")


CASES = (
    _case(
        "leftovers-as-tools-write-them",
        1,
        together(*(answers(port, replies, NOT_FOUND) for port, (_, replies) in _LEFT.items())),
        *((port, check) for port, (check, _) in _LEFT.items()),
        ports="8001-8004",
    ),
    _case(
        "files-that-only-seem-left",
        2,
        together(*(answers(port, replies, NOT_FOUND) for port, replies in _SEEMING.items())),
        ports="8011-8015",
    ),
    _case(
        "data-that-calls-itself-a-page",
        3,
        answers(80, {"GET /": _CALLED_A_PAGE}, NOT_FOUND),
        ports="80,443",
        tolerated=frozenset(),
    ),
    _case(
        "apache-lists-an-empty-root",
        4,
        apache(
            80,
            'TraceEnable off\nServerTokens Prod\n<Directory "@folder@/www">\nOptions Indexes\n'
            "IndexOptions FancyIndexing\n</Directory>",
            modules=("autoindex",),
            fill=nothing,
        ),
        (80, "WEB-DIRLIST"),
        needs=("apache2",),
    ),
    _case(
        "origins-named-back-to-who-brings-a-cookie",
        5,
        sends(80, _like_starlette),
        (80, "WEB-CORS"),
    ),
    _case(
        "origins-that-are-partners-or-anyone",
        6,
        together(sends(8001, _for_partners), sends(8002, _for_everyone)),
        ports="8001-8002",
    ),
    _case(
        "internal-address-of-a-site-with-a-name",
        7,
        sends(80, _tells_its_address),
        (80, "WEB-INTERNAL-IP"),
        hostname="portal.lab.test",
    ),
    _case(
        "certificate-that-visitors-lack",
        8,
        nginx(
            "server_tokens off; server { listen @address@:80; } server { listen @address@:443 ssl; "
            "ssl_client_certificate @folder@/server.crt; ssl_verify_client on; }",
            port=443,
            fill=sites.page("Portal"),
        ),
        ports="80,443",
        hostname="portal.lab.test",
        needs=("nginx", "openssl"),
        tolerated=OTHERS | frozenset(BARE_PAGE),
        and_else=frozenset({(443, "TLS-MTLS")}),
    ),
    _case(
        "apache-lists-an-empty-root-in-columns-of-its-own-page",
        9,
        apache(
            80,
            'TraceEnable off\nServerTokens Prod\n<Directory "@folder@/www">\nOptions Indexes\n'
            "IndexOptions FancyIndexing SuppressHTMLPreamble\nHeaderName /head.html\nIndexIgnore *\n</Directory>",
            modules=("autoindex",),
            fill=_head,
        ),
        (80, "WEB-DIRLIST"),
        needs=("apache2",),
    ),
)
