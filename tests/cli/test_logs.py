"""What a service logs, for people and for what collects logs."""

from __future__ import annotations

import json
import logging

import pytest
from pytest_django import DjangoAssertNumQueries

from scanner.cli.logs import JsonLines
from scanner.rounds.models import Job
from tests.delivery.office import followed_round, unit

pytestmark = pytest.mark.django_db


def line(message: str, *arguments: object, failure: BaseException | None = None) -> dict[str, object]:
    why = (type(failure), failure, None) if failure else None
    record = logging.LogRecord("scanner.rounds", logging.WARNING, "", 0, message, arguments, why)
    (text,) = JsonLines().format(record).splitlines()
    told: dict[str, object] = json.loads(text)
    return told


def test_a_line_names_the_round_the_job_and_the_organisation_that_it_is_about() -> None:
    water = unit("water")
    this = followed_round(water)
    job = Job.objects.create(round=this, organisation=water, kind="look", created=this.created)

    told = line("%s failed in %s", job, water, failure=RuntimeError("broken\noff"))
    assert (told["round"], told["job"], told["organisation"]) == (this.pk, job.pk, "water")
    assert (told["level"], told["logger"]) == ("warning", "scanner.rounds")
    assert "broken\noff" in str(told["error"])
    assert line("round %d was followed", this.pk)["round"] == this.pk
    assert "round" not in line("the mailer broke off")


def test_logging_asks_no_database(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    water = unit("water")
    this = followed_round(water)
    Job.objects.create(round=this, organisation=water, kind="look", created=this.created)
    job = Job.objects.defer("round").get()
    with django_assert_num_queries(0):
        assert "organisation" not in line("job %d was taken", job.pk)
