"""Plans: when what is inspected, a calendar of what will run, and adding, changing, pausing and removing one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from scanner.accounts.roles import Right
from scanner.console.forms import DayField, PageForm, choose_from
from scanner.console.refusals import why
from scanner.console.requests import PageRequest
from scanner.engine.errors import InputError, Refused, RoundsmanError
from scanner.engine.model import Severity
from scanner.engine.plan import Profile
from scanner.reports.dates import Dates
from scanner.rounds import planning
from scanner.rounds.calendar import calendar
from scanner.rounds.clock import coming, run_plan
from scanner.rounds.models import Plan, PlanKind
from targets.query import UnknownOrganisation
from targets.registry.times import format_end, parse_end

DAYS = (14, 31)
"""How far the calendar looks ahead; the first unless the other is asked for."""

SHOWN = 20
"""Rounds of a day, and of a plan, that a page names."""

NEXT = 10
"""Due times that the page of a plan names."""

YEAR = timedelta(days=366)

DEADLINES = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW)


def index(request: PageRequest) -> HttpResponse:
    """List the plans, with what will run in the next days."""
    plans = list(_plans(request).prefetch_related("organisations"))
    days = DAYS[1] if request.GET.get("days") == str(DAYS[1]) else DAYS[0]
    told = {
        "plans": plans,
        "days": calendar(plans, request.now, days, ZoneInfo(settings.TIME_ZONE)),
        "ahead": days,
        "choices": DAYS,
        "shown": SHOWN,
        "next_of": lambda plan: _next_of(request, plan),
        "operates": request.sight.may(Right.OPERATE),
    }
    return render(request, "plans.html", told)


def show(request: PageRequest, number: int) -> HttpResponse:
    """Show one plan: what it is, what comes next, and its rounds. Times are those of its own time zone."""
    this = get_object_or_404(_plans(request, retired=True).prefetch_related("organisations"), pk=number)
    ahead = coming([this], request.now, request.now + YEAR, NEXT)
    told = {
        "this": this,
        "organisations": this.organisations.all(),
        "coming": ahead,
        "rounds": list(this.rounds.order_by("-pk")[:SHOWN]),
        "dates": Dates(request.words.language, this.time_zone, request.now),
        "next_of": lambda plan: _next_of(request, plan),
        "may_change": this.retired_at is None and request.sight.may(Right.OPERATE),
    }
    return render(request, "plan.html", told)


_USUAL = {"profile": Profile.STANDARD, "jitter": 0, "rate": 0, "priority": 0}

_NEEDS = {
    PlanKind.ROUTINE.value: ("schedule",),
    PlanKind.SPOT_CHECK.value: ("schedule", "share"),
    PlanKind.CAMPAIGN.value: ("checks",),
}


class PlanForm(PageForm):
    """What a plan is to be; see :class:`scanner.rounds.planning.PlanRequest`."""

    topic = "plan_form"
    rare = ("blackouts", "jitter", "critical", "high", "medium", "low", "rate", "priority")

    name = forms.SlugField(max_length=64)
    kind = forms.ChoiceField()
    schedule = forms.CharField(max_length=200, required=False)
    time_zone = forms.CharField(max_length=64)
    until = DayField(required=False)
    organisations = forms.CharField(max_length=20_000, required=False)
    profile = forms.ChoiceField()
    ports = forms.CharField(max_length=1000, required=False)
    share = forms.FloatField(required=False, min_value=0.1, max_value=100)
    checks = forms.CharField(max_length=20_000, required=False)
    blackouts = forms.CharField(max_length=5000, required=False, widget=forms.Textarea(attrs={"rows": 3}))
    jitter = forms.IntegerField(min_value=0, max_value=planning.LONGEST_JITTER // 60)
    critical = forms.IntegerField(required=False, min_value=1, max_value=planning.LONGEST_DEADLINE)
    high = forms.IntegerField(required=False, min_value=1, max_value=planning.LONGEST_DEADLINE)
    medium = forms.IntegerField(required=False, min_value=1, max_value=planning.LONGEST_DEADLINE)
    low = forms.IntegerField(required=False, min_value=1, max_value=planning.LONGEST_DEADLINE)
    notice_from = forms.ChoiceField(required=False)
    rate = forms.FloatField(min_value=0, max_value=planning.HIGHEST_RATE)
    priority = forms.IntegerField(min_value=-planning.HIGHEST_PRIORITY, max_value=planning.HIGHEST_PRIORITY)

    def __init__(self, request: PageRequest, changed: Plan | None = None) -> None:
        known = _USUAL if changed is None else _as_entered(changed)
        super().__init__(request.words, request.POST or None, initial={"time_zone": settings.TIME_ZONE, **known})
        self._changed = changed
        for name in ("name", "kind"):
            self.fields[name].disabled = changed is not None
        t = request.words
        choose_from(self, "kind", ((each.value, t(f"plan_kind.{each}")) for each in planning.KINDS))
        choose_from(self, "profile", ((each.value, t(f"console.profile.{each}")) for each in Profile))
        severities = ((each.value, t("console.plan_form.from", severity=t(f"severity.{each}"))) for each in Severity)
        choose_from(self, "notice_from", [("", t("console.plan_form.no_notices")), *severities])

    def clean(self) -> dict[str, Any]:
        """Say what a kind of plan needs, in the reader's words."""
        cleaned: dict[str, Any] = super().clean() or {}
        for each in _NEEDS.get(cleaned.get("kind", ""), ()):
            if not cleaned.get(each) and each not in self.errors:
                self.add_error(each, self.words("console.plan_form.needed"))
        return cleaned

    def wanted(self, by: str) -> planning.PlanRequest:
        """Return what is asked for. Raises ``Refused`` for a time zone that there is none of."""
        told = self.cleaned_data
        return planning.PlanRequest(
            name=told["name"],
            kind=PlanKind(told["kind"]),
            created_by=by,
            organisations=tuple(_words(told["organisations"])),
            schedule=told["schedule"],
            time_zone=told["time_zone"],
            until=self._end(told["time_zone"]),
            jitter=self._jitter(),
            blackouts=tuple(line.strip() for line in told["blackouts"].splitlines() if line.strip()),
            profile=Profile(told["profile"]),
            ports=told["ports"].strip(),
            share=told["share"] / 100 if told["share"] else None,
            checks=tuple(_words(told["checks"])),
            deadlines={each: told[each.value] for each in DEADLINES if told[each.value]},
            rate=told["rate"],
            priority=told["priority"],
            notice_from=Severity(told["notice_from"]) if told["notice_from"] else None,
        )

    def _jitter(self) -> int:
        """In seconds; one that was given to the second stays so while nobody touches it."""
        kept = self._changed is not None and "jitter" not in self.changed_data
        return self._changed.jitter if self._changed and kept else self.cleaned_data["jitter"] * 60

    def _end(self, zone: str) -> datetime | None:
        """The end of the last day; an end within a day stays while nobody touches it."""
        if self._changed is not None and not {"until", "time_zone"} & set(self.changed_data):
            return self._changed.until
        day = self.cleaned_data["until"]
        try:
            return parse_end(day.isoformat(), ZoneInfo(zone)) if day else None
        except (ValueError, LookupError, OSError) as error:
            raise Refused(
                f"{zone!r} is no IANA time zone; an example of one is Asia/Shanghai.", "no-time-zone", text=zone
            ) from error


