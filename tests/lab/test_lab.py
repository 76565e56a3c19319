"""Every lab case through the whole engine: what must be found is found, what must not be is not."""

from __future__ import annotations

import pytest

from tests.lab.case import LabCase
from tests.lab.check import run_case
from tests.lab.registry import all_cases

CASES = all_cases()


@pytest.mark.lab
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_engine_finds_exactly_what_is_wrong_with(case: LabCase) -> None:
    verdict = run_case(case)
    assert verdict.right, verdict.explain()


def test_every_lab_case_has_a_name_and_an_address_of_its_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    assert len({case.address for case in CASES}) == len(CASES)


def test_no_lab_case_expects_what_it_also_forbids() -> None:
    for case in CASES:
        assert not {check for _, check in case.expected} & case.silent, case.name
