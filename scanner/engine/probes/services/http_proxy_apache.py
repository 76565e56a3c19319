"""Apache's httpd as a forward proxy: it serves its own site beside that, and so looks like any other web server.

With ``ProxyRequests On`` it takes every request for a whole address (Apache documentation, ``mod_proxy``). One with a
scheme that nobody has fails within, with status 500, where a server that is no proxy finds fault with the request
(400); whoever may not use the proxy is refused before (403). Nothing is connected to for that.
"""

from __future__ import annotations

from scanner.engine.errors import HostSilent
from scanner.engine.facts.http import HttpReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.probes.contact import exchange
from scanner.engine.probes.http_session import HttpSession

SERVER = "Apache"
"""How its Server header begins, at any setting of ``ServerTokens``."""

_ADDRESS = "192.0.2.1"
"""Belongs to nobody (RFC 5737)."""
_SECONDS = 15.0
"""For the proxy to give up on an address that does not exist."""
_NO_SUCH_SCHEME = f"roundsman://{_ADDRESS}/"
_NOBODY = f"http://{_ADDRESS}/"
_FAILED = frozenset({502, 503, 504})


def is_apache(reply: HttpReply) -> bool:
    return (reply.header("server") or "").startswith(SERVER)


async def look(session: HttpSession) -> ServiceFacts | None:
    """Ask for two addresses that no proxy can reach; None for a server that is no proxy for strangers.

    Attribute ``beside``: ``site``, as the port has one all the same.
    """
    headers = {"Host": _ADDRESS}
    told = await session.get(_NO_SUCH_SCHEME, headers=headers, limit=1024)
    if told.status != 500 or not is_apache(told):
        return None
    try:
        reply = await session.get(_NOBODY, headers=headers, limit=1024, seconds=_SECONDS)
    except HostSilent:
        received = b""  # still trying when the time is up means that it was let through
    else:
        if reply.status not in _FAILED:
            return None
        received = f"HTTP {reply.status}\r\n\r\n{reply.body}".encode()
    sent = f"GET {_NOBODY} HTTP/1.1\r\n\r\n".encode()
    beside = (("beside", "site"),)
    return ServiceFacts("HTTP-PROXY", Access.OPEN, "Apache httpd", "", beside, (exchange(sent, received),))
