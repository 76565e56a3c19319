"""The mailer: takes what is due out of the outbox, sends it, and records what became of it.

A message is claimed by an UPDATE that only one mailer can win, sent, and recorded by one that only the claimant can
make. When a mailer dies in between, nobody knows whether the server took the mail: it is sent again, with the same
Message-ID. That can happen only there, and where a server falls silent after the last byte.
"""

from __future__ import annotations

import fcntl
import logging
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event

from django.conf import settings
from django.db import DatabaseError, close_old_connections, transaction
from django.db.models import Case, F, Q, QuerySet, Value, When

from scanner import locks
from scanner.audit import trail
from scanner.audit.trail import Action
from scanner.delivery import folder, retry
from scanner.delivery.mail_address import domain_of
from scanner.delivery.mail_server import sender_address, server
from scanner.delivery.models import Message, MessageKind, MessageState
from scanner.delivery.recipients import may_read
from scanner.delivery.reports import Post, built, post
from scanner.delivery.smtp import Answer, Conversation, Fate, NoServer, Server, Step
from scanner.engine.errors import InputError
from scanner.locks import Lock
from scanner.prepared import Given, Prepared, PreparedUpdate

_log = logging.getLogger(__name__)

LEASE = timedelta(minutes=15)
"""How long a claim holds; longer than a conversation's patience allows one mail to take."""

BATCH = 50
"""Messages of one pass, after which the outbox is read again, so that what is urgent is not kept waiting."""

LONGEST_PASS = 60.0
"""Seconds after which a pass ends too: a server may take minutes for each mail."""

BROKEN_IN_A_ROW = 3
"""Conversations that may break off one after the other before a pass ends."""

IDLE = 5.0
"""Seconds between two looks into the outbox."""

LONGEST_PAUSE = 60.0
"""Seconds that the mailer pauses at most when the database fails."""

MINUTE = 60.0

RECORD_TRIES = 10
"""Tries to write down what became of a mail, over about half a minute."""

REPLY_LIMIT = 1000
"""Characters of ``Message.reply``."""

NO_CONTACT = "not sent: it is no contact of the organisation, or above it, any more, or the organisation was retired"

WRITTEN = "no mail server is set: written to "
"""What is noted of a mail that became a file; its path follows."""

LOST = "the mailer that sent it ended before it knew the answer; sent again with the same Message-ID"

_BEFORE_MAIL = frozenset({Step.LOOK_UP, Step.CONNECT, Step.GREET, Step.ENCRYPT, Step.LOG_IN})
"""Where a conversation ends that concerns every mail alike."""


@dataclass(slots=True)
class Tally:
    """What one pass did."""

    sent: int = 0
    later: int = 0
    dead: int = 0

    @property
    def tried(self) -> int:
        return self.sent + self.later + self.dead

    def count(self, state: MessageState | None) -> None:
        """Count a message by what it is now; None is one that another mailer has."""
        self.sent += state is MessageState.SENT
        self.later += state is MessageState.QUEUED
        self.dead += state is MessageState.DEAD

    def add(self, other: Tally) -> None:
        self.sent, self.later, self.dead = self.sent + other.sent, self.later + other.later, self.dead + other.dead


@dataclass(slots=True)
class Pace:
    """Holds mails to one domain to ``most`` a minute, by a clock that is never set."""

    most: int
    monotonic: Callable[[], float] = time.monotonic
    _sent: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))

    def takes(self, domain: str) -> bool:
        """Count one more to ``domain`` and return True, or return False when it has to wait."""
        times, now = self._sent[domain], self.monotonic()
        while times and times[0] <= now - MINUTE:
            times.popleft()
        if len(times) >= self.most:
            return False
        times.append(now)
        return True


