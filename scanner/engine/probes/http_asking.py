"""Asks a site for one path after the other, patiently, and notices when it turns us away or stops answering."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus

from scanner.engine.errors import ConnectionLost, HostSilent, ProbeError
from scanner.engine.facts.http import HttpReply
from scanner.engine.hostile import line
from scanner.engine.probes.http_challenge import challenge
from scanner.engine.probes.http_paths import SNIFF
from scanner.engine.probes.http_reading import is_unreadable
from scanner.engine.probes.http_session import HttpSession, RequestBudgetSpent

PATH_SECONDS = 5.0
"""One path gets no longer than this."""

UNANSWERED_LIMIT = 3
"""Unanswered requests in a row after which a site is left alone."""

LIMITED_PAUSE = 1.0
"""Seconds to wait before what a limiter turned away is asked again."""

_LIMITS = frozenset({429, 503})
"""How limiters turn away what comes too fast for them: 429 (RFC 6585), nginx's limit_req 503."""

_OUT_OF_ORDER = frozenset({500, 502, 503, 504})
"""What a site answers whose application is broken, closed for repairs or not there (RFC 9110 section 15.6)."""

_CHALLENGED = 412
"""A condition of the request was not met (RFC 9110 section 15.5.13). Ours have none: a firewall wants a script run."""

_REFUSALS = frozenset({403, 406, _CHALLENGED, 418, 421, 429}) | _OUT_OF_ORDER
"""How firewalls, limiters and gateways turn a probe away, whatever lies behind, and how sites do that want a name
(RFC 9110 section 15.5.20). A demand for credentials (401) is the site's own answer to strangers."""

_KNOWN = frozenset(int(status) for status in HTTPStatus)


def is_refusal(status: int) -> bool:
    """Tell whether a status says nothing about the site behind; firewalls make up statuses of their own (468, 521)."""
    return status in _REFUSALS or (status >= 400 and status not in _KNOWN)


def is_out_of_order(status: int) -> bool:
    """Tell whether the site can't show its page just now, or doesn't want to show it to us."""
    turned_away = status in (_CHALLENGED, HTTPStatus.TOO_MANY_REQUESTS)
    return status in _OUT_OF_ORDER or turned_away or (status >= 400 and status not in _KNOWN)


def why_unseen(shown: HttpReply) -> str:
    """Quote what tells that a reply is not the page that visitors see at other times; empty when it is."""
    if is_out_of_order(shown.status):
        return f"HTTP {shown.status}"
    if mark := challenge(shown):
        return f"HTTP {shown.status}: {mark}"
    return f"Content-Encoding: {line(shown.header('content-encoding') or '', 40)}" if is_unreadable(shown) else ""


def is_limit(status: int) -> bool:
    """Tell whether limiters answer so."""
    return status in _LIMITS


class GivenUp(ProbeError):  # noqa: N818 - reads as the event it is
    """The site stopped answering; what was not asked is not inspected."""


def _may_be_refused(method: str, headers: Mapping[str, str] | None) -> bool:
    """Tell of TRACE, OPTIONS and upgrades, which no site has to answer (RFC 9110 sections 9.1 and 7.8)."""
    return method in ("TRACE", "OPTIONS") or "Upgrade" in (headers or {})


class Asker:
    """Asks one site. ``usual`` are the statuses that it is known to answer with, ``settled`` tells that random paths
    are among what they were learnt from; ``turned_away``, that a limiter refused what was left."""

    def __init__(self, session: HttpSession) -> None:
        self._session = session
        self._in_a_row = 0
        self.usual: set[int] = set()
        self.settled = False
        self.turned_away = False
        self.unanswered: list[str] = []

    def answered(self) -> None:
        """Note that the site answered elsewhere."""
        self._in_a_row = 0

    async def ask(
        self, path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, limit: int = SNIFF
    ) -> HttpReply | None:
        """Return the reply; None when none came, which leaves the look incomplete.

        What a limiter turns away is asked once more, after a pause and from then on slowly. Turned away again it is not
        answered; but what no site has to answer may be refused with a limiter's status, as a balancer does that has
        nobody to hand it to: where a page is served right after that, it is the answer.

        Raises ``GivenUp`` when nothing is answered too often in a row, ``RequestBudgetSpent``.
        """
        refusable = _may_be_refused(method, headers)
        for again in (False, True):
            reply = await self._ask(path, method=method, headers=headers, limit=limit)
            if reply is None or reply.status in self.usual or not is_limit(reply.status):
                break
            if again and refusable and await self._serves_pages():
                break
            if not again:
                await asyncio.sleep(LIMITED_PAUSE)
            if again or not refusable:
                self._session.slow_down()
            if again and self.settled:
                self.turned_away = self._in_a_row + 1 >= UNANSWERED_LIMIT
                self._not_answered(path, "The web server turned our requests away.")
                return None
        self._in_a_row = 0 if reply is not None else self._in_a_row
        return reply

    async def _serves_pages(self) -> bool:
        """Tell whether the first page is served just now: then no limiter is at work."""
        reply = await self._ask("/", method="GET", headers=None, limit=SNIFF)
        return reply is not None and not is_limit(reply.status)

    def _not_answered(self, path: str, why: str) -> None:
        self.unanswered.append(path)
        self._in_a_row += 1
        if self._in_a_row >= UNANSWERED_LIMIT:
            raise GivenUp(why)

    async def _ask(self, path: str, *, method: str, headers: Mapping[str, str] | None, limit: int) -> HttpReply | None:
        """Return the reply; None when none came.

        A connection that broke is tried once more: a kept-alive one may have been closed under us. Hanging up on TRACE,
        OPTIONS or an upgrade, or leaving it unanswered, is a way to refuse it, and leaves nothing open.
        """
        refused = False
        for _ in range(2):
            try:
                return await self._session.get(path, method=method, headers=headers, limit=limit, seconds=PATH_SECONDS)
            except RequestBudgetSpent:
                raise
            except ProbeError as error:
                refused = isinstance(error, ConnectionLost | HostSilent)
                if not isinstance(error, ConnectionLost):
                    break
        if refused and _may_be_refused(method, headers):
            return None
        self._not_answered(path, "The web server stopped answering.")
        return None
