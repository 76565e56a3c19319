"""Asks one product's questions over HTTP, reads the answers sceptically and keeps them as evidence."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from scanner.engine.facts.http import HttpReply
from scanner.engine.facts.service import Access, Exchange, ServiceFacts
from scanner.engine.hostile import line
from scanner.engine.model import Level
from scanner.engine.probes.contact import exchange
from scanner.engine.probes.http_redirects import follow
from scanner.engine.probes.http_session import HttpSession

REPLY_LIMIT = 4096
"""Bytes of a reply that a service probe reads."""

_TITLE = re.compile(r"<title[^>]*>([^<]{0,200})</title", re.IGNORECASE)
_VERSION = re.compile(r"v?(\d[0-9A-Za-z.+~_-]{0,40})")
_COMMON_HEADERS = re.compile(
    r"set-cookie|date|connection|keep-alive|trailer|transfer-encoding|content-length|content-security-policy|vary|"
    r"strict-transport-security|x-frame-options|x-xss-protection|x-content-type-options|cache-control|pragma|expires|"
    r"access-control-.*|referrer-policy|permissions-policy|cross-origin-.*"
)
"""Headers that tell nothing about a product, or that hold secrets: they are left out of the evidence."""


class Dialogue:
    """One look at one product: every request and the beginning of its reply become evidence."""

    def __init__(self, session: HttpSession) -> None:
        self._session = session
        self._exchanges: list[Exchange] = []

    @property
    def port(self) -> int:
        return self._session.contact.endpoint.port

    async def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        keep_body: bool = True,
    ) -> HttpReply:
        """Send one request and return the reply, its body cut at 4 KiB; errors as :meth:`HttpSession.get`.

        ``keep_body`` False leaves the body out of the evidence, for replies that hold what the service stores.
        """
        reply = await self._session.get(path, method=method, headers=headers, content=content, limit=REPLY_LIMIT)
        self._keep(reply, content or b"", keep_body=keep_body)
        return reply

    async def first_page(self) -> list[HttpReply]:
        """Ask for ``/`` and, above the greeting level, for the pages of this site that it redirects to."""
        root = await self._session.get("/")
        following = self._session.contact.level is not Level.GREETING
        replies = (await follow(self._session, root)).replies if following else [root]
        for reply in replies:
            self._keep(reply, b"", keep_body=False)
        return replies

    def _keep(self, reply: HttpReply, content: bytes, *, keep_body: bool) -> None:
        sent = f"{reply.method} {reply.path} HTTP/1.1\r\n".encode() + content
        shown = [f"{name}: {value}" for name, value in reply.headers if not _COMMON_HEADERS.fullmatch(name)]
        kept = keep_body or reply.status >= 400
        body = reply.body if kept else f"({reply.body_bytes} bytes, not kept)"
        received = "\r\n".join((f"HTTP {reply.status}", *shown[:8], "", body))
        self._exchanges.append(exchange(sent, received.encode()))

    async def access(self, path: str, proof: Callable[[HttpReply], bool]) -> Access:
        """Ask for something that should need credentials, and tell what a stranger is given; the body is not kept."""
        reply = await self.ask(path, keep_body=False)
        return judge_access(reply, proven=proof(reply))

    def facts(self, service: str, access: Access, product: str, version: str = "", **attributes: str) -> ServiceFacts:
        """Return what was learnt, with all that was said as evidence."""
        if access is Access.RESTRICTED:
            attributes.setdefault("refusal", "credentials")
        return ServiceFacts(
            service=service,
            access=access,
            product=product,
            version=clean_version(version),
            attributes=tuple(sorted(attributes.items())),
            exchanges=tuple(self._exchanges),
        )


def judge_access(reply: HttpReply, *, proven: bool) -> Access:
    """Tell whether a reply serves a stranger (200 and ``proven``), refuses (401, 403, log-in page), or neither."""
    if reply.status == 200 and proven:
        return Access.OPEN
    if reply.status in (401, 403) or re.search(r"login|signin|sign_in|auth", location(reply), re.IGNORECASE):
        return Access.RESTRICTED
    return Access.UNKNOWN


def title(reply: HttpReply) -> str:
    """Return the text of the page's title, or an empty string."""
    found = _TITLE.search(reply.body)
    return line(found[1]) if found else ""


def location(reply: HttpReply) -> str:
    """Return the path a reply redirects to, without scheme, host and query; empty when it doesn't redirect."""
    if not 300 <= reply.status < 400:
        return ""
    try:
        return urlsplit(reply.header("location") or "").path
    except ValueError:
        return ""


def sets_cookie(reply: HttpReply, name: str) -> bool:
    """Tell whether the reply sets a cookie of that name."""
    return any(cookie.startswith(f"{name}=") for cookie in reply.all_headers("set-cookie"))


def asks_for_password(reply: HttpReply) -> bool:
    """Tell whether the reply is a page with a password field, or demands credentials by its status."""
    return (
        reply.status == 401
        or re.search(r"""<input[^<>]{0,300}type\s*=\s*["']?password""", reply.body, re.IGNORECASE) is not None
    )


def is_html(reply: HttpReply) -> bool:
    """Tell whether the reply is a page for people."""
    return "html" in (reply.header("content-type") or "").lower() or reply.body.lstrip()[:1] == "<"


def json_value(reply: HttpReply) -> Any:
    """Return the body as JSON, or None when it isn't (or was cut)."""
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError):
        return None


def json_object(reply: HttpReply) -> dict[str, Any]:
    """Return the body as a JSON object; empty when it is anything else."""
    value = json_value(reply)
    return value if isinstance(value, dict) else {}


def json_text(reply: HttpReply, name: str) -> str:
    """Return the first string field of that name in a JSON body that may have been cut; empty when there is none."""
    if reply.body.lstrip()[:1] not in ("{", "["):
        return ""
    found = re.search(rf'"{re.escape(name)}"\s*:\s*"([^"\\]{{1,200}})"', reply.body)
    return line(found[1]) if found else ""


def begins_json(reply: HttpReply, *names: str) -> bool:
    """Tell whether the body begins as JSON and holds every one of these keys (it may have been cut)."""
    if reply.body.lstrip()[:1] not in ("{", "["):
        return False
    return all(re.search(rf'"{re.escape(name)}"\s*:', reply.body) for name in names)


def not_found_in_plain_text(reply: HttpReply) -> bool:
    """Recognise the 404 of Go's own HTTP router, which many infrastructure services answer at their root."""
    return reply.status == 404 and reply.body.strip() == "404 page not found"


TOMCATS_NOT_FOUND = r"^HTTP(?: Status|状态) 404"
"""How the page of Tomcat's 404 is called, where a server is set up in Chinese as well: what is below a context path of
its own leaves Tomcat to answer for the root."""


def clean_version(text: str) -> str:
    """Return the version number at the start of ``text``; empty when there is none."""
    found = _VERSION.match(text.strip())
    return found[1] if found else ""
