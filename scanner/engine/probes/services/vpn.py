"""VPN gateways that answer a stranger's hello: PPTP, OpenVPN and IKE. No session is set up with any of them.

Attributes: of PPTP ``host``, the name that the gateway gives itself; of IKE ``versions``, joined by commas, and
``main_mode``: ``accepted`` when a proposal of version 1 was taken.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from scanner.engine.errors import ConnectionRefused, ProbeError, UnexpectedReply
from scanner.engine.facts.service import Access, Exchange, ServiceFacts
from scanner.engine.hostile import line_bytes
from scanner.engine.model import Transport
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe

_PPTP = struct.Struct(">HHIHHHBBIIHH64s64s")
_COOKIE = 0x1A2B3C4D
_CONTROL, _START_REQUEST, _START_REPLY = 1, 1, 2
PPTP_START = _PPTP.pack(_PPTP.size, _CONTROL, _COOKIE, _START_REQUEST, 0, 0x0100, 0, 0, 1, 1, 0, 0, b"roundsman", b"")
"""Start-Control-Connection-Request (RFC 2637 section 2.1); the connection's end is the end of it."""

_SESSION = b"roundman"
_CLIENT_RESET, _SERVER_RESET = 7 << 3, 8 << 3
OPENVPN_RESET = bytes((_CLIENT_RESET,)) + _SESSION + b"\0" + bytes(4)
"""P_CONTROL_HARD_RESET_CLIENT_V2: a session id, no acknowledgement, packet 0 (OpenVPN, ``ssl_pkt.h``)."""
_OPENVPN_REPLY = 26

_IKE_PORTS, _IKE_NAT_PORTS = frozenset({500}), frozenset({4500})
_MARKER = bytes(4)
"""In front of IKE on the port that it shares with ESP (RFC 3948 section 2.2)."""
_SA, _KEY, _NONCE, _NOTIFY = 33, 34, 40, 41
_OLD_SA, _OLD_NOTIFY = 1, 11
_VERSION_2, _VERSION_1 = 0x20, 0x10
_SA_INIT, _MAIN_MODE, _INFORMATIONAL = 34, 2, 5
_RESPONSE = 0x20
_HEADER = struct.Struct(">8s8sBBBBII")


def _payload(following: int, body: bytes) -> bytes:
    return struct.pack(">BBH", following, 0, 4 + len(body)) + body


def _transform(more: int, number: int, kind: int, attributes: bytes = b"") -> bytes:
    """Return a transform; in version 2 ``number`` is its type and ``kind`` its identifier."""
    return struct.pack(">BBHBBH", 3 if more else 0, 0, 8 + len(attributes), number, 0, kind) + attributes


def _proposal(count: int, transforms: bytes) -> bytes:
    return struct.pack(">BBHBBBB", 0, 0, 8 + len(transforms), 1, 1, 0, count) + transforms


def _ike_2() -> bytes:
    """Encode IKE_SA_INIT (RFC 7296 section 1.2) whose key is of another group (31) than the proposal's (2, 14).

    A responder then asks for another key or refuses, and keeps no state (section 1.2, INVALID_KE_PAYLOAD).
    """
    aes_128 = struct.pack(">HH", 0x800E, 128)
    transforms = _transform(1, 1, 12, aes_128) + _transform(1, 1, 3) + _transform(1, 2, 2) + _transform(1, 3, 2)
    transforms += _transform(1, 4, 2) + _transform(0, 4, 14)
    body = _payload(_KEY, _proposal(6, transforms)) + _payload(_NONCE, struct.pack(">HH", 31, 0) + bytes(range(32)))
    body += _payload(0, bytes(range(32)))
    head = _HEADER.pack(_SESSION, bytes(8), _SA, _VERSION_2, _SA_INIT, 0x08, 0, _HEADER.size + len(body))
    return head + body


def _ike_1() -> bytes:
    """Encode the first message of main mode (RFC 2409 section 5) with the two proposals that most gateways take."""

    def choice(more: int, number: int, cipher: tuple[tuple[int, int], ...], group: int) -> bytes:
        values = (*cipher, (2, 2), (3, 1), (4, group), (11, 1), (12, 28800))
        attributes = b"".join(struct.pack(">HH", 0x8000 | kind, value) for kind, value in values)
        return struct.pack(">BBHBBH", more, 0, 8 + len(attributes), number, 1, 0) + attributes

    transforms = choice(3, 1, ((1, 5),), 2) + choice(0, 2, ((1, 7), (14, 128)), 14)
    body = _payload(0, struct.pack(">II", 1, 1) + _proposal(2, transforms))
    return _HEADER.pack(_SESSION, bytes(8), _OLD_SA, _VERSION_1, _MAIN_MODE, 0, 0, _HEADER.size + len(body)) + body


IKE_2, IKE_1 = _ike_2(), _ike_1()


def is_pptp(reply: bytes) -> bool:
    """Tell whether the reply is a whole Start-Control-Connection-Reply."""
    if len(reply) != _PPTP.size:
        return False
    return _PPTP.unpack(reply)[:4] == (_PPTP.size, _CONTROL, _COOKIE, _START_REPLY)


def is_openvpn(reply: bytes) -> bool:
    """Tell whether the datagram is the server's reset that acknowledges packet 0 of our session."""
    if len(reply) != _OPENVPN_REPLY or reply[0] != _SERVER_RESET:
        return False
    return reply[9:14] == b"\x01" + bytes(4) and reply[14:22] == _SESSION


