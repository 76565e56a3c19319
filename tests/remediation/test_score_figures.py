"""Scores of an older Roundsman, whose figures stand in the JSON alone."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.db import connection

from scanner.remediation.models import RoundScore
from tests.delivery.office import followed_round, unit


@pytest.mark.django_db
def test_the_figures_of_older_scores_are_taken_out_of_the_json() -> None:
    owners = [unit(slug) for slug in ("water", "library")]
    this = followed_round(*owners)
    kept = {"value": 71.5, "coverage": 0.9, "grade": "B", "provisional": True, "deflated": "x"}
    nothing = {"value": None, "coverage": 0.0, "grade": None, "provisional": False, "deflated": "x"}
    for owner, score in zip(owners, (kept, nothing), strict=True):
        RoundScore.objects.create(round=this, organisation=owner, score=score)

    figures = import_module("scanner.remediation.migrations.0009_figures_of_scores").FIGURES
    with connection.cursor() as cursor:
        cursor.execute(figures[connection.vendor])

    found = RoundScore.objects.order_by("pk").values_list("value", "coverage", "grade", "provisional")
    assert list(found) == [(71.5, 0.9, "B", True), (None, 0.0, "", False)]
