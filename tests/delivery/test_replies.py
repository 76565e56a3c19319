"""A reply form goes out, is filled in as office programs do, and comes back: once, and only for what it may answer."""

from __future__ import annotations

import csv
import datetime as dt
import io

import pytest

from scanner.delivery import replies
from scanner.delivery.models import Answer, Notice, Reply
from scanner.delivery.notice_document import notice_model
from scanner.delivery.notices import issue, withdraw
from scanner.delivery.replies import apply, notice_of, plan_import, unanswered
from scanner.delivery.reply_form import Column, file_name, reply_form
from scanner.delivery.reply_read import read_form
from scanner.engine.catalogue.load import Language
from scanner.engine.errors import InputError
from scanner.remediation import acts
from scanner.remediation.models import Exemption, Finding
from scanner.rounds.models import Round
from tests.delivery.office import NOW, finding, installed, unit

pytestmark = pytest.mark.django_db
DAY = dt.timedelta(days=1)

Rows = list[list[str]]


@pytest.fixture
def notice() -> Notice:
    owner = unit()
    findings = [finding(owner, port=port) for port in (1, 2, 3, 4)]
    return issue(owner, None, findings, by="ops", now=NOW)


def filled(notice: Notice, answers: dict[int, dict[Column, str]], language: Language = Language.EN) -> Rows:
    """The form with the answers to its findings, which are counted from 0."""
    rows = list(csv.reader(io.StringIO(reply_form(notice_model(notice), language).decode("utf-8-sig"))))
    for index, cells in answers.items():
        for column, text in cells.items():
            rows[3 + index][list(Column).index(column)] = text
    return rows


def saved(rows: Rows, encoding: str = "utf-8-sig", delimiter: str = ",") -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue().encode(encoding)


FIXED = {Column.ANSWER: "fixed", Column.MEASURES: "closed the port", Column.FINISHED: "2026-11-25"}
DISPUTED = {Column.ANSWER: "dispute", Column.REASON: "that is a honeypot", Column.PROOF: "diagram 7"}
ACCEPTED = {
    Column.ANSWER: "accept",
    Column.REASON: "needed by the pumps",
    Column.RESPONSIBLE: "Ann",
    Column.UNTIL: "2027-03-01",
}
GOING_ON = {Column.ANSWER: "in progress", Column.REASON: "waiting for a part; a firewall protects it"}


def took(content: bytes, *, partial: bool = False, now: dt.datetime = NOW) -> list[str]:
    form = read_form(content)
    errors = apply(plan_import(form, notice_of(form), now), "ann", now, partial=partial)
    return [str(error) for error in errors]


def looks() -> list[list[int]]:
    """What each re-inspection that was asked for looks at."""
    return [this.findings for this in Round.objects.filter(kind="re-inspection")]


def numbers(notice: Notice) -> list[int]:
    return [item.finding_id for item in notice.items.all()]


def test_every_answer_becomes_its_act_and_what_is_claimed_is_looked_at_again_in_one_round(notice: Notice) -> None:
    assert took(saved(filled(notice, {0: FIXED, 1: FIXED, 2: ACCEPTED, 3: DISPUTED}))) == []

    first, second, _, _ = numbers(notice)
    assert [each.state for each in Finding.objects.order_by("pk")] == ["claimed", "claimed", "open", "open"]
    assert looks() == [[first, second]]
    accepted, disputed = Exemption.objects.order_by("pk")
    assert (accepted.kind, accepted.owner, accepted.reason) == ("accepted", "Ann", "needed by the pumps")
    assert accepted.until == dt.datetime(2027, 3, 1, 16, 0, tzinfo=dt.UTC), "the end of that day in Shanghai"
    assert (disputed.kind, disputed.state, disputed.proof) == ("false-positive", "requested", "diagram 7")
    notice.refresh_from_db()
    assert notice.answered == NOW


