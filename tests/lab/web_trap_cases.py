"""Web sites that hide what they show in frames or behind a link, send it in odd forms, or just don't work."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import partial

import brotli
from h2.connection import H2Connection
from zstandard import ZstdCompressor

from tests.lab import web_sites as sites
from tests.lab.http2_server import http2
from tests.lab.http_answers import Reply, answers, page, text, together
from tests.lab.web_bare import NOT_FOUND, bare_case
from tests.lab.web_servers import sends

_FORM = '<form action="/in" method="post"><input name="u"><input type="password" name="p"></form>'
_LOGIN = page("Portal", _FORM)
_HOME = "<p>Opening hours: from eight to five</p>"


_case = partial(bare_case, "trap", 94)


def _as_sent(body: bytes, **headers: str) -> Reply:
    return Reply(200, body, (("Content-Type", "text/html"), *((n.replace("_", "-"), v) for n, v in headers.items())))


def _packed_without_header(text: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(text) + packer.flush()


_LEADING_TO_A_LOGIN = {
    8001: {
        "GET /": _as_sent(b'<title>P</title><frameset rows="9,*"><frame src="top.htm"><frame src="in.htm?s=1">'),
        "GET /top.htm": page("Menu"),
        "GET /in.htm?s=1": _LOGIN,
    },
    8002: {"GET /": page("Portal", f'{_HOME}<iframe src="/in"></iframe>'), "GET /in": _LOGIN},
    8003: {"GET /": page("Portal", f'{_HOME}<a href="member/login.jsp">Staff</a>'), "GET /member/login.jsp": _LOGIN},
    8004: {"GET /": page("门户", f'{_HOME}<a href="/dl?from=/">登录</a>'), "GET /dl?from=/": _LOGIN},
    8005: {"GET /": page("Portal", _FORM.replace("<input type", '<input onblur="check(v => v > 1)" type'))},
    8006: {"GET /": page("Portal", f'<img src="data:image/png;base64,{"A" * 140_000}">{_FORM}')},
    8007: {"GET /": _as_sent(_packed_without_header(_LOGIN.body), Content_Encoding="deflate")},
    8008: {"GET /": _as_sent(brotli.compress(_LOGIN.body), Content_Encoding="br")},
    8009: {"GET /": _as_sent(ZstdCompressor().compress(_LOGIN.body), Content_Encoding="zstd")},
}
_LEADING_TO_NONE = {
    8011: {
        "GET /": page("Portal", f'{_HOME}<a href="/login">Log in</a>'),
        "GET /login": page("Log in", "Ask at room 3"),
    },
    8012: {"GET /": page("Portal", f'{_HOME}<a href="https://sso.lab.test/login">Log in</a>')},
    8013: {"GET /": page("Portal", f'{_HOME}<!-- <a href="/login">Log in</a> -->'), "GET /login": _LOGIN},
    8014: {"GET /": page("Portal", f'{_HOME}<a href="/blog/login-pages">Blog</a>')},
}
_SENDER_IN_BRACKETS = {
    "GET /": page("Portal", _HOME),
    "GET /.env": text(f"APP_ENV=production\nDB_PASSWORD={sites.SECRET}\nMAIL_FROM=Portal <portal@lab.test>\n"),
}
_REFUSALS = (
    page("502 Bad Gateway", "", 502),
    Reply(521, b"<html><script>document.cookie = 'a=b'</script></html>", (("Content-Type", "text/html"),)),
    page("Misdirected Request", "", 421),
    page("", "<script>$_ts = window['$_ts']</script>", 412),
)


def _breaks_off(http: H2Connection, stream: int, _: object) -> None:
    http.send_headers(stream, [(":status", "200"), ("content-type", "text/html")])
    http.send_data(stream, b"<!doctype html><title>Portal</title>")
    http.reset_stream(stream)


def _hangs_up(request: bytes) -> Iterator[bytes]:
    """Answer as small servers do, that neither count the octets of a body nor say that they will hang up after it."""
    path = request.split()[1]
    if path == b"/.env":
        yield f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n{sites.ENV}".encode()
    elif path == b"/":
        yield b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<!doctype html><title>Portal</title>"
    else:
        yield b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\n\r\n<!doctype html><title>no</title>"


CASES = (
    _case(
        "login-in-a-frame-or-behind-a-link",
        1,
        together(
            *(answers(port, replies, NOT_FOUND) for port, replies in (_LEADING_TO_A_LOGIN | _LEADING_TO_NONE).items())
        ),
        *((port, "CLR-HTTP-LOGIN") for port in _LEADING_TO_A_LOGIN),
        ports="8001-8009,8011-8014",
    ),
    _case(
        "session-that-begins-where-one-logs-in",
        2,
        answers(
            80,
            {
                "GET /": page("Portal", f'{_HOME}<a href="/login">Log in</a>'),
                "GET /login": page("Log in", "", 200, Set_Cookie="PHPSESSID=8d1f; Path=/"),
            },
            NOT_FOUND,
        ),
        *((80, check) for check in ("WEB-COOKIE-HTTPONLY", "WEB-COOKIE-SAMESITE")),
    ),
    _case("sender-in-brackets", 3, answers(80, _SENDER_IN_BRACKETS, NOT_FOUND), (80, "WEB-ENV")),
    *(
        _case(f"that-answers-{reply.status}-alone", at, answers(80, {}, reply), outcome="partial")
        for at, reply in enumerate(_REFUSALS, start=10)
    ),
    _case(
        "closed-for-repairs",
        20,
        answers(80, {"GET /": page("Maintenance", "", 503)}, NOT_FOUND),
        outcome="partial",
    ),
    _case(
        "packed-in-a-way-that-is-not-read",
        21,
        answers(80, {"GET /": _as_sent(b"\x1b\x2d\x00\xf8", Content_Encoding="compress")}, NOT_FOUND),
        outcome="partial",
    ),
    _case(
        "name-that-is-wanted",
        22,
        answers(80, {"GET /": page("Portal", _HOME)}, page("Bad Request (400)", "", 400), only_for="portal.lab.test"),
        hostname="portal.lab.test",
    ),
    _case("bodies-that-end-by-hanging-up", 24, sends(80, _hangs_up), (80, "WEB-ENV")),
    _case("page-that-breaks-off", 23, http2(80, _breaks_off), outcome="partial"),
)
