"""Removes what is no longer needed, in small steps, so that a running system goes on and an interrupted sweep too.

Findings, their history, scores and the audit trail are kept for good. Of everything else the part stays that later
answers rest on: of each host its newest result and the newest that really looked, the last two whole rounds of
each organisation, its newest report, and that a mail was sent.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet, Sum, Window
from django.db.models.functions import Length, RowNumber

from scanner.audit.trail import Action, record
from scanner.delivery.models import Attachment, Message, MessageState
from scanner.literal import Literal
from scanner.remediation.keys import LOOKED
from scanner.reports.models import Bulletin, Report, ReportFile
from scanner.rounds.models import ENDED, HostResult, Job, JobState, LookNumber, Round, RoundState, whole
from scanner.upkeep import space
from targets.models import Organisation

Item = TypeVar("Item")

_log = logging.getLogger(__name__)

BATCH = 500
"""Rows of one transaction."""

WHOLE_ROUNDS = 2
"""Newest whole rounds of each organisation whose results are kept whatever their age."""

JOBS_KEPT = timedelta(days=30)
"""How long the jobs of a round are kept after its end; they only tell how it went."""

SYSTEM = "roundsman"
"""The actor when nobody asked for the sweep."""

_FINISHED = (MessageState.SENT, MessageState.DEAD, MessageState.CANCELLED)

_RESULT_BYTES = 600
"""What a host result takes in the tables beside its facts, indexes included (measured)."""

_JOB_BYTES = 2_000
"""What a job takes, about: a list of some dozen hosts."""


class What(StrEnum):
    """What is removed."""

    RESULTS = "host results"
    JOBS = "jobs"
    REPORTS = "reports"
    BULLETINS = "bulletins"
    CONTENTS = "mail contents"
    FILES = "files"


@dataclass(frozen=True, slots=True)
class Policy:
    """How long what is kept. Of a mail only the content goes: the row, which says that it was sent, stays for good."""

    facts: timedelta
    messages: timedelta
    reports: timedelta

    @classmethod
    def of_settings(cls) -> Policy:
        """Return what ``ROUNDSMAN_KEEP_…_DAYS`` say."""
        installation = settings.INSTALLATION
        days = installation.keep_facts_days, installation.keep_messages_days, installation.keep_reports_days
        return cls(*(timedelta(days=each) for each in days))


@dataclass(slots=True)
class Pruned:
    """How many of each were removed, or would be, and about how many bytes they took."""

    counts: dict[What, int] = field(default_factory=dict)
    size: int = 0

    def add(self, what: What, number: int, size: int) -> None:
        """Count ``number`` more, of ``size`` bytes together."""
        if number:
            self.counts[what] = self.counts.get(what, 0) + number
            self.size += size


def prune(
    now: datetime,
    policy: Policy,
    *,
    dry_run: bool = False,
    actor: str = SYSTEM,
    rest: space.Rest = time.sleep,
) -> Pruned:
    """Remove what is older than ``policy`` says and give the space back; return what it was.

    Each step is a short transaction, after which others get as long a turn (``rest``, in seconds; True from it ends the
    sweep). Stopped anywhere, the next call goes on. With ``dry_run`` nothing is changed. What was removed is put on
    record in the name of ``actor``.
    """
    sweep = _Sweep(now, policy, dry_run, rest)
    with suppress(_Ended):
        sweep.results()
        sweep.jobs()
        sweep.reports()
        sweep.bulletins()
        sweep.contents()
        sweep.files(settings.DATA_DIR / "mail", policy.messages)
        sweep.files(settings.DATA_DIR / "large-reports", policy.reports)
    if sweep.done.counts and not dry_run:
        record(Action.PRUNE, "", actor=actor, at=now, size=sweep.done.size, **dict(sweep.done.counts))
        space.give_back(rest)
    return sweep.done


def prune_unattended(now: datetime, policy: Policy, rest: space.Rest = time.sleep) -> Pruned:
    """Prune, but not while no round has ended for as long as facts are kept: a machine that was just switched on may
    have a clock that is years ahead, and what is removed by it can't be brought back."""
    last = Round.objects.aggregate(last=Max("finished"))["last"]
    if last is not None and now - last > policy.facts:
        _log.warning("nothing is pruned: no round has ended since %s; is the clock right?", last)
        return Pruned()
    return prune(now, policy, rest=rest)


