"""Mail servers for tests: a real one (aiosmtpd), and one that follows a script of faults. Both on loopback."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from socket import socket
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from scanner.delivery.models import MessageKind
from scanner.delivery.outbox import Letter, enqueue
from scanner.delivery.reports import Post
from scanner.delivery.smtp import Security, Server
from tests.lab.lab_ca import ROOT, Issued, issue
from tests.lab.scripted import listening
from tests.lab.tls_servers import write_pair

HERE = "127.0.0.1"
NOW = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
USER, PASSWORD = "roundsman", "correct horse"

Reply = Callable[[str], str | None]
"""Answers an address with a reply of the server's, or None to take it."""


@dataclass
class Office:
    """What a server received, and what it says to recipients and contents."""

    received: list[tuple[str, bytes]] = field(default_factory=list)
    sessions: int = 0
    to: Reply = lambda address: None
    content: Reply = lambda address: None

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        reply = self.to(address)
        if reply is None:
            envelope.rcpt_tos.append(address)
        return reply or "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - the library's name
        (address,) = envelope.rcpt_tos
        reply = self.content(address)
        if reply is None:
            assert isinstance(envelope.content, bytes)
            self.received.append((address, envelope.content))
        return reply or "250 taken"

    async def handle_EHLO(  # noqa: N802 - the library's name
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.sessions += 1
        return responses

    @property
    def mails(self) -> list[EmailMessage]:
        return [message_from_bytes(content, policy=policy.SMTP) for _, content in self.received]


@dataclass(frozen=True)
class Keys:
    """A certificate authority's root, and certificates that it signed, as files."""

    ca: Path
    folder: Path

    def context(self, leaf: Issued) -> ssl.SSLContext:
        write_pair(self.folder, leaf)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "server.pem", self.folder / "server.key")
        return context


def keys(folder: Path) -> Keys:
    (folder / "ca.pem").write_bytes(ROOT.pem)
    return Keys(folder / "ca.pem", folder)


def good() -> Issued:
    return issue("mail.lab", ROOT, names=["localhost"], addresses=[HERE])


def authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    assert isinstance(data, LoginPassword)
    return AuthResult(success=data == LoginPassword(USER.encode(), PASSWORD.encode()), handled=False)


@contextmanager
def open_office(
    office: Office, context: ssl.SSLContext | None = None, security: Security = Security.NONE, **options: Any
) -> Iterator[int]:
    """Run a real mail server; yields its port."""
    if security is Security.STARTTLS:
        options |= {"tls_context": context, "require_starttls": True}
    elif security is Security.TLS:
        options |= {"ssl_context": context, "auth_require_tls": False}
    controller = Controller(office, port=0, **{"hostname": HERE, **options})
    _on_free_port(controller)
    try:
        yield controller.port
    finally:
        controller.stop()


def _on_free_port(controller: Controller) -> None:
    with socket() as probe:
        probe.bind((controller.hostname, 0))
        controller.port = probe.getsockname()[1]
    controller.start()


def plain(port: int, **fields: Any) -> Server:
    return Server(HERE, port, **{"security": Security.NONE, "timeout": 5, "patience": 10, **fields})


def letter(number: int = 1, recipient: str = "", **fields: Any) -> Letter:
    values = {
        "key": f"test:{number}",
        "kind": MessageKind.ROUND_REPORT,
        "recipient": recipient or f"contact{number}@water.example",
        "language": "en",
        "subject": f"Letter {number}",
        "text": f"Text {number}\n",
        "html": f"<p>Text {number}</p>",
    }
    return Letter(**{**values, **fields})


def post_letters(*letters: Letter, now: datetime = NOW) -> None:
    for each in letters:
        assert enqueue(each, now)


def settings_of(folder: Path, **fields: Any) -> Post:
    return Post(**{"data_dir": folder, "limit": 1_000_000, **fields})


Script = Callable[["Wire"], object]


class Wire:
    """One connection of the server that follows a script."""

    def __init__(self, connection: socket) -> None:
        self._connection = connection
        self._read = connection.makefile("rb")

    def say(self, text: str) -> None:
        self._connection.sendall(text.encode() + b"\r\n")

    def send(self, content: bytes) -> None:
        self._connection.sendall(content)

    def hear(self) -> str:
        return self._read.readline().decode().strip()

    def greet(self) -> None:
        self.say("220 scripted")
        self.hear()
        self.say("250 scripted")

    def take(self) -> str:
        """Take one mail up to its final dot, and answer nothing to that; return its Message-ID."""
        for reply in ("250 sender", "250 recipient", "354 go on"):
            self.hear()
            self.say(reply)
        message_id = ""
        while (line := self.hear()) != ".":
            message_id = line.partition(": ")[2] if line.startswith("Message-ID:") else message_id
        return message_id


@contextmanager
def scripted(script: Script) -> Iterator[int]:
    """Run a mail server that does as ``script`` says with each connection; yields its port."""
    with listening(HERE, 0, lambda connection: script(Wire(connection))) as port:
        yield port


class Clock:
    """A wall clock and a monotonic one that a test moves."""

    def __init__(self) -> None:
        self.now = NOW
        self.elapsed = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return self.elapsed
