"""Draws the targets of a spot check: at random, and again the same from the same seed and register."""

from __future__ import annotations

import hashlib
from math import ceil

from targets.models import Organisation, Target


def draw(organisation: Organisation, share: float, seed: str) -> tuple[int, ...]:
    """Return the primary keys of the drawn targets, sorted: ``share`` of the active ones, rounded up, so at least one.

    Each target has a lot, the SHA-256 of seed, organisation and value; the lowest are drawn. So the draw depends on
    neither the order of rows nor the version of a random generator, and a target that is added or retired changes
    the lots of no other. None when nothing is registered.
    """
    rows = Target.objects.filter(organisation=organisation, retired_at=None).values_list("value", "pk")
    lots = sorted((_lot(seed, organisation.slug, value), number) for value, number in rows)
    wanted = ceil(round(share * len(lots), 6))
    return tuple(sorted(number for _, number in lots[:wanted]))


def _lot(seed: str, slug: str, value: str) -> str:
    return hashlib.sha256(f"{seed}\n{slug}\n{value}".encode()).hexdigest()
