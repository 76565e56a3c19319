"""Windows Remote Management: WS-Management over HTTP (DMTF DSP0226)."""

from __future__ import annotations

from scanner.engine.facts.http import HttpReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.http_session import HttpSession
from scanner.engine.probes.services.web.base import WebServiceProbe
from scanner.engine.probes.services.web.dialogue import Dialogue

_IDENTITY = "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"
_IDENTIFY = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope">'
    f'<s:Header/><s:Body><i:Identify xmlns:i="{_IDENTITY}"/></s:Body></s:Envelope>'
).encode()
_HEADERS = {"Content-Type": "application/soap+xml;charset=UTF-8", "WSMANIDENTIFY": "unauthenticated"}


def _is_http_api(reply: HttpReply) -> bool:
    return (reply.header("server") or "").startswith("Microsoft-HTTPAPI/")


async def _look_at_winrm(session: HttpSession, _level: Level) -> ServiceFacts | None:
    """``Identify`` is the protocol's greeting: it may be answered to strangers, and everything else asks for log-in."""
    dialogue = Dialogue(session)
    reply = await dialogue.ask("/wsman", method="POST", headers=_HEADERS, content=_IDENTIFY)
    identified = reply.status == 200 and _IDENTITY in reply.body and "IdentifyResponse" in reply.body
    refused = reply.status == 401 and _is_http_api(reply) and reply.header("www-authenticate") is not None
    if not identified and not refused:
        return None
    return dialogue.facts("WINRM", Access.RESTRICTED, "Windows Remote Management")


WINRM = WebServiceProbe(
    "WINRM", frozenset({5985, 5986}), suspects=lambda r: r.status == 404 and _is_http_api(r), look=_look_at_winrm
)