class _Ended(Exception):  # noqa: N818 - reads as the event it is
    """No step is to follow."""


@dataclass(frozen=True, slots=True)
class _Sweep:
    now: datetime
    policy: Policy
    dry_run: bool
    rest: space.Rest
    done: Pruned = field(default_factory=Pruned)

    def results(self) -> None:
        """One organisation after the other, so that what is remembered of hosts stays small however many there are."""
        has_results = Exists(HostResult.objects.filter(round=OuterRef("pk")))
        old = Round.objects.filter(has_results, _followed(), finished__lt=self.now - self.policy.facts)
        numbers = list(old.order_by("-pk").values_list("pk", flat=True))
        kept_rounds = _last_whole_rounds()
        organisations = Organisation.objects.order_by("pk").values_list("pk", flat=True) if numbers else ()
        unneeded = chain.from_iterable(_unneeded(each, numbers, kept_rounds) for each in organisations)
        for batch in _batches(unneeded):
            rounds = {number for number, _, _ in batch}
            sized = [(pk, size) for _, pk, size in batch]
            self._step(What.RESULTS, sized, partial(self._remove_results, rounds))

    def jobs(self) -> None:
        """Jobs of rounds that ended long ago."""
        ended = Round.objects.filter(state__in=ENDED, finished__lt=self.now - JOBS_KEPT)
        old = Job.objects.filter(round__in=ended, state__in=(JobState.DONE, JobState.CANCELLED))
        for batch in _batches([(pk, _JOB_BYTES) for pk in old.order_by("pk").values_list("pk", flat=True)]):
            self._step(What.JOBS, batch, lambda pks: Job.objects.filter(pk__in=pks).delete())

    def reports(self) -> None:
        """Contents of reports, but for the newest of each organisation and language and those still to be mailed."""
        to_send = Message.objects.filter(report=OuterRef("pk")).exclude(state__in=_FINISHED)
        self._documents(What.REPORTS, Report, ("organisation", "language"), to_send, _empty_reports)

    def bulletins(self) -> None:
        """The same of bulletins, with and without names."""
        to_send = Message.objects.filter(bulletin=OuterRef("pk")).exclude(state__in=_FINISHED)
        alike = ("organisation", "nameless", "language")
        self._documents(What.BULLETINS, Bulletin, alike, to_send, _empty_bulletins)

    def _documents(
        self,
        what: What,
        kept: type[Report] | type[Bulletin],
        alike: tuple[str, ...],
        to_send: QuerySet[Message],
        empty: Callable[[QuerySet[Message], list[int]], object],
    ) -> None:
        sized = old_documents(kept, alike, to_send, self.now - self.policy.reports)
        for batch in _batches(list(sized.values_list("pk", "size"))):
            self._step(what, batch, partial(empty, to_send))

    def contents(self) -> None:
        """Texts and attachments of mails that have left, or never will."""
        attached = full_mails(self.now - self.policy.messages).annotate(size=Sum(Length("attachments__content")))
        sizes = attached.annotate(own=Length("text") + Length("html")).order_by("pk").values_list("pk", "own", "size")
        for batch in _batches([(pk, own + (size or 0)) for pk, own, size in sizes]):
            self._step(What.CONTENTS, batch, _empty_mails)

    def files(self, folder: Path, age: timedelta) -> None:
        """Files of a folder of ours, by when they were written; links are left alone."""
        before = (self.now - age).timestamp()
        found = (each for each in sorted(folder.rglob("*")) if each.is_file() and not each.is_symlink())
        for path in found:
            with suppress(FileNotFoundError):  # somebody else removed it
                status = path.stat()
                if status.st_mtime < before:
                    self.done.add(What.FILES, 1, status.st_size)
                    if not self.dry_run:
                        path.unlink()
                        _remove_empty(path.parent, folder)

    def _remove_results(self, rounds: Collection[int], pks: list[int]) -> None:
        Round.objects.filter(pk__in=rounds, pruned=None).update(pruned=self.now)
        HostResult.objects.filter(pk__in=pks).delete()

    def _step(self, what: What, batch: Sequence[tuple[int, int]], remove: Callable[[list[int]], object]) -> None:
        began = time.monotonic()
        if not self.dry_run:
            with transaction.atomic():
                remove([pk for pk, _ in batch])
        self.done.add(what, len(batch), sum(size for _, size in batch))
        if not self.dry_run:
            self._rest(time.monotonic() - began)

    def _rest(self, seconds: float) -> None:
        if self.rest(seconds):
            raise _Ended