class Mailer:
    """Sends what is due. One thread uses one; any number of processes may have one at the same time.

    ``clock`` gives the time for what is written down; leases that lapse are measured by ``monotonic``. Without ``to``
    each pass asks which server is the one; where there is none, mail is written to a folder.
    """

    def __init__(
        self,
        clock: Callable[[], datetime],
        *,
        to: Server | None = None,
        how: Post | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        stop: Event | None = None,
    ) -> None:
        self._clock = clock
        self._given = to
        self._server = to
        self._how = how or post()
        self._monotonic = monotonic
        self._stop = stop or Event()
        self._pace = Pace(settings.INSTALLATION.mail_rate, monotonic)
        self._claims: dict[tuple[int, int], float] = {}
        self._conversation: Conversation | None = None

    def run(self) -> None:
        """Send until ``stop`` is set. Errors of the database and the disk are survived: logged, and tried again."""
        failures = 0
        while not self._stop.is_set():
            try:
                with _present(self._how.data_dir, self._clock):
                    while not self._stop.is_set():
                        self.send_due()
                        self._hang_up()
                        close_old_connections()
                        failures = 0
                        self._stop.wait(IDLE)
            except (DatabaseError, OSError):
                failures += 1
                _log.exception("the mailer can't use the database or its directory; it tries again")
                close_old_connections()
                self._stop.wait(min(LONGEST_PAUSE, 2.0 ** min(failures, 10)))
            finally:
                self._hang_up()

    def run_once(self) -> Tally:
        """Send what is due now, and return how it went; for a command that ends afterwards."""
        with _present(self._how.data_dir, self._clock):
            try:
                tally = Tally()
                while (more := self.send_due()).tried:
                    tally.add(more)
                return tally
            finally:
                self._hang_up()

    def send_due(self) -> Tally:
        """Make one pass over what is due. When no conversation with the server comes about, all of it is put off.

        Raises ``RoundsmanError`` when it can't be known which server is the one; then nothing leaves.
        """
        self._turn_to(self._given or server())
        self._release_lapsed()
        tally = Tally()
        unreachable: Answer | None = None
        broken, began = 0, self._monotonic()
        for pk, attempt, recipient in due(self._clock()):
            long = tally.tried >= BATCH or self._monotonic() - began > LONGEST_PASS
            if self._stop.is_set() or broken >= BROKEN_IN_A_ROW or (long and not unreachable):
                break
            if unreachable is None and not self._may_go(recipient):
                continue
            message = claim(pk, attempt, self._clock())
            if message is None:
                continue
            if unreachable is None:
                answer = self._deliver(message)
                broken = broken + 1 if self._conversation is not None and self._conversation.broken else 0
                unreachable = answer if answer.step in _BEFORE_MAIL else None
            else:
                answer = unreachable
            self._record(message, answer, tally)
        return tally

    def _turn_to(self, to: Server | None) -> None:
        """Talk to this server from now on; None for the folder. The one of the settings may have been changed."""
        if to != self._server:
            self._hang_up()
            self._server = to

    def _may_go(self, recipient: str) -> bool:
        """Tell whether one more mail may go to the recipient's domain now. Files are written as fast as they come."""
        return self._server is None or self._pace.takes(domain_of(recipient))

    def _deliver(self, message: Message) -> Answer:
        """Send one mail, or put it into the folder. Whatever is wrong with the mail concerns it alone.

        A mail may have waited for days: who is no contact any more by now doesn't get it.
        """
        try:
            if message.organisation is not None and not may_read(message.organisation, message.recipient):
                return Answer(Fate.REFUSED, NO_CONTACT)
            if self._server is None:
                path = folder.put(message, built(message, self._how), self._how.data_dir)
                return Answer(Fate.ACCEPTED, f"{WRITTEN}{path}")
            conversation = self._talking(self._server)
            most = min(self._how.limit, conversation.size_limit or self._how.limit)
            content = built(message, replace(self._how, limit=most))
            return conversation.send(sender_address(), message.recipient, content)
        except NoServer as error:
            return Answer(Fate.LATER, str(error), error.step)
        except DatabaseError:
            raise
        except OSError as error:
            return Answer(Fate.LATER, f"could not be written: {error}")
        except InputError as error:
            return Answer(Fate.REFUSED, str(error))
        except Exception as error:  # noqa: BLE001 - one that can't be built must not keep the others from leaving
            _log.exception("message %s can't be built", message.pk)
            return Answer(Fate.REFUSED, f"could not be built: {type(error).__name__}: {error}")

    def _talking(self, to: Server) -> Conversation:
        if self._conversation is None or self._conversation.broken:
            self._hang_up()
            self._conversation = Conversation(to, stop=self._stop)
        return self._conversation

    def _hang_up(self) -> None:
        if self._conversation is not None:
            self._conversation.close()
            self._conversation = None

    def _record(self, message: Message, answer: Answer, tally: Tally) -> None:
        """Write down what became of a mail. What the server took must not be forgotten because the disk is full."""
        for left in reversed(range(RECORD_TRIES)):
            try:
                tally.count(record(message, answer, self._clock()))
            except DatabaseError:
                if not left or self._stop.wait(min(5.0, 0.1 * 2 ** (RECORD_TRIES - left))):
                    raise
            else:
                return

    def _release_lapsed(self) -> None:
        """Queue again what another mailer claimed and has not finished for longer than a lease."""
        now = self._monotonic()
        self._claims = {claimed: self._claims.get(claimed, now) for claimed in _CLAIMS()}
        for (pk, attempt), since in self._claims.items():
            if now - since > LEASE.total_seconds():
                lost = Message.objects.filter(pk=pk, attempt=attempt, state=MessageState.SENDING)
                _take_up(lost, self._clock())


