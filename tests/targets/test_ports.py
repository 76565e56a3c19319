"""Port lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.ports import PortsError, format_ports, parse_ports, port_in


def test_ranges_are_sorted_and_merged() -> None:
    assert format_ports(parse_ports("443, 22,23,8000-8100,8050-8200")) == "22-23,443,8000-8200"


@pytest.mark.parametrize("text", ["", "0", "65536", "80-", "-80", "a", "90-80", "80,,81", "１"])
def test_what_is_no_port_list_is_refused(text: str) -> None:
    with pytest.raises(PortsError):
        parse_ports(text)


@given(st.sets(st.integers(1, 65535), min_size=1, max_size=40))
def test_a_list_holds_exactly_its_ports(ports: set[int]) -> None:
    ranges = parse_ports(",".join(map(str, ports)))
    assert parse_ports(format_ports(ranges)) == ranges
    assert all(port_in(ranges, port) for port in ports)
    assert sum(last - first + 1 for first, last in ranges) == len(ports)