def test_a_notice_is_answered_when_every_item_is_and_work_in_progress_is_an_answer(notice: Notice) -> None:
    took(saved(filled(notice, {0: FIXED, 1: GOING_ON, 2: GOING_ON})))
    notice.refresh_from_db()
    assert notice.answered is None
    assert [item.finding_id for item in notice.items.filter(pk__in=unanswered(notice))] == numbers(notice)[3:]

    took(saved(filled(notice, {3: GOING_ON})), now=NOW + DAY)
    notice.refresh_from_db()
    assert notice.answered == NOW + DAY


def test_the_same_form_read_twice_changes_nothing(notice: Notice) -> None:
    content = saved(filled(notice, {0: FIXED, 2: DISPUTED}))
    took(content)
    assert took(content, now=NOW + DAY) == []
    assert (len(looks()), Exemption.objects.count(), Reply.objects.count()) == (1, 1, 2)


def test_a_form_that_was_read_before_stays_right_after_its_finding_was_fixed(notice: Notice) -> None:
    content = saved(filled(notice, {0: FIXED}))
    took(content)
    Finding.objects.filter(pk=numbers(notice)[0]).update(state="fixed", fixed=NOW, claimed=None)
    assert took(content, now=NOW + DAY) == []


def test_one_wrong_row_holds_back_all_unless_the_others_are_wanted(notice: Notice) -> None:
    content = saved(filled(notice, {0: FIXED, 1: {Column.ANSWER: "dispute"}}))
    assert took(content) == ["row 5, Reason: no reason is given"]
    assert (looks(), Reply.objects.count()) == ([], 0)

    assert took(content, partial=True) == ["row 5, Reason: no reason is given"]
    assert (looks(), Reply.objects.count()) == ([[numbers(notice)[0]]], 1)


