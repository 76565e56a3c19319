"""The mail server of the endurance run: a real one that is down, busy, refusing, slow, or mad when it is told to be."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from enum import StrEnum
from pathlib import Path
from socket import socket

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.lab.lab_ca import ROOT, issue
from tests.lab.scripted import listening
from tests.lab.tls_servers import write_pair

HERE = "127.0.0.1"
USER, PASSWORD = "roundsman", "correct horse"


class Mood(StrEnum):
    """How the server is."""

    WELL = "well"
    DOWN = "down"
    BUSY = "busy"
    REFUSING = "refusing one recipient"
    DROPPING = "dropping after DATA"
    SLOW = "slow"
    MAD = "answering garbage"


@dataclass(frozen=True, slots=True)
class Taken:
    """A mail that the server took. ``answered`` False: it hung up instead of saying so. ``at`` is monotonic."""

    at: float
    recipient: str
    content: bytes
    answered: bool

    @property
    def message_id(self) -> str:
        found = re.search(rb"^Message-ID: (\S+)", self.content, re.MULTILINE | re.IGNORECASE)
        return found[1].decode() if found else ""

    @property
    def mail(self) -> EmailMessage:
        return message_from_bytes(self.content, policy=policy.SMTP)


@dataclass
class PostOffice:
    """The server. ``taken`` and ``refused`` (time, recipient, reply) are its own memory of what happened."""

    folder: Path
    taken: list[Taken] = field(default_factory=list)
    refused: list[tuple[float, str, str]] = field(default_factory=list)
    mood: Mood = Mood.WELL
    victim: str = ""

    def __post_init__(self) -> None:
        with socket() as probe:
            probe.bind((HERE, 0))
            self.port: int = probe.getsockname()[1]
        write_pair(self.folder, issue("mail.lab", ROOT, names=["localhost"], addresses=[HERE]))
        (self.folder / "ca.pem").write_bytes(ROOT.pem)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self.folder / "server.pem", self.folder / "server.key")
        self._open = ExitStack()
        self._until: float | None = None
        self._serve()

    def settings(self) -> dict[str, str]:
        """Return how an installation is told of the server."""
        password = self.folder / "password"
        password.write_text(PASSWORD, encoding="ascii")
        return {
            "ROUNDSMAN_SMTP_HOST": "localhost",
            "ROUNDSMAN_SMTP_PORT": str(self.port),
            "ROUNDSMAN_SMTP_USER": USER,
            "ROUNDSMAN_SMTP_PASSWORD_FILE": str(password),
            "ROUNDSMAN_SMTP_CA_FILE": str(self.folder / "ca.pem"),
        }

    def be(self, mood: Mood, seconds: float | None = None, victim: str = "") -> None:
        """Take a mood, for so many seconds; see :meth:`calm`."""
        self._open.close()
        self.mood, self.victim = mood, victim
        self._until = None if seconds is None else time.monotonic() + seconds
        if mood is Mood.MAD:
            self._open.enter_context(
                listening(HERE, self.port, lambda wire: wire.sendall(b"\x00\xff 250 \r\n\r\n?" * 9))
            )
        elif mood is not Mood.DOWN:
            self._serve()

    def calm(self) -> None:
        """Be well again when the mood's time is over."""
        if self._until is not None and time.monotonic() > self._until:
            self.be(Mood.WELL)

    def close(self) -> None:
        self._open.close()

    def _serve(self) -> None:
        controller = Controller(
            _Clerk(self),
            hostname=HERE,
            port=self.port,
            tls_context=self._context,
            require_starttls=True,
            authenticator=_authenticate,
            auth_required=True,
        )
        controller.start()
        self._open.callback(controller.stop)


class _Clerk:
    def __init__(self, office: PostOffice) -> None:
        self._office = office

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        office = self._office
        reply = ""
        if office.mood is Mood.BUSY:
            reply = "451 4.7.1 come again later"
        elif office.mood is Mood.REFUSING and address == office.victim:
            reply = "550 5.1.1 no such person"
        if reply:
            office.refused.append((time.monotonic(), address, reply))
            return reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - the library's name
        (address,) = envelope.rcpt_tos
        office = self._office
        if office.mood is Mood.SLOW:
            await asyncio.sleep(5)
        drops = office.mood is Mood.DROPPING
        assert isinstance(envelope.content, bytes)
        office.taken.append(Taken(time.monotonic(), address, envelope.content, not drops))
        if drops:
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.abort()
        return "250 taken"


def _authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
    return AuthResult(success=data == LoginPassword(USER.encode(), PASSWORD.encode()), handled=False)
