"""Builds the mail itself: headers and parts as a mail server takes them.

No value reaches a header before it is one printable line, so that nobody can add headers of their own; the library
refuses line breaks on top of that.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from email.generator import BytesGenerator
from email.headerregistry import Address, BaseHeader, HeaderRegistry
from email.message import EmailMessage
from email.policy import SMTP
from functools import cache
from hashlib import sha256
from io import BytesIO
from urllib.parse import quote

from scanner.delivery.mail_address import ascii_address
from scanner.delivery.outbox import File
from scanner.engine.errors import InputError
from scanner.engine.hostile import line


class _Headers(HeaderRegistry):
    """The library's classes of headers, each made once, where the library makes it anew for every header."""

    @cache  # noqa: B019 - there is one of these, for good
    def __getitem__(self, name: str) -> type[BaseHeader]:
        return super().__getitem__(name)


_POLICY = SMTP.clone(cte_type="7bit", refold_source="none", header_factory=_Headers())
"""Bodies of 7 bits, as not every server says that it takes eight (RFC 6152)."""


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
    message = EmailMessage(policy=_POLICY)
    message["From"] = Address(line(sender.name), addr_spec=ascii_address(sender.address))
    message["To"] = Address(addr_spec=ascii_address(mail.recipient))
    if sender.reply_to:
        message["Reply-To"] = Address(addr_spec=sender.reply_to)
    message["Subject"] = line(mail.subject, 400)
    message["Date"] = mail.created
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834 section 5: no robot is to answer
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(mail.text, charset="utf-8")
    message.make_alternative(_boundary(mail, "alternative"))
    message.add_alternative(mail.html, subtype="html", charset="utf-8")
    if mail.files:
        message.make_mixed(_boundary(mail, "mixed"))
    for file in mail.files:
        _attach(message, file)
    whole = BytesIO()
    whole.write(_unfolded_headers(mail, sender))
    _Generator(whole, policy=_POLICY).flatten(message)
    return whole.getvalue()


def _unfolded_headers(mail: Mail, sender: Sender) -> bytes:
    """Headers that must stay as they are, where the library would fold a long one by encoding it as words."""
    headers = [("Message-ID", mail.message_id)]
    if mail.decline:
        to = sender.reply_to or ascii_address(sender.address)
        headers.append(("List-Unsubscribe", f"<mailto:{quote(to, safe='@')}?subject={quote(line(mail.decline))}>"))
    return b"".join(f"{name}: {line(value, 900)}\r\n".encode("ascii") for name, value in headers)


def _boundary(mail: Mail, kind: str) -> str:
    """Return what stands between the parts of a mail, and the same for the same mail.

    No encoded line holds its beginning (RFC 2045 section 6.7), and what is not encoded can't hold its own digest.
    """
    digest = sha256(f"{mail.message_id} {mail.text}{mail.html}".encode("utf-8", "surrogatepass"))
    return f"=_{kind}_{digest.hexdigest()[:32]}"


class _Generator(BytesGenerator):
    """Writes the lines of a part in one go, where the library writes each for itself."""

    def _write_lines(self, lines: str) -> None:
        if "\r" in lines:
            lines = lines.replace("\r\n", "\n").replace("\r", "\n")
        self.write(lines.replace("\n", "\r\n"))


def _attach(message: EmailMessage, file: File) -> None:
    main, _, sub = file.media_type.partition("/")
    # What is not said to be UTF-8 counts as US-ASCII (RFC 2046 section 4.1.2), and is shown as garbage.
    said = {"charset": "utf-8"} if main == "text" else {}
    message.add_attachment(
        b"", maintype=main, subtype=sub or "octet-stream", filename=line(file.name, 150), params=said
    )
    *_, part = message.iter_parts()
    part.set_payload(_lines_of_base64(file.content))  # as the library does, but at once


def _lines_of_base64(content: bytes) -> str:
    """Return the content in lines of 76 characters (RFC 2045 section 6.8)."""
    text = b64encode(content).decode("ascii")
    return "".join([f"{text[first : first + 76]}\n" for first in range(0, len(text), 76)])
