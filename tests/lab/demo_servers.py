"""The servers of ``make demo``: two invented organisations, some of whose hosts are weak on purpose.

The addresses are those of ``targets/examples``. All of it runs inside a network namespace of its own.
"""

from __future__ import annotations

import contextlib
import socketserver
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.lab.case import process, program

_NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; user root;
events {{ }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  types {{ text/html html; text/plain txt; }} default_type application/octet-stream;

  # A portal that grew for years: old TLS, its repository and its passwords beside its pages.
  server {{ listen 127.20.1.1:80; listen 127.20.1.1:443 ssl; root {folder}/portal; autoindex on;
    ssl_certificate {folder}/old.pem; ssl_certificate_key {folder}/old.key;
    ssl_protocols TLSv1 TLSv1.1 TLSv1.2; ssl_ciphers ALL:@SECLEVEL=0; }}

  # A customer site with modern TLS whose certificate nobody renewed.
  server {{ listen 127.20.1.2:443 ssl; root {folder}/plain; ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate {folder}/expired.pem; ssl_certificate_key {folder}/expired.key;
    add_header Strict-Transport-Security "max-age=63072000" always; }}

  # A site as it should be.
  server {{ listen 127.20.2.1:80; return 301 https://$host$request_uri; }}
  server {{ listen 127.20.2.1:443 ssl; root {folder}/plain; server_tokens off; ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20; ssl_prefer_server_ciphers off;
    ssl_certificate {folder}/good.pem; ssl_certificate_key {folder}/good.key;
    add_header Strict-Transport-Security "max-age=63072000" always;
    add_header Content-Security-Policy "default-src 'self'; frame-ancestors 'none'" always;
    add_header X-Content-Type-Options nosniff always; add_header Referrer-Policy no-referrer always; }}
}}
"""

_SSHD = """
ListenAddress 127.20.1.4
Port 22
HostKey {folder}/hostkey
PidFile {folder}/sshd.pid
UsePAM no
KexAlgorithms +diffie-hellman-group1-sha1
Ciphers +3des-cbc
MACs +hmac-md5
"""

_VSFTPD = """
listen=YES
listen_address=127.20.1.4
background=NO
anonymous_enable=NO
local_enable=YES
secure_chroot_dir={folder}/empty
"""

_RSYNCD = """
address = 127.20.2.3
use chroot = no
[tickets]
path = {folder}/plain
comment = nightly copy
read only = yes
"""

_SNMPD = "agentAddress udp:127.20.2.5:161\nrocommunity public\nsysDescr Riverbend signal cabinet\n"

_MOSQUITTO = "listener 1883 127.20.2.2\nallow_anonymous true\nuser root\n"


class Lab:
    """The running servers, by address and port, and what may happen to them between rounds."""

    def __init__(self, folder: Path, commands: Mapping[tuple[str, int], list[str]]) -> None:
        self._folder = folder
        self._commands = commands
        self._running: dict[tuple[str, int], contextlib.ExitStack] = {}

    def start(self, address: str, port: int) -> None:
        """Start a server, and wait until it listens."""
        server = contextlib.ExitStack()
        server.enter_context(process(self._commands[address, port], folder=self._folder, wait_for=(address, port)))
        self._running[address, port] = server

    def stop(self, address: str, port: int) -> None:
        """Stop a server: its port is closed then."""
        self._running.pop((address, port)).close()

    def stop_all(self) -> None:
        """Stop whatever runs."""
        for where in list(self._running):
            self.stop(*where)

    def renew_certificate(self) -> None:
        """Put a certificate that is valid for a year in the place of the expired one."""
        _certificate(self._folder, "expired", "-days", "365")
        self.stop("127.20.1.1", 443)
        self.start("127.20.1.1", 443)

    def go_dark(self, address: str) -> None:
        """Let a host answer nothing any more."""
        _run(program("iptables"), "-A", "INPUT", "-d", address, "-j", "DROP")


@contextlib.contextmanager
def demo_servers(folder: Path) -> Iterator[Lab]:
    """Run every demo server until the block ends."""
    _prepare(folder)
    command = {
        ("127.20.1.1", 443): [program("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")],
        ("127.20.1.3", 6379): [program("redis-server"), "--bind", "127.20.1.3", "--protected-mode", "no", "--save", ""],
        ("127.20.1.3", 11211): [program("memcached"), "-u", "root", "-l", "127.20.1.3", "-p", "11211", "-U", "0"],
        ("127.20.1.4", 22): [program("sshd"), "-D", "-f", str(folder / "sshd.conf")],
        ("127.20.1.4", 21): [program("vsftpd"), str(folder / "vsftpd.conf")],
        ("127.20.2.2", 1883): [program("mosquitto"), "-c", str(folder / "mosquitto.conf")],
        ("127.20.2.3", 873): [program("rsync"), "--daemon", "--no-detach", f"--config={folder / 'rsyncd.conf'}"],
    }
    lab = Lab(folder, command)
    with contextlib.ExitStack() as servers:
        servers.callback(lab.stop_all)
        for address, port in command:
            lab.start(address, port)
        snmpd = [
            program("snmpd"),
            "-f",
            "-I",
            "-smux",
            "-C",
            "-c",
            str(folder / "snmpd.conf"),
            "-p",
            str(folder / "snmpd.pid"),
        ]
        servers.enter_context(process(snmpd, folder=folder))
        servers.enter_context(_silent_server("127.20.2.4", 5000))
        lab.go_dark("127.20.1.5")
        yield lab


@contextlib.contextmanager
def _silent_server(address: str, port: int) -> Iterator[None]:
    """A server that accepts every connection and never says a word: it can't be inspected, and must be said so."""

    class Silent(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.settimeout(60)
            with contextlib.suppress(OSError):
                while self.request.recv(1024):
                    pass

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with Server((address, port), Silent) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()


def _prepare(folder: Path) -> None:
    for name in ("portal/.git", "plain", "empty"):
        (folder / name).mkdir(parents=True)
    (folder / "plain" / "index.html").write_text("<!doctype html><html lang=en><title>Welcome</title><p>Welcome.")
    (folder / "portal" / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (folder / "portal" / ".git" / "config").write_text("[core]\n\trepositoryformatversion = 0\n\tbare = false\n")
    (folder / "portal" / ".env").write_text("APP_ENV=production\nDB_HOST=127.0.0.1\nDB_PASSWORD=demo-only-1\n")
    (folder / "portal" / "notes.txt").write_text("A demo file.\n")
    configurations = {"nginx": _NGINX, "sshd": _SSHD, "vsftpd": _VSFTPD, "rsyncd": _RSYNCD}
    configurations |= {"snmpd": _SNMPD, "mosquitto": _MOSQUITTO}
    for name, text in configurations.items():
        (folder / f"{name}.conf").write_text(text.format(folder=folder))
    Path("/run/sshd").mkdir(exist_ok=True)
    _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "hostkey"))
    _certificate(folder, "good", "-days", "365")
    _certificate(folder, "old", "-days", "20")
    _expired_certificate(folder)


def _certificate(folder: Path, name: str, *options: str) -> None:
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}.example.org"]
    _run(*make, *options, "-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem"))


def _expired_certificate(folder: Path) -> None:
    """OpenSSL 3.0 can't date a certificate back with ``req``; ``ca`` can."""
    request, key = str(folder / "expired.csr"), str(folder / "expired.key")
    _run("openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=example.org", "-keyout", key)
    _run("openssl", "req", "-new", "-key", key, "-subj", "/CN=shop.water.example.org", "-out", request)
    (folder / "index.txt").write_text("")
    (folder / "ca.conf").write_text(
        "[ca]\ndefault_ca=demo\n[demo]\ndatabase=index.txt\nnew_certs_dir=.\nrand_serial=yes\n"
        "default_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n"
    )
    year = time.gmtime().tm_year - 1
    dates = ["-startdate", f"{year - 1}0101000000Z", "-enddate", f"{year}0101000000Z"]
    sign = ["openssl", "ca", "-batch", "-notext", "-config", "ca.conf", "-selfsign", "-keyfile", key, "-in", request]
    _run(*sign, *dates, "-out", str(folder / "expired.pem"), cwd=folder)


def _run(*command: str, cwd: Path | None = None) -> None:
    subprocess.run(command, check=True, capture_output=True, cwd=cwd)
