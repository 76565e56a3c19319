"""Builds the mail itself: headers and parts as a mail server takes them.

No value reaches a header before it is one printable line, or an address that is, so that nobody can add headers of
their own. A mail is put together from lines, without their ends, at the very end: nothing is copied twice.
"""

from __future__ import annotations

import re
from binascii import b2a_base64, b2a_qp
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.headerregistry import Address
from email.policy import SMTP
from email.utils import format_datetime, formataddr
from functools import lru_cache
from hashlib import sha256
from itertools import chain
from struct import Struct
from urllib.parse import quote

from scanner.delivery.mail_address import ascii_address
from scanner.delivery.outbox import File
from scanner.engine.errors import InputError
from scanner.engine.hostile import line

_END = b"\r\n"

_LONGEST_LINE = 78
"""Characters of a line, without its end, that any reader shows well (RFC 5322 section 2.1.1)."""

_BASE64_LINE = 76
"""Characters of a line of base64 (RFC 2045 section 6.8)."""

_BASE64_LINES = Struct(f"{_BASE64_LINE}s" * 64)

_LONGEST_WORD = 60
"""Characters of a word that a header holds as it is: a longer one the library can't fold, or leaves empty lines."""

_PLAIN_NAME = re.compile(r"[A-Za-z0-9._-]{0,60}")
"""Names of files that need no quoting or folding."""

_PIECE = re.compile(r".{1,60}(?<!%)(?<!%.)")
"""As much of a name as one line holds, quoted with percent signs; none of these is cut."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who writes. ``contact`` is where answers go: an address, or text for people."""

    name: str
    address: str
    contact: str = ""

    @property
    def reply_to(self) -> str:
        """Where answers go when that isn't the sender's address, else nothing."""
        try:
            return ascii_address(self.contact.strip())
        except InputError:
            return ""


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail to one recipient, before it is built. ``decline`` is the subject that asks for no more of these."""

    message_id: str
    created: datetime
    recipient: str
    subject: str
    text: str
    html: str
    files: tuple[File, ...] = ()
    decline: str = ""


def compose(mail: Mail, sender: Sender) -> bytes:
    """Return the whole mail, with CRLF. Raises ``InputError`` when an address can't be written in a header."""
    mark = _mark(mail)
    body = _multipart("alternative", mark, (_text(mail.text, "plain"), _text(mail.html, "html")))
    if mail.files:
        body = _multipart("mixed", mark, (body, *map(_attached, mail.files)))
    return _END.join([*_headers(mail, sender), *body])


def _headers(mail: Mail, sender: Sender) -> list[bytes]:
    """Return what stands above the parts. Only what people wrote is folded over several lines."""
    headers = [f"Message-ID: {line(mail.message_id, 900)}"]
    if mail.decline:
        uri = f"mailto:{quote(sender.reply_to or ascii_address(sender.address), safe='@')}?subject="
        headers.append(line(f"List-Unsubscribe: <{uri}{quote(line(mail.decline))}>", 900))
    headers.append(f"From: {_named(line(sender.name), _written(ascii_address(sender.address)))}")
    headers.append(f"To: {_written(ascii_address(mail.recipient))}")
    if sender.reply_to:
        headers.append(f"Reply-To: {_written(sender.reply_to)}")
    headers += [
        f"Subject: {_words('Subject', line(mail.subject, 400))}",
        f"Date: {format_datetime(mail.created)}",
        "Auto-Submitted: auto-generated",  # RFC 3834 section 5: no robot is to answer
        "X-Auto-Response-Suppress: All",
        "MIME-Version: 1.0",
    ]
    return [header.encode("ascii") for header in headers]


@lru_cache(1000)
def _written(address: str) -> str:
    """Return an address as the library writes it; it refuses some that :func:`ascii_address` lets pass."""
    return Address(addr_spec=address).addr_spec


def _named(name: str, address: str) -> str:
    if len(name) <= _LONGEST_WORD and _is_plain(name):
        return formataddr((name, address))
    return f"{_words('From', name, plain=False)} <{address}>"


