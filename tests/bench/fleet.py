"""A fleet of loopback hosts with six real services each, in a network namespace of its own.

Every server is started once and listens on all of 127.0.0.0/8, so that each address of it is a host.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.lab.case import process, program

SERVICES = (21, 22, 80, 443, 873, 8080)
"""FTP, SSH, HTTP, HTTPS, rsync, HTTP: all among nmap's first thousand ports, so that both sides see all six."""

_NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 2; user root;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  root {folder}/www;
  server {{ listen 80; listen 8080; }}
  server {{ listen 443 ssl; ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;
            ssl_protocols TLSv1.2 TLSv1.3; }}
}}
"""

_SSHD = """
ListenAddress 0.0.0.0
Port 22
HostKey {folder}/hostkey
PidFile {folder}/sshd.pid
MaxStartups 1000
UsePAM no
"""

_VSFTPD = """
listen=YES
background=NO
anonymous_enable=NO
local_enable=YES
secure_chroot_dir={folder}/empty
max_per_ip=0
"""

_RSYNCD = (
    "use chroot = no\nreverse lookup = no\nlisten backlog = 1024\n[public]\npath = {folder}/www\nread only = yes\n"
)


def addresses(count: int) -> list[str]:
    """Return ``count`` host addresses of the fleet."""
    return [f"127.30.{number // 250}.{number % 250 + 1}" for number in range(count)]


@contextlib.contextmanager
def fleet(folder: Path) -> Iterator[None]:
    """Run the six services until the block ends. Must be called inside a network namespace of our own."""
    _prepare(folder)
    commands = {
        443: [program("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")],
        22: [program("sshd"), "-D", "-f", str(folder / "sshd.conf")],
        21: [program("vsftpd"), str(folder / "vsftpd.conf")],
        873: [program("rsync"), "--daemon", "--no-detach", f"--config={folder / 'rsyncd.conf'}"],
    }
    with contextlib.ExitStack() as servers:
        for port, command in commands.items():
            servers.enter_context(process(command, folder=folder, wait_for=("127.0.0.1", port)))
        yield


def _prepare(folder: Path) -> None:
    (folder / "www").mkdir()
    (folder / "empty").mkdir()
    Path("/run/sshd").mkdir(exist_ok=True)
    (folder / "www" / "index.html").write_text("<!doctype html><title>Fleet</title><p>A page.")
    for name, text in {"nginx": _NGINX, "sshd": _SSHD, "vsftpd": _VSFTPD, "rsyncd": _RSYNCD}.items():
        (folder / f"{name}.conf").write_text(text.format(folder=folder))
    key, certificate = str(folder / "key.pem"), str(folder / "cert.pem")
    make_certificate = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=fleet"]
    for command in (
        [*make_certificate, "-days", "90", "-keyout", key, "-out", certificate],
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "hostkey")],
    ):
        subprocess.run(command, check=True, capture_output=True)
