"""Remote management of servers: WinRM (WS-Management over HTTP, DMTF DSP0226), Cockpit, 1Panel."""

from __future__ import annotations

import re

from scanner.engine.facts.http import HttpReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.http_session import HttpSession
from scanner.engine.probes.services.web.base import WebServiceProbe
from scanner.engine.probes.services.web.dialogue import Dialogue, json_object, sets_cookie, title

_IDENTITY = "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"
_IDENTIFY = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope">'
    f'<s:Header/><s:Body><i:Identify xmlns:i="{_IDENTITY}"/></s:Body></s:Envelope>'
).encode()
_HEADERS = {"Content-Type": "application/soap+xml;charset=UTF-8", "WSMANIDENTIFY": "unauthenticated"}


_REALM = re.compile(r'(?i)\bBasic realm="WSMAN"')
"""How WinRM asks for log-in, for where a proxy put its own Server header."""


def _is_http_api(reply: HttpReply) -> bool:
    return (reply.header("server") or "").startswith("Microsoft-HTTPAPI/")


async def _look_at_winrm(session: HttpSession, _level: Level) -> ServiceFacts | None:
    """``Identify`` is the protocol's greeting: it may be answered to strangers, and everything else asks for log-in."""
    dialogue = Dialogue(session)
    reply = await dialogue.ask("/wsman", method="POST", headers=_HEADERS, content=_IDENTIFY)
    identified = reply.status == 200 and _IDENTITY in reply.body and "IdentifyResponse" in reply.body
    demands = reply.all_headers("www-authenticate")
    refused = reply.status == 401 and bool(demands) and (_is_http_api(reply) or any(map(_REALM.search, demands)))
    if not identified and not refused:
        return None
    return dialogue.facts("WINRM", Access.RESTRICTED, "Windows Remote Management")


def _may_be_cockpit(root: HttpReply) -> bool:
    return sets_cookie(root, "cockpit") or "is_cockpit_client" in root.body


async def _look_at_cockpit(session: HttpSession, _level: Level) -> ServiceFacts | None:
    """Its ping is public by design (Cockpit's protocol.md)."""
    dialogue = Dialogue(session)
    if json_object(await dialogue.ask("/ping")) != {"service": "cockpit"}:
        return None
    return dialogue.facts("COCKPIT", Access.RESTRICTED, "Cockpit")


def _may_be_1panel(root: HttpReply) -> bool:
    return title(root) == "loading..." and "/fav/favicon.png" in root.body


async def _look_at_1panel(session: HttpSession, level: Level) -> ServiceFacts | None:
    """What its log-in page asks before anyone has logged in is public by design."""
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    for path in ("/api/v2/core/auth/setting", "/api/v1/auth/issafety"):
        reply = json_object(await dialogue.ask(path))
        if reply.get("code") == 200 and {"message", "data"} <= reply.keys():
            return dialogue.facts("1PANEL", Access.RESTRICTED, "1Panel")
    return None


COCKPIT = WebServiceProbe("COCKPIT", frozenset(), suspects=_may_be_cockpit, look=_look_at_cockpit)
ONE_PANEL = WebServiceProbe("1PANEL", frozenset(), suspects=_may_be_1panel, look=_look_at_1panel)
WINRM = WebServiceProbe(
    "WINRM", frozenset({5985, 5986}), suspects=lambda r: r.status == 404 and _is_http_api(r), look=_look_at_winrm
)
