"""Real servers in set-ups that are unusual and sound, or unusual and not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.lab.case import LabCase, process, program
from tests.lab.http_answers import GO_NOT_FOUND, Reply, answers, data, page, together
from tests.lab.scripted import scripted
from tests.lab.ssh_cases import sshd
from tests.lab.web_servers import apache, haproxy, nginx

_HAPROXY_SITE = """
frontend site
  bind @address@:443 ssl crt @folder@/server.pem strict-sni ssl-min-ver TLSv1.2
  http-after-response set-header X-Frame-Options DENY
  http-after-response set-header Strict-Transport-Security max-age=63072000
  http-request return status 200 content-type text/html string "<!doctype html><title>Portal</title>"
"""
_HAPROXY_STATISTICS = """
frontend metrics
  bind @address@:8404
  http-request use-service prometheus-exporter if { path /metrics }
listen administration
  bind @address@:8405
  http-request deny deny_status 404 unless { path / }
  stats enable
  stats uri /
  stats admin if TRUE
  server none @address@:9
"""


def _page(www: Path) -> None:
    (www / "index.html").write_text("<!doctype html><title>Portal</title>")


def _files(www: Path) -> None:
    (www / "minutes.txt").write_text("Only for the lab.")


_SITE_BY_NAME = """
server { listen @address@:443 ssl default_server; ssl_reject_handshake on; ssl_protocols TLSv1.2 TLSv1.3; }
server {
  listen @address@:443 ssl; server_name www.lab.example; ssl_protocols TLSv1.2 TLSv1.3;
  add_header X-Frame-Options DENY always; add_header Strict-Transport-Security max-age=63072000 always;
}
"""

_DAV = """
TraceEnable Off
DavLockDB "@folder@/lock"
<Directory "@folder@/www">
  Dav On
  Options Indexes
