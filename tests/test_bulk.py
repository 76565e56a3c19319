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
