"""What somebody asks the register to be, checked against what it is, to be shown before it is written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from targets.registry.crosscheck import cross_problems
from targets.registry.plan import Change, compare, merge
from targets.registry.problems import BadInput, Problem
from targets.registry.specs import Register
from targets.registry.store import apply_changes, current_register


@dataclass(frozen=True, slots=True)
class Proposal:
    """What ``wanted`` changes in the register as it was when it was asked."""

    wanted: Register
    changes: tuple[Change, ...]

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the changes: whoever agreed to one digest agreed to nothing else."""
        return hashlib.sha256(repr(self.changes).encode()).hexdigest()

    def carry_out(self, when: datetime, *, actor: str) -> None:
        """Write the changes, all or none. Raises ``RegisterChanged`` when they would now be others."""
        apply_changes(self.wanted, self.changes, when, actor=actor)


def propose(wanted: Register, problems: Iterable[Problem] = (), current: Register | None = None) -> Proposal:
    """Compare ``wanted`` with the register, ``current`` for who has just read it.

    Raises ``BadInput`` with ``problems``, which were found in reading, and with all that is found here.
    """
    current = current_register() if current is None else current
    whole = merge(current, wanted)
    found = [*problems, *cross_problems(wanted, whole)]
    if found:
        raise BadInput(found)
    return Proposal(wanted, compare(current, whole))
