"""Organisations: the tree of those in sight, and the page of each with all that is known of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from django import forms
from django.core.paginator import Paginator
from django.db.models import Count, F, Q, Window
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render

from scanner.accounts.roles import Right
from scanner.console.forms import ListFilter, choose_from
from scanner.console.ranked import worst_first
from scanner.console.requests import PageRequest
from scanner.console.standing import standings
from scanner.console.trends import trend
from scanner.remediation.lifecycle import TO_FIX
from scanner.remediation.models import Finding
from scanner.reports.formats import ReportFormat
from scanner.reports.models import Report
from targets.models import Authorisation, Contact, Exclusion, Organisation, Target

PER_PAGE = 50

WORST = 10
"""Findings that the page of an organisation names."""

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
    this = get_object_or_404(sight.rows(Organisation).select_related("parent"), slug=slug)
    mine, request.zone = {"organisation": this}, this.time_zone
    (standing,) = standings(sight, now, [this])
    worst = list(worst_first(sight.rows(Finding).filter(**mine, state__in=TO_FIX))[:WORST])
    registered = sight.rows(Target).filter(**mine, retired_at=None).select_related("zone")
    targets = list(registered.annotate(together=Window(Count("pk")))[:LISTED])
    kept = sight.rows(Report).filter(**mine).exclude(html=b"").order_by("-pk")
    # A row for each form that a report has, so that one question is enough.
    rows = kept.values("pk", "round_id", "generated", "language", form=F("files__form"))
    reports: dict[int, Mapping[str, Any]] = {}
    forms: defaultdict[int, list[str]] = defaultdict(list)
    for row in rows[: LAST_REPORTS * len(ReportFormat)]:
        reports[row["pk"]] = row
        forms[row["pk"]] += [row["form"]] if row["form"] else []
    told = {
        "this": this,
        "standing": standing,
        "trend": trend(sight, 1, this),
        "findings": worst,
        "more": standing.findings.open - len(worst),
        "targets": targets,
        "target_count": targets[0].together if targets else 0,
        "authorisations": sight.rows(Authorisation).filter(**mine, retired_at=None).order_by("-valid_until"),
        "exclusions": sight.rows(Exclusion).filter(**mine, retired_at=None),
        "contacts": sight.rows(Contact).filter(**mine, retired_at=None),
        "children": sight.rows(Organisation).filter(parent=this, retired_at=None),
        "supervisor": this.parent if this.parent_id and sight.may(Right.READ, this.parent_id) else None,
        "reports": list(reports.values())[:LAST_REPORTS],
        "forms": forms,
        "may_change": sight.may(Right.OPERATE, this.pk),
        "may_inspect": sight.may(Right.OPERATE, this.pk) and this.retired_at is None,
    }
    return render(request, "organisation.html", told)


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
