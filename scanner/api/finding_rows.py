"""What programs send and get about findings."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from ninja import Schema
from pydantic import Field

from scanner.api.fields import NO_NUL, Name, Sent, Text
from scanner.api.lists import LARGEST
from scanner.engine.model import Severity
from scanner.remediation.counted import is_overdue
from scanner.remediation.lifecycle import State
from scanner.remediation.models import Finding


class FindingRow(Schema):
    """A finding. ``registered`` says whether its host still is; what is not need not be fixed. ``overdue`` says that it
    is to be fixed and its deadline has passed.
    """

    number: int
    organisation: str
    host: str
    port: int
    transport: str
    check: str
    addresses: list[str]
    state: str
    severity: str
    confidence: str
    key_target: bool
    known_exploited: bool
    first_seen: datetime
    last_seen: datetime
    last_inspected: datetime
    reported: datetime | None
    deadline: datetime | None
    overdue: bool
    claimed: datetime | None
    fixed: datetime | None
    exempt_until: datetime | None
    recurrences: int
    registered: bool

    @classmethod
    def of(cls, row: Finding, now: datetime) -> FindingRow:
        """Show a row as it stands."""
        return cls(
            number=row.pk,
            organisation=row.organisation.slug,
            host=row.host,
            port=row.port,
            transport=row.transport,
            check=row.check_id,
            addresses=row.addresses,
            state=row.state,
            severity=row.severity,
            confidence=row.confidence,
            key_target=row.key_target,
            known_exploited=row.known_exploited,
            first_seen=row.first_seen,
            last_seen=row.last_seen,
            last_inspected=row.last_inspected,
            reported=row.reported,
            deadline=row.deadline,
            overdue=is_overdue(row, now),
            claimed=row.claimed,
            fixed=row.fixed,
            exempt_until=row.exempt_until,
            recurrences=row.recurrences,
            registered=row.registered,
        )


class AssignedFinding(FindingRow):
    """A finding; ``assignee`` is the mail address of who works on it, null for nobody, and for who may not know."""

    assignee: str | None


class WordsRow(Schema):
    """What a finding means, in one language."""

    title: str
    impact: str
    fix: str
    evidence: str


class ExemptionRow(Schema):
    """What was asked for or granted: up to, not including, ``until``."""

    number: int
    kind: str
    state: str
    owner: str
    reason: str
    proof: str
    until: datetime
    requested_by: str
    decided_by: str


class EventRow(Schema):
    """Something that happened to a finding; ``round`` is the one that tells it, ``actor`` who did it."""

    number: int
    kind: str
    at: datetime
    round: int | None
    actor: str
    detail: dict[str, str]


class CommentRow(Schema):
    """What the organisation or the office said about a finding between themselves."""

    number: int
    at: datetime
    actor: str
    text: str


class Exchange(Schema):
    """What was sent, and the beginning of what came back, made printable."""

    sent: str
    received: str


class WholeFinding(AssignedFinding):
    """A finding with its evidence. ``comments`` are the newest hundred, and none for whoever may not read them."""

    params: dict[str, str]
    exchanges: list[Exchange]
    exemption: ExemptionRow | None
    comments: list[CommentRow]
    en: WordsRow
    zh: WordsRow


class FindingFilter(Schema):
    """Which findings are wanted; those of retired organisations never are."""

    organisation: str = Field(default="", max_length=64, pattern=NO_NUL, description="Slug of their organisation.")
    state: State | None = Field(default=None, description="In this state. Default: all but fixed.")
    severity: Severity = Field(default=Severity.INFO, description="At least so severe.")
    check: str = Field(default="", max_length=64, pattern=NO_NUL, description="Of exactly this check.")
    host: str = Field(default="", max_length=253, pattern=NO_NUL, description="Of exactly this host.")
    overdue: bool = Field(default=False, description="Only those whose deadline has passed.")
    unregistered: bool = Field(default=False, description="Also those whose host is not registered any more.")
    requests: bool = Field(default=False, description="Only those with a request that is not decided yet.")
    assignee: str = Field(
        default="", max_length=254, pattern=NO_NUL, description="Of this mail address, or `nobody` for those of none."
    )


class Claim(Sent):
    """Says that a finding is fixed."""

    note: Text = ""


class Asked(Sent):
    """Asks to accept a risk, or to call a finding wrong. ``until`` is its last day, a year from now when left out."""

    kind: Literal["accepted", "false-positive"]
    owner: Name
    reason: Text
    proof: Text = ""
    until: date | None = None


class Accepted(Sent):
    """Accepts a risk, or calls a finding wrong, up to and including ``until``; more than a year only when ``long``."""

    kind: Literal["accepted", "false-positive"] = "accepted"
    owner: Name
    reason: Text
    proof: Text = ""
    until: date
    long: bool = False


class Decision(Sent):
    """Grants or refuses what was asked for; ``until`` replaces the last day that was asked for.

    ``exemption`` is the number of the request that is meant: with it, none that was made since is decided unread.
    """

    grant: bool
    exemption: int | None = Field(default=None, ge=1, le=LARGEST)
    note: Text = ""
    until: date | None = None
    long: bool = False


class Assignee(Sent):
    """Names who is to work on a finding, by the mail address of an account; null for nobody."""

    assignee: Annotated[str, Field(max_length=254, pattern=NO_NUL)] | None


class Said(Sent):
    """Says something that the organisation and the office alone are to read."""

    text: Text


class Note(Sent):
    """What to keep with an act."""

    note: Text = ""
