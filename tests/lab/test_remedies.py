"""Every snippet that is called tested: the server starts weak and is found so, and with the snippet it is not any more.

What a snippet leaves to its reader (a certificate, an internal address, the own network) is put in here: the lab looks
from 127.0.0.1, which is nobody's own network, and listens at an address of the case.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from scanner.reports.remedy import remedies
from tests.lab.case import LabCase
from tests.lab.check import Verdict, run_case
from tests.lab.remedy_trials import TRIALS, Trial

_AT_ONCE = 6
BATCHES = [TRIALS[number::_AT_ONCE] for number in range(_AT_ONCE)]


def _look(trial: Trial, run: int, lines: str) -> Verdict:
    address = f"127.10.{240 + run}.{10 + TRIALS.index(trial)}"  # its own, as several run at once
    start = trial.make(lines.replace("@address@", address))
    return run_case(LabCase("remedy", address, trial.ports, start, level=trial.level, hostname=trial.hostname))


def _speaking(verdict: Verdict) -> set[tuple[int, str]]:
    return {(each.endpoint.port, each.protocol) for each in verdict.inspection.services}


def _wrong(trial: Trial, mended: Verdict, *weak: Verdict) -> Iterator[str]:
    """Yield what is not as it should be."""
    missed = set(trial.checks) - {check for each in weak for _, check in each.found}
    if missed:
        yield f"{sorted(missed)} not found before: {[each.explain() for each in weak]}"
    left = {check for _, check in mended.found} & set(trial.checks)
    if left:
        yield f"{sorted(left)} found afterwards: {mended.explain()}"
    speaking = {each for each in _speaking(weak[0]) if each[0] not in trial.closes}
    if mended.inspection.outcome != "inspected" or _speaking(mended) != speaking:
        yield f"not the same services afterwards: {mended.explain()}"


@pytest.mark.lab
@pytest.mark.slow
@pytest.mark.parametrize("trials", BATCHES, ids=lambda batch: "-".join(each.product.split()[0] for each in batch))
def test_what_was_found_is_gone_with_the_snippet(trials: tuple[Trial, ...]) -> None:
    """Start all servers of a batch at once: most of the time is spent on waiting."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        looks = [
            (trial, [pool.submit(_look, trial, *start) for start in enumerate((trial.snippet, *trial.weak))])
            for trial in trials
        ]
        seen = [(trial, [look.result() for look in running]) for trial, running in looks]
    assert not [f"{trial.product}: {wrong}" for trial, looks in seen for wrong in _wrong(trial, *looks)]


_PACKAGES = {
    "Apache": "apache2-bin",
    "BIND": "bind9",
    "Dovecot": "dovecot-core",
    "MariaDB": "mariadb-server",
    "Memcached": "memcached",
    "Mosquitto": "mosquitto",
    "OpenLDAP": "slapd",
    "OpenSSH": "openssh-server",
    "Postfix": "postfix",
    "PostgreSQL": "postgresql",
    "Redis": "redis-server",
    "Samba": "samba",
    "Squid": "squid",
    "Tomcat": "libtomcat10-java",
    "Unbound": "unbound",
    "net-snmp": "snmpd",
    "nfs-utils": "nfs-kernel-server",
    "nginx": "nginx-light",
    "rsync": "rsync",
    "vsftpd": "vsftpd",
}


def test_readers_are_told_the_release_that_the_lab_has() -> None:
    releases = [remedy.release.split() for remedy in remedies() if remedy.tested]
    asked = ["dpkg-query", "-W", "-f=${Package} ${Version}\n", *_PACKAGES.values()]
    answer = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    installed = dict(line.split() for line in answer.splitlines())
    for product, release in releases:
        version = installed[_PACKAGES[product]].partition(":")[2] or installed[_PACKAGES[product]]
        assert re.match(rf"{re.escape(release)}(?!\d)", version), f"{product} {version}"


def test_every_snippet_that_is_called_tested_is() -> None:
    tried = {(trial.product, check) for trial in TRIALS for check in trial.checks}
    called = {(remedy.name, check) for remedy in remedies() for check in remedy.tested}
    assert tried == called
