"""Answers to a notice in the browser, finding by finding, as its reply form takes them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from scanner.accounts.roles import Right
from scanner.console.forms import DayField, PageForm, choose_from
from scanner.console.refusals import why, worded
from scanner.console.requests import PageRequest
from scanner.console.uploads import ProofField
from scanner.delivery.answering import FARTHEST, OF_MANAGERS, Answered, Given, answer, answerable
from scanner.delivery.models import Answer, Notice, NoticeItem
from scanner.delivery.reply_read import CELL_LIMIT
from scanner.engine.errors import InputError
from scanner.reports.dates import Dates

PER_PAGE = 20
"""Findings that are answered on one page."""


class ReplyForm(PageForm):
    """The answer to one finding; nothing is said of it while no answer is chosen."""

    topic = "reply"

    answer = forms.ChoiceField(required=False)
    told = forms.CharField(max_length=CELL_LIMIT, required=False, widget=forms.Textarea(attrs={"rows": 3}))
    until = DayField(required=False)
    responsible = forms.CharField(max_length=200, required=False)
    proof = ProofField()

    def __init__(self, request: PageRequest, item: NoticeItem, answers: tuple[Answer, ...]) -> None:
        given = (request.POST, request.FILES) if request.method == "POST" else ()
        super().__init__(request.words, *given, prefix=f"i{item.pk}")
        self.item = item
        zone = item.notice.organisation.time_zone
        self._today = Dates(request.words.language, zone, request.now).local(request.now).date()
        nothing = ("", request.words("console.reply.answer_none"))
        choose_from(
            self,
            "answer",
            [nothing, *((each.value, request.words(f"console.reply.answer_{each}")) for each in answers)],
        )
        self.fields["until"].widget.attrs["min"] = (self._today + timedelta(days=1)).isoformat()

    def clean_until(self) -> date | None:
        """A day that is named lies ahead, but not for ever."""
        until: date | None = self.cleaned_data["until"]
        if until is not None and until <= self._today:
            raise forms.ValidationError(self.words("console.ask.past"))
        if until is not None and until > self._today + FARTHEST:
            raise forms.ValidationError(self.words("console.ask.far"))
        return until

    def clean(self) -> dict[str, Any]:
        """See that an answer has what belongs to it, as in the reply form."""
        cleaned: dict[str, Any] = super().clean() or {}
        chosen = cleaned.get("answer")
        if not chosen:
            if any(cleaned.get(name) for name in ("told", "until", "responsible", "proof")):
                self.add_error("answer", self.words("console.reply.choose"))
            return cleaned
        for name in self._answered.wanting:
            if name not in self.errors:
                self.add_error(name, self.words(f"console.reply.{name}_wanted"))
        return cleaned

    @property
    def given(self) -> Given | None:
        """The answer that was given, if any."""
        return Given(self._answered.said, self.cleaned_data["proof"]) if self.cleaned_data["answer"] else None

    @property
    def _answered(self) -> Answered:
        told, number = self.cleaned_data, self.item.finding_id
        proof = told.get("proof")
        return Answered(
            row=number,
            finding=number,
            answer=Answer(told["answer"]),
            told=told.get("told", ""),
            until=told.get("until"),
            responsible=told.get("responsible", ""),
            proof=proof.name if proof else "",
        )


def reply(request: PageRequest, number: int) -> HttpResponse:
    """Take answers to findings of a notice, all that were given or, when one is wrong, none."""
    rows = request.sight.rows(Notice, Right.CLAIM).select_related("organisation")
    this = get_object_or_404(rows, pk=number, withdrawn=None, organisation__retired_at=None)
    request.zone = this.organisation.time_zone
    page = Paginator(_items(request, this), PER_PAGE).get_page(request.GET.get("page"))
    answers = tuple(Answer) if request.sight.may(Right.ASK, this.organisation_id) else _others()
    shown = [ReplyForm(request, item, answers) for item in page]
    wrong = [form for form in shown if not form.is_valid()]  # each is asked, so that each says what is wrong
    if request.method == "POST" and not wrong:
        given = [form.given for form in shown if form.given is not None]
        if _taken(request, this, given):
            return HttpResponseRedirect(reverse("notice", args=[number]))
    told = {
        "this": this,
        "page": page,
        "forms": shown,
        "wrong": request.method == "POST" and bool(wrong),
        "address": lambda number: f"?page={number}",
    }
    return render(request, "reply.html", told)


def _items(request: PageRequest, this: Notice) -> list[NoticeItem]:
    """What can be answered now; of a form that comes back, what it showed: others may have answered meanwhile."""
    items = answerable(this)
    if request.method != "POST":
        return items
    shown = set(request.POST.getlist("item")[:PER_PAGE])
    return [each for each in items if str(each.pk) in shown]


def _others() -> tuple[Answer, ...]:
    return tuple(each for each in Answer if each not in OF_MANAGERS)


def _taken(request: PageRequest, this: Notice, given: list[Given]) -> bool:
    """Take answers over, and say what became of it; return whether it was done."""
    t = request.words
    if not given:
        messages.warning(request, t("console.reply.nothing"))
        return False
    try:
        errors = answer(this, given, request.who, request.now)
    except InputError as error:
        messages.error(request, t("console.error.refused", why=why(error, t)))
        return False
    for each in errors:
        messages.error(request, t("console.error.refused", why=worded(each.message, t)))
    if not errors:
        fixed = sum(each.said.answer is Answer.FIXED for each in given)
        messages.success(request, t("console.reply.done", n=len(given)))
        if fixed:
            messages.success(request, t("console.reply.inspected_again", n=fixed))
        if fixed < len(given):
            messages.success(request, t("console.reply.kept"))
    return not errors
