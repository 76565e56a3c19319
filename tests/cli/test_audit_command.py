"""``roundsman audit``, and that other commands leave their traces."""

from __future__ import annotations

import datetime as dt
import json
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scanner.audit.models import Entry
from scanner.audit.trail import Action, head, record, verify
from scanner.cli import actor, audit, targets
from targets.registry import store
from targets.registry.plan import Change
from tests.audit.tampering import tamper
from tests.rounds.world import organisation, planned

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 11, 2, 8, 30, tzinfo=dt.UTC)
EXAMPLES = Path(__file__).parents[2] / "targets" / "examples"


def run(*arguments: str, status: int = 0) -> str:
    result = CliRunner().invoke(audit.app, arguments)
    assert result.exit_code == status, result.output
    return result.output


@pytest.fixture
def acts() -> None:
    record(Action.STOP, "everything", actor="alice", at=NOW, reason="plant \x1b[2J alarm")
    record(Action.RESUME, "everything", actor="root (sudo by bob)", at=NOW + dt.timedelta(hours=2))
    record(Action.ROUND_REQUESTED, "round 3", actor="alice", at=NOW + dt.timedelta(days=1))


def test_entries_are_listed_oldest_first_and_can_not_move_the_terminal(acts: None) -> None:
    lines = run("list").splitlines()
    assert "root (sudo by bob)  resume  everything" in lines[1]
    assert "plant \\u001b[2J alarm" in lines[0]
    assert "\x1b" not in lines[0]


def test_entries_are_chosen_by_time_act_and_subject(acts: None) -> None:
    assert run("list", "--since", "2026-11-03").count("\n") == 1
    assert run("list", "--since", "2026-11-02T09:00").count("\n") == 2
    assert "resume" in run("list", "--action", "resume", "--action", "plan-added")
    assert "round 3" in run("list", "--subject", "ROUND")
    assert run("list", "--limit", "1").count("\n") == 1
    assert "No act fits" in run("list", "--subject", "nobody")
    assert "is no act; these are" in run("list", "--action", "dance", status=2)


def test_verify_prints_the_digest_to_note_and_takes_it_back(acts: None) -> None:
    assert f"3 entries, whole. Newest digest: {head()}" in run("verify")
    assert "whole" in run("verify", "--expect", head().upper())
    assert "cut off" in run("verify", "--expect", "0" * 64, status=3)
    assert "64 hexadecimal digits" in run("verify", "--expect", "xyz", status=2)


def test_a_broken_trail_is_said_with_the_entry_and_status_3(acts: None) -> None:
    second = Entry.objects.order_by("pk")[1]
    tamper("UPDATE audit_entry SET actor = 'nobody' WHERE id = %s", second.pk)
    assert f"entry {second.pk} was changed. 1 entries before it are right" in run("verify", status=3)


def test_the_exported_trail_can_be_checked_elsewhere(acts: None, tmp_path: Path) -> None:
    file = tmp_path / "trail.jsonl"
    assert "3 entries written" in run("export", str(file))
    entries = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [entry["previous"] for entry in entries] == ["", *(entry["digest"] for entry in entries[:-1])]
    assert entries[-1]["digest"] == head()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "can't be written" in run("export", str(tmp_path / "missing" / "trail.jsonl"), status=2)


def apply_examples(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(targets, "actor", lambda: "alice")
    return CliRunner().invoke(targets.app, ["apply", str(EXAMPLES), "--yes"]).exit_code


def test_an_applied_register_is_on_record_with_each_authorisation_and_exclusion(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert apply_examples(monkeypatch) == 0
    entries = list(Entry.objects.all())
    assert {entry.actor for entry in entries} == {"alice"}
    whole = next(entry for entry in entries if entry.action == Action.REGISTER_APPLIED)
    allowed = [entry for entry in entries if entry.action == Action.AUTHORISATION_ADDED]
    excluded = [entry for entry in entries if entry.action == Action.EXCLUSION_ADDED]
    assert len(whole.detail["changes"]) + len(allowed) + len(excluded) == 24
    assert {"scope", "valid_until", "level"} <= set(allowed[0].detail["fields"])
    assert verify().is_whole


def test_a_register_that_could_not_be_written_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(changes: tuple[Change, ...], when: dt.datetime, *, actor: str) -> None:
        raise store.RegisterChanged("meanwhile")

    monkeypatch.setattr(store, "record_changes", fail)
    assert apply_examples(monkeypatch) == 2
    assert not Entry.objects.exists()


def test_a_round_that_somebody_asked_for_is_on_record() -> None:
    organisation("water")
    number = planned()
    entry = Entry.objects.get()
    assert (entry.action, entry.subject, entry.actor) == (Action.ROUND_REQUESTED, f"round {number}", "tester")
    assert entry.detail["organisations"] == ["water"]


def test_root_is_named_with_whoever_became_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getuid", lambda: 0)
    monkeypatch.setenv("SUDO_USER", "alice\n")
    assert actor.actor() == "root (sudo by alice)"
    monkeypatch.delenv("SUDO_USER")
    assert actor.actor() == "root"


def test_others_are_not_believed_about_who_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getuid", lambda: 54_321)
    monkeypatch.setenv("SUDO_USER", "director")
    monkeypatch.setenv("LOGNAME", "director")
    assert actor.actor() == "uid 54321"
