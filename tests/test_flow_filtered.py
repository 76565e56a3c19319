"""A firewall before a weak service is a fix; a limiter that drops our packets now and then is not."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.engine.probes.nmap import is_privileged
from scanner.remediation.models import Finding
from tests import test_flow
from tests.engine.test_filtered import SCAN_ONLY, firewall
from tests.rounds.world import authorise, organisation, register

pytestmark = [
    pytest.mark.lab,
    pytest.mark.django_db,
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs redis-server"),
    pytest.mark.skipif(not is_privileged(), reason="a firewall needs CAP_NET_ADMIN"),
]

REDIS, OTHER = 7379, 7022


@pytest.fixture
def found(tmp_path: Path) -> Iterator[Finding]:
    """An open Redis that a round has found, beside another one; both run on until the test ends."""
    owner = organisation()
    register(owner, test_flow.ADDRESS)
    authorise(owner, test_flow.ADDRESS)
    with (
        test_flow.open_redis(OTHER, tmp_path),
        test_flow.open_redis(REDIS, tmp_path),
    ):
        test_flow.a_round(f"T:{OTHER},{REDIS}")
        yield Finding.objects.get(check_id=test_flow.CHECK, port=REDIS)


@pytest.mark.parametrize(("match", "state"), [((), "fixed"), (SCAN_ONLY, "open")], ids=["a firewall", "a limiter"])
def test_only_what_stays_silent_in_both_looks_is_fixed(found: Finding, match: tuple[str, ...], state: str) -> None:
    with firewall(test_flow.ADDRESS, "--dport", str(REDIS), *match):
        test_flow.a_round(f"T:{OTHER},{REDIS}")
    found.refresh_from_db()
    assert found.state == state


def test_a_host_that_drops_everything_closes_nothing(found: Finding) -> None:
    with firewall(test_flow.ADDRESS):
        test_flow.a_round(f"T:{OTHER},{REDIS}")
    found.refresh_from_db()
    assert found.state == "open"
