"""smtplib's conversation with bounds: of time to connect, of replies, and with an end from outside."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

LINE = 2048
"""Octets of a reply line that are read; RFC 5321 section 4.5.3.1.5 allows 512."""

LINES = 100
"""Lines of one reply that are read; no honest server sends more."""

CONNECT = 15.0
"""Seconds that connecting to one address may take: a lost first packet is sent again after 1, 3 and 7 s (RFC 6298)."""


class BoundedSmtp(smtplib.SMTP):
    """A conversation that can't last without end.

    The socket is in place before TLS begins, so that it can be cut in the middle of a handshake; replies have an end;
    and it is known whether a mail's last byte was handed over.
    """

    def __init__(
        self,
        timeout: float,
        own_name: str,
        *,
        from_the_first_byte: ssl.SSLContext | None = None,
        look_at: Callable[[socket.socket], None] | None = None,
    ) -> None:
        """Wait ``timeout`` seconds at most for each reply. ``look_at`` sees the connected socket before a word is said,
        and may raise."""
        super().__init__(timeout=timeout, local_hostname=own_name)
        self._context = from_the_first_byte
        self._look_at = look_at
        self._was_cut = False
        self.handed_over = False

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connected = socket.create_connection((host, port), min(CONNECT, timeout))
        connected.settimeout(timeout)
        if self._look_at is not None:
            self._look_at(connected)
        self.sock = connected
        if self._context is not None:
            self.encrypt(self._context, host)
        return self.sock

    def encrypt(self, context: ssl.SSLContext, host: str) -> None:
        """Speak TLS from now on. What was said before, and buffered, counts for nothing (RFC 3207 section 4.2)."""
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected("the connection is closed")
        encrypted = context.wrap_socket(self.sock, server_hostname=host, do_handshake_on_connect=False)
        self.sock = encrypted
        encrypted.do_handshake()
        self.file = None
        self.helo_resp = self.ehlo_resp = None
        self.esmtp_features = {}
        self.does_esmtp = False

    def cut(self) -> None:
        """End the connection from another thread, whatever this one waits for."""
        self._was_cut = True
        with suppress(OSError):
            if self.sock is not None:
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    def send(self, s: ReadableBuffer | str) -> None:
        super().send(s)
        self.handed_over = isinstance(s, bytes) and s.endswith(b"\r\n.\r\n")

    def _why_ended(self, read: bytes) -> str:
        if self._was_cut:
            return "no answer within the time there was"
        return "it closed the connection" if len(read) < LINE else "a line too long"

    def getreply(self) -> tuple[int, bytes]:
        """Read one reply. Raises ``SMTPServerDisconnected`` at the end of the connection, and for one without end."""
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected("the connection is closed")
        self.file = self.file or self.sock.makefile("rb")
        told: list[bytes] = []
        while len(told) < LINES:
            read = self.file.readline(LINE)
            if not read.endswith(b"\n"):
                self.close()
                raise smtplib.SMTPServerDisconnected(self._why_ended(read))
            code = int(read[:3]) if read[:3].isdigit() else -1
            told.append(read[4:].strip() if code >= 0 else read.strip())
            if code < 0 or read[3:4] != b"-":
                return code, b"\n".join(told)
        self.close()
        raise smtplib.SMTPServerDisconnected("a reply without end")
