"""One conversation with a mail server. Every failure is sorted: it concerns the server, one mail for now, or for good.

What can't be told apart counts as "for now": a mail that is tried again costs little, one that is given up is lost.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path

from scanner.delivery.bounded_smtp import BoundedSmtp
from scanner.delivery.mail_address import ascii_address
from scanner.engine.errors import InputError, RoundsmanError
from scanner.engine.hostile import line, line_bytes
from scanner.engine.sentence import Sentence
from targets.addresses import parse_address
from targets.special import special_range

REPLY_LIMIT = 500
"""Characters of a server's reply that are kept."""

DIGITS = 16
"""Digits of a size; a longer number is none."""

AMBIGUOUS = " (the whole mail was handed over, so it may arrive twice, with the same Message-ID)"

LOOK = 0.5
"""Seconds between two looks whether a conversation is to end before its time."""

GRACE = 5.0
"""Seconds that a mail under way gets when its mailer is told to end."""

_OURS_TO_MEND = frozenset({530, 534, 535, 538})
"""Replies about logging in (RFC 4954 section 6): the recipient has nothing to do with them."""


class Security(StrEnum):
    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


class Step(StrEnum):
    """The steps of a conversation, in order; they name where it failed."""

    LOOK_UP = "look up"
    CONNECT = "connect"
    GREET = "greet"
    ENCRYPT = "encrypt"
    LOG_IN = "log in"
    SENDER = "sender"
    RECIPIENT = "recipient"
    CONTENT = "content"


class Fate(StrEnum):
    """What became of one try. ``REFUSED`` is for good, ``LATER`` is tried again."""

    ACCEPTED = "accepted"
    LATER = "later"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one mail, and the words for it: the server's, or ours."""

    fate: Fate
    reply: str
    step: Step = Step.CONTENT


class NoServer(RoundsmanError):  # noqa: N818 - reads as the event it is
    """No conversation came about, which concerns every mail alike; ``step`` tells where it ended."""

    def __init__(self, step: Step, text: str) -> None:
        super().__init__(text)
        self.step = step
        self.sentence = text if isinstance(text, Sentence) else None
        """What we say; None for the words of the system or of the server."""


@dataclass(frozen=True, slots=True)
class Server:
    """How to reach the mail server. Times are in seconds.

    ``timeout`` is the longest silence, ``patience`` the longest that one mail, or opening the conversation, may take
    altogether. ``plaintext`` allows ``NONE`` to a server that isn't this machine. ``name`` is ours in the greeting.
    ``guarded``: nothing is said to an address that is special (:mod:`targets.special`), but for this machine's own.
    """

    host: str
    port: int
    security: Security = Security.STARTTLS
    user: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None
    plaintext: bool = False
    name: str = "localhost"
    guarded: bool = False
    timeout: float = 60
    patience: float = 300


PORTS = {Security.STARTTLS: 587, Security.TLS: 465, Security.NONE: 25}
"""Ports of submission (RFC 6409, RFC 8314) and of plain relays, where the settings name none."""


Watch = Callable[[Step, str], None]
"""Is told of each step that went well, with words for a person."""


def unwatched(step: Step, text: str) -> None:
    """Be told of steps for nobody."""
    del step, text


