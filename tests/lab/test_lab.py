"""Every lab case through the whole engine: what must be found is found, what must not be is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.lab.accuracy import dead_checks
from tests.lab.case import LabCase
from tests.lab.check import Tally, run_case
from tests.lab.registry import all_cases

CASES = all_cases()


@pytest.mark.lab
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_engine_finds_exactly_what_is_wrong_with(case: LabCase) -> None:
    verdict = run_case(case)
    assert verdict.right, verdict.explain()


def test_every_lab_case_has_a_name_and_an_address_of_its_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    addresses = [case.address for case in CASES] + [case.partner.address for case in CASES if case.partner]
    assert len(set(addresses)) == len(addresses)


def test_no_lab_case_expects_what_it_also_forbids() -> None:
    for case in CASES:
        assert not {check for _, check in case.expected} & case.silent, case.name


def test_every_check_must_be_found_in_one_case_and_must_not_in_another() -> None:
    """A rehearsal of what ``make accuracy`` demands of the real run: as if each case had gone as it should."""
    tallies = [
        Tally(
            case=case.name,
            expected=tuple(check for _, check in case.expected),
            silent=tuple(case.silent - {check for _, check in case.expected}),
            hits=tuple(check for _, check in case.expected),
            missed=(),
            alarms=(),
            wrong="",
        )
        for case in CASES
    ]
    assert dead_checks(tallies) == {}
    without_one = [each for each in tallies if "TLS-HEARTBLEED" not in each.expected]
    assert dead_checks(without_one)["that never fired"] == ["TLS-HEARTBLEED"]


def test_a_case_that_names_an_unknown_check_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = replace(CASES[0], silent=frozenset({"SVC-NOWHERE-EXPOSED"}))
    monkeypatch.setattr("tests.lab.web_cases.CASES", (wrong,))
    with pytest.raises(ValueError, match="SVC-NOWHERE-EXPOSED"):
        all_cases()
