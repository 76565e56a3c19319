"""Who works on a finding, and what its organisation and the office say about it between themselves."""

from __future__ import annotations

from django.http import HttpResponse

from scanner.accounts.assigning import assign, colleagues
from scanner.accounts.models import User
from scanner.accounts.roles import Right
from scanner.console.requests import NUMBER, PageRequest
from scanner.console.views.findings import NOBODY, done, finding_of
from scanner.engine.errors import Refused
from scanner.remediation.models import Finding
from scanner.remediation.remarks import comment


def give(request: PageRequest, number: int) -> HttpResponse:
    """Give a finding to a colleague, or to nobody."""
    finding = finding_of(request, number, Right.CLAIM)
    return done(request, finding, lambda: assign(finding, chosen(request, finding), request.who, request.now), "given")


def say(request: PageRequest, number: int) -> HttpResponse:
    """Add a comment to a finding."""
    finding = finding_of(request, number, Right.CLAIM)
    text = request.POST.get("text", "")
    return done(request, finding, lambda: comment(finding, text, request.who, request.now), "said")


def chosen(request: PageRequest, finding: Finding) -> User | None:
    """Return whom a form names, None for nobody. Raises ``Refused`` for somebody whom the reader can't give it to."""
    number = request.POST.get("assignee", "")
    if number == NOBODY:
        return None
    there = colleagues(finding.organisation_id, office=request.sight.may(Right.OPERATE))
    found = there.filter(pk=int(number)).first() if NUMBER.fullmatch(number) else None
    if found is None:
        raise Refused(f"Finding {finding.pk} can't be given to account {number[:20]!r}.", "no-colleague")
    return found
