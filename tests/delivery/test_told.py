"""What was told is noted once, and who notes it learns whether it was new."""

from __future__ import annotations

import pytest

from scanner.bulk import insert_missing
from scanner.delivery.models import Told
from tests.delivery.office import NOW

pytestmark = pytest.mark.django_db


def test_what_is_noted_already_stays_and_is_not_counted() -> None:
    def rows(*keys: str) -> list[Told]:
        return [Told(key=key, at=NOW) for key in keys]

    assert insert_missing([]) == 0
    assert insert_missing(rows("a")) == 1
    assert insert_missing(rows("a")) == 0
    assert insert_missing(rows("b", "a", "c", "b")) == 2
    assert sorted(Told.objects.values_list("key", flat=True)) == ["a", "b", "c"]
