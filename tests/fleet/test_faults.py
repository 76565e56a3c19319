"""Processes that share a database die, stop, are cut off and grow old: each host is inspected once, each mail written
once."""

from __future__ import annotations

import signal
import subprocess

import pytest

from tests.fleet.process import HOSTS, LEASE
from tests.fleet.relay import relay
from tests.fleet.site import HELD, Site
from tests.rounds.prepared import within

pytestmark = [pytest.mark.lab, pytest.mark.slow]

RESULTS = "SELECT count(*), count(DISTINCT address) FROM rounds_hostresult WHERE look = 1 AND outcome = 'inspected'"
MAILS = "SELECT kind, state, attempt FROM delivery_message ORDER BY kind"
FINDINGS = "SELECT host, check_id, state FROM remediation_finding"


def assert_whole(site: Site) -> None:
    """See that a round came to its end and that nothing of it was lost or doubled."""
    assert site.ended(), site.log()
    assert site.ask(RESULTS) == [(HOSTS, HOSTS)]
    assert ("192.0.2.1", "SVC-REDIS-UNAUTH", "open") in site.ask(FINDINGS)
    assert within(20, lambda: site.ask(MAILS) == [("round-report", "sent", 1), ("urgent-alert", "sent", 1)]), site.ask(
        MAILS
    )
    assert len(list(site.folder.glob("central-*/mail/*.eml"))) == 2


def in_work(site: Site, process: subprocess.Popen[str]) -> bool:
    held = f"SELECT count(*) FROM rounds_job WHERE state = 'running' AND worker LIKE 'worker:{process.pid}:%'"
    return bool(site.one(held))


def test_workers_that_are_killed_stopped_past_their_lease_or_cut_off_lose_their_jobs_to_others(site: Site) -> None:
    with (
        relay(site.server) as way,
        site.running("looker", ROUNDSMAN_DATABASE=way.url(site.name)) as (cut_off,),
        site.running("central", "looker", "looker", "looker") as (_, killed, stopped, third),
    ):
        site.begin()
        assert within(30, lambda: all(in_work(site, each) for each in (killed, stopped, cut_off, third)))
        killed.kill()
        stopped.send_signal(signal.SIGSTOP)
        way.whole.clear()
        assert within(LEASE + 20, lambda: not in_work(site, stopped) and not in_work(site, cut_off)), "others take them"
        taken_up = len(site.looks())
        stopped.send_signal(signal.SIGCONT)
        way.whole.set()
        assert_whole(site)
        assert site.log().count("went to another worker") >= 2, "what they wanted to write is refused"
        assert {process for process, _ in site.looks()[taken_up:]} & {stopped.pid, cut_off.pid}, "and they work on"
    seen_twice = len(site.looks()) - HOSTS
    assert seen_twice <= 6, "only hosts that were in work are looked at again"


def test_a_restart_of_the_database_the_death_of_the_leader_and_a_newer_version_are_outlived(site: Site) -> None:
    made = "SELECT count(*), count(DISTINCT due) FROM rounds_round"
    with site.running("central", "central", "looker", "looker") as (one, another, *lookers):
        site.begin()
        assert within(30, lambda: site.one(HELD) == 2)
        site.server.end()
        site.server.start()
        assert_whole(site)
        assert site.ask(made) == [(1, 1)], "of two clocks one made the round"

        last = [line for line in site.log().splitlines() if "this service leads" in line][-1]
        leader, standby = (one, another) if f" {one.pid} " in last else (another, one)
        leader.kill()
        site.begin()
        assert within(20, lambda: site.ask(made) == [(2, 2)]), site.log()
        assert site.ended(), "the standby leads now"

        site.tell("INSERT INTO django_migrations (app, name, applied) VALUES ('rounds', '9999_newer', now())")
        assert [process.wait(30) for process in (standby, *lookers)] == [0, 0, 0]
    assert site.log().count("upgrade Roundsman here, too") == 3
    assert "upgrade Roundsman" in site.office().roundsman("worker", "--zone", "dmz", status=2)