def test_an_act_that_is_refused_on_the_way_takes_everything_back(
    notice: Notice, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, *_ = numbers(notice)
    content = saved(filled(notice, {0: FIXED, 1: FIXED}))

    def claim(finding: Finding, by: str, note: str, now: dt.datetime) -> bool:
        if finding.pk == second:
            raise InputError("it was fixed a moment ago.")
        return acts.claim(finding, by, note, now)

    monkeypatch.setattr(replies, "claim", claim)
    assert took(content) == ["row 5: it was fixed a moment ago."]
    assert (Reply.objects.count(), Finding.objects.filter(state="claimed").count()) == (0, 0)

    took(content, partial=True)
    assert looks() == [[first]]
    assert [reply.item.finding_id for reply in Reply.objects.all()] == [first]


def test_a_form_touches_no_finding_of_another_organisation_or_notice(notice: Notice) -> None:
    foreign = finding(unit("power", english="Power Office", chinese="电力局"), host="10.2.2.2")
    own = finding(notice.organisation, port=99)
    rows = filled(notice, {0: FIXED, 1: FIXED, 2: FIXED})
    rows[3][0], rows[4][0], rows[5][0] = str(foreign.pk), str(own.pk), "987654"
    assert took(saved(rows), partial=True) == [
        f"row 4, Finding number: finding {foreign.pk} is another organisation's; a form of water can't answer it",
        f"row 5, Finding number: finding {own.pk} does not stand in notice {notice.number}",
        "row 6, Finding number: there is no finding 987654",
    ]
    assert (looks(), Finding.objects.exclude(state="open").count()) == ([], 0)


@pytest.mark.parametrize(
    ("cells", "complaint"),
    [
        ({Column.MEASURES: "closed"}, "Answer: no answer is given: fixed, in progress, accept or dispute"),
        ({Column.ANSWER: "maybe"}, "Answer: 'maybe' is none of: fixed, in progress, accept, dispute"),
        ({Column.ANSWER: "fixed"}, "Measures taken: say what was done"),
        (FIXED | {Column.FINISHED: "2026-11-27"}, "Finished on: 2026-11-27 lies in the future"),
        (FIXED | {Column.FINISHED: "03/04/2026"}, "Finished on: '03/04/2026' is no date that is certain"),
        (FIXED | {Column.FINISHED: "2026-02-30"}, "Finished on: '2026-02-30' is no date"),
        (ACCEPTED | {Column.UNTIL: "2026-11-26"}, "Accepted until: 2026-11-26 is not in the future"),
        (ACCEPTED | {Column.UNTIL: ""}, "Accepted until: say until when the risk is accepted"),
        (ACCEPTED | {Column.RESPONSIBLE: ""}, "Responsible person: say who answers for the risk"),
        (DISPUTED | {Column.REASON: "x" * 2001}, "Reason: it has more than 2000 characters"),
        ({Column.ANSWER: "in progress"}, "Reason: say why it isn't finished"),
        (FIXED | {Column.FINDING: "twelve"}, "Finding number: 'twelve' is no number of a finding"),
    ],
)
def test_an_error_names_its_row_and_column(notice: Notice, cells: dict[Column, str], complaint: str) -> None:
    (error,) = took(saved(filled(notice, {1: cells})))
    assert error.startswith(f"row 5, {complaint}")


def test_all_that_is_wrong_in_a_row_is_told_at_once(notice: Notice) -> None:
    cells = ACCEPTED | {Column.RESPONSIBLE: "", Column.UNTIL: "soon", Column.REASON: ""}
    assert took(saved(filled(notice, {1: cells}))) == [
        "row 5, Reason: no reason is given",
        "row 5, Responsible person: say who answers for the risk",
        "row 5, Accepted until: 'soon' is no date that is certain; write it as 2026-03-05",
    ]


def test_today_is_not_the_future_where_the_organisation_is(notice: Notice) -> None:
    late = dt.datetime(2026, 11, 26, 16, 30, tzinfo=dt.UTC)
    cells = FIXED | {Column.FINISHED: "2026-11-27"}
    assert took(saved(filled(notice, {0: cells})), now=late) == []


def test_what_was_proven_fixed_or_is_exempt_needs_no_answer(notice: Notice) -> None:
    first = numbers(notice)[0]
    Finding.objects.filter(pk=first).update(state="fixed", fixed=NOW, claimed=None)
    (error,) = took(saved(filled(notice, {0: DISPUTED})))
    assert error == f"row 4, Answer: finding {first} was proven fixed on 2026-11-26; it needs no answer"


def test_two_answers_to_one_finding_are_refused(notice: Notice) -> None:
    rows = filled(notice, {0: FIXED})
    rows.append(rows[3])
    (error,) = took(saved(rows))
    assert error == f"row 8, Finding number: finding {numbers(notice)[0]} is answered in row 4 as well"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_a_form_is_read_however_a_program_saved_it(notice: Notice, encoding: str, delimiter: str) -> None:
    cells = {
        Column.ANSWER: " 已整改 ",
        Column.MEASURES: "关闭端口，\n改用“堡垒机”；见附件",
        Column.FINISHED: "2026/11/5",
    }
    content = saved(filled(notice, {2: cells}, Language.ZH_HANS), encoding, delimiter)
    form = read_form(content)
    assert (form.number, form.errors, form.blank) == (notice.number, (), 3)
    (said,) = form.said
    assert (said.row, said.answer, said.finished) == (6, Answer.FIXED, dt.date(2026, 11, 5))
    assert said.measures == "关闭端口， 改用“堡垒机”；见附件"


def test_columns_stand_in_any_order_further_ones_are_ignored_and_titles_may_be_of_either_language(
    notice: Notice,
) -> None:
    number = str(numbers(notice)[0])
    rows = [
        ["my list", "", "", "", ""],
        ["答复", "remarks", "FINDING NUMBER", "Reason", "proof"],
        ["误报", "ignore me", number, "a honeypot", "'=1+1"],
        ["", "", "", "", ""],
    ]
    form = read_form(saved(rows))
    assert (form.number, len(form.said)) == ("", 1)
    with pytest.raises(InputError, match="name it with --notice"):
        notice_of(form)
    assert notice_of(form, notice.number) == notice
    assert plan_import(form, notice, NOW).errors == ()


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("2026-11-5", (2026, 11, 5)),
        ("2026/11/05 0:00", (2026, 11, 5)),
        ("2026年11月5日", (2026, 11, 5)),
        ("2026-11-05T00:00:00Z", (2026, 11, 5)),
        ("5.11.2026", (2026, 11, 5)),
        ("25/11/2026", (2026, 11, 25)),
        ("11/25/2026", (2026, 11, 25)),
        ("11/11/2026", (2026, 11, 11)),
        ("5-Nov-26", (2026, 11, 5)),
        ("5 November 2026", (2026, 11, 5)),
        ("46331", (2026, 11, 5)),
    ],
)
def test_dates_are_read_as_office_programs_write_them(notice: Notice, written: str, day: tuple[int, int, int]) -> None:
    form = read_form(saved(filled(notice, {0: FIXED | {Column.FINISHED: written}})))
    assert [said.finished for said in form.said] == [dt.date(*day)]


