"""Asks a far site for paths side by side, so that a look doesn't wait for one round trip after the other.

Only what came as it would have come alone is used. Whatever else is asked again by the look itself, one by one: a
server that takes one connection at a time, or so many requests, is judged by what it says when it isn't pressed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scanner.engine.errors import ProbeError
from scanner.engine.facts.http import HttpReply
from scanner.engine.probes.http_paths import WellKnown
from scanner.engine.probes.http_session import HttpSession
from scanner.engine.probes.together import all_of

LANES = 3
"""Requests to one site at a time; browsers send six (RFC 9112 section 9.4 leaves it to the client)."""

BATCH = 12
"""Paths that are asked ahead of what is made of them."""

SECONDS = 2.0
"""What takes longer is asked again alone, and then waited for as long as it may take."""

_TURNED_AWAY = frozenset({429, 503})
"""What limiters of requests and connections answer (RFC 6585 section 4; nginx's limit_req and limit_conn)."""


class Ahead:
    """The replies of one site that are there before they are asked for."""

    def __init__(self, session: HttpSession) -> None:
        self._session = session
        self._replies: dict[str, HttpReply] = {}
        self._alone = False

    async def ask(self, questions: Sequence[WellKnown]) -> None:
        """Ask ``questions`` side by side, if the site is far and has coped with that so far."""
        spared = self._session.left >= 2 * len(questions)  # what is found leads to further questions
        if self._alone or not spared or len(questions) < 2 or not self._session.is_far:
            return
        waiting = iter(questions)
        await all_of(self._lane(waiting) for _ in range(min(LANES, len(questions))))

    def take(self, question: WellKnown) -> HttpReply | None:
        """Return the reply, once; None when it has to be asked for."""
        return self._replies.pop(question.path, None)

    async def _lane(self, waiting: Iterator[WellKnown]) -> None:
        for question in waiting:
            try:
                reply = await self._session.get(
                    question.path, headers=question.headers, limit=question.limit, seconds=SECONDS
                )
            except ProbeError:
                self._alone = True
                return
            if reply.status in _TURNED_AWAY:
                self._alone = True
            else:
                self._replies[question.path] = reply
            if self._alone:
                return