def add(request: PageRequest) -> HttpResponse:
    """Add a plan."""
    return _edited(request, PlanForm(request), planning.make_plan, "add")


def change(request: PageRequest, number: int) -> HttpResponse:
    """Change a plan; its name and its kind stay."""
    this = get_object_or_404(_plans(request), pk=number)
    return _edited(request, PlanForm(request, this), planning.change_plan, "change")


def pause(request: PageRequest, number: int) -> HttpResponse:
    """Make no more rounds of a plan until it is resumed."""
    return _done(request, number, lambda name: planning.pause_plan(name, by=request.who, now=request.now), "paused")


def resume(request: PageRequest, number: int) -> HttpResponse:
    """Let a paused plan go on."""
    return _done(request, number, lambda name: planning.resume_plan(name, by=request.who, now=request.now), "resumed")


def run(request: PageRequest, number: int) -> HttpResponse:
    """Make a round of a plan now, whatever its schedule says."""
    this = get_object_or_404(_plans(request), pk=number)
    try:
        made = run_plan(this, (), request.who, request.now)
    except RoundsmanError as error:
        messages.error(request, request.words("console.error.refused", why=why(error, request.words)))
        return HttpResponseRedirect(reverse("plan", args=[number]))
    return HttpResponseRedirect(f"{reverse('round', args=[made.pk])}?watch=on")


