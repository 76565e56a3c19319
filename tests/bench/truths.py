"""Holds what the database says against what the simulated world knows; nothing of it asks the code that it checks.

What must be: no finding is wrongly closed, lost or doubled; every due round is done exactly once and looks at every
host once; each mail that is due leaves once; and nothing that one unit is told names another.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from scanner.delivery.models import Message, MessageKind, MessageState, Told
from scanner.packing import unpack
from scanner.prepared import Prepared
from scanner.remediation.models import Finding, FindingEvent
from scanner.reports.models import Report
from scanner.rounds.models import HostResult, LookNumber, Plan, PlanKind, Round, RoundState
from targets.models import Contact
from tests.bench.living import STEPS, Host, World, told_of, truth

SAME_LIFE = timedelta(days=90)
"""What comes back within this time is the same life: it recurs."""

_OF_A_UNIT = (
    re.compile(r"unit-?([0-9]{2})\b"),
    re.compile(r"10\.(?<!\w10\.)([0-9]{1,3})\.[0-9]{1,3}\.[0-9]{1,3}\b"),
)
"""What names a unit. Each begins with what it begins with: so most of a text is passed over quickly."""

_MESSAGE_ID = re.compile(rb"^Message-ID:\s*(\S+)", re.MULTILINE)

ABSENT, LESSER = "WEB-HTTP-ONLY", "WEB-NO-REDIRECT"
"""The check that tells of something missing, which one look that met it speaks against; and the one in whose place it
is told, which goes on with it: what got worse is not mended."""

_Item = tuple[int, str]
"""Port and check."""


_STANDING = Prepared(
    lambda: Finding.objects.order_by().values_list(
        "organisation__slug", "host", "port", "transport", "check_id", "state"
    )
)


class Broken(AssertionError):  # noqa: N818 - reads as the event it is
    """What was to be true is not."""


@dataclass(slots=True)
class _Known:
    """What is known of one weakness. ``open`` None: it is gone, but proofs of that rest on an address that moved."""

    open: bool | None
    addresses: set[str]
    fixed: datetime | None = None
    reopened: int = 0
    recurrences: int = 0
    sure: bool = True


@dataclass(slots=True)
class Ledger:
    """Keeps the account of what each look must have told, and compares."""

    world: World
    known: dict[str, dict[_Item, _Known]] = field(default_factory=lambda: defaultdict(dict))
    mails: int = 0
    files: int = 0
    _unread: list[tuple[set[str], str | bytes, str]] = field(default_factory=list)
    _round: int = 0
    _message: int = 0
    _report: int = 0
    _waiting: dict[int, int] = field(default_factory=dict)

    def account(self) -> None:
        """Take in the rounds that ended since, and see that each looked at every host it was about, once."""
        unfinished = Round.objects.exclude(state=RoundState.DONE).count()
        _hold(not unfinished, f"{unfinished} rounds are not done")
        for this in Round.objects.filter(pk__gt=self._round).order_by("pk"):
            self._round = this.pk
            _hold(this.followed is not None, f"{this} was not followed")
            rows = HostResult.objects.filter(round=this).order_by("pk")
            columns = rows.values_list("organisation__slug", "label", "look", "outcome", "finished")
            firsts = [row for row in columns if row[2] == LookNumber.FIRST]
            looked = Counter((slug, label) for slug, label, *_ in firsts)
            _hold(set(looked.values()) <= {1}, f"{this} looked at a host twice")
            _hold(set(looked) == self._wanted(this), f"{this} looked at other hosts than it was to")
            for slug, label, _, outcome, finished in firsts:
                self._take_in(self._host(slug, label), outcome, finished)

    def rounds(self, days: int) -> None:
        """Compare: each plan made one round for each of its due times."""
        for plan in Plan.objects.filter(kind=PlanKind.ROUTINE):
            due = list(plan.rounds.order_by("due").values_list("due", flat=True))
            _hold(len(due) == days and len(set(due)) == days, f"plan {plan} has {len(due)} rounds after {days} days")

    def findings(self) -> None:
        """Compare how each finding stands."""
        found: set[tuple[str, _Item]] = set()
        told, owners = cache(told_of), {host.known_as: _slug(host.unit) for host in self.world.hosts}
        for slug, host, port, transport, check, state in _STANDING():
            item, wrong = (port, check), ""
            if slug != owners[host]:
                wrong = f"belongs to {slug}"
            elif transport != "tcp":
                wrong = f"is on {transport}"
            elif told(check):
                wrong = "is there twice" if (host, item) in found else self._wrong(host, item, state)
                found.add((host, item))
            if wrong:
                raise Broken(f"{check} on {host}:{port} {wrong}")
        lost = {(host, item) for host, items in self.known.items() for item in items} - found
        _hold(not lost, f"lost: {sorted(lost)[:3]}")

    def _wrong(self, host: str, item: _Item, state: str) -> str:
        """Return what is wrong with how a finding stands; nothing when all is well."""
        known = self.known[host].get(item)
        if known is None:
            return f"is {state} and was never there"
        wanted = state if known.open is None else "open" if known.open else "fixed"
        return "" if state == wanted else f"is {state}, and must be {wanted}"

    def histories(self) -> tuple[int, int, int]:
        """Compare what happened to findings; return how many were opened, fixed and how often some came back."""
        columns = ("finding", "finding__host", "finding__port", "finding__check_id", "kind")
        events: dict[int, Counter[str]] = defaultdict(Counter)
        items: dict[int, tuple[str, _Item]] = {}
        kinds = ("opened", "fixed", "reopened")
        for number, host, port, check, kind in FindingEvent.objects.filter(kind__in=kinds).values_list(*columns):
            events[number][kind] += 1
            items[number] = host, (port, check)
        for number, counted in events.items():
            host, item = items[number]
            _hold(counted["opened"] == 1, f"{item} on {host} was opened {counted['opened']} times")
            known = self.known[host].get(item)
            if known is not None and known.sure:
                _hold(
                    counted["reopened"] == known.reopened,
                    f"{item} on {host} was reopened {counted['reopened']} times, and came back {known.reopened} times",
                )
        totals = sum(events.values(), Counter[str]())
        return totals["opened"], totals["fixed"], totals["reopened"]

    def urgent(self) -> None:
        """Compare: people were told of what can't wait, once for each of its lives and returns."""
        told = Counter(
            key.split(":")[1] for key in Told.objects.filter(key__startswith="urgent:").values_list("key", flat=True)
        )
        rows = Finding.objects.filter(severity="critical", confidence="confirmed")
        for number, host, port, check in rows.values_list("pk", "host", "port", "check_id"):
            known = self.known[host].get((port, check))
            if known is not None and known.sure:
                times, wanted = told[str(number)], 1 + known.reopened
                _hold(times == wanted, f"{check} on {host} was told {times} times, and there were {wanted} reasons")

    def letters(self, files: Iterable[Path]) -> None:
        """Compare the mails since, and the files they left as: each once, and to whom they are for. What waits
        for the mailer has left a day later.

        :meth:`read` reads them.
        """
        new = Message.objects.filter(pk__gt=self._message).select_related("organisation__parent").order_by("pk")
        numbers = self._left_late()
        reports: Counter[tuple[int | None, int | None, str]] = Counter()
        for each in new:
            self._message = each.pk
            self.mails += 1
            if each.state == MessageState.QUEUED and not each.attempt:
                self._waiting[each.pk] = 0
            else:
                _hold(each.state == MessageState.SENT, f"mail {each.pk} is {each.state}: {each.reply}")
                numbers.add(each.message_id)
            owner = each.organisation
            if owner is None:
                continue
            parent = owner.parent
            units = {owner.slug, parent.slug} if parent else {owner.slug}
            _hold(
                each.recipient.partition("@")[2].partition(".")[0].replace("unit", "unit-") in units,
                f"mail {each.pk} of {owner} goes to {each.recipient}",
            )
            self._unread.append((units, f"{each.subject}\n{each.text}\n{each.html}", f"mail {each.pk}"))
            if each.kind == MessageKind.ROUND_REPORT:
                reports[int(each.key.split(":")[1]), owner.pk, each.recipient] += 1
        _hold(set(reports.values()) <= {1}, "a report was mailed twice")
        self._reports(reports)
        self._files(files, numbers)

    def end(self) -> None:
        """Compare: no mail waits any more."""
        _hold(not self._waiting, f"{len(self._waiting)} mails never left")

    def _left_late(self) -> set[str]:
        """Return the Message-IDs of the mails that waited and were sent by now; none waits for longer than a day."""
        waited = Message.objects.filter(pk__in=self._waiting).values_list("pk", "state", "reply", "message_id")
        numbers = set()
        for pk, state, reply, number in waited:
            if state == MessageState.SENT:
                numbers.add(number)
                del self._waiting[pk]
                continue
            self._waiting[pk] += 1
            in_time = state == MessageState.QUEUED and self._waiting[pk] < STEPS
            _hold(in_time, f"mail {pk} is still {state}: {reply}")
        return numbers

    def read(self) -> None:
        """Read the mails and reports since: nothing in them names other units."""
        for units, kept, what in self._unread:
            text = kept if isinstance(kept, str) else unpack(kept).decode()
            for unit in {unit for names in _OF_A_UNIT for unit in names.findall(text)}:
                _hold(_slug(int(unit)) in units, f"{what} of {units} names unit {unit}")
        self._unread.clear()

    def _reports(self, mailed: Counter[tuple[int | None, int | None, str]]) -> None:
        """Each unit's contacts got the report of each routine round; no report names another unit."""
        new = Report.objects.filter(pk__gt=self._report).order_by("pk")
        columns = ("pk", "round", "organisation", "organisation__slug", "organisation__parent__slug", "html")
        contacts = defaultdict(list)
        for owner, email in Contact.objects.values_list("organisation", "email"):
            contacts[owner].append(email)
        wanted: set[tuple[int | None, int | None, str]] = set()
        for self._report, this, owner, slug, above, html in new.values_list(*columns):
            units = {slug, above} if above else {slug}
            self._unread.append((units, bytes(html), f"report {self._report}"))
            wanted.update((this, owner, email) for email in contacts[owner])
        _hold(wanted == set(mailed), "reports were not mailed to exactly those whom they are for")

    def _files(self, files: Iterable[Path], numbers: set[str]) -> None:
        """Each mail is a file, with the same Message-ID; they are taken away."""
        found: Counter[str] = Counter()
        for path in files:
            with path.open("rb") as file:
                head = file.read(4096).partition(b"\r\n\r\n")[0]
            found.update(each.decode() for each in _MESSAGE_ID.findall(head))
            path.unlink()
        self.files += sum(found.values())
        _hold(set(found) == numbers and set(found.values()) <= {1}, "what left is not what was to leave, each once")

    def _wanted(self, this: Round) -> set[tuple[str, str]]:
        hosts = this.hosts
        return {
            (slug, host.known_as)
            for slug in this.organisations.values_list("slug", flat=True)
            for host in self.world.of_unit(int(slug[-2:]))
            if hosts is None or host.known_as in hosts
        }

    def _take_in(self, host: Host, outcome: str, at: datetime) -> None:
        """Note what the look at a host must have told."""
        moment = self.world.moment(host, again=False)
        seen_nothing = moment.silent or moment.lost
        wanted = "unreachable" if seen_nothing else "inspected"
        if outcome != wanted:
            raise Broken(f"{host.known_as} was {outcome}")
        if seen_nothing:
            return
        there = truth(host, host.ports, at)
        items = self.known[host.known_as]
        first = there if moment.missed is None else truth(host, host.ports - {moment.missed}, at)
        unseen = {item for item, known in items.items() if known.open and item not in first}
        # Nobody looks again where nothing is missing.
        proven = bool(unseen) and not self.world.moment(host, again=True).lost
        # What the first look missed, the second one sees, along with what is new on that port; and it asks for HTTPS
        # before a site counts as mended.
        again = proven and any(port == moment.missed for port, _ in unseen)
        https = again or (proven and any(check == LESSER for _, check in unseen))
        seen = {item for item in first | (there if again else set()) if item in there or not https or item[1] != ABSENT}
        grown = {(port, LESSER) for port, check in seen if check == ABSENT} & {*items}
        seen |= {item for item in grown if items[item].open}
        for item in seen:
            self._seen(items, item, host.address, at)
        for item in items.keys() - there - seen:
            known = items[item]
            if known.open and proven:
                moved = known.addresses != {host.address}
                known.open, known.fixed, known.sure = None if moved else False, at, known.sure and not moved

    @staticmethod
    def _seen(items: dict[_Item, _Known], item: _Item, address: str, at: datetime) -> None:
        known = items.get(item)
        if known is None:
            items[item] = _Known(True, {address})
            return
        if known.open is False:
            again = known.fixed is not None and at - known.fixed <= SAME_LIFE
            known.reopened += 1
            known.recurrences = known.recurrences + 1 if again else 0
            known.addresses = set()
        known.open, known.fixed = True, None
        known.addresses.add(address)

    def _host(self, slug: str, label: str) -> Host:
        host = self._named(label)
        _hold(_slug(host.unit) == slug, f"{label} was looked at for {slug}")
        return host

    def _named(self, label: str) -> Host:
        return self.world.find(label, label if label.startswith("h") else None)


def _slug(unit: int) -> str:
    return f"unit-{unit:02}"


def _hold(true: bool, what: str) -> None:
    if not true:
        raise Broken(what)
