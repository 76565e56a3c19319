"""DNS messages (RFC 1035 section 4), as little of them as the questions here need."""

from __future__ import annotations

from dataclasses import dataclass

from scanner.engine.errors import UnexpectedReply
from scanner.engine.hostile import printable_bytes
from scanner.engine.probes.wire import Fields

A, NS, SOA, PTR, TXT, AXFR = 1, 2, 6, 12, 16, 252
IN, CHAOS = 1, 3
RECURSION_DESIRED = 0x0100
_RESPONSE, _AUTHORITATIVE, _RECURSION_AVAILABLE = 0x8000, 0x0400, 0x0080
_NOERROR = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """The parts of a response that are judged. ``records`` are type and data of each answer, ``authority`` of each
    record that names an authority (a referral's)."""

    number: int
    code: int
    recursion_available: bool
    records: tuple[tuple[int, bytes], ...]
    authority: tuple[tuple[int, bytes], ...] = ()
    authoritative: bool = False


def query(number: int, name: str, kind: int, class_: int = IN, flags: int = 0) -> bytes:
    """Return a query with one question; ``number`` is the message id."""
    header = b"".join(value.to_bytes(2, "big") for value in (number, flags, 1, 0, 0, 0))
    return header + _encoded(name) + kind.to_bytes(2, "big") + class_.to_bytes(2, "big")


def _encoded(name: str) -> bytes:
    labels = [label.encode("ascii") for label in name.strip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def parse(data: bytes) -> Answer:
    """Read a response; records after one that is cut off are left out. Raises ``UnexpectedReply``."""
    fields = Fields(data)
    number, flags, questions, answers, authorities, _ = (fields.unsigned(2) for _ in range(6))
    if not flags & _RESPONSE or questions > 1:
        raise UnexpectedReply("This is no DNS response.")
    for _ in range(questions):
        _skip_name(fields)
        fields.take(4)
    records, authority = _records(fields, answers), _records(fields, authorities)
    available, authoritative = bool(flags & _RECURSION_AVAILABLE), bool(flags & _AUTHORITATIVE)
    return Answer(number, flags & 0xF, available, records, authority, authoritative)


def _records(fields: Fields, count: int) -> tuple[tuple[int, bytes], ...]:
    records: list[tuple[int, bytes]] = []
    for _ in range(min(count, 500)):
        if not fields.left:
            break
        _skip_name(fields)
        kind = fields.unsigned(2)
        fields.take(6)
        records.append((kind, fields.take(fields.unsigned(2))))
    return tuple(records)


def _skip_name(fields: Fields) -> None:
    for _ in range(128):
        size = fields.unsigned(1)
        if size >= 0xC0:
            fields.take(1)
            return
        if size == 0:
            return
        fields.take(size)
    raise UnexpectedReply("A name in the DNS response has no end.")


def text(answer: Answer) -> str:
    """Return the first TXT record's text, printable."""
    data = next((data for kind, data in answer.records if kind == TXT), b"")
    whole = bool(data) and len(data) > data[0]
    return printable_bytes(data[1 : 1 + data[0]], 80) if whole else ""


def answers(answer: Answer, kind: int) -> bool:
    """Tell whether the response is a success with a record of ``kind``."""
    return answer.code == _NOERROR and any(of_kind == kind for of_kind, _ in answer.records)


def refers(answer: Answer) -> bool:
    """Tell whether the response is a success that names servers, as its answer or in a referral."""
    return answer.code == _NOERROR and any(kind == NS for kind, _ in (*answer.records, *answer.authority))
