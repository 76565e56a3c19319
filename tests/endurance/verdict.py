"""What must be so at the end, by what the run itself did and saw: rounds, findings, mails, packets.

Each check yields sentences about what is wrong; none at all is the proof.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from scanner.engine.catalogue.load import Language, catalogue
from scanner.packing import unpack
from tests.endurance.capture import packets_to
from tests.endurance.faults import Record
from tests.endurance.post import Taken
from tests.endurance.watch import Seen
from tests.endurance.world import State, Thing

ROLES = {
    "round-report": {"security", "technical", "leader"},
    "urgent-alert": {"security", "technical"},
    "recurrence": {"security", "technical"},
    "re-inspection": {"security", "technical"},
    "notice": {"security", "leader"},
}
"""Which contacts are written to about what, as the operator's guide says."""

OPERATOR = "ops@office.example.net"

_HAPPENED = {"opened": State.THERE, "reopened": State.THERE, "fixed": State.GONE}


@dataclass
class Evidence:
    """Everything that the run knows when it is over, as plain data. ``contacts`` are (organisation, address, role).

    ``database`` is the installation's. ``packets`` counts by second of the monotonic clock and address.
    ``plan_added`` is by the installation's clock, ``plan_paused`` by the monotonic one.
    """

    database: Path
    taken: list[Taken]
    rounds: list[Seen]
    record: Record
    packets: Counter[tuple[int, bytes]]
    things: list[Thing]
    contacts: list[tuple[str, str, str]]
    interval: timedelta
    plan_added: datetime
    plan_paused: float
    claims: list[tuple[float, Thing]] = field(default_factory=list)

    def ask(self, query: str) -> list[tuple[object, ...]]:
        """Read the installation's database."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as database:
            return database.execute(query).fetchall()

    def told(self, kind: str, organisation: str) -> list[str]:
        """Return the addresses of an organisation that are written to about something."""
        return [address for slug, address, role in self.contacts if slug == organisation and role in ROLES[kind]]


def verdict(run: Evidence) -> list[str]:
    """Return everything that is wrong."""
    checks = (
        rounds_are_done,
        due_times_are_met,
        mails_arrived,
        letters_are_as_many,
        findings_are_right,
        silence_was_kept,
    )
    return [f"{check.__name__}: {wrong}" for check in checks for wrong in check(run)]


def rounds_are_done(run: Evidence) -> Iterator[str]:
    """Every round is whole: done, followed, and every host looked at."""
    for seen in run.rounds:
        if seen.ended is None or seen.state != "done":
            yield f"round {seen.number} is {seen.state}"
    hosts = run.ask(
        "SELECT round_id, count(*) FROM rounds_hostresult h JOIN rounds_round r ON r.id = h.round_id "
        "WHERE look = 1 AND r.kind = 'routine' GROUP BY round_id"
    )
    if len({count for _, count in hosts}) != 1:
        yield f"rounds have different numbers of hosts: {hosts}"
    missing = {each.number for each in run.rounds if each.kind == "routine"} - {row[0] for row in hosts}
    if missing:
        yield f"rounds {missing} have no hosts"


def due_times_are_met(run: Evidence) -> Iterator[str]:
    """Each due time has one round, or is counted as missed by the one after it."""
    made = sorted((each for each in run.rounds if each.due), key=lambda each: each.number)
    before = run.plan_added
    for each in made:
        assert each.due is not None
        times = (each.due - before) / run.interval
        if abs(times - (1 + each.missed)) > 0.001:
            yield f"round {each.number}: {times} due times since the one before, of which {each.missed} missed"
        before = each.due
    began = min(each.begun for each in run.rounds)
    idle = run.plan_paused - max((each.ended or run.plan_paused for each in made), default=began)
    if idle > 2 * run.interval.total_seconds():
        yield f"no round was made in the last {idle:.0f} s before the plan was paused"


def mails_arrived(run: Evidence) -> Iterator[str]:
    """What was to be sent arrived once, or again where nobody could know; and nothing else arrived."""
    rows = run.ask("SELECT message_id, recipient, state, kind FROM delivery_message")
    known = {str(message_id): (str(recipient), str(state), str(kind)) for message_id, recipient, state, kind in rows}
    arrived: dict[str, list[Taken]] = defaultdict(list)
    for taken in run.taken:
        arrived[taken.message_id].append(taken)
    for message_id, (recipient, state, kind) in known.items():
        if state != "sent":
            yield f"{kind} to {recipient} is {state}"
        if message_id not in arrived:
            yield f"{kind} to {recipient} never arrived"
    for message_id, those in arrived.items():
        if message_id not in known:
            yield f"nobody knows {message_id}, which arrived"
        elif {each.recipient for each in those} != {known[message_id][0]}:
            yield f"{message_id} went to {[each.recipient for each in those]}"
        for again in those[:-1]:
            if again.answered and not any(since <= again.at <= until for since, until in run.record.unsure):
                yield f"{message_id} arrived {len(those)} times, without a reason"


@dataclass(frozen=True)
class Letter:
    """A mail that arrived: what it is, whose, and its text."""

    kind: str
    organisation: str
    recipient: str
    text: str
    files: dict[str, str]


def letters(run: Evidence) -> list[Letter]:
    """Return every mail that arrived, once."""
    rows = run.ask(
        "SELECT message_id, kind, coalesce(o.slug, '') FROM delivery_message m "
        "LEFT JOIN targets_organisation o ON o.id = m.organisation_id"
    )
    known = {str(message_id): (str(kind), str(slug)) for message_id, kind, slug in rows}
    found = {}
    for taken in run.taken:
        mail = taken.mail
        plain = mail.get_body(("plain",))
        files = {
            part.get_filename() or "": part.get_content()
            for part in mail.iter_attachments()
            if part.get_content_type() == "text/html"
        }
        text = str(plain.get_content()) if plain else ""
        kind, slug = known.get(taken.message_id, ("unknown", ""))
        found[taken.message_id] = Letter(kind, slug, taken.recipient, f"{mail['Subject']}\n{text}", files)
    return list(found.values())


def letters_are_as_many(run: Evidence) -> Iterator[str]:
    """Each contact was written to as often as there was something to tell."""
    arrived = letters(run)
    organisations = sorted({slug for slug, _, _ in run.contacts})
    reports = Counter((each.recipient, name) for each in arrived if each.kind == "round-report" for name in each.files)
    routine = [each for each in run.rounds if each.kind == "routine"]
    wanted = Counter(
        (address, f"{slug}-{seen.number}.html")
        for slug in organisations
        for seen in routine
        for address in run.told("round-report", slug)
    )
    for key in (wanted - reports) + (reports - wanted):
        yield f"report {key} arrived {reports[key]} times instead of {wanted[key]}"
    alien = [each for each in arrived if each.kind not in ROLES and each.kind != "digest"]
    yield from (f"nobody expected {each.kind} to {each.recipient}" for each in alien)
    days = [each for each in arrived if each.kind == "digest"]
    if [each.recipient for each in days] != [OPERATOR]:
        yield f"{len(days)} digests"
    claimed = Counter(thing.organisation for _, thing in run.claims)
    for slug in organisations:
        for address in run.told("re-inspection", slug):
            results = [each for each in arrived if each.kind == "re-inspection" and each.recipient == address]
            if len(results) != claimed[slug]:
                yield f"{len(results)} results of re-inspections to {address} instead of {claimed[slug]}"
    yield from _lives_are_told(run, arrived)


def _lives_are_told(run: Evidence, arrived: list[Letter]) -> Iterator[str]:
    """Everything that came up was told as often as it came up, to each whom it concerns."""
    severity = {(str(h), int(str(p)), str(c)): str(s) for h, p, c, s in run.ask(_SEVERITIES)}
    for thing in run.things:
        happened = [kind for _, kind in _events(run, thing)]
        back, lives = happened.count("reopened"), happened.count("reopened") + happened.count("opened")
        urgent = severity.get((thing.address, thing.port, thing.check)) == "critical"
        counts = {"recurrence": back, "urgent-alert": lives if urgent else 0, "notice": lives if urgent else 0}
        for kind, count in counts.items():
            for address in run.told(kind, thing.organisation):
                mine = [each for each in arrived if each.kind == kind and each.recipient == address]
                told = sum(_tells(each, thing) for each in mine)
                if told != count:
                    yield f"{kind} of {thing.name} came to {address} {told} times instead of {count}"


_SEVERITIES = "SELECT host, port, check_id, severity FROM remediation_finding"


def _title(check: str) -> str:
    return catalogue()[check].texts[Language.EN].title


def _tells(letter: Letter, thing: Thing) -> bool:
    text = " ".join(" ".join([letter.text, *letter.files.values()]).split())
    return f"{thing.address}:{thing.port}" in text and _title(thing.check) in text


def _events(run: Evidence, thing: Thing) -> list[tuple[int, str]]:
    """Return what happened to it by the record, in order: round and kind."""
    rows = run.ask(
        "SELECT e.round_id, e.kind FROM remediation_findingevent e JOIN remediation_finding f ON f.id = e.finding_id "
        f"WHERE f.host = '{thing.address}' AND f.port = {thing.port} AND f.check_id = '{thing.check}' "
        "AND e.kind IN ('opened', 'reopened', 'fixed') ORDER BY e.id"
    )
    return [(int(str(number)), str(kind)) for number, kind in rows]


def findings_are_right(run: Evidence) -> Iterator[str]:
    """Findings opened, closed and came back as the world did, the reports say so, and nothing else ever changed."""
    for thing in run.things:
        yield from _history_is_right(run, thing)
    ours = {(thing.address, thing.port) for thing in run.things}
    rows = run.ask(
        "SELECT f.host, f.port, f.check_id, e.kind, e.round_id FROM remediation_findingevent e "
        "JOIN remediation_finding f ON f.id = e.finding_id WHERE e.kind IN ('opened', 'reopened', 'fixed')"
    )
    first = next((each for each in run.rounds if each.kind == "routine" and run.record.left_alone(each)), None)
    for host, port, check, kind, number in rows:
        if (host, port) in ours or str(host) in {thing.address for thing in run.things}:
            continue
        if kind != "opened" or (first is not None and int(str(number)) > first.number):
            yield f"{check} on {host}:{port} {kind} in round {number}, though nothing changed there"


def _history_is_right(run: Evidence, thing: Thing) -> Iterator[str]:
    events: dict[int, list[str]] = defaultdict(list)
    for number, kind in _events(run, thing):
        events[number].append(kind)
    opened = False
    for seen in sorted(run.rounds, key=lambda each: (each.ended or 0.0, each.number)):
        states = thing.during(seen.begun, seen.ended or float("inf"))
        for kind in events.get(seen.number, []):
            if not states & {_HAPPENED[kind], State.CHANGING}:
                yield f"{thing.name} {kind} in round {seen.number}, when it was {states}"
        if seen.kind == "routine":
            yield from _report_is_right(run, thing, seen, states, opened=opened)
        for kind in events.get(seen.number, []):
            opened = kind != "fixed"
    if opened != (thing.state is not State.GONE):
        yield f"{thing.name} is {thing.state} at the end, but {'open' if opened else 'fixed'} by the record"


def _report_is_right(run: Evidence, thing: Thing, seen: Seen, states: set[State], *, opened: bool) -> Iterator[str]:
    """The report says of what it must: fixed, reopened, not inspected, or nothing."""
    if len(states) != 1 or State.CHANGING in states or not run.record.left_alone(seen) or _another_meanwhile(run, seen):
        return
    (state,) = states
    match state, opened:
        case State.GONE, True:
            wanted = "fixed"
        case State.HIDDEN, True:
            wanted = "not_inspected"
        case State.THERE, False:
            wanted = "reopened or new"
        case State.THERE, True:
            wanted = "still_open"
        case _:
            wanted = ""
    said = _said(run, thing, seen)
    if said not in wanted or (wanted and not said):
        yield f"the report on round {seen.number} says {said!r} of {thing.name}, not {wanted!r}"


def _another_meanwhile(run: Evidence, seen: Seen) -> bool:
    others = (each for each in run.rounds if each is not seen)
    return any(each.begun <= (seen.ended or 0.0) and (each.ended or 0.0) >= seen.begun for each in others)


def _said(run: Evidence, thing: Thing, seen: Seen) -> str:
    rows = run.ask(
        "SELECT r.json FROM reports_report r JOIN targets_organisation o ON o.id = r.organisation_id "
        f"WHERE r.round_id = {seen.number} AND o.slug = '{thing.organisation}' LIMIT 1"
    )
    if not rows:
        return "no report"
    raw = rows[0][0]
    assert isinstance(raw, bytes)
    numbers = run.ask(
        f"SELECT id FROM remediation_finding WHERE host = '{thing.address}' AND check_id = '{thing.check}'"
    )
    for kind, entries in json.loads(unpack(raw))["changes"].items():
        shown = {entry if isinstance(entry, int) else entry["finding"]["number"] for entry in entries}
        if shown & {number for (number,) in numbers}:
            return str(kind)
    return ""


def silence_was_kept(run: Evidence) -> Iterator[str]:
    """No packet went where none was allowed, and never anywhere else."""
    for network, since, until in run.record.quiet:
        packets = packets_to(network, since, until, run.packets)
        if packets:
            yield f"{packets} packets went to {network} within {until - since:.0f} s in which none was allowed"
