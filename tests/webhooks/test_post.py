"""One call: where it may go, that it goes nowhere else, and what it proves."""

from __future__ import annotations

import hashlib
import hmac
import socket
import ssl
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from threading import Thread

import pytest

from scanner.engine.errors import InputError
from scanner.webhooks import post
from scanner.webhooks.post import Told, call, parse_address, permitted, signature
from tests.lab.lab_ca import issue


def _read(connection: socket.socket) -> bytes:
    """What came first, and the body with it, which may come apart from the headers."""
    data = connection.recv(65536)
    while data.startswith(b"POST") and not data.endswith(b"}"):
        data += connection.recv(65536)
    return data


def _spoken(connection: socket.socket, tls: ssl.SSLContext | None) -> AbstractContextManager[socket.socket]:
    return tls.wrap_socket(connection, server_side=True) if tls else nullcontext(connection)


@contextmanager
def answering(answer: bytes, tls: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[bytes]]]:
    """A server on loopback that says one thing to whoever comes, and keeps what each sent first."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection, suppress(OSError), _spoken(connection, tls) as spoken:
                    heard.append(_read(spoken))
                    spoken.sendall(answer)

        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], heard
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


@pytest.mark.parametrize(
    "url",
    [
        "http://tickets.example/",
        "http://127.0.0.1:8080/",
        "ftp://tickets.example/",
        "https://user:word@tickets.example/",
        "https://tickets.example/#part",
        "https:///path",
        "https://tickets.example/a b",
        "https://tickets.example/\r\nX: y",
        "https://tickets.example:99999/",
        "https://例子.example/",
    ],
)
def test_an_address_is_https_and_nothing_hides_in_it(url: str) -> None:
    with pytest.raises(InputError):
        parse_address(url, private=False)


def test_http_is_for_this_machine_alone_where_that_is_permitted() -> None:
    assert parse_address("http://127.0.0.1:8080/x?y=1", private=True).target == "/x?y=1"
    for url in ("http://localhost/", "http://192.168.0.1/", "http://[::2]/"):
        with pytest.raises(InputError):
            parse_address(url, private=True)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1%eth0", "fc00::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1",
        "64:ff9b::a00:1", "2002:a00:1::1", "fd00:ec2::254", "192.0.2.1",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    with pytest.raises(InputError):
        permitted([address], private=False)


def test_a_network_of_ones_own_can_be_permitted_and_what_gives_credentials_away_never() -> None:
    assert permitted(["93.184.216.34"], private=False) == "93.184.216.34"
    assert permitted(["10.0.0.1"], private=True) == "10.0.0.1"
    assert permitted(["127.0.0.1"], private=True) == "127.0.0.1"
    for address in (
        "169.254.169.254",
        "100.100.100.200",
        "fd00:ec2::254",
        "0.0.0.0",
        "fe80::1",
        "::ffff:169.254.169.254",
    ):
        with pytest.raises(InputError):
            permitted([address], private=True)


def test_one_bad_address_of_a_name_refuses_all_of_it() -> None:
    with pytest.raises(InputError):
        permitted(["93.184.216.34", "127.0.0.1"], private=False)
    with pytest.raises(InputError):
        permitted([], private=False)


def test_what_was_checked_is_what_is_connected_to() -> None:
    """The name is looked up once; who changes it afterwards changes nothing (DNS rebinding)."""
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    told = call("https://tickets.example/", b"{}", {}, private=False, resolve=resolve)
    assert (told.taken, asked) == (False, ["tickets.example"])
    assert "no public address" in told.reply


def test_a_call_is_a_post_with_its_headers_and_only_2xx_takes_it() -> None:
    with answering(b"HTTP/1.1 204 No Content\r\n\r\n") as (port, heard):
        told = call(f"http://127.0.0.1:{port}/in?a=1", b'{"a":1}', {"X-One": "1"}, private=True)
    assert (told.taken, told.reply) == (True, "HTTP 204")
    assert heard[0].startswith(b"POST /in?a=1 HTTP/1.1\r\n")
    assert b"X-One: 1\r\n" in heard[0]
    assert heard[0].endswith(b'\r\n\r\n{"a":1}')


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 500 Broken\r\n\r\n",
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000,
    ],
)
def test_whatever_comes_back_is_told_and_not_raised(answer: bytes) -> None:
    with answering(answer) as (port, _):
        told = call(f"http://127.0.0.1:{port}/", b"{}", {}, private=True)
    assert not told.taken
    assert 0 < len(told.reply) <= 200


def test_a_redirect_is_not_followed() -> None:
    with answering(b"HTTP/1.1 200 OK\r\n\r\n") as (elsewhere, there):
        away = f"HTTP/1.1 307 Away\r\nLocation: http://127.0.0.1:{elsewhere}/\r\n\r\n".encode()
        with answering(away) as (port, here):
            told = call(f"http://127.0.0.1:{port}/", b"{}", {}, private=True)
    assert (told.taken, told.reply) == (False, "HTTP 307")
    assert (len(here), len(there)) == (1, 0)


def test_one_that_drips_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(post, "DEADLINE", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        told = call(f"http://127.0.0.1:{server.getsockname()[1]}/", b"{}", {}, private=True)
    assert not told.taken


def test_a_certificate_that_nobody_vouches_for_is_refused() -> None:
    with answering(b"HTTP/1.1 200 OK\r\n\r\n") as (port, heard):
        told = call(f"https://tickets.example:{port}/", b"{}", {}, private=True, resolve=lambda *_: ["127.0.0.1"])
    assert not told.taken
    assert ssl.SSLError.__name__ in told.reply or "SSL" in told.reply
    assert b"tickets.example" in heard[0], "the name is asked for, at the address that was checked"


def test_the_name_is_proven_at_the_address_that_was_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = issue("Authority", is_ca=True)
    mine = issue("tickets.example", authority, names=["tickets.example"])
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    (tmp_path / "mine.pem").write_bytes(mine.key_pem + mine.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "mine.pem")

    def ask(name: str) -> Told:
        with answering(b"HTTP/1.1 200 OK\r\n\r\n", context) as (port, _):
            return call(f"https://{name}:{port}/", b"{}", {}, private=True, resolve=lambda *_: ["127.0.0.1"])

    assert ask("tickets.example") == Told(True, "HTTP 200")
    assert not ask("others.example").taken


def test_the_signature_covers_moment_and_body() -> None:
    sent = signature(b"rms_secret", 1_795_662_000, b'{"a":1}')
    moment, digest = (each.partition("=")[2] for each in sent.split(","))
    assert digest == hmac.new(b"rms_secret", f"{moment}.".encode() + b'{"a":1}', hashlib.sha256).hexdigest()
    assert signature(b"rms_secret", 1_795_662_001, b'{"a":1}') != sent