class Conversation:
    """An open session, used for one mail after the other. Leave it with :meth:`close`.

    When ``stop`` is set, what is under way is cut off after ``GRACE`` seconds.
    """

    def __init__(self, server: Server, watch: Watch = unwatched, stop: threading.Event | None = None) -> None:
        """Connect, encrypt and log in. Raises ``NoServer``."""
        self._server = server
        self._watch = watch
        self._stop = stop or threading.Event()
        self.broken = False
        self._smtp = BoundedSmtp(
            server.timeout,
            server.name,
            from_the_first_byte=_context(server) if server.security is Security.TLS else None,
            look_at=_refuse_special if server.guarded else None,
        )
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    @property
    def size_limit(self) -> int | None:
        """The largest mail, in bytes, that the server says it takes (RFC 1870); None when it doesn't say."""
        told = self._smtp.esmtp_features.get("size", "")
        return (int(told) or None) if told.isascii() and told.isdigit() and len(told) < DIGITS else None

    def send(self, sender: str, recipient: str, content: bytes) -> Answer:
        """Send one mail. Never raises for what the server does; afterwards ``broken`` tells whether it can go on."""
        step = Step.SENDER
        try:
            with self._bounded():
                size = [f"SIZE={len(content)}"] if "size" in self._smtp.esmtp_features else []
                code, reply = self._smtp.mail(ascii_address(sender), size)
                if code != 250:  # RFC 5321 section 4.2
                    return self._refused(step, code, reply)
                self._watch(step, f"{sender} may send")
                step = Step.RECIPIENT
                code, reply = self._smtp.rcpt(ascii_address(recipient))
                if code not in (250, 251):
                    return self._refused(step, code, reply)
                self._watch(step, f"{recipient} is taken")
                step = Step.CONTENT
                code, reply = self._smtp.data(content)
                if code != 250:
                    return self._refused(step, code, reply)
                return Answer(Fate.ACCEPTED, _said(code, reply))
        except smtplib.SMTPDataError as error:
            return self._refused(step, error.smtp_code, error.smtp_error)
        except (OSError, smtplib.SMTPException, ValueError) as error:
            self.broken = True
            return Answer(Fate.LATER, f"{step}: {_why(error)}{AMBIGUOUS if self._smtp.handed_over else ''}", step)

    def close(self) -> None:
        """End the session politely if it still works, in any case quickly."""
        with suppress(OSError, smtplib.SMTPException, ValueError):
            if not self.broken and self._smtp.sock is not None:
                self._smtp.sock.settimeout(min(5, self._server.timeout))
                self._smtp.quit()
        self.broken = True
        self._smtp.close()

    def _refused(self, step: Step, code: int, reply: bytes | str) -> Answer:
        """Sort a reply other than yes, and make ready for the next mail."""
        said = _said(code, reply)
        fate = Fate.REFUSED if _for_good(step, code, said) else Fate.LATER
        known = 400 <= code <= 599  # RFC 5321 section 4.2.1
        self.broken = self.broken or code == 421 or not known or self._smtp.sock is None
        if not self.broken:
            try:
                with self._bounded():
                    self.broken = self._smtp.rset()[0] != 250
            except (OSError, smtplib.SMTPException, ValueError):
                self.broken = True
        return Answer(fate, f"{step}: {said if known else f'an answer that is not SMTP: {said}'}", step)

    def _open(self) -> None:
        with self._bounded():
            self._at(Step.LOOK_UP, self._look_up)
            self._at(Step.CONNECT, self._connect)
            if self._server.security is Security.STARTTLS:
                self._at(Step.GREET, self._greet)
                self._at(Step.ENCRYPT, self._start_tls)
            self._at(Step.GREET, self._greet)
            if self._server.user:
                self._at(Step.LOG_IN, self._log_in)

    def _at(self, step: Step, do: Callable[[], str]) -> None:
        try:
            told = do()
        except NoServer:
            raise
        except (OSError, smtplib.SMTPException, ValueError) as error:
            self.broken = True
            failed = Step.ENCRYPT if isinstance(error, ssl.SSLError) else step
            raise NoServer(failed, f"{failed}: {_why(error)}") from error
        self._watch(step, told)

    def _look_up(self) -> str:
        found = socket.getaddrinfo(self._server.host, self._server.port, type=socket.SOCK_STREAM)
        return ", ".join(dict.fromkeys(str(entry[4][0]) for entry in found))

    def _connect(self) -> str:
        server = self._server
        code, reply = self._smtp.connect(server.host, server.port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, reply)
        if server.security is Security.NONE and not server.plaintext and not _is_here(self._smtp):
            raise NoServer(
                Step.ENCRYPT,
                Sentence(
                    f"{server.host} is another machine, and mail without TLS to it is not allowed. Set "
                    "ROUNDSMAN_SMTP_SECURITY to starttls or tls, or, if the way there is safe, "
                    "ROUNDSMAN_SMTP_PLAINTEXT.",
                    "smtp-without-tls",
                    host=server.host,
                ),
            )
        return f"{server.host}, port {server.port}{', encrypted' if server.security is Security.TLS else ''}"

    def _greet(self) -> str:
        self._smtp.ehlo_or_helo_if_needed()
        return line_bytes((self._smtp.ehlo_resp or self._smtp.helo_resp or b"").split(b"\n")[0])

    def _start_tls(self) -> str:
        if not self._smtp.has_extn("starttls"):
            raise smtplib.SMTPNotSupportedError("the server offers no STARTTLS")
        code, reply = self._smtp.docmd("STARTTLS")
        if code != 220:
            raise smtplib.SMTPResponseException(code, reply)
        self._smtp.encrypt(_context(self._server), self._server.host)
        version = self._smtp.sock.version() if isinstance(self._smtp.sock, ssl.SSLSocket) else None
        return f"{version}, and the certificate is valid for {self._server.host}"

    def _log_in(self) -> str:
        server = self._server
        if not isinstance(self._smtp.sock, ssl.SSLSocket):
            said = "A password is sent over TLS only: set ROUNDSMAN_SMTP_SECURITY, or no user."
            raise NoServer(Step.LOG_IN, Sentence(said, "smtp-password-without-tls"))
        self._smtp.login(server.user, server.password)
        return f"as {server.user}"

    @contextmanager
    def _bounded(self) -> Iterator[None]:
        """Cut the connection when the whole takes too long: the socket's timeout only bounds each silence."""
        over = threading.Event()
        threading.Thread(target=self._cut_in_time, args=[over], name="patience with mail", daemon=True).start()
        try:
            yield
        finally:
            over.set()

    def _cut_in_time(self, over: threading.Event) -> None:
        ends = time.monotonic() + self._server.patience
        while (left := ends - time.monotonic()) > 0 and not self._stop.is_set():
            if over.wait(min(LOOK, left)):
                return
        if not over.wait(GRACE if self._stop.is_set() else 0):
            self._smtp.cut()


