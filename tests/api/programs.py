"""Programs that hold tokens, for tests of the interface."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from django.test import Client

from scanner.accounts.models import User
from scanner.accounts.roles import Role
from scanner.api import tokens
from scanner.api.scopes import Scope
from tests.console.house import House

AT = "/api/v1"


@dataclass
class Programs:
    """Makes programs that act for the accounts of a house."""

    house: House
    made: int = 0

    def of(self, role: Role, scopes: Iterable[str] = tuple(Scope)) -> Client:
        """A program of somebody with the role."""
        return self.acting_for(self.house.users[role], scopes)

    @property
    def stranger(self) -> Client:
        """A program of the manager of another unit."""
        assert self.house.stranger is not None
        return self.acting_for(self.house.stranger)

    def acting_for(self, user: User, scopes: Iterable[str] = tuple(Scope)) -> Client:
        """A program of an account."""
        return program(self.secret_of(user, scopes))

    def secret_of(self, user: User, scopes: Iterable[str] = tuple(Scope)) -> str:
        """The secret of a new token."""
        self.made += 1
        _, secret = tokens.add(user, f"program-{self.made}", scopes, "tests", dt.datetime.now(dt.UTC))
        return secret


def program(secret: str) -> Client:
    return Client(headers={"authorization": f"Bearer {secret}"}, raise_request_exception=False)
