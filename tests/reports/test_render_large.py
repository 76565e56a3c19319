"""The report on a large unit is made at once, and opens at once."""

from __future__ import annotations

import time

import pytest

from scanner.reports.render import LIMITS, render_html, with_evidence
from tests.reports import skeleton
from tests.reports.large import large

SECONDS, MEGABYTES = 2, 3


@pytest.fixture(scope="module")
def page() -> str:
    return render_html(large())


def test_a_thousand_hosts_with_five_thousand_findings_fit_into_three_megabytes_and_two_seconds(page: str) -> None:
    model = large()
    begun = time.process_time()
    again = render_html(model)
    assert time.process_time() - begun < SECONDS
    assert len(again.encode()) < MEGABYTES * 1_000_000
    assert again == page, "the same model gives the same bytes"


def test_what_the_page_leaves_out_it_counts(page: str) -> None:
    text = skeleton.text(page)
    assert "all in the CSV" in text
    assert f"and {1000 - LIMITS['shown_scores']} more, all in the JSON form" in text


def test_the_more_checks_there_are_the_fewer_places_of_each_come_with_evidence() -> None:
    assert [with_evidence(groups) for groups in (0, 1, 60, 500, 5000)] == [12, 12, 8, 1, 1]
