"""Niagara's Fox, of building control, and Omron's FINS: each tells who it is in answer to its own hello."""

from __future__ import annotations

import re

from scanner.engine.errors import UnexpectedReply
from scanner.engine.hostile import line_bytes
from scanner.engine.model import Transport
from scanner.engine.probes.services.devices.base import one_request

FOX_HELLO = (
    b"fox a 1 -1 fox hello\n{\nfox.version=s:1.0\nid=i:1\nhostName=s:roundsman\nhostAddress=s:192.0.2.1\n"
    b"app.name=s:Workbench\napp.version=s:3.8.0\nvm.name=s:roundsman\nvm.version=s:1\nos.name=s:Linux\n"
    b"lang=s:en\ntimeZone=s:UTC;0;0;null;null\nhostId=s:roundsman\nvmUuid=s:526d6170-0000-4000-8000-000000000000\n};;\n"
)
_FOX_END = b"};;"
_FOX_ANSWER = b"fox a 0 -1 fox hello\n{"
_FOX_NAME = re.compile(rb"\napp\.name=s:([^\n]{1,60})\n")
_FOX_VERSION = re.compile(rb"\napp\.version=s:(\d[\w.-]{0,20})\n")

_FINS_NUMBER = 0x6D
FINS_CONTROLLER = bytes((0x80, 0, 2, 0, 0, 0, 0, 0x63, 0, _FINS_NUMBER, 0x05, 0x01, 0x00))
"""Read the controller's model and version, from node 99 (Omron, FINS Commands Reference, command 05 01)."""
_FINS_MODEL, _FINS_VERSION, _FINS_END = 14, 34, 54


def read_fox(reply: bytes) -> tuple[str, str]:
    """Return the station's application and its version."""
    if not reply.startswith(_FOX_ANSWER) or _FOX_END not in reply:
        raise UnexpectedReply("This is no answer to our Fox hello.")
    name, version = _FOX_NAME.search(reply), _FOX_VERSION.search(reply)
    return "Niagara " + _text(name[1]) if name else "", version[1].decode() if version else ""


def read_fins(reply: bytes) -> tuple[str, str]:
    """Return model and version; both empty when the controller answers with an error."""
    ours = len(reply) >= _FINS_MODEL and reply[0] & 0xC0 == 0xC0 and reply[9] == _FINS_NUMBER
    if not ours or reply[4] != FINS_CONTROLLER[7] or reply[10:12] != FINS_CONTROLLER[10:12]:
        raise UnexpectedReply("This is no FINS response to our request.")
    if len(reply) < _FINS_END:
        return "", ""
    return "Omron " + _text(reply[_FINS_MODEL:_FINS_VERSION]), _text(reply[_FINS_VERSION:_FINS_END])


def _text(data: bytes) -> str:
    return line_bytes(data.partition(b"\0")[0], 60)


PROBES = (
    one_request("fox", "FOX", 1911, FOX_HELLO, lambda data: _FOX_END in data, read_fox),
    one_request("fins", "FINS", 9600, FINS_CONTROLLER, lambda _: True, read_fins, Transport.UDP),
)
