"""A request as the routes see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest

from scanner.accounts.sight import Sight
from scanner.api.models import Token


@dataclass(frozen=True, slots=True)
class Visit:
    """Who came in: the token, what its account may see, and the name under which the audit trail keeps what it does."""

    token: Token
    sight: Sight

    @property
    def who(self) -> str:
        return f"{self.token.user.email[:120]} (token {self.token.name})"


class ApiRequest(HttpRequest):
    """A request that was let in. ``now`` is its one moment."""

    now: datetime
    visit: Visit
