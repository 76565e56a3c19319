"""What the product asks all the time is answered by indexes, however much history there is."""

from __future__ import annotations

import json

from tests.fleet.growth import FINDINGS, HOSTS, UNITS
from tests.fleet.site import Site

MOST_ROWS = 2 * UNITS * (HOSTS + FINDINGS)
"""Twice what one round leaves behind: some questions are several."""


def test_no_question_reads_a_growing_table_from_end_to_end(site: Site) -> None:
    found = json.loads(site.office().python("from tests.fleet.growth import main; main()"))
    assert len(found) > 10
    assert {question: tables for question, (tables, _) in found.items() if tables} == {}
    # What a round of one unit left behind is some hundred rows; its history is a hundred times that.
    assert {question: rows for question, (_, rows) in found.items() if rows > MOST_ROWS} == {}