</Directory>
"""


@contextlib.contextmanager
def _small_proxies(address: str, folder: Path) -> Iterator[None]:
    """Privoxy as it is for everyone, Tinyproxy for everyone, and Tinyproxy for one network only."""
    privoxy, open_one, closed_one = folder / "privoxy", folder / "open", folder / "closed"
    privoxy.write_text(f"listen-address {address}:8118\nconfdir /etc/privoxy\nlogdir {folder}\n")
    open_one.write_text(f"Port 8888\nListen {address}\nMaxClients 20\n")
    closed_one.write_text(f"Port 8889\nListen {address}\nMaxClients 20\nAllow 192.0.2.0/24\n")
    with contextlib.ExitStack() as running:
        tinyproxy = program("tinyproxy")
        for port, command in (
            (8118, [program("privoxy"), "--no-daemon", str(privoxy)]),
            (8888, [tinyproxy, "-d", "-c", str(open_one)]),
            (8889, [tinyproxy, "-d", "-c", str(closed_one)]),
        ):
            running.enter_context(process(command, folder=folder, wait_for=(address, port)))
        yield


@contextlib.contextmanager
def _php_that_answers_everything(address: str, folder: Path) -> Iterator[None]:
    """PHP's own server with one page, which tells all: it stands for every address that doesn't exist, too."""
    (folder / "index.php").write_text("<?php phpinfo();")
    command = [program("php"), "-S", f"{address}:8001", "-t", str(folder)]
    with process(command, folder=folder, wait_for=(address, 8001)):
        yield


# As Werkzeug 3.1 and Jupyter Server 2.21 answer.
_WERKZEUG: dict[str, Reply] = {
    "GET /": page("Portal", Server="Werkzeug/3.1.9 Python/3.11.7"),
    "GET /console": page("Console // Werkzeug Debugger", "<script>var CONSOLE_MODE = true, EVALEX = true;</script>"),
}
_TORNADO = {"Server": "TornadoServer/6.6.1"}
_JUPYTER: dict[str, Reply] = {
    "GET /": page("Jupyter Server", "A Jupyter Server is running.", **_TORNADO),
    "GET /api": data({"version": "2.21.1"}, **_TORNADO),
    "GET /api/status": data({"connections": 0, "kernels": 0, "last_activity": "2026-01-01T00:00:00Z"}, **_TORNADO),
}


def _ftp_without_patience(request: bytes) -> bytes | None:
    """Hang up on the anonymous user, as servers behind an intrusion prevention system do."""
    return {b"FEAT": b"211 End\r\n", b"AUTH": b"502 No\r\n"}.get(request[:4])


def _smtp_without_patience(request: bytes) -> bytes | None:
    """Hang up on strangers that write to strangers."""
    answers = {b"EHLO": b"250-mx\r\n250 SIZE 1000\r\n", b"VRFY": b"502 No\r\n", b"MAIL": b"250 OK\r\n"}
    return answers.get(request[:4])


_GO_SERVER = answers(443, {"GET /": page("Portal")}, GO_NOT_FOUND, tls=True, certificate_for="www.lab.example")

_OWN_CERTIFICATE = frozenset({"CERT-SELFSIGNED", "CERT-UNTRUSTED"})

CASES = (
    LabCase(
        name="haproxy-that-demands-names",
        address="127.10.45.1",
        ports="443",
        hostname="www.lab.example",
        start=haproxy(443, _HAPROXY_SITE, "DNS:www.lab.example"),
        expected=frozenset({(443, "CERT-SELFSIGNED")}),
        tolerated=_OWN_CERTIFICATE,
        silent=frozenset({"TLS-SSLV2", "TLS-SSLV3", "TLS-V10", "TLS-SNI-REQ", "CERT-HOSTNAME", "WEB-HSTS"}),
        services=frozenset({(443, "http")}),
    ),
    LabCase(
        name="haproxy-site-with-a-chinese-name",
        address="127.10.45.14",
        ports="443",
        hostname="例子.example",
        start=haproxy(443, _HAPROXY_SITE, "DNS:xn--fsqu00a.example"),
        expected=frozenset({(443, "CERT-SELFSIGNED")}),
        tolerated=_OWN_CERTIFICATE,
        silent=frozenset({"CERT-HOSTNAME", "TLS-SNI-REQ", "WEB-HSTS"}),
        services=frozenset({(443, "http")}),
    ),
    LabCase(
        name="nginx-without-a-site-for-the-address",
        address="127.10.45.2",
        ports="443",
        hostname="www.lab.example",
        start=nginx(_SITE_BY_NAME, port=443, fill=_page),
        expected=frozenset({(443, "CERT-SELFSIGNED"), (443, "CERT-HOSTNAME")}),
        tolerated=_OWN_CERTIFICATE,
        silent=frozenset({"WEB-HSTS", "WEB-XFO", "TLS-SNI-REQ"}),
        services=frozenset({(443, "http")}),
    ),
    LabCase(
        name="apache-with-webdav",
        address="127.10.45.3",
        ports="80",
        start=apache(
            80,
            _DAV,
            modules=("dav", "dav_fs", "autoindex"),
            fill=_files,
        ),
        expected=frozenset({(80, "SVC-WEBDAV-UNAUTH"), (80, "WEB-DIRLIST"), (80, "WEB-XFO"), (80, "WEB-METHODS")}),
        silent=frozenset({"SVC-WEBDAV-EXPOSED"}),
    ),
    LabCase(
        name="nginx-listing-for-programs",
        address="127.10.45.4",
        ports="80",
        start=nginx("server { listen @address@:80; autoindex on; autoindex_format json; }", port=80, fill=_files),
        expected=frozenset({(80, "WEB-DIRLIST")}),
    ),
    LabCase(
        name="ssh-of-an-old-device",
        address="127.10.45.5",
        ports="22",
        start=sshd(
            "KexAlgorithms=diffie-hellman-group1-sha1",
            "Ciphers=aes256-cbc",
            "MACs=hmac-md5",
            key=("-t", "rsa", "-b", "1024"),
        ),
        expected=frozenset(
            {(22, "SSH-KEX-WEAK"), (22, "SSH-CIPHER-WEAK"), (22, "SSH-MAC-WEAK"), (22, "SSH-HOSTKEY-WEAK")}
        ),
        silent=frozenset({"SSH-TERRAPIN"}),
        services=frozenset({(22, "ssh")}),
    ),
    LabCase(
        name="ssh-hardened-but-for-passwords",
        address="127.10.45.10",
        ports="22",
        start=sshd("Ciphers=aes256-gcm@openssh.com", "MACs=hmac-sha2-512-etm@openssh.com"),
        expected=frozenset({(22, "SSH-PASSWORD")}),
        silent=frozenset({"SSH-KEX-WEAK", "SSH-CIPHER-WEAK", "SSH-MAC-WEAK", "SSH-HOSTKEY-WEAK", "SSH-TERRAPIN"}),
        level=2,
    ),
    LabCase(
        name="small-http-proxies",
        address="127.10.45.6",
        ports="8118,8888,8889",
        start=_small_proxies,
        expected=frozenset(
            {(8118, "SVC-HTTP-PROXY-UNAUTH"), (8888, "SVC-HTTP-PROXY-UNAUTH"), (8889, "SVC-HTTP-PROXY-EXPOSED")}
        ),
        outcome="partial",
    ),
    LabCase(
        name="php-that-answers-everything",
        address="127.10.45.7",
        ports="8001",
        start=_php_that_answers_everything,
        expected=frozenset({(8001, "WEB-PHPINFO"), (8001, "WEB-XFO")}),
    ),
    LabCase(
        name="python-servers-left-open",
        address="127.10.45.8",
        ports="5000,9999",
        start=together(answers(5000, _WERKZEUG, GO_NOT_FOUND), answers(9999, _JUPYTER, GO_NOT_FOUND)),
        expected=frozenset({(5000, "WEB-ERROR-STACK"), (5000, "WEB-XFO"), (9999, "SVC-JUPYTER-UNAUTH")}),
        silent=frozenset({"SVC-JUPYTER-EXPOSED"}),
    ),
    LabCase(
        name="haproxy-statistics",
        address="127.10.45.9",
        ports="8404,8405",
        start=haproxy(8404, _HAPROXY_STATISTICS),
        expected=frozenset({(8404, "SVC-EXPORTER-UNAUTH"), (8405, "WEB-ADMIN-PANEL"), (8405, "WEB-XFO")}),
        outcome="partial",
    ),
    LabCase(
        name="go-server-asked-by-address",
        address="127.10.45.12",
        ports="443",
        start=_GO_SERVER,
        expected=frozenset({(443, "TLS-SNI-REQ")}),
        silent=frozenset({"CERT-SELFSIGNED", "CERT-HOSTNAME", "WEB-HSTS"}),
        outcome="partial",
    ),
    LabCase(
        name="go-server-asked-by-name",
        address="127.10.45.13",
        ports="443",
        hostname="www.lab.example",
        start=_GO_SERVER,
        expected=frozenset({(443, "CERT-SELFSIGNED"), (443, "CERT-HOSTNAME"), (443, "WEB-HSTS"), (443, "WEB-XFO")}),
        silent=frozenset({"TLS-SNI-REQ"}),
        services=frozenset({(443, "http")}),
    ),
    LabCase(
        name="servers-without-patience",
        address="127.10.45.11",
        ports="21,25",
        start=together(
            scripted(21, _ftp_without_patience, banner=b"220 FTP server ready\r\n"),
            scripted(25, _smtp_without_patience, banner=b"220 mx ESMTP\r\n"),
        ),
        expected=frozenset({(21, "CLR-FTP"), (25, "SMTP-NOSTARTTLS")}),
        silent=frozenset({"FTP-ANON", "SMTP-OPENRELAY"}),
        level=2,
        outcome="partial",
    ),
)
