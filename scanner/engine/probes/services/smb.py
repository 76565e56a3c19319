"""SMB: is version 1 still spoken, and must messages be signed?

On port 139 the messages travel in a session of NetBIOS (RFC 1002 section 4.3), which has to be asked for first: Windows
answers nothing else there.

Attributes: ``smb1``: ``accepted`` or ``refused``; ``signing``: ``required`` or ``optional``, of version 1 where nothing
newer is spoken, absent when no dialect was agreed on; ``dialect``: the SMB 2 dialect chosen, hexadecimal; ``refusal``:
``host-acl`` where no address such as ours is served (Samba's ``hosts allow``).
"""

from __future__ import annotations

import struct

from scanner.engine.errors import ConnectionLost, UnexpectedReply
from scanner.engine.facts.service import Access, Exchange, ServiceFacts
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.dial import Conversation
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import Attributes

_SMB1, _SMB2 = b"\xffSMB", b"\xfeSMB"
_NEGOTIATE = 0x72
_SIGNING_REQUIRED, _SMB1_SIGNING_REQUIRED = 0x0002, 0x08
_SMB1_REPLY, _SMB2_REPLY = 0x80, 0x01
_SESSION_PORT = 139
_SESSION_GRANTED, _SESSION_REFUSED = b"\x82\0\0\0", b"\x83\0\0\x01"
_NOT_FOR_US = _SESSION_REFUSED + b"\x81"
"""What Samba says before anything else to an address that it doesn't serve, on port 445 as on 139."""
_REFUSALS = frozenset({0x80, 0x81, 0x82, 0x83, 0x8F})
"""Not listening on the called name, or not for us; no such name; no room; unspecified (RFC 1002 section 4.3.4)."""
_DIALECTS = (0x0202, 0x0210, 0x0300, 0x0302, 0x0311)


def _framed(message: bytes) -> bytes:
    """Put the length in front, as direct TCP transport does ([MS-SMB2] section 2.1)."""
    return len(message).to_bytes(4, "big") + message


def _netbios_name(name: bytes, kind: int) -> bytes:
    """Encode a name of NetBIOS and its kind, half an octet a letter (RFC 1001 section 14.1)."""
    halves = (half for octet in name.ljust(15) + bytes([kind]) for half in (octet >> 4, octet & 0x0F))
    return b"\x20" + bytes(0x41 + half for half in halves) + b"\0"


def _session_request() -> bytes:
    """Ask for the file server, by the name that stands for whatever it is called (RFC 1002 section 4.3.2)."""
    names = _netbios_name(b"*SMBSERVER", 0x20) + _netbios_name(b"ROUNDSMAN", 0)
    return b"\x81\0" + len(names).to_bytes(2, "big") + names


def _smb1_negotiate(*dialects: bytes) -> bytes:
    """An SMB_COM_NEGOTIATE request ([MS-CIFS] section 2.2.4.52.1) with Unicode, NT status codes and long names."""
    header = _SMB1 + struct.pack("<BIBHH8sHHHHH", _NEGOTIATE, 0, 0x18, 0xC801, 0, bytes(8), 0, 0, 0xFEFF, 0, 0)
    names = b"".join(b"\x02" + dialect + b"\0" for dialect in dialects)
    return _framed(header + b"\0" + struct.pack("<H", len(names)) + names)


