"""Discovery and routing over UDP, for the local network only: CoAP, WS-Discovery, RIP, SLP, Apple's and Ubiquiti's.

They list devices, services or routes to whoever asks, and so amplify. Each is asked once, with the smallest datagram.
Attributes as in :mod:`.udp_amplifiers`.
"""

from __future__ import annotations

import struct

from scanner.engine.errors import UnexpectedReply
from scanner.engine.model import Level
from scanner.engine.probes.services.udp_amplifiers import amplifier
from scanner.engine.probes.wire import Fields

_COAP_NON = 0x50
"""Version 1, non-confirmable: the server repeats nothing (RFC 7252 section 4.3)."""
_COAP_ID = b"\x52\x6d"
_COAP_TOKEN = b"\x6d\x52"
COAP_CORE = bytes((_COAP_NON | 2, 0x01)) + _COAP_ID + _COAP_TOKEN + b"\xbb.well-known\x04core"
"""GET /.well-known/core, a server's list of its resources (RFC 6690 section 4)."""

_WSD_ID = b"urn:uuid:526d6170-0000-4000-8000-000000000000"
WSD_PROBE = (
    b'<?xml version="1.0"?><e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"'
    b' xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"'
    b' xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"><e:Header>'
    b"<a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action>"
    b"<a:MessageID>" + _WSD_ID + b"</a:MessageID>"
    b"<a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To></e:Header><e:Body><d:Probe/></e:Body></e:Envelope>"
)
"""A probe for every type of device (WS-Discovery 1.0, April 2005, section 5.2)."""

RIP_REQUEST = struct.pack(">BBH", 1, 1, 0) + bytes(16) + struct.pack(">I", 16)
"""A request for the whole routing table: address family 0, metric infinity (RFC 1058 section 3.4.1)."""
_RIP_ENTRY = struct.Struct(">HHIIII")

_SLP_ID = 0x526D
_SLP_REPLY = 10
SLP_TYPES = struct.pack(">BB3sH3sHH2s", 2, 9, b"\0\0\x1d", 0, b"\0\0\0", _SLP_ID, 2, b"en") + struct.pack(
    ">HHH7s", 0, 0xFFFF, 7, b"default"
)
"""A request for all service types of the default scope (RFC 2608 section 10.1)."""

ARD_HELLO = b"\x00\x14\x00\x01\x03"
"""The question by which an administrator's Mac looks for others."""
_ARD_LEAST = 100
"""Octets; the answer has fields of fixed size and is about 1,000 octets long."""

UBIQUITI_HELLO = b"\x01\x00\x00\x00"
"""Version 1, command 0, no data."""
_UBIQUITI_NAMES = {0x03, 0x0B, 0x0C, 0x14}
"""Types of field: firmware, host name, short and long name of the product."""


def is_coap(reply: bytes) -> bool:
    """Tell whether the datagram is a CoAP response with our token (RFC 7252 section 3)."""
    response = len(reply) >= 6 and reply[0] >> 6 == 1 and reply[0] & 0x0F == len(_COAP_TOKEN)
    return response and reply[4:6] == _COAP_TOKEN and reply[1] >> 5 in (2, 4, 5)


def is_wsd(reply: bytes) -> bool:
    """Tell whether the datagram is a probe's match that relates to our message, to its end."""
    ours = b"RelatesTo" in reply and _WSD_ID in reply
    return ours and b"ProbeMatches" in reply and reply.rstrip().endswith(b":Envelope>")


def is_rip(reply: bytes) -> bool:
    """Tell whether the datagram is a response of RIP version 1 with internet addresses and metrics of 1 to 16."""
    if reply[:4] != b"\x02\x01\0\0" or len(reply) == 4 or (len(reply) - 4) % _RIP_ENTRY.size:
        return False
    entries = [_RIP_ENTRY.unpack_from(reply, start) for start in range(4, len(reply), _RIP_ENTRY.size)]
    return all(family == 2 and zero == 0 and 1 <= metric <= 16 for family, zero, _, _, _, metric in entries)


def is_slp(reply: bytes) -> bool:
    """Tell whether the datagram is a service type reply to our request, as long as it says it is."""
    if len(reply) < 20 or reply[0] != 2 or reply[1] != _SLP_REPLY:
        return False
    return int.from_bytes(reply[2:5], "big") == len(reply) and int.from_bytes(reply[10:12], "big") == _SLP_ID


def is_ard(reply: bytes) -> bool:
    """Tell whether the datagram is Apple Remote Desktop's description of the Mac: kind 1, as long as it says."""
    return reply[:2] == b"\x00\x01" and len(reply) >= _ARD_LEAST and int.from_bytes(reply[2:4], "big") == len(reply) - 4


def is_ubiquiti(reply: bytes) -> bool:
    """Tell whether the datagram is a device's description: typed fields to its very end, a name among them."""
    if reply[:2] != UBIQUITI_HELLO[:2]:
        return False
    fields, kinds = Fields(reply[2:]), set()
    try:
        if fields.unsigned(2) != fields.left:
            return False
        while fields.left:
            kinds.add(fields.unsigned(1))
            fields.take(fields.unsigned(2))
    except UnexpectedReply:
        return False
    return bool(kinds & _UBIQUITI_NAMES)


PROBES = (
    amplifier("coap", "COAP", 5683, COAP_CORE, is_coap, Level.READ),
    amplifier("ws-discovery", "WSD", 3702, WSD_PROBE, is_wsd, Level.READ),
    amplifier("rip", "RIP", 520, RIP_REQUEST, is_rip, Level.READ),
    amplifier("slp", "SLP", 427, SLP_TYPES, is_slp, Level.READ),
    amplifier("apple-remote-desktop", "ARD", 3283, ARD_HELLO, is_ard, Level.READ),
    amplifier("ubiquiti-discovery", "UBIQUITI", 10001, UBIQUITI_HELLO, is_ubiquiti, Level.READ),
)
