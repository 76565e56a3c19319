"""Register files that were handed in: kept until somebody has seen what they would change, and decided."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from targets.models import Organisation, RegisterDraft
from targets.registry.document import bounded
from targets.registry.export import only
from targets.registry.proposal import Proposal, propose
from targets.registry.reading import Source, read_sources
from targets.registry.specs import Register
from targets.registry.store import current_register, limits
from targets.registry.table import parse_targets, with_targets

KEPT = timedelta(days=1)
"""After this a draft that nobody decided about is removed; the register has moved on."""


@transaction.atomic
def keep_draft(name: str, content: bytes, owner: Organisation | None, *, by: str, now: datetime) -> RegisterDraft:
    """Keep a file: YAML, or CSV with targets of ``owner``. Raises ``BadInput`` when it is empty or over 5 MB."""
    bounded(content, name)
    RegisterDraft.objects.filter(created__lt=now - KEPT).delete()
    return RegisterDraft.objects.create(name=name, organisation=owner, content=content, created=now, created_by=by)


def proposal_of(draft: RegisterDraft) -> Proposal:
    """Return what the draft would change now. Raises ``BadInput`` with everything that is wrong with it."""
    current = current_register()
    content = bytes(draft.content)
    if draft.organisation is None:
        wanted, problems = read_sources([Source(draft.name, lambda: content)], limits())
        return propose(wanted, problems, current)
    owner = only(current, draft.organisation.slug).organisations[0]
    rows = parse_targets(content, draft.name, limits())
    return propose(Register(organisations=(with_targets(owner, rows),)), current=current)
