"""Facts survive storage unchanged, and what can't be understood is refused."""

from __future__ import annotations

import datetime as dt
import json
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.engine.errors import InputError
from scanner.engine.facts.service import Access
from scanner.engine.facts.tls import TlsFacts
from scanner.engine.judge import judge
from scanner.engine.model import (
    Confidence,
    Coverage,
    Facet,
    HostInspection,
    Level,
    Outcome,
    PortScan,
    Service,
    Target,
    Transport,
    Vantage,
)
from scanner.engine.serialize import SCHEMA, VERSION, dump_host, load_host
from scanner.packing import pack, unpack

SAMPLES = Path(__file__).parent / "samples"

AT = dt.datetime(2026, 11, 1, 3, 4, 5, 678, tzinfo=dt.UTC)

# All text of a scanned host has been made printable before it is kept; lone surrogates can't occur.
st.register_type_strategy(str, st.text(st.characters(codec="utf-8"), max_size=12))
# A target's name has the form in which it is sent.
st.register_type_strategy(
    Target, st.builds(Target, hostname=st.none() | st.text(st.characters(codec="ascii"), max_size=12))
)
st.register_type_strategy(dt.datetime, st.datetimes(timezones=st.just(dt.UTC)))


def small_host() -> HostInspection:
    return HostInspection(
        target=Target("example", "192.0.2.1", "example.cn"),
        outcome=Outcome.INSPECTED,
        started=AT,
        finished=AT,
        vantage=Vantage.INTERNET,
        level=Level.READ,
    )


@settings(max_examples=30, deadline=None)
@given(
    host=st.builds(
        HostInspection,
        services=st.lists(st.from_type(Service), max_size=2).map(tuple),
        second_looks=st.just(()),
        coverage=st.from_type(Coverage),
    )
)
def test_every_host_comes_back_as_it_was(host: HostInspection) -> None:
    assert load_host(dump_host(host)) == host


def test_the_types_come_back_too() -> None:
    host = load_host(dump_host(small_host()))
    assert isinstance(host.coverage, Coverage)
    assert host.outcome is Outcome.INSPECTED
    assert host.started.tzinfo is not None
    assert Access("open") is Access.OPEN
    assert TlsFacts(sni=None).sni is None


def repack(**changes: object) -> bytes:
    envelope = {**json.loads(unpack(dump_host(small_host()))), **changes}
    return pack(json.dumps(envelope).encode())


def test_facts_of_a_newer_version_are_refused() -> None:
    with pytest.raises(InputError, match=f"form {VERSION + 1} by a newer Roundsman"):
        load_host(repack(version=VERSION + 1))


@pytest.mark.parametrize("version", ["1", None, 1.5])
def test_a_version_that_is_no_number_is_refused(version: object) -> None:
    with pytest.raises(InputError, match=SCHEMA):
        load_host(repack(version=version))


def test_something_else_is_refused() -> None:
    with pytest.raises(InputError, match=r"roundsman\.lunch"):
        load_host(repack(schema="roundsman.lunch"))


@pytest.mark.parametrize("data", [b"", b"not packed", pack(b"not json"), pack(b"[]"), zlib.compress(b"[]")])
def test_damaged_facts_are_refused(data: bytes) -> None:
    with pytest.raises(InputError, match="can't be read"):
        load_host(data)


def test_a_field_of_a_newer_roundsman_is_refused_by_its_name() -> None:
    facts = json.loads(unpack(dump_host(small_host())))["host"]
    facts["coverage"]["weather"] = "fine"
    with pytest.raises(InputError, match=r"coverage\.weather.*Upgrade"):
        load_host(repack(host=facts))


@pytest.mark.parametrize("version", range(1, VERSION + 1))
def test_facts_of_every_version_load_and_are_judged(version: int) -> None:
    """Each sample is a real look at a weak nginx and an open Redis, stored by the Roundsman of that time."""
    stored = (SAMPLES / f"host-{version}.json.z").read_bytes()
    assert json.loads(unpack(stored))["version"] == version
    host = load_host(stored)
    found = {(each.endpoint.port, each.check, each.confidence) for each in judge(host)}
    assert {
        (6379, "SVC-REDIS-UNAUTH", Confidence.CONFIRMED),
        (443, "TLS-V10", Confidence.CONFIRMED),
        (443, "CERT-SELFSIGNED", Confidence.CONFIRMED),
        (443, "WEB-XCTO", Confidence.CONFIRMED),
    } <= found
    assert load_host(dump_host(host)) == host


def test_ports_that_an_old_scan_only_counted_as_filtered_are_not_taken_for_shut() -> None:
    scan = PortScan(Transport.TCP, "22,80,443", (80,), 1, "syn")
    coverage = Coverage((scan,))
    assert not coverage.covers(Facet.SERVICE, 22, Transport.TCP)
    assert not coverage.covers(Facet.SERVICE, 443, Transport.TCP)


def test_facts_with_an_unknown_outcome_are_refused() -> None:
    with pytest.raises(InputError, match="don't fit"):
        load_host(repack(host={"outcome": "splendid"}))
