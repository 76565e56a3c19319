"""A database that is locked, full or unreadable costs time, never a result, and never lets a packet out unwatched."""

from __future__ import annotations

import os
import resource
import sqlite3
import time
from contextlib import closing

import pytest
from django.db import OperationalError

from scanner.rounds import worker
from scanner.rounds.execute import execute
from scanner.rounds.models import HostResult, Job, Stop
from tests.processes import below, scans
from tests.rounds.prepared import Prepared, within
from tests.rounds.service import HOSTS
from tests.rounds.world import authorise, organisation, planned, register

pytestmark = pytest.mark.lab


@pytest.mark.sqlite
def test_results_wait_for_a_database_that_another_program_holds(brief: Prepared) -> None:
    database = brief.folder / "roundsman.sqlite3"
    with brief.service(), closing(sqlite3.connect(database, timeout=20, isolation_level=None)) as other:
        assert within(30, lambda: ("look", "running") in brief.ask("SELECT kind, state FROM rounds_job"))
        other.execute("BEGIN IMMEDIATE")
        time.sleep(8)
        other.execute("ROLLBACK")
        assert within(60, lambda: brief.state() == "done")
    assert brief.results() == HOSTS
    assert brief.ask("SELECT max(failures), max(losses) FROM rounds_job") == [(0, 0)]


@pytest.mark.sqlite
def test_a_full_disk_is_waited_out_and_nothing_is_lost(brief: Prepared) -> None:
    with brief.service() as process:
        log = brief.folder / "roundsman.sqlite3-wal"
        unlimited = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (log.stat().st_size, unlimited[1]))
        time.sleep(4)
        assert brief.state() != "done"
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, unlimited)
        assert within(60, lambda: brief.state() == "done")
    assert brief.results() == HOSTS
    assert brief.ask("SELECT max(failures) FROM rounds_job") == [(0,)]


@pytest.mark.django_db
def test_a_switch_that_can_not_be_read_ends_the_probes_as_if_it_were_on(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = organisation(rate=5)
    register(owner, "127.63.1.1")
    authorise(owner, "127.63.1.1")
    number = planned(ports="T:1-1000")
    unreadable: list[float] = []

    def current_stop() -> Stop | None:
        if any(scans(each) for each in below(os.getpid())):
            unreadable.append(time.monotonic())
            raise OperationalError("disk I/O error")
        return None

    monkeypatch.setattr(worker, "current_stop", current_stop)
    with pytest.raises(OperationalError):
        execute(number)
    assert time.monotonic() - unreadable[0] < 5
    assert within(1, lambda: not any(scans(each) for each in below(os.getpid())))
    assert not HostResult.objects.exists()
    assert Job.objects.get(kind="look").state == "waiting"
