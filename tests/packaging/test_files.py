"""What is packaged asks for no right too many, and what its trials take from the guide is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.packaging.common import ROOT, shown_in_guide
from tests.packaging.inside import AS_WEB

UNITS = sorted((ROOT / "docs" / "examples").glob("*.service"))
OURS = ("web", "clock", "rights", "worker")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    composed: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
    return composed


def test_only_the_worker_may_use_raw_sockets(services: dict[str, Any]) -> None:
    assert {name: each.get("cap_add") for name, each in services.items() if "cap_add" in each} == {
        "worker": ["NET_RAW"]
    }
    assert all(services[name]["cap_drop"] == ["ALL"] and services[name]["read_only"] for name in OURS)
    gaining = [name for name, each in services.items() if "no-new-privileges:true" not in each.get("security_opt", ())]
    assert gaining == ["worker"]


def test_each_image_is_built_once(services: dict[str, Any]) -> None:
    built = [each["image"] for each in services.values() if "build" in each]
    assert sorted(built) == ["roundsman", "roundsman-worker"]


def test_the_database_counts_as_there_only_when_a_network_reaches_it(services: dict[str, Any]) -> None:
    assert "--host=127.0.0.1" in services["database"]["healthcheck"]["test"]


def _settings(unit: Path) -> dict[str, str]:
    lines = unit.read_text(encoding="utf-8").splitlines()
    return {name: value for name, _, value in (line.partition("=") for line in lines if not line.startswith("#"))}


@pytest.mark.parametrize("unit", UNITS, ids=[unit.name for unit in UNITS])
def test_a_unit_hides_homes_as_empty_and_forbids_none(unit: Path) -> None:
    """libpq takes a home that it may not enter for a broken certificate, and Roundsman for a broken key."""
    settings = _settings(unit)
    assert settings["ProtectHome"] == "tmpfs"
    assert settings["NoNewPrivileges"] == "yes"
    assert settings["CapabilityBoundingSet"] == ("" if "@" in unit.name else "CAP_NET_RAW")
    assert settings.get("AmbientCapabilities", "") == settings["CapabilityBoundingSet"]


def test_the_guide_shows_what_the_trials_type() -> None:
    install, units, start, backup = (shown_in_guide(number) for number in range(4))
    assert any("--require-hashes" in line for line in install)
    assert " ".join(AS_WEB) in " ".join(" ".join(units).replace("\\", "").split())
    assert any("up --build" in line for line in start)
    assert any("backup" in line for line in backup)
