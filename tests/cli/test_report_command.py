"""``report send`` at the command line: a kept report is mailed again after a question."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from scanner.audit.models import Entry
from scanner.cli import report
from scanner.delivery.models import Message
from scanner.delivery.tell import drafted
from scanner.engine.catalogue.load import Language
from scanner.installation import ROOT
from scanner.remediation.scores import store_score
from scanner.reports.models import Report
from scanner.reports.query import report_model
from scanner.rounds.models import HostResult
from tests.delivery.office import NOW, followed_round, unit

pytestmark = pytest.mark.django_db


def test_a_report_is_mailed_again_as_it_was_made_when_that_is_agreed_to() -> None:
    owner = unit()
    this = followed_round(owner)
    HostResult.objects.update(facts=(ROOT / "tests" / "engine" / "samples" / "host-1.json.z").read_bytes())
    store_score(this, owner)
    wanted = ("send", "water", "--round", str(this.pk))
    missing = CliRunner().invoke(report.app, wanted)
    assert (missing.exit_code, "No such report" in missing.output) == (2, True)
    drafted(this, owner, report_model(owner, this, NOW), Language.EN).save()

    asked = CliRunner().invoke(report.app, ("send", "water"))
    assert "would go to: security@water.example" in asked.output
    assert asked.exit_code == 2, "nobody is there to agree"
    assert not Message.objects.exists()
    for _ in range(2):
        done = CliRunner().invoke(report.app, (*wanted, "--yes"))
        assert done.exit_code == 0, done.output
        assert "In the outbox for: security@water.example" in done.output
    assert Message.objects.count() == 2
    assert {mail.report for mail in Message.objects.all()} == {Report.objects.get()}
    assert Entry.objects.filter(action="report-sent-again").count() == 2

    Report.objects.update(html=b"", json=b"")
    pruned = CliRunner().invoke(report.app, (*wanted, "--yes"))
    assert (pruned.exit_code, "was pruned" in pruned.output) == (2, True)