def _words(header: str, text: str, *, plain: bool = True) -> str:
    """Return text as a header holds it: as it is, or, unless ``plain``, as words that are encoded (RFC 2047)."""
    charset = "us-ascii" if plain and _is_plain(text) else "utf-8"
    return Header(text, charset, header_name=header).encode(linesep=SMTP.linesep)


def _is_plain(text: str) -> bool:
    """Tell whether a header can hold text as it is: it can be folded, and isn't taken for encoded words."""
    return text.isascii() and "=?" not in text and all(len(word) <= _LONGEST_WORD for word in text.split(" "))


def _multipart(kind: str, mark: str, parts: Iterable[list[bytes]]) -> list[bytes]:
    """Return the lines of the parts, between boundaries (RFC 2046 section 5.1)."""
    boundary = f"=_{kind}_{mark}"
    lines = [f"Content-Type: multipart/{kind};".encode(), f' boundary="{boundary}"'.encode(), b""]
    for part in parts:
        lines.append(f"--{boundary}".encode())
        lines += part
    lines += [f"--{boundary}--".encode(), b""]
    return lines


def _mark(mail: Mail) -> str:
    """Return what the boundaries of a mail end with, the same for the same mail.

    No encoded line holds their beginning (RFC 2045 section 6.7), and what is not encoded can't hold its own digest.
    """
    return sha256(f"{mail.message_id} {mail.text}{mail.html}".encode()).hexdigest()[:32]


def _text(text: str, kind: str) -> list[bytes]:
    """Return a text as a part: as it is where it is ASCII in short lines, else in the shorter of both encodings.

    All is of 7 bits, as not every server says that it takes eight (RFC 6152).
    """
    lines = text.encode().splitlines()
    content = _END.join(lines) + _END
    if content.isascii() and max(map(len, lines), default=0) <= _LONGEST_LINE:
        encoding, encoded = b"7bit", content
    else:
        ways = ((b"quoted-printable", b2a_qp(content)), (b"base64", _END.join(_base64(content))))
        encoding, encoded = min(ways, key=lambda way: len(way[1]))
    kind_of = f'Content-Type: text/{kind}; charset="utf-8"'.encode()
    return [kind_of, b"Content-Transfer-Encoding: " + encoding, b"", encoded]


def _attached(file: File) -> list[bytes]:
    main, _, sub = line(file.media_type).partition("/")
    # What is not said to be UTF-8 counts as US-ASCII (RFC 2046 section 4.1.2), and is shown as garbage.
    charset = '; charset="utf-8"' if main == "text" else ""
    headers = (
        f"Content-Type: {main}/{sub or 'octet-stream'}{charset}",
        "Content-Transfer-Encoding: base64",
        _disposition(line(file.name, 150).strip()),
    )
    return [*(header.encode("ascii") for header in headers), b"", *_base64(file.content), b""]


def _disposition(name: str) -> str:
    """Return under what name a file is attached; one of other than a few letters in pieces (RFC 2231)."""
    if _PLAIN_NAME.fullmatch(name):
        said = [f'filename="{name}"']
    else:
        pieces = _PIECE.findall(f"utf-8''{quote(name, safe='')}")
        several = len(pieces) > 1
        said = [f"filename*{f'{number}*' if several else ''}={piece}" for number, piece in enumerate(pieces)]
    return ";\r\n ".join(["Content-Disposition: attachment", *said])


def _base64(content: bytes) -> list[bytes]:
    """Return the content in lines of 76 characters, many of them at a time."""
    text = memoryview(b2a_base64(content, newline=False))
    whole = len(text) - len(text) % _BASE64_LINES.size
    lines = list(chain.from_iterable(_BASE64_LINES.iter_unpack(text[:whole])))
    lines += (bytes(text[at : at + _BASE64_LINE]) for at in range(whole, len(text), _BASE64_LINE))
    return lines