def due(now: datetime) -> list[tuple[int, int, str]]:
    """Return (primary key, attempt, recipient) of what is to be sent at ``now``, urgent alerts first, then the oldest.

    A message that was never tried is always due, and so is one that would wait longer than any wait: then the clock
    was set back in between.
    """
    return _DUE(now=now, never=now + retry.LONGEST_WAIT * (1 + retry.JITTER))


_DUE: Prepared[tuple[int, int, str]] = Prepared(
    lambda: (
        Message.objects.filter(state=MessageState.QUEUED)
        .filter(Q(attempt=0) | Q(not_before__lte=Given("now")) | Q(not_before__gt=Given("never")))
        .order_by(Case(When(kind=MessageKind.URGENT_ALERT, then=Value(0)), default=Value(1)), "created", "pk")
        .values_list("pk", "attempt", "recipient")
    )
)
_CLAIMS = Prepared(lambda: Message.objects.filter(state=MessageState.SENDING).order_by().values_list("pk", "attempt"))
_CLAIM = PreparedUpdate(
    lambda: Message.objects.filter(pk=Given("message"), attempt=Given("attempt"), state=MessageState.QUEUED),
    state=MessageState.SENDING,
    attempt=F("attempt") + 1,
    lease_until=Given("until"),
)
_RECORD = PreparedUpdate(
    lambda: Message.objects.filter(pk=Given("message"), attempt=Given("attempt"), state=MessageState.SENDING),
    state=Given("became"),
    reply=Given("reply"),
    lease_until=None,
    finished=Given("finished"),
    not_before=Given("not_before"),
)
_CLAIMED = Prepared(
    lambda: Message.objects.filter(pk=Given("message")).select_related("organisation", "report").defer("report__json")
)


def claim(pk: int, attempt: int, now: datetime) -> Message | None:
    """Take a message for sending; None when another mailer was faster, or it was cancelled."""
    if _CLAIM(message=pk, attempt=attempt, until=now + LEASE) != 1:
        return None
    (message,) = _CLAIMED(message=pk)
    report, owner = message.report, message.organisation
    if report is not None and owner is not None and report.organisation_id == owner.pk:
        report.organisation = owner  # read already
    return message


def record(message: Message, answer: Answer, now: datetime) -> MessageState | None:
    """Write down what became of a try; None when the claim was lost meanwhile, and nothing was written."""
    match answer.fate:
        case Fate.ACCEPTED:
            state = MessageState.SENT
        case Fate.REFUSED:
            state = MessageState.DEAD
        case Fate.LATER:
            over = retry.is_over(message.created, message.attempt, now)
            state = MessageState.DEAD if over else MessageState.QUEUED
    urgent = message.kind == MessageKind.URGENT_ALERT
    waiting = state is MessageState.QUEUED
    with transaction.atomic():
        written = _RECORD(
            message=message,
            attempt=message.attempt,
            became=state,
            reply=answer.reply[:REPLY_LIMIT],
            finished=None if waiting else now,
            not_before=now + retry.wait(message.key, message.attempt, urgent=urgent) if waiting else message.not_before,
        )
        if written and state is MessageState.DEAD:
            told = {"kind": message.kind, "recipient": message.recipient, "reply": answer.reply}
            trail.record(Action.MAIL_DEAD, f"mail {message.pk}", actor="mailer", at=now, **told)
    if not written:
        _log.warning("message %s was claimed by another mailer meanwhile", message.pk)
        return None
    if state is MessageState.DEAD:
        _log.error("mail %s was given up: %s", message.pk, answer.reply)
    else:
        _log.info("mail %s (%s) %s: %s", message.pk, message.kind, state, answer.reply)
    return state


def take_up_lost(now: datetime) -> int:
    """Queue again what a mailer left behind that ended in the middle; only while no mailer runs. Return how many."""
    return _take_up(Message.objects.filter(state=MessageState.SENDING), now)


def _take_up(lost: QuerySet[Message], now: datetime) -> int:
    return lost.update(state=MessageState.QUEUED, lease_until=None, not_before=now, reply=LOST)


@contextmanager
def _present(data_dir: Path, clock: Callable[[], datetime]) -> Iterator[None]:
    """Be known as a running mailer. Who finds that no other runs first takes up what the last one left behind."""
    if locks.is_shared():
        with closing(locks.Holder()) as holder:
            alone = holder.takes(Lock.MAILER)
            if alone:
                take_up_lost(clock())
            holder.waits_for(Lock.MAILER, shared=True)
            if alone:
                holder.gives_back(Lock.MAILER)
            yield
        return
    with (data_dir / "mailer.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            take_up_lost(clock())
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield
