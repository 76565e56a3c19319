"""Real TLS servers in every state, for the lab: nginx and tlslite-ng."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from scanner.installation import ROOT
from tests.lab.case import Start, process, program
from tests.lab.lab_ca import INTERMEDIATE, Issued, issue, rsa_key

MODERN = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305"
"""The intermediate profile of Mozilla's guidelines, shortened."""

# nginx counts every address that it listens on among its connections.
_NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1; {user}
events {{ worker_connections 2048; }}
http {{
  access_log off; server_tokens off; default_type text/plain;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  add_header Strict-Transport-Security "max-age=63072000; includeSubDomains" always;
  add_header X-Content-Type-Options nosniff always;
  add_header X-Frame-Options DENY always;
  add_header Referrer-Policy no-referrer always;
  add_header Content-Security-Policy "default-src 'none'; frame-ancestors 'none'" always;
  {servers}
}}
"""


def write_pair(folder: Path, issued: Issued, name: str = "server", *, chain: bytes | None = None) -> None:
    """Write ``name.pem`` and ``name.key``; the chain is leaf and lab intermediate unless given."""
    sent = issued.pem + INTERMEDIATE.pem if chain is None else chain
    (folder / f"{name}.pem").write_bytes(sent)
    (folder / f"{name}.key").write_bytes(issued.key_pem)


def nginx_server(listen: str, directives: str, *, name: str = "server", server_name: str = "_") -> str:
    """Return one ``server`` block that answers 404 over TLS."""
    return (
        f"server {{ listen {listen}; server_name {server_name}; ssl_certificate {name}.pem;"
        f" ssl_certificate_key {name}.key; {directives} location / {{ return 404; }} }}"
    )


@contextlib.contextmanager
def run_nginx(address: str, port: int, folder: Path, servers: str) -> Iterator[None]:
    """Run nginx with these ``server`` blocks until the block ends."""
    configuration = folder / "nginx.conf"
    configuration.write_text(_NGINX.format(folder=folder, servers=servers, user="user root;"))
    command = [program("nginx"), "-p", str(folder), "-c", str(configuration), "-e", str(folder / "error.log")]
    with process(command, folder=folder, wait_for=(address, port)):
        yield


def nginx(port: int, directives: str, issued: Issued, *, chain: bytes | None = None) -> Start:
    """Return the start of an nginx with one TLS server."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        write_pair(folder, issued, chain=chain)
        with run_nginx(address, port, folder, nginx_server(f"{address}:{port} ssl", directives)):
            yield

    return start


def modern_nginx(
    port: int,
    issued: Issued,
    *,
    chain: bytes | None = None,
    protocols: str = "TLSv1.2 TLSv1.3",
    ciphers: str = MODERN,
) -> Start:
    """Return the start of an nginx that is configured well, so that only its certificate can be at fault."""
    directives = f"ssl_protocols {protocols}; ssl_ciphers {ciphers}; ssl_prefer_server_ciphers on;"
    return nginx(port, directives, issued, chain=chain)


def python_server(port: int, module: str, *options: str, issued: Issued | None = None) -> Start:
    """Return the start of one of the lab's own server modules: ``address port folder options``."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        write_pair(folder, issued or issue("s.lab", INTERMEDIATE, names=["s.lab"], key=rsa_key(2048)))
        command = [sys.executable, "-m", f"tests.lab.{module}", address, str(port), str(folder), *options]
        with process(command, folder=folder, wait_for=(address, port), env={"PYTHONPATH": str(ROOT)}):
            yield

    return start
