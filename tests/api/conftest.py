"""One house for each test of the interface, and a token for each role."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings

from scanner.api import door
from scanner.api.pace import Pace
from scanner.delivery.models import MessageKind
from scanner.delivery.outbox import Letter, enqueue
from scanner.rounds.models import HostResult
from tests.api.programs import Programs
from tests.console.house import House, build
from tests.delivery.office import NOW, plan


@pytest.fixture
def house(db: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> House:
    monkeypatch.setattr(settings, "DATA_DIR", tmp_path)
    monkeypatch.setattr(door, "PACE", Pace())
    house = build()
    HostResult.objects.all().delete()  # they hold no facts, and a re-inspection reads those
    plan()
    letter = Letter("digest:ops", MessageKind.DIGEST, "ops@office.example", "en", "A week", "text", "html")
    enqueue(letter, NOW)
    return house


@pytest.fixture
def programs(house: House) -> Programs:
    return Programs(house)