def _smb2_negotiate() -> bytes:
    """An SMB2 NEGOTIATE request ([MS-SMB2] section 2.2.3); dialect 3.1.1 needs the context that names a hash."""
    header = _SMB2 + struct.pack("<HHIHHIIQIIQ16s", 64, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, bytes(16))
    dialects = b"".join(struct.pack("<H", dialect) for dialect in _DIALECTS)
    integrity = struct.pack("<HHH", 1, 32, 1) + bytes(32)  # SHA-512 and a salt (section 2.2.3.1.1)
    context = struct.pack("<HHI", 1, len(integrity), 0) + integrity
    at = -(-(len(header) + 36 + len(dialects)) // 8) * 8  # contexts begin at a multiple of eight
    body = struct.pack("<HHHHI16sIHH", 36, len(_DIALECTS), 1, 0, 0, b"roundsman-probe\0", at, 1, 0)
    return _framed((header + body + dialects).ljust(at, b"\0") + context)


GREETING = _smb1_negotiate(b"NT LM 0.12", b"SMB 2.002", b"SMB 2.???")
SMB1_ONLY = _smb1_negotiate(b"NT LM 0.12")
SMB2_ONLY = _smb2_negotiate()
SESSION_REQUEST = _session_request()


def recognises(reply: bytes) -> bool:
    """Tell whether the reply is a framed negotiate response of SMB 1 or 2."""
    return _is_smb1(reply) or _is_smb2(reply)


def recognises_session(reply: bytes) -> bool:
    """Tell whether the reply grants or refuses the session, and is nothing more."""
    refused = len(reply) == 5 and reply.startswith(_SESSION_REFUSED) and reply[4] in _REFUSALS
    return reply == _SESSION_GRANTED or refused


def also_recognises(reply: bytes) -> bool:
    """Recognise the refusal that Samba gives unasked."""
    return reply == _NOT_FOR_US


def _is_smb1(reply: bytes) -> bool:
    negotiated = reply[:1] == b"\0" and reply[4:9] == _SMB1 + bytes([_NEGOTIATE]) and len(reply) >= 39
    return negotiated and bool(reply[13] & _SMB1_REPLY)


def _is_smb2(reply: bytes) -> bool:
    negotiated = reply[:1] == b"\0" and reply[4:8] == _SMB2 and reply[16:18] == b"\0\0" and len(reply) >= 4 + 64 + 8
    return negotiated and bool(reply[20] & _SMB2_REPLY)


def _chose_dialect(reply: bytes) -> bool:
    """Tell whether the SMB 2 reply is more than an error."""
    return _is_smb2(reply) and reply[12:16] == bytes(4)


async def look(contact: Contact) -> ServiceFacts:
    """Negotiate twice, once in each version alone; no session is ever set up."""
    first, evidence1 = await _ask(contact, SMB1_ONLY)
    if first == _NOT_FOR_US:
        refusal = (("refusal", "host-acl"),)
        return ServiceFacts("SMB", Access.RESTRICTED, attributes=refusal, exchanges=(evidence1,))
    second, evidence2 = await _ask(contact, SMB2_ONLY)
    # DialectIndex 0xFFFF: none of the dialects is taken.
    smb1 = _is_smb1(first) and first[37:39] == b"\0\0"
    attributes: Attributes = (("smb1", "accepted" if smb1 else "refused"),)
    if _chose_dialect(second):
        mode, dialect = struct.unpack_from("<HH", second, 4 + 64 + 2)
        signing = "required" if mode & _SIGNING_REQUIRED else "optional"
        attributes = (*attributes, ("signing", signing), ("dialect", f"{dialect:04x}"))
    elif smb1 and len(first) > 39:  # SecurityMode ([MS-CIFS] section 2.2.4.52.2)
        signing = "required" if first[39] & _SMB1_SIGNING_REQUIRED else "optional"
        attributes = (*attributes, ("signing", signing))
    elif not (_is_smb1(first) or _is_smb2(second)):
        raise UnexpectedReply("The server negotiated neither version of SMB.")
    return ServiceFacts("SMB", Access.UNKNOWN, attributes=attributes, exchanges=(evidence1, evidence2))


async def _ask(contact: Contact, request: bytes) -> tuple[bytes, Exchange]:
    """Return the reply; empty when the server hangs up on a version it doesn't speak."""
    async with contact.open() as conversation:
        if contact.endpoint.port == _SESSION_PORT:
            await _begin_session(conversation)
        await conversation.send(request)
        try:
            reply = await conversation.receive_until(_whole, limit=4096)
        except ConnectionLost as error:
            reply = error.args[1] if len(error.args) > 1 else b""
    return reply, exchange(request, reply)


async def _begin_session(conversation: Conversation) -> None:
    await conversation.send(SESSION_REQUEST)
    if await conversation.receive_until(_whole, limit=64) != _SESSION_GRANTED:
        raise UnexpectedReply("The server grants no session of NetBIOS by the name that stands for any.")


def _whole(data: bytes) -> bool:
    return len(data) >= 4 and len(data) >= 4 + int.from_bytes(data[1:4], "big")


PROBES = (
    ServiceProbe("smb", frozenset({445}), GREETING, recognises, look, also_recognises=also_recognises),
    ServiceProbe("smb", frozenset({_SESSION_PORT}), SESSION_REQUEST, recognises_session, look, own_ports_only=True),
)
