"""Changes of the register on pages: shown as they would be made, and made when just these are agreed to."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import cast

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from scanner.accounts.roles import Right
from scanner.console.forms import PageForm, note_problems
from scanner.console.requests import PageRequest
from targets.models import Organisation
from targets.registry.plan import EVERYONE, SECTIONS, Action, Change
from targets.registry.problems import BadInput, Place
from targets.registry.proposal import Proposal, propose
from targets.registry.specs import ExclusionSpec, OrganisationSpec, Register, Spec
from targets.registry.store import RegisterChanged
from targets.registry.written import FORM

_SILENT = dict.fromkeys(SECTIONS)
"""An organisation that says nothing of its rows leaves them as they are."""

SHOWN = 200
"""Changes that a page shows; a larger register has thousands."""

WRITTEN = Place(FORM)
"""Where values of our forms were written."""


def revised(
    register: Register,
    section: str,
    put: Iterable[tuple[str, Spec]] = (),
    drop: Iterable[tuple[str, str]] = (),
) -> Register:
    """Return what is wanted when a section of organisations changes and all else stays.

    ``put`` are rows that are added, or take the place of their like, each with the slug of its organisation; ``drop``
    are keys of those that go. ``EVERYONE`` stands for no organisation.
    """
    added: defaultdict[str, dict[str, Spec]] = defaultdict(dict)
    gone: defaultdict[str, set[str]] = defaultdict(set)
    for slug, spec in put:
        added[slug][spec.key] = spec
    for slug, key in drop:
        gone[slug].add(key)
    owners: list[OrganisationSpec] = []
    everyones: tuple[ExclusionSpec, ...] | None = None
    for slug in sorted({*added, *gone}):
        held = register if slug == EVERYONE else owner_in(register, slug)
        rows = {each.key: each for each in getattr(held, section) or ()} | added[slug]
        kept = tuple(each for key, each in rows.items() if key not in gone[slug])
        if isinstance(held, OrganisationSpec):
            owners.append(replace(held, **{**_SILENT, section: kept}))  # type: ignore[arg-type] # sections by name
        else:
            everyones = cast("tuple[ExclusionSpec, ...]", kept)
    return Register(organisations=tuple(owners), exclusions=everyones)


def owner_in(register: Register, slug: str) -> OrganisationSpec:
    """Return an organisation of the register. Raises ``Http404`` for one that is not there."""
    found = next((each for each in register.organisations if each.slug == slug), None)
    if found is None:
        raise Http404
    return found


def written(request: PageRequest, form: PageForm, wanted: Register, register: Register, **fields: str) -> bool:
    """Write what a form asks for; tell the form why not when it can't be. ``fields`` are as in ``note_problems``."""
    try:
        propose(wanted, current=register).carry_out(request.now, actor=request.who)
    except BadInput as error:
        note_problems(form, error, fields)
    except RegisterChanged:
        form.add_error(None, request.words("console.register.moved"))
    else:
        return True
    return False


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
