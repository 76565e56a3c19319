"""Many rows of the register at once, from a file or from text: what it would change is shown, then made, or not."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from scanner.accounts.roles import Right
from scanner.console.forms import PageForm, note_problems
from scanner.console.proposals import settle
from scanner.console.refusals import problem_worded
from scanner.console.requests import PageRequest
from targets.models import Organisation, RegisterDraft
from targets.registry.document import LARGEST_FILE
from targets.registry.drafts import keep_draft, proposal_of
from targets.registry.problems import BadInput

SHOWN = 200
"""Problems that a page shows."""

LONGEST_TEXT = 700_000
"""Characters; in UTF-8 they stay below what Django takes of a form besides its files (2.5 MB)."""

_LONGEST_NAME = 200


class ImportForm(PageForm):
    """A register file, uploaded or pasted. With an organisation it is a list of its targets (CSV), else YAML."""

    topic = "import"

    organisation = forms.SlugField(max_length=64, required=False)
    file = forms.FileField(required=False, max_length=_LONGEST_NAME, allow_empty_file=True)
    text = forms.CharField(required=False, max_length=LONGEST_TEXT, widget=forms.Textarea(attrs={"rows": 10}))

    def __init__(self, request: PageRequest) -> None:
        posted = request.method == "POST"
        given = (request.POST, request.FILES) if posted else ()
        super().__init__(request.words, *given, initial={"organisation": request.GET.get("of", "")})
        self._known = request.sight.rows(Organisation, Right.OPERATE).filter(retired_at=None)

    def clean_organisation(self) -> Organisation | None:
        """Find the organisation, if one is named."""
        slug = self.cleaned_data["organisation"]
        found = self._known.filter(slug=slug).first() if slug else None
        if slug and found is None:
            raise forms.ValidationError(self.words("console.register.no_organisation"))
        return found

    def clean(self) -> dict[str, Any]:
        """Take the file or the text, not both; of a file that calls itself CSV, whose it is."""
        cleaned: dict[str, Any] = super().clean() or {}
        file = cleaned.get("file")
        if file and "organisation" in cleaned and not cleaned["organisation"] and file.name.casefold().endswith(".csv"):
            self.add_error("organisation", self.words("console.import.whose"))
        if bool(cleaned.get("file")) == bool(cleaned.get("text", "").strip()):
            raise forms.ValidationError(self.words("console.import.one_of_both"))
        return cleaned

    @property
    def content(self) -> tuple[str, bytes]:
        """What it is called, and what it holds; of a file that is too large just enough to tell."""
        file = self.cleaned_data.get("file")
        if file:
            return str(file.name), bytes(file.read(LARGEST_FILE + 1))
        return self.words("console.import.pasted"), self.cleaned_data["text"].encode()


def upload(request: PageRequest) -> HttpResponse:
    """Take a file or text; nothing is changed by that."""
    form, t = ImportForm(request), request.words
    if request.method == "POST" and form.is_valid():
        name, content = form.content
        try:
            draft = keep_draft(name, content, form.cleaned_data["organisation"], by=request.who, now=request.now)
        except BadInput as error:
            note_problems(form, error)
        else:
            return HttpResponseRedirect(reverse("import-draft", args=[draft.pk]))
    told = {
        "title": t("console.import.title"),
        "intro": t("console.import.intro"),
        "form": form,
        "button": t("console.import.button"),
        "back": reverse("targets"),
        "danger": False,
        "file": True,
    }
    return render(request, "form.html", told)


def show(request: PageRequest, number: int) -> HttpResponse:
    """Show what a draft would change, or what is wrong with it; make the changes when just these are agreed to."""
    rows, t = request.sight.rows(RegisterDraft).select_related("organisation"), request.words
    draft = get_object_or_404(rows, pk=number)
    title = t("console.import.named", name=draft.name)
    try:
        proposal = proposal_of(draft)
    except BadInput as error:
        problems = [(each, problem_worded(each, t)) for each in error.problems[:SHOWN]]
        told = {"title": title, "problems": problems, "all": len(error.problems)}
        return render(request, "problems.html", told)
    answer = settle(
        request,
        proposal,
        title=title,
        entered=(),
        back=reverse("import"),
        done=t("console.import.done", n=len(proposal.changes)),
        then=reverse("targets"),
    )
    if answer.status_code == HttpResponseRedirect.status_code:
        draft.delete()
    return answer
