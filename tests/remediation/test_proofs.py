"""Files that are handed in about findings: each once, and no more than there is room for."""

from __future__ import annotations

import datetime as dt

import pytest

from scanner.audit.models import Entry
from scanner.engine.errors import InputError
from scanner.remediation import proofs
from scanner.remediation.models import Finding, ProofFile
from scanner.remediation.proofs import keep_proof
from targets.documents import read_document
from tests.delivery.office import NOW, finding, unit

pytestmark = pytest.mark.django_db


def hand_in(about: Finding, what: str, at: dt.datetime = NOW) -> None:
    keep_proof(about, read_document(f"{what}.pdf", b"%PDF-1.7 " + what.encode()), by="wang", now=at)


def test_a_file_is_kept_once_and_put_on_record() -> None:
    about = finding(unit())
    for _ in range(2):
        hand_in(about, "screen")
    kept = ProofFile.objects.get()
    assert (kept.name, kept.kind, kept.size, kept.added_by) == ("screen.pdf", "pdf", 15, "wang")
    assert Entry.objects.get(action="proof-kept").detail["sha256"] == kept.digest


def test_a_finding_and_an_organisation_have_room_for_so_much(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = unit()
    about, other, theirs = finding(owner), finding(owner, port=1), finding(unit("power"))
    for number in range(proofs.MOST):
        hand_in(about, f"screen {number}")
    with pytest.raises(InputError, match="20 files already"):
        hand_in(about, "one more")
    monkeypatch.setattr(proofs, "ROOM", sum(ProofFile.objects.values_list("size", flat=True)) + 5)
    with pytest.raises(InputError, match="take up"):
        hand_in(other, "more")
    hand_in(theirs, "more")
    assert ProofFile.objects.count() == proofs.MOST + 1