def remove(request: PageRequest, number: int) -> HttpResponse:
    """Say what removing does, then do it."""
    this, t = get_object_or_404(_plans(request), pk=number), request.words
    if request.method == "POST":
        planning.remove_plan(this.name, by=request.who, now=request.now)
        messages.success(request, t("console.plans.removed", name=this.name))
        return HttpResponseRedirect(reverse("plans"))
    told = {
        "title": t("console.plans.remove_title", name=this.name),
        "intro": t("console.plans.remove_help"),
        "form": PageForm(t),
        "button": t("console.plans.remove"),
        "back": reverse("plan", args=[number]),
        "danger": True,
    }
    return render(request, "form.html", told)


def _edited(
    request: PageRequest, form: PlanForm, act: Callable[[planning.PlanRequest, Any], Plan], name: str
) -> HttpResponse:
    t = request.words
    if request.method == "POST" and form.is_valid():
        try:
            plan = act(form.wanted(request.who), request.now)
        except UnknownOrganisation as error:
            form.add_error("organisations", why(error, t))
        except InputError as error:
            form.refuse(error)
        else:
            messages.success(request, t(f"console.plans.{name}_done"))
            return HttpResponseRedirect(reverse("plan", args=[plan.pk]))
    told = {
        "title": t(f"console.plans.{name}"),
        "intro": t("console.plan_form.intro"),
        "form": form,
        "button": t("console.register.save"),
        "back": reverse("plans"),
        "danger": False,
    }
    return render(request, "form.html", told)


def _done(request: PageRequest, number: int, act: Callable[[str], object], name: str) -> HttpResponse:
    this = get_object_or_404(_plans(request), pk=number)
    try:
        act(this.name)
    except InputError as error:
        messages.error(request, request.words("console.error.refused", why=why(error, request.words)))
    else:
        messages.success(request, request.words(f"console.plans.{name}"))
    return HttpResponseRedirect(reverse("plan", args=[number]))


def _plans(request: PageRequest, *, retired: bool = False) -> QuerySet[Plan]:
    rows = request.sight.rows(Plan)
    return rows if retired else rows.filter(retired_at=None)


def _as_entered(plan: Plan) -> dict[str, Any]:
    """What a form shows of a plan as it is."""
    zone = ZoneInfo(plan.time_zone)
    ends = date.fromisoformat(format_end(plan.until, zone)[:10]) if plan.until else None
    return {
        "name": plan.name,
        "kind": plan.kind,
        "schedule": plan.schedule,
        "time_zone": plan.time_zone,
        "until": ends,
        "organisations": " ".join(plan.organisations.values_list("slug", flat=True)),
        "profile": plan.profile,
        "ports": plan.ports,
        "share": round(plan.share * 100, 4) if plan.kind == PlanKind.SPOT_CHECK else None,
        "checks": " ".join(plan.checks),
        "blackouts": "\n".join(plan.blackouts),
        "jitter": plan.jitter // 60,
        **plan.deadlines,
        "notice_from": plan.notice_from,
        "rate": plan.rate,
        "priority": plan.priority,
    }


def _next_of(request: PageRequest, plan: Plan) -> str:
    """When a plan is due next, in its own time zone, which is told."""
    t = request.words
    if plan.retired_at is not None:
        return t("console.plans.is_removed")
    if plan.paused:
        return t("console.plans.is_paused")
    if plan.next_due is None:
        return t("console.plans.has_ended" if plan.schedule else "console.plans.when_asked")
    dates = Dates(t.language, plan.time_zone, request.now)
    return t("console.plans.due", at=dates.moment(plan.next_due), zone=dates.zone)


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()
