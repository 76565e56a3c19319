"""Roots that browsers trust no longer for new certificates, although stores may still hold them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cache

from scanner.engine.intel.products import table


@dataclass(frozen=True, slots=True)
class Distrust:
    """What browsers decided about one root. Certificates issued at ``since`` (UTC) or later are rejected."""

    root: str
    since: dt.datetime

    @property
    def after(self) -> dt.date:
        """The last day of issue that is still trusted."""
        return (self.since - dt.timedelta(days=1)).date()


@cache
def distrusted_roots() -> dict[str, Distrust]:
    """Return the roots that browsers gave up, by the SHA-256 of SubjectPublicKeyInfo, hexadecimal."""
    return {
        key: Distrust(root, dt.datetime.combine(entry["after"], dt.time(), dt.UTC) + dt.timedelta(days=1))
        for entry in table("distrust")["authority"]
        for key, root in entry["keys"].items()
    }
