"""Servers on UDP that say what they are, each in words of its own: product and version are read out of them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from scanner.engine.facts.service import ServiceFacts
from scanner.engine.model import Endpoint, Level, Target, Transport
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.dial import Dialer
from scanner.engine.probes.services import dns, udp_ntp
from scanner.engine.probes.services.base import Look
from tests.lab.scripted import Answer
from tests.lab.udp import scripted_udp

ADDRESS = "127.10.9.206"


def seen(look: Look, answer: Answer, port: int, tmp_path: Path) -> ServiceFacts:
    async def ask() -> ServiceFacts:
        endpoint = Endpoint(ADDRESS, port, Transport.UDP)
        return await look(Contact(Dialer(lambda _: None), Target(ADDRESS, ADDRESS), endpoint, Level.READ))

    with scripted_udp(port, answer)(ADDRESS, tmp_path):
        return asyncio.run(ask())


@pytest.mark.parametrize(
    ("said", "product", "version"),
    [
        ("9.18.49-1~deb12u3-Debian", "BIND", "9.18.49-1~deb12u3-Debian"),
        ("unbound 1.17.1", "Unbound", "1.17.1"),
        ("dnsmasq-2.90", "dnsmasq", "2.90"),
        ("PowerDNS Authoritative Server 4.7.3 (built Jan 25 2023)", "PowerDNS Authoritative Server", "4.7.3"),
        ("PowerDNS Recursor 4.8.8 (built Apr 26 2024)", "PowerDNS Recursor", "4.8.8"),
        ("none of your business, 9.9 times of 10", "", ""),
    ],
)
def test_a_name_server_is_named_by_how_it_words_its_version(
    said: str, product: str, version: str, tmp_path: Path
) -> None:
    text = bytes([len(said)]) + said.encode()
    record = b"\xc0\x0c\x00\x10\x00\x03" + bytes(4) + len(text).to_bytes(2, "big") + text

    def answer(request: bytes) -> bytes:
        return request[:2] + b"\x85\x00" + bytes((0, 1, 0, 1, 0, 0, 0, 0)) + request[12:] + record

    facts = seen(dns.look, answer, 5301, tmp_path)
    assert (facts.product, facts.version) == (product, version)


@pytest.mark.parametrize(
    ("said", "product", "version"),
    [
        ("ntpd 4.2.8p15@1.3728-o Wed Sep 23 11:46:38 UTC 2020 (1)", "ntpd", "4.2.8p15"),
        ("ntpd ntpsec-1.2.2", "ntpsec", "1.2.2"),
        ("4", "", ""),
    ],
)
def test_a_time_server_is_named_by_the_variable_that_holds_its_version(
    said: str, product: str, version: str, tmp_path: Path
) -> None:
    variables = f'version="{said}", processor="x86_64", leap=0'.encode()

    def answer(request: bytes) -> bytes | None:
        if request[0] & 0x07 == 6:
            return bytes((0x16, 0x82, 0, 1, 0, 0, 0, 0, 0, 0)) + len(variables).to_bytes(2, "big") + variables
        return b"\x24\x02\x00\xec" + bytes(20) + request[40:48] + bytes(16)

    facts = seen(udp_ntp.look, answer, 1230, tmp_path)
    assert (facts.product, facts.version, facts.attribute("mode6")) == (product, version, "answered")
