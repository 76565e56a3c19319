"""``roundsman worker`` as operators run it: real probes, a role that can do nothing else, the kill switch, the end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import psycopg
import pytest

from scanner.installation import ROOT
from tests.fleet.site import HELD, ROLE, Site
from tests.rounds.prepared import within

pytestmark = [pytest.mark.lab, pytest.mark.postgresql, pytest.mark.slow]

SLOW_HOSTS = """
from targets.models import Authorisation, Target, Zone
Zone.objects.update(rate=5)
Target.objects.exclude(pk=Target.objects.first().pk).delete()
Target.objects.update(value="127.62.7.1", display="127.62.7.1", ports="T:1-1000")
Authorisation.objects.update(scope=["127.62.0.0/16"])
"""
"""One host on loopback, asked five packets a second."""


def worker(site: Site, *options: str) -> subprocess.Popen[str]:
    environment = {
        **{name: value for name, value in site.settings(ROLE).items() if name != "ROUNDSMAN_SECRET_KEY"},
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
        "ROUNDSMAN_DATA_DIR": "/nowhere",
    }
    command = [sys.executable, "-c", "from scanner.cli.main import main; main()", "worker", *options]
    return subprocess.Popen(command, env=environment, cwd="/", stderr=subprocess.PIPE, text=True)


def test_a_worker_needs_no_more_than_the_rights_of_its_role_and_ends_within_seconds(site: Site) -> None:
    office = site.office()
    office.roundsman("workers", "grant", ROLE)
    with psycopg.connect(site.server.url(site.name, ROLE), autocommit=True) as connection:
        for forbidden in (
            "SELECT * FROM remediation_finding",
            "SELECT facts FROM rounds_hostresult",
            "SELECT * FROM targets_contact",
            "SELECT * FROM accounts_user",
            "UPDATE targets_exclusion SET reason = ''",
            "UPDATE rounds_round SET state = 'done'",
            "DELETE FROM rounds_hostresult",
            "INSERT INTO rounds_stop (at, by, reason, lifted_by) VALUES (now(), '', '', '')",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(forbidden.encode())

    office.python(SLOW_HOSTS)
    with site.running("central"), worker(site, "--zone", "dmz", "--concurrency", "2") as process:
        try:
            site.begin()
            assert within(30, lambda: site.one(HELD) == 1), "it looks at the host"
            (listed,) = [
                each for each in json.loads(office.roundsman("workers", "list", "--json"))["workers"] if each["jobs"]
            ]
            assert (listed["zones"], listed["concurrency"], listed["works"]) == (["dmz"], 2, True)

            office.roundsman("stop", "--reason", "alarm")
            assert within(5, lambda: site.one(HELD) == 0)
            assert site.ask("SELECT state, why LIKE 'stopped by%' FROM rounds_job WHERE kind = 'look'") == [
                ("waiting", True)
            ]
            office.roundsman("resume")
            assert within(10, lambda: site.one(HELD) == 1), "it goes on"

            process.send_signal(signal.SIGTERM)
            began = time.monotonic()
            assert process.wait(20) == 0
            assert time.monotonic() - began < 10
        finally:
            process.kill()
        assert site.ask("SELECT state, why FROM rounds_job WHERE kind = 'look'") == [
            ("waiting", "its worker was ended")
        ]
        assert f"worker:{process.pid}:" not in str(site.ask("SELECT name FROM rounds_worker"))
        assert "Hosts of zone dmz wait" in office.roundsman("workers", "list")


def test_a_zone_that_nobody_registered_is_waited_for_and_said_once(site: Site) -> None:
    office = site.office()
    office.roundsman("workers", "grant", ROLE)
    office.python(SLOW_HOSTS)
    with site.running("central"), worker(site, "--zone", "dwz") as process:
        try:
            assert process.stderr is not None
            said = [process.stderr.readline() for _ in range(2)]
            assert said[1] == "No zone is called dwz yet; it waits for it. Registered zones: dmz.\n"
            assert "No zone is called dwz, which a process waits for" in office.roundsman("workers", "list")
            assert "no zone is called dwz" in office.roundsman("doctor", status=3)

            office.python("from targets.models import Zone; Zone.objects.update(name='dwz')")
            site.begin()
            assert within(30, lambda: site.one(HELD) == 1), "it looks at the zone's host"
            assert json.loads(office.roundsman("workers", "list", "--json"))["awaited_zones"] == []
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
            assert "dwz" not in process.stderr.read()
        finally:
            process.kill()
