"""Real web servers for the lab, and a few small ones for what no real server would do."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.lab.case import Start, process, program
from tests.lab.certificate import self_signed
from tests.lab.scripted import speaks

Fill = Callable[[Path], None]
"""Puts a site's files into its document root."""

_NGINX = """
daemon off; user root; worker_processes 1; pid @folder@/nginx.pid; error_log @folder@/error.log;
events { worker_connections 128; }
http {
  include /etc/nginx/mime.types; default_type application/octet-stream; access_log off;
  client_body_temp_path @folder@/t1; proxy_temp_path @folder@/t2; fastcgi_temp_path @folder@/t3;
  uwsgi_temp_path @folder@/t4; scgi_temp_path @folder@/t5;
  ssl_certificate @folder@/server.crt; ssl_certificate_key @folder@/server.key;
  root @folder@/www;
  @servers@
}
"""

_APACHE = """
ServerRoot "@folder@"
ServerName lab
PidFile "@folder@/apache.pid"
ErrorLog "@folder@/error.log"
Listen @address@:@port@
User www-data
Group www-data
DocumentRoot "@folder@/www"
@modules@
TypesConfig /etc/mime.types
<Directory "@folder@/www">
  Require all granted
</Directory>
@more@
"""
_HAPROXY = """
defaults
  mode http
  retries 0
  timeout connect 2s
  timeout client 10s
  timeout server 10s
"""
_APACHE_MODULES = ("mpm_event", "authz_core", "mime", "dir", "alias")


def nothing(_: Path) -> None:
    """The files of a site that has none."""


def nginx(servers: str, *, port: int, fill: Fill = nothing) -> Start:
    """Return nginx with these server blocks; ``@address@`` and ``@folder@`` are the case's own."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        (folder / "www").mkdir()
        fill(folder / "www")
        self_signed(folder, address)
        text = _NGINX.replace("@servers@", servers).replace("@address@", address).replace("@folder@", str(folder))
        configuration = folder / "nginx.conf"
        configuration.write_text(text)
        command = [program("nginx"), "-p", str(folder), "-c", str(configuration)]
        with process(command, folder=folder, wait_for=(address, port)):
            yield

    return start


def apache(port: int, more: str, *, modules: tuple[str, ...] = (), fill: Fill = nothing) -> Start:
    """Return Apache's httpd with further modules and configuration."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        (folder / "www").mkdir()
        fill(folder / "www")
        loads = "\n".join(
            f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in (*_APACHE_MODULES, *modules)
        )
        text = _APACHE.replace("@modules@", loads).replace("@more@", more).replace("@port@", str(port))
        folder.chmod(0o755)  # Apache refuses to serve as root and drops to another account
        configuration = folder / "apache.conf"
        configuration.write_text(text.replace("@address@", address).replace("@folder@", str(folder)))
        command = [program("apache2"), "-X", "-f", str(configuration)]
        with process(command, folder=folder, wait_for=(address, port)):
            yield

    return start


def haproxy(port: int, more: str, names: str = "") -> Start:
    """Return HAProxy with these frontends; its certificate is for ``names``, as a subjectAltName extension has them."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        certificate, key = self_signed(folder, address, names)
        (folder / "server.pem").write_text(key.read_text() + certificate.read_text())
        configuration = folder / "haproxy.cfg"
        text = (_HAPROXY + more).replace("@address@", address)
        configuration.write_text(text.replace("@folder@", str(folder)))
        command = [program("haproxy"), "-db", "-f", str(configuration)]
        with process(command, folder=folder, wait_for=(address, port)):
            yield

    return start


def python_listing(port: int, fill: Fill) -> Start:
    """Return Python's own ``http.server``, which lists directories."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        (folder / "www").mkdir()
        fill(folder / "www")
        command = [
            sys.executable,
            "-m",
            "http.server",
            str(port),
            "--bind",
            address,
            "--directory",
            str(folder / "www"),
        ]
        with process(command, folder=folder, wait_for=(address, port)):
            yield

    return start


_DJANGO = """
import sys
from django.conf import settings
from django.http import HttpResponse
from django.urls import path
from django.core.management import call_command
settings.configure(DEBUG=True, ROOT_URLCONF="__main__", ALLOWED_HOSTS=["*"], SECRET_KEY="only-for-the-lab")
urlpatterns = [path("", lambda request: HttpResponse("<!doctype html><title>Portal</title>"))]
import django
django.setup()
call_command("runserver", sys.argv[1], use_reloader=False)
"""


def django_in_debug_mode(port: int) -> Start:
    """Return a Django site that somebody put on-line with DEBUG on."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        (folder / "site.py").write_text(_DJANGO)
        command = [sys.executable, str(folder / "site.py"), f"{address}:{port}"]
        # Without this the child would load the project's own settings.
        environment = {"DJANGO_SETTINGS_MODULE": "", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with process(command, folder=folder, wait_for=(address, port), env=environment):
            yield

    return start


def php(code: str, port: int) -> Start:
    """Return PHP's own server with this code for every page, and its messages shown as developers like them."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        (folder / "index.php").write_text(code)
        options = ["-d", "display_errors=1", "-d", "html_errors=1"]
        command = [program("php"), *options, "-S", f"{address}:{port}", "-t", str(folder)]
        with process(command, folder=folder, wait_for=(address, port)):
            yield

    return start


def sends(port: int, reply: Callable[[bytes], Iterator[bytes]]) -> Start:
    """Return a server that answers each request with the bytes that ``reply(request)`` yields, then closes."""

    def speak(connection: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            more = connection.recv(4096)
            if not more:
                return
            request += more
        for part in reply(request):
            connection.sendall(part)

    return speaks(port, speak)