def _context(server: Server) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(server.ca_file) if server.ca_file else None)
    except (OSError, ssl.SSLError) as error:
        said = f"ROUNDSMAN_SMTP_CA_FILE {server.ca_file} can't be read: {error}"
        raise NoServer(Step.ENCRYPT, Sentence(said, "smtp-ca-file", path=str(server.ca_file))) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _refuse_special(connected: socket.socket) -> None:
    """Hang up and raise ``NoServer`` where no mail server can be, but perhaps what gives secrets away."""
    peer = str(connected.getpeername()[0])
    found = special_range(parse_address(peer.partition("%")[0]))
    if found is not None and found[0] != "loopback":
        connected.close()
        said = f"connect: {peer} is a special address ({found[0]}); nothing was said to it"
        raise NoServer(Step.CONNECT, Sentence(said, "smtp-special", address=str(peer)))


def _is_here(smtp: smtplib.SMTP) -> bool:
    if smtp.sock is None:
        return False
    return ip_address(str(smtp.sock.getpeername()[0]).partition("%")[0]).is_loopback


def _for_good(step: Step, code: int, said: str) -> bool:
    """Tell whether a refusal is about this mail and final.

    What is about us is for the operator to mend: logging in, the sender (but for the size of the mail, RFC 1870 section
    6.1), and that we may not relay.
    """
    if not 500 <= code <= 599 or code in _OURS_TO_MEND:
        return False
    if step is Step.SENDER:
        return code == 552
    return not (step is Step.RECIPIENT and "relay" in said.lower())


def _said(code: int, reply: bytes | str) -> str:
    text = line_bytes(reply, REPLY_LIMIT) if isinstance(reply, bytes) else line(reply, REPLY_LIMIT)
    return f"{code} {text}" if code > 0 else text


def _why(error: Exception) -> str:
    """Say what went wrong, without what smtplib adds, and never a password."""
    match error:
        case smtplib.SMTPResponseException():
            return _said(error.smtp_code, error.smtp_error)
        case smtplib.SMTPServerDisconnected() if isinstance(error.__context__, TimeoutError):
            return "no answer in time"  # smtplib tells of its timeout so
        case TimeoutError():
            return "no answer in time"
        case ssl.SSLCertVerificationError():
            return f"the certificate is not trusted: {line(error.verify_message, REPLY_LIMIT)}"
        case InputError():
            return str(error)
        case _:
            return line(str(error), REPLY_LIMIT) or type(error).__name__
