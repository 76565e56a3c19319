"""What the product asks all the time is answered by indexes, however much history there is."""

from __future__ import annotations

import json

from tests.fleet.site import Site


def test_no_question_reads_a_growing_table_from_end_to_end(site: Site) -> None:
    found = json.loads(site.office().python("from tests.fleet.growth import main; main()"))
    assert len(found) > 10
    assert {question: tables for question, tables in found.items() if tables} == {}
