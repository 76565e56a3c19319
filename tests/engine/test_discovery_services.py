"""Discovery and routing over UDP: what is recognised, and the near misses that must not be."""

from __future__ import annotations

import struct

import pytest

from scanner.engine.probes.services import dns_messages, udp_discovery
from scanner.engine.probes.services.base import ServiceProbe

CORE = b"\x52\x45\x52\x6d\x6d\x52\xc1\x28\xff</a>;rt=lab"
MATCH = (
    b"<s:Envelope><a:RelatesTo>urn:uuid:526d6170-0000-4000-8000-000000000000</a:RelatesTo>"
    b"<d:ProbeMatches></d:ProbeMatches></s:Envelope>"
)
ROUTES = b"\x02\x01\0\0" + struct.pack(">HHIIII", 2, 0, 0x0A000000, 0, 0, 1) * 2
TYPES = b"\x02\x0a\0\0\x1a" + bytes(5) + b"\x52\x6d\0\x02en\0\0\0\x06a,b,cd"
MAC = b"\x00\x01\x00\xc8" + bytes(200)
RADIO = b"\x01\x00\x00\x06\x0c\x00\x03NB5"
ANSWERS = {"coap": CORE, "ws-discovery": MATCH, "rip": ROUTES, "slp": TYPES, "apple-remote-desktop": MAC}
ANSWERS["ubiquiti-discovery"] = RADIO


@pytest.mark.parametrize("probe", udp_discovery.PROBES, ids=lambda probe: probe.protocol)
def test_an_answer_is_recognised_by_its_own_protocol_alone(probe: ServiceProbe) -> None:
    recognised = [name for name, reply in ANSWERS.items() if probe.recognises(reply)]
    assert recognised == [probe.protocol]


@pytest.mark.parametrize("probe", udp_discovery.PROBES[1:], ids=lambda probe: probe.protocol)
def test_an_answer_that_was_cut_off_is_not_recognised(probe: ServiceProbe) -> None:
    reply = ANSWERS[probe.protocol]
    shortest_table = 24  # a table of routes may rightly end after any entry
    cut = [reply[:size] for size in range(len(reply)) if (probe.protocol, size) != ("rip", shortest_table)]
    assert not any(probe.recognises(part) for part in cut)


@pytest.mark.parametrize(
    ("protocol", "reply"),
    [
        ("coap", CORE.replace(b"\x6d\x52", b"\x6d\x53")),
        ("coap", b"\x52\x01" + CORE[2:]),
        ("coap", CORE[:5]),
        ("ws-discovery", MATCH.replace(b"526d6170", b"00000000")),
        ("rip", b"\x02\x02" + ROUTES[2:]),
        ("rip", ROUTES + b"\0"),
        ("rip", b"\x02\x01\0\0"),
        ("rip", ROUTES[:-4] + struct.pack(">I", 17)),
        ("slp", TYPES.replace(b"\x52\x6d", b"\x52\x6e")),
        ("slp", TYPES + b"x"),
        ("apple-remote-desktop", b"\x00\x01\x00\x04" + bytes(4)),
        ("ubiquiti-discovery", b"\x01\x00\x00\x06\x02\x00\x03NB5"),
        ("ubiquiti-discovery", b"\x01\x00\x00\x06\x0c\x00\x04NB5"),
    ],
)
def test_a_near_miss_is_not_recognised(protocol: str, reply: bytes) -> None:
    probe = next(probe for probe in udp_discovery.PROBES if probe.protocol == protocol)
    assert not probe.recognises(reply)


def test_a_referral_is_told_from_a_refusal_and_from_an_empty_answer() -> None:
    record = b"\0" + struct.pack(">HHIH", dns_messages.NS, 1, 60, 3) + b"\x01a\0"
    head = struct.pack(">HHHHHH", 0x5270, 0x8000, 0, 0, 1, 0)
    assert dns_messages.refers(dns_messages.parse(head + record))
    assert not dns_messages.refers(dns_messages.parse(head[:2] + b"\x80\x05" + head[4:] + record))
    assert not dns_messages.refers(dns_messages.parse(head))