_Host = tuple[str, str]
"""Address and registered name."""


def _followed() -> Q:
    return Q(state=RoundState.CANCELLED) | Q(state=RoundState.DONE, followed__isnull=False)


def _unneeded(
    organisation: int, rounds: Sequence[int], kept_rounds: Set[tuple[int, int]]
) -> Iterator[tuple[int, int, int]]:
    """Yield round, number and bytes of each result of an organisation in these rounds that nothing rests on.

    Newest rounds first, so that what a host is remembered by is met before what it makes superfluous.
    """
    rows = HostResult.objects.filter(organisation=organisation, round__in=rounds).order_by("-round", "pk")
    told = rows.values_list("round", "pk", Length("facts"), "address", "hostname", "look", "outcome")
    newest: set[_Host] = set()
    looked: set[_Host] = set()
    # All at once: a read that goes on while rows are removed would keep SQLite from writing.
    for number, pk, size, address, hostname, look, outcome in list(told):
        needed = (organisation, number) in kept_rounds
        if look == LookNumber.FIRST:
            needed |= (address, hostname) not in newest
            newest.add((address, hostname))
            if outcome in LOOKED:
                needed |= (address, hostname) not in looked
                looked.add((address, hostname))
        if not needed:
            yield number, pk, size + _RESULT_BYTES


def _last_whole_rounds() -> set[tuple[int, int]]:
    """Pairs of organisation and round whose results the reports of today and of the time before rest on."""
    part_of = Round.organisations.through.objects.filter(whole("round__"), round__state=RoundState.DONE)
    newest_first = Window(RowNumber(), partition_by="organisation", order_by=F("round").desc())
    last = part_of.annotate(place=newest_first).filter(Q(place__lte=WHOLE_ROUNDS))
    return set(last.values_list("organisation", "round"))


def _remove_empty(folder: Path, top: Path) -> None:
    with suppress(OSError):  # it is not empty
        while folder != top:
            folder.rmdir()
            folder = folder.parent


def _empty_reports(to_send: QuerySet[Message], pks: list[int]) -> None:
    old = Report.objects.filter(~Exists(to_send), pk__in=pks)
    ReportFile.objects.filter(report__in=old).delete()
    old.update(html=b"", json=b"")


def _empty_bulletins(to_send: QuerySet[Message], pks: list[int]) -> None:
    Bulletin.objects.filter(~Exists(to_send), pk__in=pks).update(html=b"", json=b"", pdf=b"")


def old_documents(
    kept: type[Report] | type[Bulletin], alike: tuple[str, ...], to_send: QuerySet[Message], before: datetime
) -> QuerySet[Any]:
    """Return what was made before and still has its content, but for the newest of those that are ``alike``, and what
    mails are still ``to_send``; with the ``size`` of each, the oldest first."""
    newest = kept.objects.order_by().values(*alike).annotate(newest=Max("pk")).values("newest")
    old = kept.objects.filter(~Exists(to_send), generated__lt=before).exclude(pk__in=newest)
    return old.annotate(size=Length("html") + Length("json")).filter(size__gt=0).order_by("generated", "pk")


def full_mails(before: datetime) -> QuerySet[Message]:
    """Return the mails that were done with by then, and still have their content: without text they were emptied."""
    return Message.objects.filter(state__in=_FINISHED, finished__lt=before, text__gt=Literal(""))


def _empty_mails(pks: list[int]) -> None:
    """Empty those that nobody put back into the queue meanwhile."""
    finished = Message.objects.filter(pk__in=pks, state__in=_FINISHED)
    Attachment.objects.filter(message__in=finished).delete()
    finished.update(text="", html="")


def _batches(items: Iterable[Item]) -> Iterator[Sequence[Item]]:
    left = iter(items)
    while batch := list(islice(left, BATCH)):
        yield batch
