"""VPN gateways and telephony: what is recognised, and the near misses that must not be."""

from __future__ import annotations

import struct

import pytest

from scanner.engine.errors import ProbeError
from scanner.engine.facts.service import Access
from scanner.engine.model import Transport
from scanner.engine.probes.services import sip, vpn
from scanner.engine.probes.services.base import ServiceProbe
from tests.engine.data_service_replies import look

RESET = b"\x40" + bytes(8) + b"\x01" + bytes(4) + b"roundman" + bytes(4)
HEAD = struct.Struct(">8s8sBBBBII")


def ike(
    version: int, kind: int, following: int, flags: int = 0x20, *, spi: bytes = b"roundman", size: int = 36
) -> bytes:
    return HEAD.pack(spi, b"answered", following, version, kind, flags, 0, size) + b"\0\0\0\x08\0\0\0\x0e"


def sip_reply(*lines: str, first: str = "SIP/2.0 200 OK") -> bytes:
    head = (first, "Call-ID: rm526d6170@roundsman.invalid", "CSeq: 1 OPTIONS", *lines)
    return ("\r\n".join(head) + "\r\n\r\n").encode()


@pytest.mark.parametrize(
    "reply",
    [RESET[:-1], RESET + b"\0", b"\x38" + RESET[1:], RESET.replace(b"roundman", b"somebody"), vpn.OPENVPN_RESET],
)
def test_a_near_miss_is_no_reset_of_openvpn(reply: bytes) -> None:
    assert vpn.is_openvpn(RESET)
    assert vpn.is_openvpn_framed(struct.pack(">H", len(RESET)) + RESET)
    assert not vpn.is_openvpn(reply)
    assert not vpn.is_openvpn_framed(struct.pack(">H", len(reply)) + reply)


def test_a_gateway_is_recognised_in_the_version_in_which_it_answers() -> None:
    refusal, choice = ike(0x20, 34, 41), ike(0x10, 2, 1, 0)
    assert vpn.is_ike_2(refusal)
    assert vpn.is_ike_1(choice)
    assert vpn.is_ike_1(ike(0x10, 5, 11, 0))
    assert not vpn.is_ike_1(refusal)
    assert not vpn.is_ike_2(choice)


@pytest.mark.parametrize(
    "reply",
    [
        ike(0x20, 34, 41, 0x08),
        ike(0x20, 35, 41),
        ike(0x20, 34, 46),
        ike(0x20, 34, 41, spi=b"somebody"),
        ike(0x20, 34, 41, size=40),
        ike(0x20, 34, 41)[:-1],
        ike(0x10, 4, 1, 0),
        vpn.IKE_1,
        vpn.IKE_2,
        b"",
    ],
)
def test_a_near_miss_is_no_answer_of_ike(reply: bytes) -> None:
    assert not vpn.is_ike_2(reply)
    assert not vpn.is_ike_1(reply)


def test_the_question_in_version_2_is_one_that_no_responder_keeps_state_for() -> None:
    """The key's group (31) is none of the proposal's, so the answer is a refusal or the wish for another key."""
    proposal_ends = 28 + int.from_bytes(vpn.IKE_2[30:32], "big")
    proposal, key = vpn.IKE_2[28:proposal_ends], vpn.IKE_2[proposal_ends:]
    assert proposal.endswith(b"\x03\0\0\x08\x04\0\0\x02" + b"\0\0\0\x08\x04\0\0\x0e")
    assert key[:6] == b"\x28\0\0\x28" + b"\0\x1f"


@pytest.mark.parametrize(
    ("reply", "versions", "mode"),
    [
        (ike(0x20, 34, 41), "2", ""),
        (ike(0x10, 2, 1, 0), "1", "accepted"),
        (ike(0x10, 5, 11, 0), "1", "refused"),
    ],
)
def test_only_a_choice_in_main_mode_means_that_version_1_is_taken(reply: bytes, versions: str, mode: str) -> None:
    probe = next(probe for probe in vpn.PROBES if probe.protocol == "ike")
    facts = look(probe, lambda _: reply)
    assert (facts.attribute("versions"), facts.attribute("main_mode")) == (versions, mode)


def test_a_gateway_that_falls_silent_is_a_gap() -> None:
    probe = next(probe for probe in vpn.PROBES if probe.protocol == "ike")
    with pytest.raises(ProbeError):
        look(probe)


def test_a_control_connection_of_pptp_is_told_from_an_echo_and_from_a_piece() -> None:
    reply = vpn.PPTP_START[:8] + b"\0\x02" + vpn.PPTP_START[10:]
    assert vpn.is_pptp(reply)
    for wrong in (vpn.PPTP_START, reply[:-1], reply + b"\0", reply.replace(b"\x1a\x2b", b"\x1a\x2c")):
        assert not vpn.is_pptp(wrong)


@pytest.mark.parametrize(
    ("header", "product", "version"),
    [
        ("Server: kamailio (5.6.3 (x86_64/linux))", "kamailio", "5.6.3"),
        ("User-Agent: Asterisk PBX 18.10.0~dfsg", "Asterisk PBX", "18.10.0~dfsg"),
        ("Server: FreeSWITCH-mod_sofia/1.10.9", "FreeSWITCH-mod_sofia", "1.10.9"),
        ("Server: Cisco-SIPGateway/IOS-15.4.3.M3", "Cisco-SIPGateway/IOS", "15.4.3.M3"),
        ("Server: telephone", "telephone", ""),
        ("Allow: INVITE", "", ""),
    ],
)
def test_the_software_of_a_sip_server_is_read_from_its_answer(header: str, product: str, version: str) -> None:
    facts = look(_over(Transport.UDP), lambda _: sip_reply(header))
    assert (facts.product, facts.version, facts.attribute("status")) == (product, version, "200")


def test_a_sip_server_that_asks_for_a_password_is_restricted() -> None:
    for transport in (Transport.TCP, Transport.UDP):
        facts = look(_over(transport), lambda _: sip_reply(first="SIP/2.0 401 Unauthorized"))
        assert facts.access is Access.RESTRICTED


@pytest.mark.parametrize(
    "reply",
    [
        sip.OVER_UDP,
        sip_reply()[:-1],
        sip_reply(first="SIP/2.0 9999 What"),
        sip_reply(first="HTTP/1.1 200 OK"),
        sip_reply().replace(b"rm526d", b"xx526d"),
        b"> " + sip_reply(),
    ],
)
def test_a_near_miss_is_no_answer_of_sip(reply: bytes) -> None:
    assert not sip.recognises(reply)


def _over(transport: Transport) -> ServiceProbe:
    return next(probe for probe in sip.PROBES if probe.transport is transport)
