"""Changes of the register on pages: shown as they would be made, and made when just these are agreed to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from scanner.accounts.roles import Right
from scanner.console.requests import PageRequest
from targets.models import Organisation, Target
from targets.registry.plan import Action, Change
from targets.registry.problems import Place
from targets.registry.proposal import Proposal
from targets.registry.specs import OrganisationSpec, Register, TargetSpec
from targets.registry.store import RegisterChanged

SHOWN = 200
"""Changes that a page shows; a larger register has thousands."""

WRITTEN = Place("form")
"""Where values of our forms were written."""


def section_of(spec: OrganisationSpec, **sections: object) -> OrganisationSpec:
    """Return the organisation with these sections, and nothing said of the others, so that they stay."""
    silent = {"contacts": None, "targets": None, "authorisations": None, "exclusions": None}
    return replace(spec, **{**silent, **sections})  # type: ignore[arg-type] # sections of a spec by their names


def owner_in(register: Register, slug: str) -> OrganisationSpec:
    """Return an organisation of the register. Raises ``Http404`` for one that is not there."""
    found = next((each for each in register.organisations if each.slug == slug), None)
    if found is None:
        raise Http404
    return found


def with_targets(register: Register, changed: Iterable[tuple[str, TargetSpec]]) -> Register:
    """Return what is wanted when these targets of organisations, by slug, are added or take the place of their like."""
    by_owner: dict[str, dict[str, TargetSpec]] = {}
    for slug, spec in changed:
        by_owner.setdefault(slug, {})[spec.address] = spec
    return Register(
        organisations=tuple(
            section_of(owner, targets=tuple(({each.address: each for each in owner.targets or ()} | specs).values()))
            for slug, specs in by_owner.items()
            for owner in (owner_in(register, slug),)
        )
    )


def without_targets(register: Register, rows: Sequence[Target]) -> Register:
    """Return what is wanted when these targets are not registered any more."""
    gone: dict[str, set[str]] = {}
    for row in rows:
        gone.setdefault(row.organisation.slug, set()).add(row.value)
    return Register(
        organisations=tuple(
            section_of(owner, targets=tuple(each for each in owner.targets or () if each.address not in values))
            for slug, values in gone.items()
            for owner in (owner_in(register, slug),)
        )
    )


def counted(changes: Iterable[Change]) -> dict[str, int]:
    """Return how many rows would be added, changed and retired."""
    counts = Counter(change.action for change in changes)
    return {str(action): counts[action] for action in Action}


def settle(
    request: PageRequest,
    proposal: Proposal,
    *,
    title: str,
    entered: Sequence[tuple[str, str]],
    back: str,
    done: str,
    then: str = "",
    danger: bool = False,
) -> HttpResponse:
    """Show what would change, and do it when exactly that was agreed to.

    ``entered`` is what has to be sent again with the agreement; ``done`` is said when it is made, on the page ``then``.
    """
    stale = False
    if request.POST.get("agreed"):
        stale = request.POST["agreed"] != proposal.digest
        if not stale:
            try:
                proposal.carry_out(request.now, actor=request.who)
            except RegisterChanged:
                stale = True
            else:
                messages.success(request, done)
                return HttpResponseRedirect(then or back)
    told = {
        "title": title,
        "changes": proposal.changes[:SHOWN],
        "left_out": max(0, len(proposal.changes) - SHOWN),
        "counts": counted(proposal.changes),
        "entered": entered,
        "digest": proposal.digest,
        "back": back,
        "stale": stale,
        "danger": danger,
    }
    return render(request, "changes.html", told)


def may_register(request: PageRequest, owner: Organisation) -> bool:
    """Tell whether rows of an organisation can be added and changed."""
    return owner.retired_at is None and request.sight.may(Right.OPERATE, owner.pk)