def is_openvpn_framed(reply: bytes) -> bool:
    """Tell whether the stream is such a reset with its length in front."""
    return reply[:2] == struct.pack(">H", _OPENVPN_REPLY) and is_openvpn(reply[2:])


def is_ike_2(reply: bytes) -> bool:
    """Tell whether the datagram is a response to our IKE_SA_INIT, as long as it says."""
    head = _ike_head(reply)
    if head is None:
        return False
    following, version, kind, flags = head
    return (version, kind) == (_VERSION_2, _SA_INIT) and bool(flags & _RESPONSE) and following in (_SA, _NOTIFY)


def is_ike_1(reply: bytes) -> bool:
    """Tell whether the datagram answers our main mode: a choice, or the notification that none suits."""
    head = _ike_head(reply)
    if head is None or reply[8:16] == bytes(8):
        return False
    following, version, kind, _ = head
    return version == _VERSION_1 and (kind, following) in ((_MAIN_MODE, _OLD_SA), (_INFORMATIONAL, _OLD_NOTIFY))


def _ike_head(reply: bytes) -> tuple[int, int, int, int] | None:
    if len(reply) <= _HEADER.size or reply[:8] != _SESSION:
        return None
    _, _, following, version, kind, flags, _, size = _HEADER.unpack_from(reply)
    return (following, version, kind, flags) if size == len(reply) else None


async def look_at_pptp(contact: Contact) -> ServiceFacts:
    """Start a control connection and hang up."""
    async with contact.open() as conversation:
        await conversation.send(PPTP_START)
        reply = await conversation.receive_exactly(_PPTP.size)
    if not is_pptp(reply):
        raise UnexpectedReply("The PPTP gateway answered with something else than before.")
    host, vendor = (_text(field) for field in _PPTP.unpack(reply)[-2:])
    attributes = (("host", host),) if host else ()
    return ServiceFacts("PPTP", Access.UNKNOWN, vendor, "", attributes, (exchange(PPTP_START, reply),))


async def look_at_openvpn(contact: Contact) -> ServiceFacts:
    """Reset once more; a server that keeps to itself who doesn't know its tls-auth or tls-crypt key says nothing."""
    if contact.endpoint.transport is Transport.UDP:
        reply = await contact.ask(OPENVPN_RESET)
    else:
        async with contact.open() as conversation:
            await conversation.send(_framed(OPENVPN_RESET))
            reply = (await conversation.receive_exactly(2 + _OPENVPN_REPLY))[2:]
    if not is_openvpn(reply):
        raise UnexpectedReply("The OpenVPN server answered with something else than before.")
    return ServiceFacts("OPENVPN", Access.UNKNOWN, "OpenVPN", exchanges=(exchange(OPENVPN_RESET, reply),))


async def look_at_ike(contact: Contact) -> ServiceFacts:
    """Ask in version 2 and in version 1; a gateway may keep silent in either."""
    marker = _MARKER if contact.endpoint.port in _IKE_NAT_PORTS else b""
    evidence: list[Exchange] = []
    versions: list[str] = []
    attributes: tuple[tuple[str, str], ...] = ()
    for name, request, recognises in (("2", IKE_2, is_ike_2), ("1", IKE_1, is_ike_1)):
        reply = (await _answer(contact, marker + request)).removeprefix(marker)
        if not recognises(reply):
            continue
        versions.append(name)
        evidence.append(exchange(request, reply))
        if name == "1":
            attributes = (("main_mode", "accepted" if reply[18] == _MAIN_MODE else "refused"),)
    if not versions:
        raise UnexpectedReply("The IKE gateway answered in neither version.")
    return ServiceFacts(
        "IKE", Access.UNKNOWN, attributes=(("versions", ", ".join(versions)), *attributes), exchanges=tuple(evidence)
    )


async def _answer(contact: Contact, request: bytes) -> bytes:
    """Return the answer; empty when there is none."""
    try:
        return await contact.ask(request)
    except ConnectionRefused:
        raise
    except ProbeError:
        return b""


def _text(field: bytes) -> str:
    return line_bytes(field.partition(b"\0")[0], 64)


def _framed(packet: bytes) -> bytes:
    return struct.pack(">H", len(packet)) + packet


def _ike(ports: frozenset[int], marker: bytes) -> tuple[ServiceProbe, ServiceProbe]:
    def behind(recognises: Callable[[bytes], bool]) -> Callable[[bytes], bool]:
        return lambda reply: reply.startswith(marker) and recognises(reply.removeprefix(marker))

    return (
        ServiceProbe("ike", ports, marker + IKE_2, behind(is_ike_2), look_at_ike, Transport.UDP, own_ports_only=True),
        ServiceProbe("ike", ports, marker + IKE_1, behind(is_ike_1), look_at_ike, Transport.UDP, own_ports_only=True),
    )


PROBES = (
    ServiceProbe("pptp", frozenset({1723}), PPTP_START, is_pptp, look_at_pptp, own_ports_only=True),
    ServiceProbe(
        "openvpn", frozenset({1194}), _framed(OPENVPN_RESET), is_openvpn_framed, look_at_openvpn, own_ports_only=True
    ),
    ServiceProbe("openvpn", frozenset({1194}), OPENVPN_RESET, is_openvpn, look_at_openvpn, Transport.UDP),
    *_ike(_IKE_PORTS, b""),
    *_ike(_IKE_NAT_PORTS, _MARKER),
)
