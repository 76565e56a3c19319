"""Organisations: the tree of those in sight, and the page of each with all that is known of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from django import forms
from django.core.paginator import Paginator
from django.db.models import Count, Q, Window
from django.http import Http404, HttpResponse
from django.shortcuts import render

from scanner.accounts.roles import Right
from scanner.console.card import card_of
from scanner.console.forms import ListFilter, choose_from
from scanner.console.requests import PageRequest
from scanner.console.standing import standings
from scanner.console.trends import trend
from scanner.remediation.score import KEY_WEIGHT, MEAN_PART, WORST_PART
from scanner.reports.dates import Dates
from scanner.reports.models import Report
from targets.models import Authorisation, Contact, Exclusion, Organisation, Target

PER_PAGE = 50

WORST = 10
"""Findings that the page of an organisation names, and hosts of which it tells how they are scored."""

LISTED = 100
"""Targets that it lists."""

LAST_REPORTS = 12


class Filter(ListFilter):
    """Which organisations are to be listed."""

    topic = "organisations"

    q = forms.CharField(max_length=100, required=False)
    state = forms.ChoiceField(required=False)

    def offer(self) -> None:
        """Name the states."""
        states = (("", "active"), ("retired", "retired"))
        choose_from(
            self, "state", ((value, self.words(f"console.organisations.state_{name}")) for value, name in states)
        )


def index(request: PageRequest) -> HttpResponse:
    """Show the tree of active organisations, or those that a word fits, or retired ones."""
    form = Filter(request.words, request.GET)
    asked, retired = form.cleaned_data.get("q"), form.cleaned_data.get("state") == "retired"
    rows = request.sight.rows(Organisation).filter(retired_at__isnull=not retired)
    if asked:
        rows = rows.filter(Q(slug__icontains=asked) | Q(name_zh__icontains=asked) | Q(name_en__icontains=asked))
    listed = [(each, 0) for each in rows] if asked or retired else list(_tree(list(rows)))
    page = Paginator(listed, PER_PAGE).get_page(request.GET.get("page"))
    shown = [each for each, _ in page]
    stand = {each.organisation.pk: each for each in standings(request.sight, request.now, shown)}
    told = {
        "page": page,
        "rows": [stand[each.pk] for each in shown],
        "depths": {each.pk: depth for each, depth in page},
        "form": form,
        "total": len(listed),
        "operates": request.sight.may(Right.OPERATE),
    }
    return render(request, "organisations.html", told)


def show(request: PageRequest, slug: str) -> HttpResponse:
    """Show one organisation: how it stands, what is to be fixed, what is registered, and its reports."""
    sight, now = request.sight, request.now
    this, children = _with_children(request, slug)
    mine, request.zone = {"organisation": this}, this.time_zone
    card = card_of(this, sight, Dates(request.words.language, this.time_zone, now), now)
    registered = sight.rows(Target).filter(**mine, retired_at=None).select_related("zone")
    targets = list(registered.annotate(together=Window(Count("pk")))[:LISTED])
    kept = sight.rows(Report).filter(**mine).exclude(html=b"").defer("html", "json").order_by("-pk")
    reports = sorted(kept[:LAST_REPORTS], key=lambda each: (-each.round_id, each.language != request.words.language))
    told = {
        "this": this,
        "card": card,
        "trend": trend(sight, 1, this),
        "counts": card.counts,
        "mean_part": MEAN_PART,
        "worst_part": WORST_PART,
        "key_weight": KEY_WEIGHT,
        "shown_hosts": WORST,
        "findings": card.findings[:WORST],
        "more": card.counts.open - WORST,
        "targets": targets,
        "target_count": targets[0].together if targets else 0,
        "authorisations": sight.rows(Authorisation).filter(**mine, retired_at=None).order_by("-valid_until"),
        "exclusions": sight.rows(Exclusion).filter(**mine, retired_at=None),
        "contacts": sight.rows(Contact).filter(**mine, retired_at=None),
        "children": children,
        "supervisor": this.parent if this.parent_id and sight.may(Right.READ, this.parent_id) else None,
        "reports": reports,
        "may_change": sight.may(Right.OPERATE, this.pk),
        "may_inspect": sight.may(Right.OPERATE, this.pk) and this.retired_at is None,
        "may_keep": sight.may(Right.KEEP, this.pk) and this.retired_at is None,
    }
    return render(request, "organisation.html", told)


def _with_children(request: PageRequest, slug: str) -> tuple[Organisation, list[Organisation]]:
    """Return an organisation with its supervisor, and those that it supervises itself."""
    ours = Q(slug=slug) | Q(parent__slug=slug)
    rows = list(request.sight.rows(Organisation).filter(ours).select_related("parent"))
    this = next((each for each in rows if each.slug == slug), None)
    if this is None:
        raise Http404
    return this, [each for each in rows if each.parent_id == this.pk and each.retired_at is None]


def _tree(rows: list[Organisation]) -> Iterator[tuple[Organisation, int]]:
    """Yield each organisation after its supervisor, with its depth; one whose supervisor is not in sight is a top."""
    there = {each.pk for each in rows}
    below: defaultdict[int | None, list[Organisation]] = defaultdict(list)
    for each in rows:
        below[each.parent_id if each.parent_id in there else None].append(each)
    waiting = [(each, 0) for each in reversed(below[None])]
    while waiting:
        each, depth = waiting.pop()
        yield each, depth
        waiting += [(child, depth + 1) for child in reversed(below[each.pk])]
