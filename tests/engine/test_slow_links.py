"""Over slow, lossy and filtered links the verdicts are those of the next room, and nobody waits for somebody else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bench.fleet import fleet
from tests.lab.slow_link import far_hosts, slow_link

ROUNDSMAN = str(Path(sys.executable).with_name("roundsman"))

pytestmark = [
    pytest.mark.lab,
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may make a namespace with a link to it"),
]


@pytest.fixture(scope="module", autouse=True)
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with fleet(tmp_path_factory.mktemp("fleet")):
        yield


def _inspected(there: list[str], *arguments: str) -> dict[str, dict[str, Any]]:
    """Inspect from behind the link, and return the targets by name."""
    command = [*there, ROUNDSMAN, "inspect", *arguments, "--authorisation", "the lab's owner", "--format", "json"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode in (0, 3), ran.stderr
    return {each["target"]: each for each in json.loads(ran.stdout)["targets"]}


def _verdicts(target: dict[str, Any]) -> set[tuple[int, str, str]]:
    return {(each["port"], each["check"], each["confidence"]) for each in target["findings"]}


def test_delay_and_loss_change_no_verdict() -> None:
    (address,) = far_hosts(1)
    told = []
    for round_trip, loss in ((0, 0), (0.05, 0), (0.2, 0), (0.02, 0.01)):
        with slow_link(round_trip, loss) as there:
            targets = _inspected(there, address, "--ports", "22,80,443")
        told.append((targets[address]["outcome"], _verdicts(targets[address])))
    assert told[0][0] == "inspected"
    assert len(told[0][1]) > 3
    assert told[1:] == [told[0]] * 3


def test_a_host_that_drops_everything_costs_its_deadline_at_most_and_holds_up_nobody() -> None:
    open_one, *dropping = far_hosts(9)
    with slow_link(0.05) as there:
        for address in dropping:
            subprocess.run(["iptables", "-A", "INPUT", "-d", address, "-j", "DROP"], check=True)
        try:
            targets = _inspected(there, open_one, *dropping, "--ports", "80,443,1000-1100", "--timeout", "60")
        finally:
            subprocess.run(["iptables", "-F", "INPUT"], check=True)
    assert targets[open_one]["outcome"] == "inspected"
    assert {(targets[each]["outcome"], targets[each]["reason"]) for each in dropping} == {
        ("unreachable", targets[dropping[0]]["reason"])
    }
    assert "time" not in targets[dropping[0]]["reason"], "they are found silent, before anybody's time is over"
