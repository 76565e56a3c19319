"""Writes the audit trail, and tells whether it is whole.

Each entry holds the digest of the one before, so that none can be changed, taken out or put in without a trace. Who can
write to the database could still make the whole chain anew, or cut its end: the newest digest belongs noted elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import cast

from django.db import IntegrityError, transaction

from scanner.audit.models import Entry

ATTEMPTS = 50
"""How often an entry looks for the end of the chain. Each failure means that another writer got in first."""

CHUNK = 500
"""Entries that are held in memory at a time."""


class Action(StrEnum):
    """What people, or the system in their name, did."""

    REGISTER_APPLIED = "register-applied"
    AUTHORISATION_ADDED = "authorisation-added"
    AUTHORISATION_CHANGED = "authorisation-changed"
    AUTHORISATION_ENDED = "authorisation-ended"
    AUTHORISATION_DOCUMENT_KEPT = "authorisation-document-kept"
    EXCLUSION_ADDED = "exclusion-added"
    EXCLUSION_CHANGED = "exclusion-changed"
    EXCLUSION_ENDED = "exclusion-ended"
    TARGETS_PROPOSED = "targets-proposed"
    PROPOSAL_APPROVED = "proposal-approved"
    PROPOSAL_DECLINED = "proposal-declined"
    PROPOSAL_WITHDRAWN = "proposal-withdrawn"
    PLAN_ADDED = "plan-added"
    PLAN_CHANGED = "plan-changed"
    PLAN_PAUSED = "plan-paused"
    PLAN_RESUMED = "plan-resumed"
    PLAN_REMOVED = "plan-removed"
    ROUND_REQUESTED = "round-requested"
    ROUND_CANCELLED = "round-cancelled"
    ROUND_PAUSED = "round-paused"
    ROUND_RESUMED = "round-resumed"
    STOP = "stop"
    RESUME = "resume"
    FINDING_CLAIMED = "finding-claimed"
    FINDING_DISPUTED = "finding-disputed"
    FINDING_EXEMPTED = "finding-exempted"
    FINDING_REFUSED = "finding-refused"
    FINDING_ENDED = "finding-ended"
    PROOF_KEPT = "proof-kept"
    FINDING_COMMENTED = "finding-commented"
    FINDING_ASSIGNED = "finding-assigned"
    FINDINGS_UNASSIGNED = "findings-unassigned"
    NOTICE_ISSUED = "notice-issued"
    NOTICE_WITHDRAWN = "notice-withdrawn"
    REPLIES_IMPORTED = "replies-imported"
    MAIL_RETRIED = "mail-retried"
    MAIL_CANCELLED = "mail-cancelled"
    MAIL_DEAD = "mail-dead"
    REPORT_SENT_AGAIN = "report-sent-again"
    MAIL_TESTED = "mail-tested"
    MAIL_SERVER_CHOSEN = "mail-server-chosen"
    MAIL_SERVER_GIVEN_UP = "mail-server-given-up"
    REPORTS_SEALED = "reports-encrypted"
    REPORTS_UNSEALED = "reports-not-encrypted"
    ACCOUNT_ADDED = "account-added"
    ACCOUNT_ENDED = "account-ended"
    ACCOUNT_RENEWED = "account-renewed"
    ROLE_GIVEN = "role-given"
    ROLE_TAKEN = "role-taken"
    INVITED = "invited"
    PASSWORD_SET = "password-set"  # noqa: S105 - the name of an act
    SECOND_FACTOR_ADDED = "second-factor-added"
    SECOND_FACTOR_REMOVED = "second-factor-removed"
    SIGN_ON_LINKED = "sign-on-linked"
    SIGN_ON_UNLINKED = "sign-on-unlinked"
    SIGNED_IN = "signed-in"
    TOKEN_ADDED = "token-added"  # noqa: S105 - the name of an act
    TOKEN_REVOKED = "token-revoked"  # noqa: S105 - the name of an act
    WEBHOOK_ADDED = "webhook-added"
    WEBHOOK_REVOKED = "webhook-revoked"
    WEBHOOK_SECRET_CHANGED = "webhook-secret-changed"  # noqa: S105 - the name of an act
    WEBHOOK_TESTED = "webhook-tested"
    WEBHOOK_RETRIED = "webhook-retried"
    WEBHOOK_DEAD = "webhook-dead"
    PRUNE = "prune"
    BACKUP = "backup"
    RESTORE = "restore"
    STORE_MOVED = "store-moved"


class Break(StrEnum):
    """How the chain is broken at an entry."""

    CHANGED = "changed"
    TAKEN_OUT = "taken-out"
    PUT_IN = "put-in"
    CUT = "cut"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What :func:`verify` found: the first break, if any, and the number of the entry at which it shows.

    ``TAKEN_OUT`` names the first entry after what is missing. ``entries`` counts those that were found right, and
    ``head`` is the digest of the last of them; empty when there is none. ``CUT`` has no number.
    """

    entries: int
    head: str
    broken: Break | None = None
    number: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether no break was found."""
        return self.broken is None


def record(action: Action, subject: str, *, actor: str, at: datetime, **detail: object) -> Entry:
    """Append an entry to the trail, in the caller's transaction if there is one, and return it.

    ``actor`` is who did it, ``subject`` what it was done to (``organisation water``, ``round 12``). ``detail`` is data:
    texts, whole numbers, truth values, None, times, and lists and mappings of them; anything else is kept as its
    text. Text is cut to 200 (actor) and 300 (subject) characters. Raises ``ValueError`` for a time without zone.
    """
    values = {
        "at": _moment(at),
        "actor": _text(actor)[:200],
        "action": str(action),
        "subject": _text(subject)[:300],
        "detail": _plain(detail),
    }
    for _ in range(ATTEMPTS - 1):
        try:
            return _append(values)
        except IntegrityError:  # another writer appended after we had read the end; nothing was written
            continue
    return _append(values)


def head() -> str:
    """Return the digest of the newest entry; empty when there is none."""
    return Entry.objects.order_by("-pk").values_list("digest", flat=True).first() or ""


def verify(expect: str = "") -> Verdict:
    """Walk the chain from its beginning to the first break.

    ``expect`` is a digest that was noted earlier: when no entry has it any more, the chain was cut or made anew.
    """
    entries, last, met = 0, "", not expect
    for entry in Entry.objects.order_by("pk").iterator(chunk_size=CHUNK):
        broken = _break_at(entry, last)
        if broken is not None:
            return Verdict(entries, last, broken, entry.pk)
        entries, last = entries + 1, entry.digest
        met = met or last == expect
    return Verdict(entries, last, None if met else Break.CUT)


def digest_of(entry: Entry) -> str:
    """Return what the digest of ``entry`` has to be: SHA-256 (hex) of its canonical JSON, UTF-8 with sorted keys."""
    return hashlib.sha256(_canonical(_fields(entry)).encode("utf-8", "backslashreplace")).hexdigest()


def as_json(entry: Entry) -> str:
    """Return ``entry`` as one line of JSON: what its digest covers, and the digest."""
    return _canonical({**_fields(entry), "digest": entry.digest})


def _fields(entry: Entry) -> dict[str, object]:
    return {
        "at": _shown(_moment(entry.at)),
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "detail": entry.detail,
        "previous": entry.previous,
    }


def _canonical(fields: Mapping[str, object]) -> str:
    return json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _append(values: dict[str, object]) -> Entry:
    with transaction.atomic():
        entry = Entry(**values, previous=head())
        entry.digest = digest_of(entry)
        entry.save(force_insert=True)
    return entry


def _break_at(entry: Entry, last: str) -> Break | None:
    if digest_of(entry) != entry.digest:
        return Break.CHANGED
    if entry.previous == last:
        return None
    goes_on_later = Entry.objects.filter(previous=last, pk__gt=entry.pk).exists()
    return Break.PUT_IN if goes_on_later else Break.TAKEN_OUT


def _moment(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("The time of an act needs a time zone.")
    return at.astimezone(UTC)


def _shown(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _text(value: str) -> str:
    """Text as every database keeps it: no NUL, no half of a surrogate pair."""
    return value.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()


def _plain(value: object) -> object:
    """The JSON value that comes back from any database as it went in; so no fractions, whose form may change."""
    match value:
        case None | bool() | int():
            return value
        case str():
            return _text(str(value))
        case datetime():
            return _shown(_moment(value))
        case Mapping():
            entries = cast("Mapping[object, object]", value)
            return {_text(str(key)): _plain(item) for key, item in entries.items()}
        case list() | tuple() | set() | frozenset():
            items = cast("list[object]", sorted(value, key=str) if isinstance(value, (set, frozenset)) else value)
            return [_plain(item) for item in items]
        case _:
            return _text(str(value))
