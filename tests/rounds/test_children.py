"""Whoever dies of worker, nursery, child and nmap: what it started is gone within seconds, and nothing else."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from scanner.engine.model import GapReason
from scanner.rounds import look
from scanner.rounds.execute import execute
from scanner.rounds.frames import HEAD, FrameError, FrameReader, Kind, frame
from scanner.rounds.models import HostResult
from scanner.rounds.nursery import NURSERY, Nursery
from tests.lab.case import program
from tests.processes import below, command_line, lives, scans
from tests.rounds.prepared import ROOT, within
from tests.rounds.world import authorise, organisation, planned, register

pytestmark = pytest.mark.lab


@dataclass
class Family:
    """A worker's process, its nursery, the child that looks, and the child's nmap."""

    worker: subprocess.Popen[str]
    nursery: psutil.Process
    child: psutil.Process
    nmap: psutil.Process

    def left(self) -> list[str]:
        """Return who still lives."""
        living = {"nursery": self.nursery, "child": self.child, "nmap": self.nmap}
        return [name for name, process in living.items() if lives(process)]


@pytest.fixture
def family() -> Iterator[Family]:
    command = [sys.executable, "-m", "tests.rounds.slow_worker"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as worker:
        try:
            found: list[psutil.Process] = []

            def started() -> bool:
                found[:] = [each for each in below(worker.pid) if lives(each)]
                return any(scans(each) for each in found)

            assert within(30, started)
            nmap = next(each for each in found if scans(each))
            child = nmap.parent()
            assert child is not None
            nursery = child.parent()
            assert nursery is not None
            assert nursery.ppid() == worker.pid
            yield Family(worker, nursery, child, nmap)
        finally:
            worker.kill()


def test_a_worker_that_is_killed_takes_its_nmap_along(family: Family) -> None:
    family.worker.kill()
    assert within(3, lambda: not family.left()), family.left()


def test_a_child_that_is_killed_takes_its_nmap_along_and_its_worker_hears_of_it(family: Family) -> None:
    family.child.kill()
    assert within(3, lambda: not lives(family.nmap))
    assert family.worker.wait(10) == 7


def test_a_nursery_that_is_killed_takes_its_children_along(family: Family) -> None:
    family.nursery.kill()
    assert within(3, lambda: not family.left()), family.left()
    assert family.worker.wait(10) == 7


def test_a_worker_that_hangs_sends_nothing_after_five_seconds(family: Family) -> None:
    family.worker.send_signal(signal.SIGSTOP)
    assert within(5, lambda: not lives(family.nmap))
    assert within(2, lambda: not lives(family.child))


def test_the_kernel_takes_a_child_before_its_worker_when_memory_runs_out(family: Family) -> None:
    def score(pid: int) -> int:
        return int(Path(f"/proc/{pid}/oom_score_adj").read_text(encoding="ascii"))

    assert score(family.child.pid) == score(family.nmap.pid) == 700
    assert score(family.worker.pid) < 700


def test_a_child_is_not_told_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUNDSMAN_SMTP_PASSWORD", "tell nobody")
    before = {each.pid for each in psutil.Process().children()}
    nursery = Nursery()
    channel, pidfd = nursery.child()
    try:
        (parent,) = [each for each in psutil.Process().children() if each.pid not in before]
        for process in (parent, *parent.children()):
            assert "tell nobody" not in process.environ().values()
            assert "PATH" in process.environ()
    finally:
        channel.close()
        os.close(pidfd)
        nursery.close()


def test_a_nursery_that_was_begun_is_the_one_that_has_the_children() -> None:
    before = {each.pid for each in psutil.Process().children()}
    nursery = Nursery()
    try:
        nursery.begin()
        (begun,) = [each for each in psutil.Process().children() if each.pid not in before]
        channel, pidfd = nursery.child()
        channel.close()
        os.close(pidfd)
        nursery.begin()
        assert [each.pid for each in psutil.Process().children() if each.pid not in before] == [begun.pid]
    finally:
        nursery.close()


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, FrameReader]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield theirs, FrameReader(ours)


def test_frames_come_whole_however_they_are_cut(ends: tuple[socket.socket, FrameReader]) -> None:
    theirs, reader = ends
    for byte in frame(Kind.HOST, b"facts") + frame(Kind.END):
        theirs.sendall(bytes([byte]))
    assert reader.next(1) == (Kind.HOST, b"facts")
    assert reader.next(1) == (Kind.END, b"")
    assert reader.next(0.01) is None


@pytest.mark.parametrize("head", [b"Z\0\0\0\0", HEAD.pack(b"H", 1 << 31)])
def test_what_is_no_frame_or_too_large_is_refused_by_its_head(
    ends: tuple[socket.socket, FrameReader], head: bytes
) -> None:
    theirs, reader = ends
    theirs.sendall(head)
    with pytest.raises(FrameError):
        reader.next(1)


@pytest.mark.django_db
def test_a_child_that_goes_past_every_deadline_is_ended_and_its_host_set_aside(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hanging = tmp_path / "nmap"
    real = program("nmap")
    hanging.write_text(f'#!/bin/sh\n[ "$1" = --version ] && exec {real} --version\nexec sleep 3600\n', encoding="ascii")
    hanging.chmod(0o755)
    owner = organisation()
    register(owner, "127.62.0.2")
    authorise(owner, "127.62.0.2")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(look, "JOB_DEADLINE", 1)
    NURSERY.close()
    try:
        execute(planned(ports="T:80"))
    finally:
        NURSERY.close()
    result = HostResult.objects.get()
    assert [gap.reason for gap in result.inspection().coverage.gaps] == [GapReason.SET_ASIDE]
    assert not [each for each in below(os.getpid()) if "sleep" in command_line(each)]
