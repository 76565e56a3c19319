"""One house for each test of the interface, and a token for each role."""

from __future__ import annotations

import pytest
from django.core.cache import cache

from scanner.api import door
from scanner.api.pace import Pace
from scanner.rounds.models import HostResult
from tests.api.programs import Programs
from tests.console.house import House, build


@pytest.fixture
def house(db: None, monkeypatch: pytest.MonkeyPatch) -> House:
    cache.clear()
    monkeypatch.setattr(door, "PACE", Pace())
    house = build()
    HostResult.objects.all().delete()  # they hold no facts, and a re-inspection reads those
    return house


@pytest.fixture
def programs(house: House) -> Programs:
    return Programs(house)