@pytest.mark.parametrize(
    "content", [b"", b"\x00\x01\x02", b"PK\x03\x04 an office file", b"a,b\n1,2\n", b"\xff\xfe\xff", b'"' * 200_000]
)
def test_what_is_no_form_is_said_to_be_none(content: bytes) -> None:
    with pytest.raises(InputError, match=r"no reply form|no text|workbook"):
        read_form(content)


def test_a_form_is_bounded_in_bytes_and_rows(notice: Notice) -> None:
    rows = filled(notice, {})
    with pytest.raises(InputError, match="rows"):
        read_form(saved([*rows, *([["1"]] * 20_001)]))
    with pytest.raises(InputError, match="MB"):
        read_form(b"," * 5_000_000)


def test_what_a_host_or_a_register_says_is_no_formula_and_no_second_line_in_the_form() -> None:
    owner = unit()
    evil = finding(owner, check_id="X-EVIL-\r\n+1")
    Finding.objects.update(host='=HYPERLINK("http://x")')
    with installed(notice_number="=R{year}-{serial}"):
        notice = issue(owner, None, [evil], by="ops", now=NOW)
    text = reply_form(notice_model(notice), Language.EN).decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text)))
    assert len(rows) == 4
    assert [cell for row in rows for cell in row if cell[:1] in ("=", "+", "-", "@", "\t", "\r")] == []
    assert read_form(text.encode()).number == notice.number


def test_an_answer_is_kept_without_control_characters(notice: Notice) -> None:
    cells = FIXED | {Column.MEASURES: "closed\x1b[31m\r\nBcc: x@example.org\u202e"}
    took(saved(filled(notice, {0: cells})))
    assert Reply.objects.get().detail["measures"] == "closed\\x1b[31m Bcc: x@example.org\\u202e"


def test_a_withdrawn_an_unknown_and_another_notice_take_no_answers(notice: Notice) -> None:
    form = read_form(saved(filled(notice, {0: FIXED})))
    with pytest.raises(InputError, match="answers notice R2026-1, not R2026-9"):
        notice_of(form, "R2026-9")
    withdraw(notice, "ops", NOW)
    with pytest.raises(InputError, match="withdrawn"):
        notice_of(form)
    with pytest.raises(InputError, match="no notice R2026-9"):
        notice_of(read_form(saved([["Rectification notice", "R2026-9"], *filled(notice, {})[2:]])))


@pytest.mark.parametrize("language", Language)
def test_a_file_name_holds_nothing_that_a_file_system_minds(notice: Notice, language: Language) -> None:
    notice.number = "×网办函〔2026〕12号/../x"
    assert "/" not in file_name("form.file", notice.number, language)
    assert "..x" not in file_name("form.file", notice.number, language)
