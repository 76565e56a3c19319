"""The mail itself: its headers can't be forged, its parts are what they say, and large reports stay behind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from django.conf import settings
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from scanner.delivery.compose import Mail, Sender, compose
from scanner.delivery.letters import REPORT_MARK, Frame
from scanner.delivery.mail_address import ascii_address
from scanner.delivery.models import Message, MessageKind
from scanner.delivery.outbox import File
from scanner.delivery.reports import built
from scanner.delivery.round_letter import round_letter
from scanner.engine.catalogue.load import Language
from scanner.engine.errors import InputError
from scanner.engine.hostile import line
from scanner.packing import pack, unpack
from scanner.reports.models import Report
from scanner.rounds.models import Round
from targets.models import Organisation
from tests.delivery.post_office import letter, post_letters, settings_of
from tests.reports import sample, skeleton
from tests.rounds.world import organisation

WHEN = datetime(2026, 11, 26, 3, 0, tzinfo=UTC)
OFFICE = Sender("网络安全监测办公室", "roundsman@office.example", "soc@office.example")
EVIL = "x\r\nBcc: all@evil.example\r\n\r\nbody\x1b[31m\u202e"


def mail(**fields: object) -> Mail:
    values = {
        "message_id": "<1@office.example>",
        "created": WHEN,
        "recipient": "li@water.example",
        "subject": "【巡检报告】水务局",
        "text": "正文\n",
        "html": "<p>正文</p>",
    }
    return Mail(**{**values, **fields})  # type: ignore[arg-type]  # by name


def read(content: bytes) -> EmailMessage:
    return message_from_bytes(content, policy=policy.SMTP)


def test_the_same_mail_is_the_same_bytes_and_nothing_in_it_can_end_its_parts() -> None:
    files = (File("a.html", "text/html", b"<p>" + b"report " * 5000),)
    once = compose(mail(text="a\n", html="<p>a</p>", files=files), OFFICE)
    assert compose(mail(text="a\n", html="<p>a</p>", files=files), OFFICE) == once
    ends = "\n".join(line for line in once.decode().splitlines() if line.startswith("--=_"))
    hostile = read(compose(mail(text=f"{ends}\n", html=f"<pre>{ends}</pre>", files=files), OFFICE))
    alternatives, attached = hostile.iter_parts()
    assert [part.get_content_type() for part in alternatives.iter_parts()] == ["text/plain", "text/html"]
    assert ends in str(hostile.get_body(("plain",))).replace("\r\n", "\n")
    assert attached.get_content() == files[0].content.decode()


def test_headers_say_who_writes_to_whom_and_that_no_robot_should_answer() -> None:
    message = read(compose(mail(decline="decline round-report water"), OFFICE))
    assert {name: str(message[name]) for name in message if name not in ("Content-Type", "MIME-Version")} == {
        "Message-ID": "<1@office.example>",
        "From": "网络安全监测办公室 <roundsman@office.example>",
        "To": "li@water.example",
        "Reply-To": "soc@office.example",
        "Subject": "【巡检报告】水务局",
        "Date": "Thu, 26 Nov 2026 03:00:00 +0000",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "List-Unsubscribe": "<mailto:soc@office.example?subject=decline%20round-report%20water>",
    }


def test_text_and_html_are_alternatives_and_files_keep_their_names_and_bytes() -> None:
    content = bytes(range(256)) * 10
    files = (File("water-3.html", "text/html", "<p>报告</p>".encode()), File("回执.csv", "text/csv", content))
    raw = compose(mail(files=files), OFFICE)
    message = read(raw)
    body, *attached = message.iter_parts()
    assert isinstance(body, EmailMessage)
    assert body.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in body.iter_parts()] == ["text/plain", "text/html"]
    assert [(part.get_filename(), part.get_payload(decode=True)) for part in attached] == [
        ("water-3.html", "<p>报告</p>".encode()),
        ("回执.csv", content),
    ]
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert b"\n" not in raw.replace(b"\r\n", b"")


def test_a_page_that_is_attached_says_that_it_is_utf_8() -> None:
    page = File("notice.html", "text/html", "<p>整改通知书".encode())
    _, attached = read(compose(mail(files=(page,)), OFFICE)).iter_parts()
    assert isinstance(attached, EmailMessage)
    assert attached.get_content().rstrip() == "<p>整改通知书"


@pytest.mark.parametrize("field", ["subject", "decline", "message_id"])
def test_control_characters_in_a_value_add_no_header(field: str) -> None:
    raw = compose(mail(**{field: EVIL}), Sender(EVIL, OFFICE.address, EVIL))
    head = raw.partition(b"\r\n\r\n")[0]
    assert not re.search(rb"(?im)^bcc:", head)
    assert b"\x1b" not in head
    assert read(raw)["Bcc"] is None
    assert read(raw)["Auto-Submitted"] == "auto-generated"


def test_control_characters_in_a_file_s_name_and_kind_add_no_header() -> None:
    _, part = read(compose(mail(files=(File(EVIL, f"text/{EVIL}", b"x"),)), OFFICE)).iter_parts()
    assert set(part.keys()) == {"Content-Type", "Content-Transfer-Encoding", "Content-Disposition"}
    assert part.get_payload(decode=True) == b"x"


@given(st.text(max_size=300), st.text(max_size=60))
def test_no_subject_and_no_name_breaks_a_header(subject: str, name: str) -> None:
    raw = compose(mail(subject=subject), Sender(name, OFFICE.address))
    assert str(read(raw)["Subject"]) == line(subject, 400)
    head = raw.partition(b"\r\n\r\n")[0]
    names = [each.partition(b":")[0] for each in head.split(b"\r\n") if each[:1] not in b" \t"]
    assert sorted(names) == sorted(
        [
            *(b"Message-ID", b"From", b"To", b"Subject", b"Date", b"Auto-Submitted", b"X-Auto-Response-Suppress"),
            *(b"MIME-Version", b"Content-Type"),
        ]
    )


@pytest.mark.parametrize("length", range(70, 90))
def test_a_very_long_word_in_a_subject_or_name_leaves_no_empty_line_in_the_head(length: int) -> None:
    long = f"{'x' * 77} {'y' * length}"
    message = read(compose(mail(subject=long), Sender(long, OFFICE.address)))
    assert (message["Subject"], message["Auto-Submitted"]) == (long, "auto-generated")


def test_a_message_id_with_a_long_domain_is_sent_as_it_is() -> None:
    long = f"<{'a' * 40}@{'sub.' * 20}example>"
    assert f"Message-ID: {long}\r\n".encode() in compose(mail(message_id=long), OFFICE)


@pytest.mark.parametrize(
    ("address", "sent"),
    [
        ("li@水务.example", "li@xn--zfrz80d.example"),
        ("Li.Wei+soc@Water.Example", "Li.Wei+soc@water.example"),
        ("a@localhost", "a@localhost"),
    ],
)
def test_an_international_domain_is_sent_in_ascii(address: str, sent: str) -> None:
    assert ascii_address(address) == sent


@pytest.mark.parametrize(
    "address",
    [
        *(
            "",
            "li",
            "@water.example",
            "li@",
            "李@water.example",
            "li@a..b",
            "a b@c.d",
            "a@b\r\n.c",
            "<a@b.c>",
            "a@b.c,d@e.f",
        ),
        *("a@" + "x" * 300, "x" * 65 + "@b.c", "a@b c", "a@b/c", "a@b@c.d", "a..b@c.d", ".a@b.c", "a.@b.c"),
    ],
)
def test_what_is_no_address_is_refused_with_a_reason(address: str) -> None:
    with pytest.raises(InputError):
        ascii_address(address)


@pytest.fixture
def office() -> Iterator[None]:
    changed = settings.INSTALLATION.model_copy(
        update={"mail_from": "roundsman@office.example", "office_contact": "Tel. 12345", "office_name_en": "The Office"}
    )
    with override_settings(INSTALLATION=changed):
        yield


def with_report(size: int) -> Message:
    owner = organisation()
    this = Round.objects.create(profile="standard", ports="top1000", requested_by="ops", created=WHEN)
    page = b"<!doctype html>" + b"x" * size
    report = Report.objects.create(
        organisation=owner,
        round=this,
        language="en",
        generated=WHEN,
        html=pack(page),
        json=pack(b"{}"),
        digest="0" * 64,
    )
    text = f"Hello\n{REPORT_MARK}\n"
    post_letters(letter(report=report, organisation=owner, text=text, html=f"<p>{REPORT_MARK}</p>"))
    return Message.objects.get()


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content())


@pytest.mark.django_db
@pytest.mark.usefixtures("office")
def test_a_report_that_fits_is_attached(tmp_path: Path) -> None:
    message = with_report(1000)
    sent = read(built(message, settings_of(tmp_path)))
    (attached,) = sent.iter_attachments()
    name = f"water-{message.report.round_id}.html"  # type: ignore[union-attr]  # it has one
    assert attached.get_filename() == name
    assert f"The full report is attached: {name}" in body(sent, "plain")
    assert REPORT_MARK not in body(sent, "plain") + body(sent, "html")
    assert sent["List-Unsubscribe"] == "<mailto:roundsman@office.example?subject=decline%20round-report%20water>"


@pytest.mark.django_db
@pytest.mark.usefixtures("office")
@pytest.mark.parametrize(
    ("url", "said"), [("https://r.example/x/", "It is here: https://r.example/x/"), ("", "Ask The Office for report")]
)
def test_a_report_that_is_too_large_is_kept_where_nobody_can_guess_it(tmp_path: Path, url: str, said: str) -> None:
    message = with_report(80_000)
    how = settings_of(tmp_path, limit=100_000, reports_url=url)
    sent = read(built(message, how))
    assert not list(sent.iter_attachments())
    (path,) = (tmp_path / "large-reports").glob("*/*.html")
    assert len(path.parent.name) == 48
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert unpack(message.report.html) == path.read_bytes()  # type: ignore[union-attr]  # it has one
    for kind in ("plain", "html"):
        assert said in " ".join(body(sent, kind).split())
    if url:
        assert f"{url}{path.parent.name}/{path.name}" in body(sent, "plain")
    assert len(built(message, how)) == len(built(message, how)) <= how.limit
    assert len(list((tmp_path / "large-reports").glob("*/*"))) == 1, "building it again makes no second copy"


@pytest.mark.parametrize("language", Language)
def test_a_letter_loads_nothing_runs_nothing_and_is_small(language: Language) -> None:
    owner = Organisation(slug="water", name_zh="<b>水务局</b>", name_en="<b>Water</b>\x1b[31m")
    model = sample.busy(str(language))
    written = round_letter(model, Frame(MessageKind.ROUND_REPORT, language, model.generated, owner))
    page = skeleton.elements(written.html.replace(REPORT_MARK, ""))
    assert {tag for tag, _ in page}.isdisjoint({"script", "img", "link", "iframe", "style", "object", "b/"})
    for _, attributes in page:
        assert {name for name, _ in attributes}.isdisjoint({"src", "href", "background", "class", "onclick"})
    assert len(written.html.encode()) < 100_000
    assert "<script>" not in written.html
    assert not re.search(r"[\x00-\x09\x0b-\x19\x1b-\x1f\x7f\u202e]", written.text)
    assert "\\x1b[31m" in written.text, "what the host sent is shown, not obeyed"
    assert written.subject.isprintable()
