"""Asks a site as a page of another site would have a browser ask: which foreign origins are told that they may read."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from scanner.engine.facts.http import CrossOrigin, HttpReply
from scanner.engine.hostile import line
from scanner.engine.probes.http_further import Ask
from scanner.engine.probes.http_kept import without_parameters

NULL = "null"
"""What browsers call the origin of a page without one: in a sandboxed frame, or from a file (HTML standard, 7.1.1)."""

_COOKIE = "roundsman=1"
"""Nobody's session: it stands for the one that a visitor would have."""


@dataclass(frozen=True, slots=True)
class ToldOrigins:
    """What foreign origins were told for one path, and whether it is open yet what ``null`` would be told."""

    answers: tuple[CrossOrigin, ...] = ()
    null_is_open: bool = False


async def ask_from_elsewhere(ask: Ask, path: str, *, with_null: bool = False) -> ToldOrigins:
    """Ask as a made-up origin, and as ``null`` too where the reply shows that the site has an opinion on origins, or
    ``with_null``. A site that names any origin back is not asked for another.

    A cookie comes with it, as a browser would bring one: some name an origin back to those alone who have any.
    """
    made_up = f"https://{secrets.token_hex(8)}.invalid"
    reply = await _ask_as(ask, made_up, path)
    if reply is None:
        return ToldOrigins()
    answers = told(made_up, path, reply)
    if any(answer.allowed == made_up for answer in answers):
        return ToldOrigins(answers)
    varies = "origin" in (reply.header("vary") or "").lower()
    if not (answers or varies or with_null):
        return ToldOrigins(null_is_open=True)
    further = await _ask_as(ask, NULL, path)
    return ToldOrigins((*answers, *(told(NULL, path, further) if further is not None else ())))


def told(origin: str, path: str, reply: HttpReply) -> tuple[CrossOrigin, ...]:
    """Return what the reply to a request from ``origin`` allows, if it says anything."""
    allowed = reply.header("access-control-allow-origin")
    if not allowed:
        return ()
    credentials = (reply.header("access-control-allow-credentials") or "").lower() == "true"
    return (CrossOrigin(origin, line(allowed), credentials, without_parameters(path)),)


async def _ask_as(ask: Ask, origin: str, path: str) -> HttpReply | None:
    return await ask(path, headers={"Origin": origin, "Cookie": _COOKIE})
