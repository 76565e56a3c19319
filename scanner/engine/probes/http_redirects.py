"""Follows the redirects of a first page as a browser would, as long as they stay on the very same site.

Another scheme, host or port is another site: it is for the gate and the register to say whether that one is looked at,
never for a header of this one. Cookies that the site sets on the way are given back on the way, and then forgotten:
sites that ask for one before they show anything would else look like a loop.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote, urljoin, urlsplit

from scanner.engine.errors import ProbeError
from scanner.engine.facts.http import HttpReply, RedirectEnd
from scanner.engine.probes.http_session import HttpSession

HOP_LIMIT = 3
"""Redirects that are followed; what comes after is recorded and no more."""

REDIRECTS = frozenset({301, 302, 303, 307, 308})
"""How a reply leads elsewhere (RFC 9110 section 15.4)."""

TARGET_LIMIT = 2000
"""Characters of a path and query that is asked for."""

_COOKIE_LIMIT = 20
_DEFAULT_PORTS = {"http": 80, "https": 443}
_COOKIE = re.compile(r"([!-:<>-~]{1,100})=([!-:<-~]{1,1000})")
_PRINTABLE = "%/:=&?~+!$,;'@()*[]"


@dataclass(slots=True)
class Trail:
    """The replies on the way to the page that is really shown, the first included, and why the way ends there.

    ``failed`` says what happened when the last redirect led to a page of the site that gave no answer.
    """

    replies: list[HttpReply]
    end: RedirectEnd = RedirectEnd.ARRIVED
    failed: str = ""
    cookies: dict[str, str] = field(default_factory=dict)

    @property
    def shown(self) -> HttpReply:
        """The last reply: the page that a visitor sees, or the redirect that leads away."""
        return self.replies[-1]


Onward = Callable[[HttpReply], str]
"""Returns the URL to which a page sends its visitors at once by itself, or an empty string."""


async def follow(session: HttpSession, first: HttpReply, onward: Onward = lambda _: "") -> Trail:
    """Follow the redirects of ``first`` on its own site, three at most, and then a page that sends on by itself. An
    unanswered redirect ends the way; never raises ``ProbeError``."""
    trail = await _follow_redirects(session, first)
    if trail.end is RedirectEnd.ARRIVED and len(trail.replies) <= HOP_LIMIT:
        await _follow_page(session, trail, onward(trail.shown))
    return trail


async def _follow_page(session: HttpSession, trail: Trail, target: str) -> None:
    """Add the page of this site that the last one sends its visitors to; one that is not there leaves the last."""
    path = same_site_path(session, target) if target else None
    if path is None or path in {reply.path for reply in trail.replies}:
        return
    _keep_cookies(trail)
    with contextlib.suppress(ProbeError):
        further = await _follow_redirects(session, await session.get(path, headers=_cookie_header(trail)))
        if further.shown.status < 400:
            trail.replies += further.replies
            trail.end, trail.failed = further.end, further.failed


async def _follow_redirects(session: HttpSession, first: HttpReply) -> Trail:
    trail = Trail([first])
    asked: set[tuple[str, tuple[tuple[str, str], ...]]] = {(first.path, ())}
    while target := redirect_target(session, trail.shown):
        _keep_cookies(trail)
        path = same_site_path(session, target)
        state = (path or "", tuple(sorted(trail.cookies.items())))
        if path is None:
            trail.end = RedirectEnd.ELSEWHERE
        elif state in asked:
            trail.end = RedirectEnd.LOOP
        elif len(trail.replies) > HOP_LIMIT:
            trail.end = RedirectEnd.LIMIT
        if path is None or trail.end is not RedirectEnd.ARRIVED:
            return trail
        asked.add(state)
        try:
            trail.replies.append(await session.get(path, headers=_cookie_header(trail)))
        except ProbeError as error:
            trail.end, trail.failed = RedirectEnd.UNANSWERED, str(error.args[0])
            return trail
    return trail


def redirect_target(session: HttpSession, reply: HttpReply) -> str:
    """Return the absolute URL that a reply redirects to; empty when it doesn't redirect, or nowhere sensible."""
    location = reply.header("location")
    if reply.status not in REDIRECTS or not location:
        return ""
    try:
        target = urljoin(f"{session.scheme}://{session.host}{reply.path}", location)
        _ = urlsplit(target).port
    except ValueError:
        return ""
    return target


def slashed(session: HttpSession, reply: HttpReply) -> str:
    """Return path and query of what a reply redirects to, where that is the same with a slash behind the path, as
    frameworks do that know their paths by it; else nothing."""
    path = same_site_path(session, redirect_target(session, reply)) or ""
    asked, _, query = reply.path.partition("?")
    return path if path.partition("?")[0] == f"{asked}/" and bool(path.partition("?")[2]) == bool(query) else ""


def same_site_path(session: HttpSession, url: str) -> str | None:
    """Return path and query of ``url``, ready to be asked for; None when it is on another scheme, host or port."""
    there, here = urlsplit(url), urlsplit(f"{session.scheme}://{session.host}")
    port = there.port or _DEFAULT_PORTS.get(there.scheme)
    if (there.scheme, there.hostname, port) != (here.scheme, here.hostname, here.port or _DEFAULT_PORTS[here.scheme]):
        return None
    path = quote(f"{there.path or '/'}{'?' if there.query else ''}{there.query}", safe=_PRINTABLE)
    return path if len(path) <= TARGET_LIMIT else None


def _keep_cookies(trail: Trail) -> None:
    for header in trail.shown.all_headers("set-cookie"):
        pair = _COOKIE.fullmatch(header.partition(";")[0].strip())
        if pair and len(trail.cookies) < _COOKIE_LIMIT:
            trail.cookies[pair[1]] = pair[2]


def _cookie_header(trail: Trail) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in trail.cookies.items())} if trail.cookies else {}
