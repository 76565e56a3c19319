"""The corridor on real packets: a weak server is found, switched off, and only then counts as fixed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scanner.engine.model import Outcome
from scanner.flow import carry_out
from scanner.remediation.models import Finding, FindingEvent
from scanner.rounds.models import HostResult
from tests import forked
from tests.installation import COMMAND
from tests.lab.case import process, program
from tests.processes import below, lives
from tests.rounds.world import authorise, organisation, planned, register

pytestmark = [pytest.mark.lab, pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs redis-server")]

ADDRESS = "127.61.0.1"
CHECK = "SVC-REDIS-UNAUTH"


def free_port() -> int:
    with socket.create_server((ADDRESS, 0)) as server:
        port: int = server.getsockname()[1]
        return port


@contextmanager
def open_redis(port: int, folder: Path) -> Iterator[None]:
    options = ["--bind", ADDRESS, "--port", str(port), "--save", "", "--protected-mode", "no"]
    with process([program("redis-server"), *options], folder=folder, wait_for=(ADDRESS, port)):
        yield


def a_round(ports: str) -> int:
    number = planned("water", ports=ports)
    carry_out(number)
    return number


@pytest.mark.django_db
def test_an_open_redis_is_found_followed_and_fixed_only_when_it_is_really_gone(tmp_path: Path) -> None:
    owner = organisation()
    register(owner, ADDRESS)
    authorise(owner, ADDRESS)
    port = free_port()
    with open_redis(port, tmp_path):
        a_round(f"{port}")
        found = Finding.objects.get(check_id=CHECK)
        assert (found.state, found.confidence, found.severity) == ("open", "confirmed", "critical")
        a_round("1")
        found.refresh_from_db()
        assert found.state == "open", "its port was not asked"
    number = a_round(f"{port}")
    found.refresh_from_db()
    assert found.state == "fixed"
    assert [result.outcome for result in HostResult.objects.filter(round=number)] == [Outcome.INSPECTED] * 2
    with open_redis(port, tmp_path):
        a_round(f"{port}")
    found.refresh_from_db()
    assert (found.state, found.recurrences) == ("open", 1)
    kinds = FindingEvent.objects.filter(finding=found).order_by("pk").values_list("kind", flat=True)
    assert list(kinds) == ["opened", "not-inspected", "fixed", "reopened"]


def test_ctrl_c_ends_a_round_within_seconds_keeps_it_and_leaves_no_process(tmp_path: Path) -> None:
    prepare = (
        "from scanner.settings import prepare; prepare();"
        "from tests.rounds.world import organisation, register, authorise;"
        f"owner = organisation(); register(owner, {ADDRESS!r}); authorise(owner, {ADDRESS!r})"
    )
    environment = {**os.environ, "ROUNDSMAN_DATA_DIR": str(tmp_path / "data")}
    root = Path(__file__).parents[1]
    forked.run("-c", prepare, env=environment, cwd=root).check_returncode()
    with socket.create_server((ADDRESS, 0), backlog=64) as mute:
        mute.settimeout(60)
        run = ("-c", COMMAND, "round", "run", "--ports", str(mute.getsockname()[1]))
        child = forked.Python(*run, env=environment, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            held = [mute.accept() for _ in range(2)]  # it accepts and never says a word, which keeps the round busy
            children = below(child.pid)
            started = time.monotonic()
            child.send_signal(signal.SIGINT)
            output = child.communicate(timeout=20)[0]
            took = time.monotonic() - started
        finally:
            child.kill()
        for connection, _ in held:
            connection.close()
    assert took < 5
    assert child.returncode == 130, output
    assert "cancelled" in output
    assert not [each for each in children if lives(each)]
    shown = forked.run("-c", COMMAND, "round", "show", "1", env=environment, cwd=root)
    assert (shown.returncode, "cancelled" in shown.stdout) == (0, True)
    assert ADDRESS in shown.stdout
