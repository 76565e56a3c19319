"""SMB: is version 1 still spoken, and must messages be signed?

Attributes: ``smb1``: ``accepted`` or ``refused``; ``signing``: ``required``, ``optional`` (SMB 2 and later), absent
when only version 1 is spoken; ``dialect``: the SMB 2 dialect chosen, hexadecimal.
"""

from __future__ import annotations

import struct

from scanner.engine.errors import ConnectionLost, UnexpectedReply
from scanner.engine.facts.service import Access, Exchange, ServiceFacts
from scanner.engine.probes.contact import Contact, exchange
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.channel import Attributes

_SMB1, _SMB2 = b"\xffSMB", b"\xfeSMB"
_NEGOTIATE = 0x72
_SIGNING_REQUIRED = 0x0002
_SMB1_REPLY, _SMB2_REPLY = 0x80, 0x01
_DIALECTS = (0x0202, 0x0210, 0x0300, 0x0302)


def _framed(message: bytes) -> bytes:
    """Put the length in front, as direct TCP transport does ([MS-SMB2] section 2.1)."""
    return len(message).to_bytes(4, "big") + message


def _smb1_negotiate(*dialects: bytes) -> bytes:
    """An SMB_COM_NEGOTIATE request ([MS-CIFS] section 2.2.4.52.1) with Unicode, NT status codes and long names."""
    header = _SMB1 + struct.pack("<BIBHH8sHHHHH", _NEGOTIATE, 0, 0x18, 0xC801, 0, bytes(8), 0, 0, 0xFEFF, 0, 0)
    names = b"".join(b"\x02" + dialect + b"\0" for dialect in dialects)
    return _framed(header + b"\0" + struct.pack("<H", len(names)) + names)


def _smb2_negotiate() -> bytes:
    """An SMB2 NEGOTIATE request ([MS-SMB2] section 2.2.3) without contexts."""
    header = _SMB2 + struct.pack("<HHIHHIIQIIQ16s", 64, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, bytes(16))
    body = struct.pack("<HHHHI16sQ", 36, len(_DIALECTS), 1, 0, 0, b"roundsman-probe\0", 0)
    return _framed(header + body + b"".join(struct.pack("<H", dialect) for dialect in _DIALECTS))


GREETING = _smb1_negotiate(b"NT LM 0.12", b"SMB 2.002", b"SMB 2.???")
SMB1_ONLY = _smb1_negotiate(b"NT LM 0.12")
SMB2_ONLY = _smb2_negotiate()


def recognises(reply: bytes) -> bool:
    """Tell whether the reply is a framed negotiate response of SMB 1 or 2."""
    return _is_smb1(reply) or _is_smb2(reply)


def _is_smb1(reply: bytes) -> bool:
    negotiated = reply[:1] == b"\0" and reply[4:9] == _SMB1 + bytes([_NEGOTIATE]) and len(reply) >= 39
    return negotiated and bool(reply[13] & _SMB1_REPLY)


def _is_smb2(reply: bytes) -> bool:
    negotiated = reply[:1] == b"\0" and reply[4:8] == _SMB2 and reply[16:18] == b"\0\0" and len(reply) >= 4 + 64 + 8
    return negotiated and bool(reply[20] & _SMB2_REPLY)


async def look(contact: Contact) -> ServiceFacts:
    """Negotiate twice, once in each version alone; no session is ever set up."""
    first, evidence1 = await _ask(contact, SMB1_ONLY)
    second, evidence2 = await _ask(contact, SMB2_ONLY)
    # DialectIndex 0xFFFF: none of the dialects is taken.
    smb1 = _is_smb1(first) and first[37:39] == b"\0\0"
    attributes: Attributes = (("smb1", "accepted" if smb1 else "refused"),)
    if _is_smb2(second):
        mode, dialect = struct.unpack_from("<HH", second, 4 + 64 + 2)
        signing = "required" if mode & _SIGNING_REQUIRED else "optional"
        attributes = (*attributes, ("signing", signing), ("dialect", f"{dialect:04x}"))
    elif not _is_smb1(first):
        raise UnexpectedReply("The server negotiated neither version of SMB.")
    return ServiceFacts("SMB", Access.UNKNOWN, attributes=attributes, exchanges=(evidence1, evidence2))


async def _ask(contact: Contact, request: bytes) -> tuple[bytes, Exchange]:
    """Return the reply; empty when the server hangs up on a version it doesn't speak."""
    async with contact.open() as conversation:
        await conversation.send(request)
        try:
            reply = await conversation.receive_until(_whole, limit=4096)
        except ConnectionLost as error:
            reply = error.args[1] if len(error.args) > 1 else b""
    return reply, exchange(request, reply)


def _whole(data: bytes) -> bool:
    return len(data) >= 4 and len(data) >= 4 + int.from_bytes(data[1:4], "big")


PROBE = ServiceProbe(protocol="smb", ports=frozenset({445, 139}), greeting=GREETING, recognises=recognises, look=look)
