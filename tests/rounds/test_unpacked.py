"""Facts that were read a moment ago are not unpacked again, and what is held stays within bounds."""

from __future__ import annotations

import datetime as dt

import pytest

from scanner.engine.errors import InputError
from scanner.engine.model import HostInspection, Level, Outcome, Target, Vantage
from scanner.engine.serialize import dump_host, load_host
from scanner.rounds import unpacked
from scanner.rounds.unpacked import Unpacked

AT = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


def facts_of(address: str = "192.0.2.1") -> bytes:
    target = Target(address, address)
    return dump_host(HostInspection(target, Outcome.INSPECTED, AT, AT, vantage=Vantage.INTERNET, level=Level.READ))


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What was really unpacked."""
    found: list[bytes] = []

    def load(facts: bytes) -> HostInspection:
        found.append(facts)
        return load_host(facts)

    monkeypatch.setattr(unpacked, "load_host", load)
    return found


def test_what_was_read_a_moment_ago_is_not_unpacked_again(loaded: list[bytes]) -> None:
    recent, facts = Unpacked(), facts_of()
    first = recent.read(facts)
    assert first == load_host(facts)
    assert recent.read(bytes(bytearray(facts))) is first
    assert loaded == [facts]


def test_what_was_not_read_for_longest_is_forgotten_first(loaded: list[bytes]) -> None:
    one, two, three = (facts_of(address) for address in ("192.0.2.1", "192.0.2.2", "192.0.2.3"))
    recent = Unpacked(most=2 * max(map(len, (one, two, three))))
    for facts in (one, two, one, three, one, two):
        recent.read(facts)
    assert loaded == [one, two, three, two]


def test_damaged_facts_are_refused_each_time() -> None:
    recent = Unpacked()
    for _ in range(2):
        with pytest.raises(InputError):
            recent.read(b"damaged")
