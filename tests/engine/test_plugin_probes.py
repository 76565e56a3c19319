"""A plugin's probe names only what ours don't, on any port; what goes wrong in it is a gap and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from scanner.engine.errors import HostSilent, PluginFailed, RefusedByScope
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.judge import judge
from scanner.engine.model import Endpoint, Facet, GapReason, HostInspection, Level, Outcome, Target, Transport
from scanner.engine.plan import Plan, PortSet, PortSpec, Profile, parse_ports
from scanner.engine.plugins import guard
from scanner.engine.plugins.api import Contact, ServiceProbe
from scanner.engine.probes.dial import Dialer
from scanner.engine.probes.discovery import tcp_ranges
from scanner.engine.probes.services.base import Look
from tests.engine.test_inspect import look
from tests.lab.lab_ca import issue
from tests.lab.scripted import listening, scripted
from tests.lab.udp import scripted_udp
from tests.plugging import CHECK, PROBE, Plugs, plugin, recognises

pytestmark = pytest.mark.lab

ADDRESS = "127.21.0.60"
WEB = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nTHING"


async def breaks(contact: Contact) -> ServiceFacts:
    raise ZeroDivisionError


async def claims_redis(contact: Contact) -> ServiceFacts:
    return ServiceFacts("REDIS", Access.OPEN)


async def lowers_itself(contact: Contact) -> ServiceFacts:
    return ServiceFacts("X-ACME-TEXT", Access.RESTRICTED, "a\x1b[2J\nb", attributes=(("k", "\u202e"),))


def breaks_on_odd(reply: bytes) -> bool:
    return reply.startswith(b"ODD") and bool(reply.decode("ascii"))


def probe(word: str, port: int, **changes: object) -> ServiceProbe:
    mark = word.upper().encode()
    made = ServiceProbe(
        f"x-acme-{word}", frozenset({port}), mark + b"?\r\n", lambda reply: reply.startswith(mark), PROBE.look
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # fields by name


PROBES = (
    PROBE,
    probe("broken", 7002, look=breaks),
    probe("odd", 7003, recognises=breaks_on_odd),
    probe("claim", 7004, look=claims_redis),
    probe("text", 7005, look=lowers_itself),
    probe("first", 7006, greeting=b""),
    probe("web", 7007, recognises=lambda reply: b"THING" in reply),
    probe("datagram", 7009, transport=Transport.UDP),
    probe("secret", 7010, greeting_level=Level.CREDENTIAL),
)


@contextlib.contextmanager
def inside_tls(address: str, port: int, folder: Path) -> Iterator[None]:
    """A thing that speaks inside TLS from the first byte."""
    issued = issue("thing.test", addresses=[address])
    (folder / "thing.pem").write_bytes(issued.pem + issued.key_pem)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "thing.pem")

    def talk(connection: socket.socket) -> None:
        with tls.wrap_socket(connection, server_side=True) as inside:
            said = inside.recv(4096)
            inside.sendall(b"THING\r\n" if said == PROBE.greeting else b"WHAT?\r\n")

    with listening(address, port, talk):
        yield


@pytest.fixture(scope="module")
def asked() -> list[bytes]:
    """What the web server was sent."""
    return []


@pytest.fixture
def inspected(plug: Plugs, tmp_path: Path, asked: list[bytes]) -> Iterator[HostInspection]:
    plug(acme=plugin(tmp_path, probes=PROBES))
    words = {b"BROKEN?": 7002, b"ODD?": 7003, b"CLAIM?": 7004, b"TEXT?": 7005, b"THING?": 7008, b"SECRET?": 7010}

    def answer(port: int, said: bytes) -> bytes:
        known = next((word for word, its_port in words.items() if its_port == port), b"?")
        reply = known.rstrip(b"?") + (b"\xff" if port == 7003 else b"")
        return reply + b"\r\n" if said.startswith(known) else b"WHAT?\r\n"

    def web(said: bytes) -> bytes:
        asked.append(said)
        return WEB

    servers = [
        *(scripted(port, partial(answer, port), once=True) for port in sorted(words.values())),
        scripted(7006, lambda said: b"WHAT?\r\n", banner=b"FIRST of all\r\n"),
        scripted(7007, web, once=True),
        scripted_udp(7009, lambda said: b"DATAGRAM" if said.startswith(b"DATAGRAM") else None),
    ]
    with contextlib.ExitStack() as stack:
        for server in servers:
            stack.enter_context(server(ADDRESS, tmp_path))
        stack.enter_context(inside_tls(ADDRESS, 7011, tmp_path))
        spec = PortSpec(PortSet.LIST, "7002-7008,7010-7011", (7009,))
        [inspection] = look(Plan((Target(ADDRESS, ADDRESS),), spec, profile=Profile.QUICK))
        yield inspection


def test_each_port_gets_its_name_its_findings_and_its_gaps(inspected: HostInspection, asked: list[bytes]) -> None:
    names = {service.endpoint.port: service.protocol for service in inspected.services}
    assert names[7008] == "x-acme-thing", "recognised on a port that is not its own"
    assert (names[7006], names[7009]) == ("x-acme-first", "x-acme-datagram")

    secured = next(service for service in inspected.services if service.endpoint.port == 7011)
    assert (secured.protocol, secured.tls, secured.tls_facts is None) == ("x-acme-thing", True, False)

    assert names[7007] == "http", "what our own probes name is never shown to a plugin"
    assert not any(b"WEB?" in said for said in asked)

    assert names[7010] == "unknown", "its greeting needs a level that was not allowed"

    text = next(service.facts for service in inspected.services if service.endpoint.port == 7005)
    assert text is not None
    assert (text.product, text.attributes) == ("a\\x1b[2J b", (("k", "\\u202e"),))

    gaps = {gap.port: gap for gap in inspected.coverage.gaps if gap.reason is GapReason.TOOL_FAILED}
    assert {port: gap.detail for port, gap in gaps.items()} == {
        7002: "plugin-probe plugin=acme error=ZeroDivisionError",
        7003: gaps[7003].detail,
        7004: "plugin-probe plugin=acme 'error=ValueError: the service code REDIS does not begin with X-ACME-'",
    }
    assert "UnicodeDecodeError" in gaps[7003].detail
    for port in (7002, 7003, 7004):
        assert not inspected.coverage.covers(Facet.SERVICE, port, Transport.TCP)
    assert inspected.coverage.covers(Facet.SERVICE, 7008, Transport.TCP)

    assert (inspected.outcome, inspected.plugins) == (Outcome.PARTIAL, ("acme",))
    found = {(finding.endpoint.port, finding.check) for finding in judge(inspected)}
    assert {each for each in found if each[1] == CHECK} == {(port, CHECK) for port in (7006, 7008, 7009, 7011)}
    assert not any(check.startswith("SVC-") for _, check in found)


def test_the_ports_of_a_plugin_are_among_those_that_are_asked(plug: Plugs, tmp_path: Path) -> None:
    before = tcp_ranges(parse_ports("top100"))
    plug(acme=plugin(tmp_path, probes=(replace(PROBE, ports=frozenset({45678})),)))
    assert set(tcp_ranges(parse_ports("top100")).split(",")) - set(before.split(",")) == {"45678"}
    assert recognises(b"THING 1")


async def never_ends(contact: Contact) -> ServiceFacts:
    await asyncio.sleep(60)
    raise AssertionError


async def is_refused(contact: Contact) -> ServiceFacts:
    raise RefusedByScope("not here")


async def hears_nothing(contact: Contact) -> ServiceFacts:
    raise HostSilent("nothing")


async def _look(at: ServiceProbe, contact: Contact) -> ServiceFacts:
    return await at.look(contact)


@pytest.mark.parametrize(
    ("does", "raises"), [(never_ends, PluginFailed), (is_refused, RefusedByScope), (hears_nothing, HostSilent)]
)
def test_a_look_ends_in_time_and_lets_through_what_the_conversation_raises(
    does: Look, raises: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "LOOK_SECONDS", 0.05)
    contact = Contact(Dialer(lambda _: None), Target("x", ADDRESS), Endpoint(ADDRESS, 1), Level.READ)
    with pytest.raises(raises) as raised:
        asyncio.run(_look(guard.guarded("acme", "X-ACME-", probe("thing", 1, look=does)), contact))
    assert type(raised.value) is raises
