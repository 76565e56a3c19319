"""Whom nothing may be sent to is sent nothing, whatever the service does: counted by a capture of every packet."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from scanner.engine.probes.nmap import is_privileged
from tests.endurance.capture import Capture
from tests.endurance.site import LIBRARY
from tests.endurance.small import Small, redis, small, unit
from tests.installation import Installation
from tests.rounds.prepared import within

pytestmark = [
    pytest.mark.sqlite,
    pytest.mark.lab,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs redis-server"),
    pytest.mark.skipif(not LIBRARY.exists(), reason="needs libfaketime"),
    pytest.mark.skipif(not is_privileged(), reason="a capture needs CAP_NET_RAW"),
]

HOST, PORT = "127.64.1.1", 7379
HARBOUR = IPv4Network("127.64.1.0/24")
EXCLUDED, UNAUTHORISED, RESTING, NAPPING = map(
    IPv4Network, ("127.64.1.3/32", "127.64.2.0/24", "127.64.3.0/24", "127.64.4.2/32")
)
ALL = IPv4Network("127.64.0.0/16")


def days(*away: int) -> str:
    """A blackout from one day to another, both counted from today."""
    return "/".join(f"{datetime.now(UTC) + timedelta(days=day):%Y-%m-%d}" for day in away)


def organisations(*, ended: tuple[str, ...] = ("pilots",)) -> Iterator[dict[str, object]]:
    """The register, in which the authorisations of some have ended."""
    exclusion: dict[str, object] = {"address": "127.64.1.3", "reason": "not to be touched"}
    rests: dict[str, object] = {"address": "127.64.4.2", "blackouts": [days(-2, 4)]}
    made = (
        unit("harbour", str(HARBOUR), HOST, "127.64.1.2", "127.64.1.3", exclusions=[exclusion], rate=100),
        unit("pilots", str(UNAUTHORISED), "127.64.2.1", "127.64.2.2"),
        unit("ferry", str(RESTING), "127.64.3.1", "127.64.3.2", blackouts=[days(-2, 4)]),
        unit("locks", "127.64.4.0/24", "127.64.4.1", rests),
    )
    for each in made:
        if each["slug"] in ended:
            authorisations = each["authorisations"]
            assert isinstance(authorisations, list)
            authorisations[0]["valid_until"] = "2026-01-02"
        yield each


def test_no_packet_goes_to_the_stopped_the_unauthorised_the_excluded_or_into_a_blackout(
    installation: Installation, tmp_path: Path
) -> None:
    """About forty seconds. A round by each plan, a claim with its re-inspection, a look between rounds, and a stop."""
    with small(installation, steps=True) as here, redis(HOST, PORT, tmp_path):
        capture = Capture([PORT])
        began = time.monotonic()
        try:
            here.apply(*organisations())
            plans = {"ports": ("harbour", "pilots"), "ferry": ("ferry",), "locks": ("locks",), "slow": ("harbour",)}
            for name, owners in plans.items():
                ports = "T:1-1000" if name == "slow" else f"T:{PORT},7380"
                chosen = [word for owner in owners for word in ("--organisation", owner)]
                here.site.roundsman("plan", "add", name, "--schedule", "every 30d", "--ports", ports, *chosen)
            here.site.start()
            _all_kinds_of_rounds(here)
            assert capture.packets(HARBOUR, began, time.monotonic()) > 0
            assert capture.packets(IPv4Network("127.64.4.1/32"), began, time.monotonic()) > 0

            _run(here, "slow")
            assert within(90, lambda: _now(capture) > 0)
            here.apply(*organisations(ended=("pilots", "harbour")))
            _silence(capture)
            assert within(90, lambda: here.number(_OF_SLOW) == 1), "what is left is told to be refused"

            here.apply(*organisations())
            _run(here, "slow")
            assert within(90, lambda: _now(capture) > 0)
            here.site.roundsman("stop", "--reason", "a fire")
            _silence(capture)
            here.site.kill()
            here.site.start()
            _silence(capture)
            here.site.roundsman("resume")
            assert within(90, lambda: _now(capture) > 0)
            here.site.end()
            quiet = {network: capture.packets(network, began, time.monotonic()) for network in _NEVER}
            assert quiet == dict.fromkeys(_NEVER, 0)
        finally:
            capture.close()


_NEVER = (EXCLUDED, UNAUTHORISED, RESTING, NAPPING)
_OF_SLOW = (
    "SELECT count(*) FROM rounds_round r JOIN rounds_plan p ON p.id = r.plan_id "
    "WHERE p.name = 'slow' AND followed NOTNULL"
)


def _all_kinds_of_rounds(here: Small) -> None:
    """Let a round of each plan, a re-inspection and a look between rounds be made, and done as far as they may be."""
    for name in ("ports", "ferry", "locks"):
        _run(here, name)
    assert within(90, lambda: _done(here, "routine") == 1)
    number = here.number(f"SELECT id FROM remediation_finding WHERE port = {PORT} AND check_id = 'SVC-REDIS-UNAUTH'")
    here.site.roundsman("finding", "claim", str(number))
    assert within(90, lambda: _done(here, "re-inspection") == 1)
    here.site.end()
    here.site.clock.step_to(timedelta(hours=13))  # an exposed Redis earns a look every twelve hours
    here.site.start()
    assert within(90, lambda: _done(here, "cadence") >= 1)


def _run(here: Small, plan: str) -> None:
    here.site.roundsman("plan", "run", plan)


def _done(here: Small, kind: str) -> int:
    return here.number(f"SELECT count(*) FROM rounds_round WHERE kind = '{kind}' AND followed NOTNULL")


def _now(capture: Capture) -> int:
    """How many packets went to hosts within the last three seconds."""
    now = time.monotonic()
    return capture.packets(ALL, now - 3, now)


def _silence(capture: Capture) -> None:
    """See that nothing is sent to anyone from five seconds on."""
    time.sleep(5)
    since = time.monotonic()
    time.sleep(3)
    assert capture.packets(ALL, since, time.monotonic()) == 0
