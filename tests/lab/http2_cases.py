"""Web servers that speak HTTP/2 and nothing older, inside TLS and in clear text."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from h2.connection import H2Connection

from tests.lab.case import LabCase, Start, process, program
from tests.lab.certificate import self_signed
from tests.lab.http2_server import http2, table
from tests.lab.http_answers import page, text, together

_OWN_CERTIFICATE = frozenset({"CERT-SELFSIGNED", "CERT-UNTRUSTED"})
_LOGIN = '<!doctype html><title>Portal</title><form action="/in"><input type="password" name="p"></form>'


def _nghttpd(port: int, *, tls: bool) -> Start:
    """Run nghttp2's server, which has never learnt HTTP/1.1, with a working copy left in its folder."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        root = folder / f"www{port}"
        (root / ".git").mkdir(parents=True)
        (root / "index.html").write_text(_LOGIN)
        (root / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
        (root / ".git" / "config").write_text("[core]\n\trepositoryformatversion = 0\n")
        certificate, key = self_signed(folder, address, rsa=True)
        inside = [str(port), str(key), str(certificate)] if tls else ["--no-tls", str(port)]
        with process(
            [program("nghttpd"), "-a", address, "-d", str(root), *inside], folder=folder, wait_for=(address, port)
        ):
            yield

    return start


_SOUND = {
    "Content_Security_Policy": "default-src 'self'; frame-ancestors 'none'",
    "Strict_Transport_Security": "max-age=63072000",
}
_SOUND_SITE = table({"GET /": page("Portal", "Opening hours", **_SOUND)}, text("not found\n", 404, **_SOUND))


def _gives_up(http: H2Connection, stream: int, _: Mapping[bytes, bytes]) -> None:
    http.reset_stream(stream)


CASES = (
    LabCase(
        name="http2-alone-inside-tls-and-in-clear",
        address="127.10.90.10",
        ports="443,8080",
        start=together(_nghttpd(443, tls=True), _nghttpd(8080, tls=False)),
        expected=frozenset(
            {
                *((port, check) for port in (443, 8080) for check in ("WEB-GIT", "WEB-XFO", "WEB-CSP")),
                (443, "CERT-SELFSIGNED"),
                (8080, "CLR-HTTP-LOGIN"),
                (8080, "WEB-NO-REDIRECT"),
            }
        ),
        tolerated=_OWN_CERTIFICATE,
        services=frozenset({(443, "http"), (8080, "http")}),
    ),
    LabCase(
        name="http2-alone-and-sound",
        address="127.10.90.11",
        ports="8443",
        start=http2(8443, _SOUND_SITE, tls=True),
        expected=frozenset({(8443, "CERT-SELFSIGNED")}),
        silent=frozenset({"WEB-GIT", "WEB-XFO", "WEB-CSP", "WEB-HSTS", "WEB-TRACE", "WEB-CORS"}),
        tolerated=_OWN_CERTIFICATE,
        services=frozenset({(8443, "http")}),
    ),
    LabCase(
        name="http2-alone-that-answers-no-request",
        address="127.10.90.12",
        ports="8080",
        start=http2(8080, _gives_up),
        silent=frozenset({"WEB-XFO", "WEB-GIT", "WEB-HTTP-ONLY", "WEB-CSP"}),
        services=frozenset({(8080, "http")}),
        outcome="partial",
    ),
)
