"""What to ask about a domain, given what is known: pure, so that the probe merely asks until nothing is left."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.engine.facts.domain import (
    DMARC,
    MTA_STS,
    Answers,
    Question,
    exchanges,
    upwards,
    versioned,
    web_names,
    within_owner,
)
from scanner.engine.facts.spf import read_spf

SERVERS_ASKED = 13
"""Name servers, and mail exchanges, whose addresses are asked; the root has no more."""


def open_questions(name: str, names: tuple[str, ...], stranger: str, known: Answers) -> set[Question]:
    """Return what has to be asked next; empty when all is known, or was asked in vain."""
    asked = (
        *_of_itself(name),
        *_of_names(name, names, stranger),
        *(_of_zone(name, known) if known.zone(name) == name else ()),
        *_of_mail(name, known),
        *_climbs(name, known),
    )
    spf = read_spf(name, known)
    missing = spf.missing if spf else set()
    return {question for question in (*asked, *missing) if not known.knows(question)}


def _of_itself(name: str) -> Iterator[Question]:
    yield from (Question(name, kind) for kind in ("TXT", "MX"))


def _of_names(name: str, names: tuple[str, ...], stranger: str) -> Iterator[Question]:
    for each in (*web_names(name), *names):
        yield from _addresses(each)
    yield from _addresses(stranger)


def _of_zone(name: str, known: Answers) -> Iterator[Question]:
    yield from (Question(name, kind) for kind in ("NS", "DS"))
    for server in (known.records(name, "NS") or ())[:SERVERS_ASKED]:
        yield from _addresses(server)


def _of_mail(name: str, known: Answers) -> Iterator[Question]:
    hosts = exchanges(known.records(name, "MX") or ())[:SERVERS_ASKED]
    for host in hosts:
        yield from _addresses(host)
        yield Question(f"_25._tcp.{host}", "TLSA")
    if hosts:
        yield Question(f"_mta-sts.{name}", "TXT")
        yield Question(f"_smtp._tls.{name}", "TXT")
    if versioned(known.records(f"_mta-sts.{name}", "TXT") or (), MTA_STS):
        yield from _addresses(f"mta-sts.{name}")


def _climbs(name: str, known: Answers) -> Iterator[Question]:
    """The domain's own CAA and DMARC records, or those above it.

    Of CAA the nearest counts (RFC 8659 section 3), of DMARC the uppermost, the organisation's (RFC 9989 section 4.10).
    """
    for each in upwards(name, 1):
        yield Question(each, "CAA")
        if known.records(each, "CAA") != ():
            break
    for each in within_owner(name):
        yield Question(f"_dmarc.{each}", "TXT")
        own = known.records(f"_dmarc.{name}", "TXT")
        if own is None or versioned(own, DMARC):
            break


def _addresses(name: str) -> Iterator[Question]:
    yield from (Question(name, kind) for kind in ("A", "AAAA"))
