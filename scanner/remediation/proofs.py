"""Files that people hand in about a finding: proof of what they say."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Sum

from scanner.audit.trail import Action, record
from scanner.engine.errors import Refused
from scanner.remediation.models import Finding, ProofFile
from targets.documents import Document

MOST = 20
"""Files of one finding."""

ROOM = 500 * 1024 * 1024
"""Bytes of all files of one organisation: people of units hand them in, and the disk is everybody's."""


def keep_proof(finding: Finding, proof: Document, *, by: str, now: datetime) -> None:
    """Keep a file with a finding; one that is there already is kept once.

    Raises ``Refused`` when the finding has too many, or its organisation takes up too much room.
    """
    with transaction.atomic():
        Finding.objects.select_for_update().get(pk=finding.pk)
        held = ProofFile.objects.filter(finding=finding)
        if held.filter(digest=proof.digest).exists():
            return
        if held.count() >= MOST:
            raise Refused(
                f"Finding {finding.pk} has {MOST} files already; no more are kept with it.",
                "too-many-files",
                number=finding.pk,
                most=MOST,
            )
        size = len(proof.content)
        theirs = ProofFile.objects.filter(finding__organisation=finding.organisation_id)
        if (theirs.aggregate(taken=Sum("size"))["taken"] or 0) + size > ROOM:
            room = ROOM // 1024 // 1024
            raise Refused(f"The files of this organisation take up {room} MB; no more are kept.", "no-room", room=room)
        ProofFile.objects.create(
            finding=finding,
            name=proof.name,
            kind=proof.kind,
            size=size,
            digest=proof.digest,
            content=proof.content,
            added=now,
            added_by=by,
        )
        record(Action.PROOF_KEPT, f"finding {finding.pk}", actor=by, at=now, sha256=proof.digest, size=size)
