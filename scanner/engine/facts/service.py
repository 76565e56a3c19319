"""What a service said to a stranger."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Access(StrEnum):
    """What an unauthenticated stranger is given."""

    OPEN = "open"
    """A read that should need credentials was answered without any."""
    RESTRICTED = "restricted"
    """Credentials or an address rule stood in the way."""
    UNKNOWN = "unknown"
    """It is reachable; no safe probe can tell more, or the level did not allow one."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and the beginning of its reply, kept as evidence.

    ``sent`` and ``received`` are printable (bytes escaped as in Python literals), at most 512 characters,
    secrets masked. ``at`` is UTC, ISO 8601.
    """

    sent: str
    received: str
    at: str


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """What the safe dialogue with one service showed.

    ``service`` is the catalogue's service code (``REDIS``, ``MYSQL``); ``attributes`` are further observations
    under names that the service's probe documents, such as ``("tls", "refused")``. ``ended`` tells why the
    dialogue broke off before its end, when what had been seen by then still counts.
    """

    service: str
    access: Access
    product: str = ""
    version: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    exchanges: tuple[Exchange, ...] = ()
    ended: str = ""

    def attribute(self, name: str) -> str:
        """Return the named attribute, or an empty string when it was not observed."""
        return dict(self.attributes).get(name, "")
