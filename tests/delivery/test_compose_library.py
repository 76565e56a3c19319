"""A mail says to a reader what the standard library's own classes, which build mails with more steps, would say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, compat32, default
from email.utils import parseaddr
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scanner.delivery.compose import Mail, Sender, compose
from scanner.delivery.mail_address import ascii_address
from scanner.delivery.outbox import File
from scanner.engine.hostile import line

ADDRESS = "roundsman@office.example"
ANY = st.characters(exclude_categories=())
"""Characters of all kinds, halves of pairs too."""

pieces = st.sampled_from(["=?utf-8?q?a?=", "=?", " ", '"', "\\", ";", ", ", "%41", "报告", "word", "x" * 90])
names = st.text(ANY, max_size=200) | st.lists(pieces, max_size=12).map("".join)
contents = st.lists(
    st.sampled_from(["\r", "\n", "\r\n", ".", "From ", "=_mixed_", "--", " ", "\t", "=", "é", "报", "😀", "\0", "word"])
    | st.text(max_size=20)
    | st.integers(60, 1200).map("x".__mul__)
    | st.integers(20, 400).map("隐患".__mul__),
    max_size=40,
).map("".join)
kinds = st.sampled_from(["text/html", "text/csv", "application/pdf", "application/json", "application"])
files = st.builds(File, names, kinds, st.binary(max_size=300) | st.integers(3640, 3652).map(bytes))
mails = st.builds(
    Mail,
    st.just("<1@office.example>"),
    st.datetimes(min_value=datetime(2000, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - the zone comes on top
    st.sampled_from(["li@water.example", "Li.Wei+soc@Water.Example", "li@水务.example", f"{'a' * 64}@{'b.' * 100}c"]),
    names,
    contents,
    contents,
    st.lists(files, max_size=3).map(tuple),
)


def composed_by_the_library(mail: Mail) -> bytes:
    message = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
    message["To"] = Address(addr_spec=ascii_address(mail.recipient))
    message["Date"] = mail.created
    message.set_content(mail.text, charset="utf-8")
    message.add_alternative(mail.html, subtype="html", charset="utf-8")
    for file in mail.files:
        main, _, sub = file.media_type.partition("/")
        params = {"charset": "utf-8"} if main == "text" else {}
        name, kind = line(file.name, 150), sub or "octet-stream"
        message.add_attachment(file.content, maintype=main, subtype=kind, filename=name, params=params)
    return message.as_bytes()


def told(raw: bytes) -> tuple[dict[str, str], list[Any]]:
    """Return what a reader sees: the headers of the mail, and each part with its kind and content."""
    mail = message_from_bytes(raw, _class=EmailMessage, policy=default)
    headers = {name: str(mail[name]) for name in ("To", "Date", "MIME-Version")}
    parts = [
        (
            part.get_content_type(),
            part.get_content_charset(),
            part.get_content_disposition(),
            part.get_payload(decode=True),
            part.defects,
        )
        for part in mail.walk()
    ]
    return headers, parts


def named(raw: bytes) -> tuple[str, str, list[str | None]]:
    """Return the sender's name and address, and the names of the files.

    Read by the older classes: the newer ones put a space between encoded words, and unquote what was never quoted.
    """
    mail = message_from_bytes(raw, policy=compat32)
    name, address = parseaddr(mail["From"])
    files = [part.get_filename() for part in mail.walk() if part.get_content_disposition() == "attachment"]
    return str(make_header(decode_header(name))), address, files


@given(mails, names)
@example(Mail("<1@b.c>", datetime(2026, 1, 1, tzinfo=UTC), "a@b.c", "", "", "", (File("", "text/csv", b""),)), "")
@example(
    Mail("<1@b.c>", datetime(2026, 1, 1, tzinfo=UTC), "a@b.c", f"{'0' * 77} {'0' * 78}", "", ""),
    f"{'0' * 77} {'0' * 78}",
)
@example(Mail("<1@b.c>", datetime(2026, 1, 1, tzinfo=UTC), "a@b.c", "=?utf-8?q?a?=", " \r\n" * 90, "\ré" * 90), '"a"')
def test_a_mail_tells_what_the_library_would_have_it_tell(mail: Mail, name: str) -> None:
    raw = compose(mail, Sender(name, ADDRESS))
    assert told(raw) == told(
        composed_by_the_library(replace(mail, files=tuple(replace(file, name="f") for file in mail.files)))
    )
    # The library writes some subjects and names so that others are read, such as "=?utf-8?q?a?=".
    assert str(message_from_bytes(raw, policy=default)["Subject"]) == line(mail.subject, 400)
    assert named(raw) == (line(name), ADDRESS, [line(file.name, 150).strip() for file in mail.files])
    assert raw.isascii()
    lines = raw.split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert not any(b"\r" in each or b"\n" in each for each in lines)


@given(contents, contents)
def test_a_body_has_lines_that_any_reader_shows_well(text: str, html: str) -> None:
    raw = compose(Mail("<1@b.c>", datetime(2026, 1, 1, tzinfo=UTC), "a@b.c", "s", text, html), Sender("n", ADDRESS))
    assert max(map(len, raw.split(b"\r\n"))) <= 78


def test_a_text_goes_in_the_shortest_form() -> None:
    def encodings(text: str) -> list[str]:
        raw = compose(Mail("<1@b.c>", datetime(2026, 1, 1, tzinfo=UTC), "a@b.c", "s", text, text), Sender("n", ADDRESS))
        return [str(part["Content-Transfer-Encoding"]) for part in message_from_bytes(raw, policy=default).iter_parts()]

    assert encodings("plain words\n") == ["7bit"] * 2
    assert encodings("a café, and so on\n") == encodings("long " * 30) == ["quoted-printable"] * 2
    assert encodings("风险隐患\n") == ["base64"] * 2
    with pytest.raises(UnicodeEncodeError):
        encodings("half a pair \ud800")
