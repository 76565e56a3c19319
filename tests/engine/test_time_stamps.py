"""Certificate time stamps that come beside the certificate: in the handshake, or in a stapled response."""

from __future__ import annotations

import pytest

from scanner.engine.rules.ocsp_view import holds_time_stamps
from tests.lab.lab_ca import INTERMEDIATE, der, time_stamp


def _response(*extensions: bytes) -> bytes:
    """A response by itself (RFC 6960 section 4.2.1) with these extensions of its one answer; nobody has signed it."""
    sha256 = bytes.fromhex("300b0609608648016503040201")
    about = der(0x30, sha256 + der(0x04, bytes(32)) * 2 + der(0x02, b"\x01"))
    said = about + der(0x80, b"") + der(0x18, b"20261101000000Z")
    said += der(0xA1, der(0x30, b"".join(extensions))) if extensions else b""
    answers = der(0xA2, der(0x04, bytes(20))) + der(0x18, b"20261101000000Z") + der(0x30, der(0x30, said))
    ecdsa = bytes.fromhex("300a06082a8648ce3d040302")
    basic = der(0x30, der(0x30, answers) + ecdsa + der(0x03, b"\x00"))
    kind = bytes.fromhex("06092b0601050507300101")
    return der(0x30, der(0x0A, b"\x00") + der(0xA0, der(0x30, kind + der(0x04, basic))))


def test_a_stapled_response_brings_time_stamps_along_in_an_extension() -> None:
    number = bytes.fromhex("060a2b06010401d679020405")
    assert holds_time_stamps(_response(der(0x30, number + der(0x04, time_stamp().value))))
    assert not holds_time_stamps(_response())


@pytest.mark.parametrize("stapled", [b"", b"0", INTERMEDIATE.der, _response()[:-1]])
def test_what_is_no_response_brings_none(stapled: bytes) -> None:
    assert not holds_time_stamps(stapled)
