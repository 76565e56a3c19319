"""The site as it is run: safe by its settings, on loopback unless a proxy with TLS stands before it."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from scanner.engine.errors import InputError
from scanner.installation import ROOT, load
from tests import forked
from tests.installation import COMMAND, Installation
from tests.processes import below, command_line, lives

URL = "https://roundsman.example.org"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("ROUNDSMAN_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@contextmanager
def served(installation: Installation, **settings: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run ``roundsman serve`` until the block ends, and see that it ends by SIGTERM as it should."""
    port = free_port()
    log = (installation.path.parent / "serve.log").open("ab")  # a pipe that nobody reads holds up whoever logs
    installation.environment.update({"ROUNDSMAN_WEB_PORT": str(port), "ROUNDSMAN_CADENCE": "off", **settings})
    command = ("-c", COMMAND, "serve", "--workers", "1")
    process = forked.Python(*command, env=installation._variables(), cwd=installation.path.parent, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield process, port
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        log.close()


def ask(port: int, path: str, **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def announce(port: int, host: str, size: int, cookie: str) -> int:
    """Say that a body of this size follows, and, where a session is said to be, send it; return what is answered."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.putrequest("POST", "/account/sign-in/", skip_host=True)
    known = {"Host": host, "X-Forwarded-Proto": "https", "Content-Length": str(size), "Cookie": cookie}
    for name, value in known.items():
        connection.putheader(name, value)
    connection.endheaders(b"x" * size if cookie else None)
    status = connection.getresponse().status
    connection.close()
    return status


def test_the_deployment_check_of_django_finds_nothing(installation: Installation) -> None:
    installation.environment["ROUNDSMAN_WEB_URL"] = URL
    installation.python(
        """
        from django.core.management import call_command
        call_command("check", deploy=True, fail_level="WARNING")
        """
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WEB_URL", "http://roundsman.example.org"),
        ("WEB_URL", "https://roundsman.example.org/below"),
        ("WEB_URL", "roundsman.example.org"),
        ("WEB_BIND", "0.0.0.0"),
        ("WEB_BIND", "::"),
        ("WEB_PORT", "0"),
        ("SECOND_FACTOR", "everybody"),
    ],
)
def test_what_would_send_passwords_in_the_clear_or_can_not_work_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"ROUNDSMAN_{name}", value)
    with pytest.raises(InputError, match=f"ROUNDSMAN_{name}"):
        load()


def test_a_proxy_with_tls_lets_it_be_reached_from_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (str(load().web_bind), load().site) == ("127.0.0.1", "http://127.0.0.1:8440")
    monkeypatch.setenv("ROUNDSMAN_WEB_URL", f"{URL}/")
    monkeypatch.setenv("ROUNDSMAN_WEB_BIND", "0.0.0.0")
    assert load().site == URL
    monkeypatch.setenv("ROUNDSMAN_SECOND_FACTOR", "none")
    assert load().second_factor == ()


def health(installation: Installation) -> int:
    command = [sys.executable, "-m", "scanner.console.health"]
    return subprocess.run(command, env=installation._variables(), stderr=subprocess.DEVNULL, check=False).returncode


@pytest.mark.slow
def test_serve_serves_the_pages_believes_the_proxy_alone_and_ends_when_told(installation: Installation) -> None:
    with served(installation, ROUNDSMAN_WEB_URL=URL) as (process, port):
        host = "roundsman.example.org"
        plain = ask(port, "/account/sign-in/", Host=host)
        assert (plain.status, plain.headers["Location"]) == (301, f"{URL}/account/sign-in/")
        behind = ask(port, "/account/sign-in/", Host=host, X_Forwarded_Proto="https", X_Forwarded_For="192.0.2.7")
        assert behind.status == 200
        assert health(installation) == 0
        assert "max-age=63072000" in behind.headers["Strict-Transport-Security"]
        cookie = behind.headers["Set-Cookie"]
        assert cookie.startswith("__Host-csrf=")
        assert {"Secure", "HttpOnly", "SameSite=Lax"} <= set(cookie.split("; "))
        assert ask(port, "/", Host="evil.example", X_Forwarded_Proto="https").status == 400
        assert "Server" not in behind.headers
        for cookie, status in (("", 413), ("__Host-session=nobodys", 413)):
            assert announce(port, host, 1_000_000, cookie) == status, "without the body"
        assert process.poll() is None
    assert health(installation) == 1
    log = (installation.path.parent / "serve.log").read_text("utf-8")
    assert [each.partition(" WARNING ")[2] for each in log.splitlines() if "evil.example" in each] == [
        "django.security.DisallowedHost: a request for host evil.example was refused: it is not this site's name"
    ]
    assert "Traceback" not in log
    assert "Bad Request" not in log


def pages_of(service: int) -> psutil.Process:
    """Return the process that answers browsers for a service."""
    [found] = [each for each in below(service, recursive=False) if "scanner.cli.pages" in command_line(each)]
    return found


@pytest.mark.slow
def test_pages_come_from_a_process_that_is_begun_anew_when_it_dies_and_ends_with_the_service(
    installation: Installation,
) -> None:
    with suppress(InterruptedError), served(installation) as (process, port):
        first = pages_of(process.pid)
        assert ask(port, "/healthz").status == 200
        first.kill()
        first.wait(5)
        assert ask(port, "/healthz").status == 200, "whoever comes meanwhile waits for the next one"
        second = pages_of(process.pid)
        second.terminate()
        assert ask(port, "/healthz").status == 200, "only the service ends it"
        assert lives(second)
        process.kill()
        second.wait(8)
        raise InterruptedError("the service was killed, as it was to be")


@pytest.mark.slow
def test_a_port_that_is_taken_is_an_error_that_says_what_to_do(installation: Installation) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        installation.environment["ROUNDSMAN_WEB_PORT"] = str(taken.getsockname()[1])
        output = installation.roundsman("serve", status=2)
    assert "ROUNDSMAN_WEB_PORT" in output


def test_nothing_of_the_site_needs_a_file_outside_of_the_packages() -> None:
    assert (ROOT / "scanner" / "console" / "console.css").is_file()
    assert [path.name for path in (ROOT / "scanner" / "console").rglob("*.js")] == ["keys.js"]
