"""Rows that are written many at a time."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from scanner import bulk
from scanner.rounds.models import Job, JobKind
from tests.rounds.jobs import NOW
from tests.rounds.world import organisation, planned

pytestmark = pytest.mark.django_db


def test_a_row_that_is_there_already_is_refused_or_left_as_it_is() -> None:
    organisation()
    close = Job(round_id=planned(), kind=JobKind.CLOSE, priority=1, created=NOW)
    bulk.insert([close])
    again = Job(round_id=close.round_id, kind=JobKind.CLOSE, priority=2, created=NOW)
    with pytest.raises(IntegrityError), transaction.atomic():
        bulk.insert([again])
    bulk.insert_missing([again])
    assert [job.priority for job in Job.objects.filter(kind=JobKind.CLOSE)] == [1]


def test_rows_keep_their_order_however_many_there_are_and_what_is_there_already_is_not_counted() -> None:
    organisation()
    known = Job(round_id=planned(), kind=JobKind.CLOSE, priority=0, created=NOW)
    bulk.insert([known])
    rows = [Job(round_id=known.round_id, kind=JobKind.FOLLOW, priority=number, created=NOW) for number in range(1, 36)]
    again = Job(round_id=known.round_id, kind=JobKind.CLOSE, priority=99, created=NOW)
    assert bulk.insert_missing([*rows[:5], again, *rows[5:]]) == 35
    made = Job.objects.filter(round_id=known.round_id, kind__in=(JobKind.CLOSE, JobKind.FOLLOW)).order_by("pk")
    assert [job.priority for job in made] == list(range(36))
