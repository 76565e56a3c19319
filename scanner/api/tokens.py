"""Tokens are made, revoked, and recognised. The secret is shown once, when it is made."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta

from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import Q

from scanner.accounts.models import User
from scanner.api.models import Token
from scanner.api.scopes import parse_scopes
from scanner.audit.trail import Action, record
from scanner.engine.errors import Refused
from scanner.engine.hostile import line

BEGINS = "rmt_"
"""What every secret begins with, so that scanners for leaked secrets know one."""

USUAL = timedelta(days=90)
"""How long a token works when nobody says."""

LONGEST = timedelta(days=366)

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)
_HINT = len(BEGINS) + 4
_MINUTE = timedelta(minutes=1)


def add(
    user: User, name: str, scopes: Iterable[str], by: str, now: datetime, *, lasts: timedelta = USUAL
) -> tuple[Token, str]:
    """Make a token for an account; return it, and its secret, which nobody can ever read again."""
    if not _NAME.fullmatch(name):
        raise Refused(f"{name!r} is no name for a token; use a-z, 0-9 and hyphens, such as siem.", "token-name")
    if not timedelta() < lasts <= LONGEST:
        raise Refused(f"A token lasts for 1 to {LONGEST.days} days.", "token-lasts", most=LONGEST.days)
    if not user.is_active:
        raise Refused(f"The account {user.email} was ended.", "account-ended", email=user.email)
    chosen = parse_scopes(scopes)
    secret = BEGINS + secrets.token_urlsafe(32)
    made = Token(
        user=user,
        name=name,
        digest=_digest(secret),
        hint=secret[:_HINT],
        scopes=list(chosen),
        created=now,
        created_by=line(by, 200),
        expires=now + lasts,
    )
    try:
        with transaction.atomic():
            made.save()
            told = {"account": user.email, "scopes": chosen, "expires": made.expires}
            record(Action.TOKEN_ADDED, f"token {name}", actor=by, at=now, **told)
    except IntegrityError as error:
        raise Refused(
            f"There is a token {name} already; revoke it first, or choose another name.", "token-exists", name=name
        ) from error
    return made, secret


def revoke(name: str, by: str, now: datetime) -> None:
    """Let a token work no more, from the next request on. Raises ``Refused``."""
    with transaction.atomic():
        if not Token.objects.filter(name=name, revoked=None).update(revoked=now):
            raise Refused(f"There is no token {name}; 'roundsman token list' shows them.", "no-token", name=name)
        record(Action.TOKEN_REVOKED, f"token {name}", actor=by, at=now)


def revoke_all(by: str, now: datetime) -> int:
    """Let no token work any more; return how many were not revoked before."""
    with transaction.atomic():
        names = list(Token.objects.filter(revoked=None).values_list("name", flat=True))
        for name in names:
            revoke(name, by, now)
    return len(names)


def recognised(secret: str, now: datetime) -> Token | None:
    """Return the token of a secret while it works: not revoked, not expired, of an account that was not ended.

    Looked for is the hash of what came, so how long that takes tells nothing about any secret.
    """
    working = Token.objects.filter(revoked=None, expires__gt=now, user__is_active=True)
    found = working.filter(digest=_digest(secret)).select_related("user").first()
    if found is not None and (found.last_used is None or not timedelta() <= now - found.last_used < _MINUTE):
        stale = Q(last_used=None) | ~Q(last_used__gt=now - _MINUTE, last_used__lte=now)
        with suppress(DatabaseError):  # whoever only reads need not wait for somebody who writes for long
            Token.objects.filter(stale, pk=found.pk).update(last_used=now)
    return found


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
