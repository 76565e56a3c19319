"""What a person may write for ports."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.engine.errors import InputError
from scanner.engine.plan import UDP_SHORT_LIST, PortSet, count_ports, parse_ports, ports_of
from scanner.engine.probes.discovery import tcp_ranges
from scanner.engine.probes.services.devices.registry import DEVICE_PORTS


def test_top_sets_leave_the_tcp_ports_to_discovery_and_ask_the_udp_short_list() -> None:
    spec = parse_ports("top1000")
    assert (spec.which, spec.tcp, spec.udp) == (PortSet.TOP1000, "", UDP_SHORT_LIST)


def test_what_stands_behind_a_word_is_asked_besides() -> None:
    spec = parse_ports("top1000,T:61234,U:61235")
    assert (spec.which, spec.tcp, spec.udp) == (PortSet.TOP1000, "61234", (*UDP_SHORT_LIST, 61235))
    assert set(ports_of(tcp_ranges(spec))) == {*ports_of(tcp_ranges(parse_ports("top1000"))), 61234}
    assert parse_ports("all,U:61235").tcp == "1-65535"


def test_a_bare_number_means_tcp_and_in_a_short_list_udp_too() -> None:
    spec = parse_ports("22,161")
    assert (spec.tcp, spec.udp) == ("22,161", (22, 161))


def test_a_wide_range_is_not_asked_over_udp_port_by_port() -> None:
    assert parse_ports("1-1000").udp == tuple(port for port in UDP_SHORT_LIST if port <= 1000)


def test_a_letter_switches_the_transport_of_what_follows_as_in_nmap() -> None:
    spec = parse_ports("T:80,8080,U:161,623")
    assert (spec.tcp, spec.udp) == ("80,8080", (161, 623))


def test_the_guide_names_every_udp_port_that_is_asked_and_every_port_that_is_spared() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "operator-guide.md").read_text()
    asked = guide.partition("unless the ports are listed:")[2].partition("They are asked")[0]
    spared = guide.partition("Nothing is ever sent to TCP or UDP ports")[2].partition("but for this")[0]
    assert {int(port) for port in re.findall(r"\d{2,}|\b7\b", asked)} == set(UDP_SHORT_LIST)
    named = spared.replace("34962 to 34964", "34962, 34963, 34964")
    assert {int(port) for port in re.findall(r"\d{3,}", named)} == DEVICE_PORTS


@pytest.mark.parametrize(
    "text", ["", "  ", "0", "65536", "80-", "-80", "90-80", "http", "80;443", "٨٠", "1-2-3", "22,all"]
)
def test_anything_else_is_refused_with_the_part_that_is_wrong(text: str) -> None:
    with pytest.raises(InputError):
        parse_ports(text)


@given(st.sets(st.integers(1, 65535), min_size=1, max_size=50))
def test_every_listed_port_is_asked(ports: set[int]) -> None:
    tcp = parse_ports(",".join(map(str, ports))).tcp
    assert set(ports_of(tcp)) == ports
    assert count_ports(tcp) == len(ports)
