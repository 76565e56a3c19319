"""Workers that claim at once: each job goes to one, a capped zone is worked at by one, and nobody leaves their zone."""

from __future__ import annotations

import json

import pytest

from tests.fleet.claims import JOBS
from tests.fleet.site import Site


@pytest.mark.parametrize("rate", [0, 50])
def test_each_job_is_claimed_once_and_a_cap_holds_over_all_who_claim(site: Site, rate: int) -> None:
    told = json.loads(site.office().python(f"from tests.fleet.claims import main; main({rate})"))
    assert len(told["claimed"]) == len(set(told["claimed"])) == JOBS
    assert told["zones"] == ["dmz"]
    assert told["most"] == 1 if rate else told["most"] > 1
