"""The measuring of reports, in small, and the line that it draws."""

from __future__ import annotations

import pytest

from scanner.reports.query import report_model
from scanner.reports.render import render_html
from tests.bench import many
from tests.bench.living import START
from tests.bench.reports import line_through


def test_the_line_tells_how_far_the_largest_is_off_what_grows_straight() -> None:
    straight = line_through((125, 250, 500, 1000), (1.25, 2.5, 5, 10))
    assert straight.at == pytest.approx((1.25, 2.5, 5, 10))
    assert straight.above == pytest.approx(0)
    assert line_through((125, 250, 500, 1000), (1, 2, 5, 16)).above > 0.03


@pytest.mark.django_db
def test_an_organisation_that_is_a_copy_has_the_report_of_the_one_that_was_followed() -> None:
    units = many.ORIGINALS + 1
    this = many.fill(units, hosts=3)
    owners = {each.slug: each for each in this.organisations.all()}
    original, copy = (report_model(owners[slug], this, START) for slug in ("unit-0", f"unit-{many.ORIGINALS}"))
    assert len(owners) == units
    assert len(original.findings) > 5
    assert [(each.check, each.place) for each in copy.findings] == [
        (each.check, each.place) for each in original.findings
    ]
    assert (copy.inventory, copy.score, copy.coverage) == (original.inventory, original.score, original.coverage)
    assert len(render_html(copy)) == pytest.approx(len(render_html(original)), rel=0.01)
