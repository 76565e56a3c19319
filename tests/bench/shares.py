"""Which rounds a process of workers does first."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import F, QuerySet

from scanner.rounds.lease import Share
from scanner.rounds.models import Job


@dataclass(frozen=True, slots=True)
class OwnRounds(Share):
    """Every round whose number leaves ``rest`` when divided by ``of_all``."""

    rest: int = 0
    of_all: int = 1

    def of(self, jobs: QuerySet[Job]) -> QuerySet[Job]:
        """Return those of the jobs that belong to such rounds."""
        return jobs.alias(rest=F("round") % self.of_all).filter(rest=self.rest)


def own_rounds(worker: int, workers: int) -> OwnRounds:
    """Return the share of one of so many workers."""
    return OwnRounds(rest=worker, of_all=workers)
