"""What a broker of AMQP 1.0 says of how to log in, and what is made of it."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.engine.errors import UnexpectedReply
from scanner.engine.probes.services import amqp_sasl

_HEAD = b"\x02\x01\x00\x00\x00\x53\x40"
"""Of a frame of mechanisms, behind its length (OASIS AMQP 1.0, sections 5.3.1 and 5.3.3.1)."""


def _frame(listed: bytes) -> bytes:
    return struct.pack(">I", 4 + len(_HEAD) + len(listed)) + _HEAD + listed


_IN_LONG_FORM = b"\xd0" + struct.pack(">II", 22, 1) + b"\xf0" + struct.pack(">II", 12, 1) + b"\xb3\x00\x00\x00\x03XYZ"


@pytest.mark.parametrize(
    ("listed", "names"),
    [
        (b"\xc0\x08\x01\xa3\x05PLAIN", ("PLAIN",)),
        (b"\xc0\x10\x01\xe0\x0c\x02\xa3\x05PLAIN\x03XYZ", ("PLAIN", "XYZ")),
        (_IN_LONG_FORM, ("XYZ",)),
        (b"\xc0\x05\x01\xe0\x02\x00\xa3", ()),
    ],
)
def test_a_broker_names_its_mechanisms_in_several_ways(listed: bytes, names: tuple[str, ...]) -> None:
    assert amqp_sasl.mechanisms(_frame(listed)) == names


@given(st.binary(max_size=64))
def test_a_frame_that_names_no_mechanisms_is_refused_in_one_way(rest: bytes) -> None:
    try:
        names = amqp_sasl.mechanisms(_frame(rest))
    except UnexpectedReply:
        return
    assert all(name.isprintable() for name in names)


def test_the_anonymous_mechanism_is_chosen_in_a_frame_of_the_length_that_it_says() -> None:
    assert int.from_bytes(amqp_sasl.INIT[:4], "big") == len(amqp_sasl.INIT)
    assert amqp_sasl.INIT[8:].startswith(b"\x00\x53\x41\xc0\x0c\x01\xa3\x09ANONYMOUS")
