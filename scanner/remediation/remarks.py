"""What an organisation and the office say about a finding between themselves."""

from __future__ import annotations

import hashlib
from datetime import datetime

from django.db import transaction

from scanner.audit.trail import Action, record
from scanner.engine.errors import Refused
from scanner.remediation.acts import cleaned
from scanner.remediation.models import Finding, Remark, RemarkKind

MOST = 500
"""Comments that a finding takes, so that a program that went wrong fills no disk."""


def comment(finding: Finding, text: str, by: str, now: datetime) -> Remark:
    """Add a comment of at most 2,000 characters. Raises ``Refused``.

    The audit trail keeps its digest (SHA-256 of its UTF-8) and not its words, as entries are shown to others.
    """
    by, text = cleaned("name of who does this", by, most=200), cleaned("comment", text)
    with transaction.atomic():
        row = Finding.objects.select_for_update().get(pk=finding.pk)
        if row.remarks.filter(kind=RemarkKind.COMMENT).count() >= MOST:
            raise Refused(f"Finding {row.pk} has {MOST} comments, and takes no more.", "too-many-comments", most=MOST)
        made = Remark.objects.create(finding=row, kind=RemarkKind.COMMENT, at=now, actor=by, text=text)
        digest = hashlib.sha256(text.encode()).hexdigest()
        record(Action.FINDING_COMMENTED, f"finding {row.pk}", actor=by, at=now, number=made.pk, digest=digest)
    return made
