"""A service that is killed, again and again, does every round once and every host once."""

from __future__ import annotations

import contextlib
import random
import shutil
import signal
import socket
import subprocess
import time

import pytest

from scanner.engine.probes.nmap import is_privileged
from tests import forked
from tests.installation import COMMAND
from tests.processes import below, command_line, lives
from tests.rounds.prepared import ROOT, Prepared, within
from tests.rounds.service import HOSTS, JOBS

pytestmark = pytest.mark.lab


class Capture:
    """Counts the packets that go to the hosts of the round, on the loopback interface of the tests' namespace."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        self._socket.bind(("lo", 0))

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def packets(self, seconds: float) -> int:
        """Return how many packets leave for the hosts from now on, for so many seconds."""
        self._forget()
        ends = time.monotonic() + seconds
        count = 0
        while (remaining := ends - time.monotonic()) > 0:
            self._socket.settimeout(remaining)
            with contextlib.suppress(TimeoutError):
                count += self._socket.recv(2048)[30:33] == _NETWORK
        return count

    def _forget(self) -> None:
        self._socket.settimeout(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.recv(2048)


_ETH_P_ALL = 3  # linux/if_ether.h
_NETWORK = bytes((127, 63, 0))


@pytest.mark.slow
def test_a_service_that_is_killed_at_any_point_does_the_round_once(brief: Prepared) -> None:
    dice = random.Random(20261126)
    for _ in range(4):
        with brief.service() as process:
            time.sleep(dice.uniform(0.1, 2.0))
            process.kill()
    with brief.service():
        assert within(60, lambda: brief.state() == "done")
    assert brief.results() == HOSTS
    jobs = brief.ask("SELECT kind, look, count(*) FROM rounds_job GROUP BY kind, look ORDER BY kind, look")
    assert [job for job in jobs if job[0] != "look"] == [
        (kind, 1, 1) for kind in ("close", "doubt", "follow", "keys", "prepare", "tell")
    ]
    assert brief.ask("SELECT DISTINCT state FROM rounds_job") == [("done",)]
    assert brief.ask("SELECT max(failures) FROM rounds_job") == [(0,)], "a worker's death is no host's fault"
    assert brief.ask("SELECT count(*) FROM remediation_roundscore") == [(1,)]


@pytest.mark.slow
@pytest.mark.skipif(not is_privileged(), reason="a capture needs CAP_NET_RAW")
def test_after_a_stop_no_packet_leaves_also_after_a_restart_until_it_is_lifted(slow: Prepared) -> None:
    with Capture() as capture:
        with slow.service():
            assert within(30, lambda: capture.packets(0.5) > 0)
            assert slow.run("stop", "--reason", "a fire").returncode == 0
            time.sleep(5)
            assert capture.packets(2) == 0
        refused = slow.run("round", "run")
        assert (refused.returncode, "stopped by" in refused.stderr, "a fire" in refused.stderr) == (2, True, True)
        assert "stopped by" in slow.run("round", "status").stdout
        with slow.service():
            assert capture.packets(2) == 0
            assert slow.run("resume").returncode == 0
            assert within(30, lambda: capture.packets(0.5) > 0)
    assert slow.ask("SELECT max(failures) FROM rounds_job") == [(0,)]


@pytest.mark.slow
@pytest.mark.skipif(not is_privileged(), reason="a capture needs CAP_NET_RAW")
def test_when_an_authorisation_ends_a_scan_that_runs_ends_too_and_its_hosts_are_not_inspected(slow: Prepared) -> None:
    with Capture() as capture, slow.service():
        assert within(30, lambda: capture.packets(0.5) > 0)
        slow.tell("UPDATE targets_authorisation SET retired_at = '2026-01-01 00:00:00'")
        time.sleep(5)
        assert capture.packets(2) == 0
        assert within(20, lambda: slow.state() == "done")
    assert slow.ask("SELECT DISTINCT outcome FROM rounds_hostresult") == [("refused",)]
    assert slow.results() == HOSTS


def test_a_service_that_is_told_to_end_puts_its_work_back_within_seconds(slow: Prepared) -> None:
    with slow.service() as process:
        assert within(30, lambda: ("look", "running") in slow.ask("SELECT kind, state FROM rounds_job"))
        children = below(process.pid)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        assert time.monotonic() - began < 5
    assert not [each for each in children if lives(each)]
    jobs = slow.ask("SELECT state, failures, losses FROM rounds_job WHERE kind = 'look'")
    assert jobs == [("waiting", 0, 0)]


def test_a_round_is_paused_and_cancelled_while_a_service_works_at_it(slow: Prepared) -> None:
    def at_work() -> bool:
        return ("running",) in slow.ask("SELECT state FROM rounds_job WHERE kind = 'look'")

    with slow.service():
        assert within(30, at_work)
        shown = slow.run("round", "status", "1").stdout
        assert "hosts are being inspected" in shown
        assert "first look: 0 of 24 host(s) done" in shown
        assert "at work: look of water, 24 host(s)" in shown
        assert slow.run("round", "pause", "1").returncode == 0
        assert within(5, lambda: not at_work())
        assert (
            "waiting: 1 job(s) look of water for 'roundsman round resume 1': the round is paused"
            in slow.run("round", "status").stdout
        )
        assert slow.run("round", "cancel", "1", "--yes").returncode == 0
        assert within(20, lambda: slow.ask("SELECT followed IS NOT NULL FROM rounds_round") == [(1,)])
    assert slow.state() == "cancelled"
    assert slow.results() == HOSTS


def test_two_processes_that_carry_out_one_round_share_its_work(brief: Prepared) -> None:
    command = ("-c", COMMAND, "round", "resume", "1")
    both = [forked.Python(*command, env=brief.environment, cwd=ROOT, stderr=subprocess.PIPE) for _ in range(2)]
    said = [process.communicate(timeout=240)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert (brief.state(), brief.results()) == ("done", HOSTS)
    assert brief.ask("SELECT sum(attempt) - count(*) FROM rounds_job") == [(0,)], "no job was done twice"


def test_a_second_service_is_refused_and_a_round_is_handed_to_the_first(brief: Prepared) -> None:
    with brief.service():
        again = forked.run("-m", "tests.rounds.service", env=brief.environment, cwd=ROOT)
        assert "already" in again.stderr
        result = brief.run("round", "run")
        assert (result.returncode, "running service carries it out" in result.stderr) == (0, True), result
    assert brief.ask("SELECT DISTINCT worker LIKE 'serve:%' FROM rounds_job") == [(1,)]


FAKE = """#!/usr/bin/env python3
import os, signal, sys, time
if "--version" in sys.argv: sys.exit(print("Nmap version 7.95 ( https://nmap.org )"))
addresses = sys.stdin.read().split()
if "127.63.0.5" in addresses: {fault}
os.execv({nmap!r}, [{nmap!r}, *sys.argv[1:sys.argv.index("-iL")], *addresses])
"""


def with_nmap(made: Prepared, fault: str) -> None:
    """Put an nmap before the real one that goes wrong over one host."""
    folder = made.folder / "bin"
    folder.mkdir()
    fake = folder / "nmap"
    fake.write_text(FAKE.format(fault=fault, nmap=shutil.which("nmap")), encoding="utf-8")
    fake.chmod(0o755)
    made.environment["PATH"] = f"{folder}:{made.environment['PATH']}"


def outcomes(made: Prepared) -> dict[object, object]:
    rows = made.ask("SELECT outcome, count(*) FROM rounds_hostresult WHERE look = 1 GROUP BY outcome")
    return {row[0]: row[1] for row in rows}


@pytest.mark.slow
def test_a_child_that_dies_over_one_host_costs_that_host_alone(brief: Prepared) -> None:
    with_nmap(brief, "os.kill(os.getppid(), signal.SIGKILL)")
    result = brief.run("round", "resume", "1")
    assert result.returncode == 3, result
    assert "127.63.0.5: error; set-aside: The inspection program" in result.stdout
    assert outcomes(brief) == {"inspected": HOSTS - 1, "error": 1}


@pytest.mark.parametrize(
    "fault",
    ["os.abort()", 'sys.exit(open(sys.argv[sys.argv.index("-oX") + 1], "w").write("<nmaprun><host>") and 0)'],
    ids=["crashes", "prints half a document"],
)
def test_an_nmap_that_goes_wrong_leaves_hosts_not_inspected_and_the_round_goes_on(brief: Prepared, fault: str) -> None:
    with_nmap(brief, fault)
    result = brief.run("round", "resume", "1")
    assert result.returncode == 3, result
    assert "127.63.0.5: error; tool-failed" in result.stdout
    assert (brief.state(), brief.results()) == ("done", HOSTS)


@pytest.mark.slow
def test_an_nmap_that_hangs_holds_up_its_own_job_and_ends_with_the_round(brief: Prepared) -> None:
    with_nmap(brief, "time.sleep(3600)")
    with brief.service() as process:
        assert within(40, lambda: brief.results() == HOSTS - HOSTS // JOBS)
        nmaps = [each for each in below(process.pid) if "nmap" in command_line(each)[1:2]]
        assert brief.run("round", "cancel", "1", "--yes").returncode == 0
        assert within(20, lambda: brief.ask("SELECT followed IS NOT NULL FROM rounds_round") == [(1,)])
        assert not [each for each in nmaps if lives(each)]
    assert brief.results() == HOSTS
