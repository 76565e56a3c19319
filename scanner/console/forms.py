"""Forms of the console: labels in the reader's words, every field bounded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

from django import forms

from scanner.console.refusals import problem_worded, why
from scanner.console.uploads import ProofField
from scanner.engine.errors import InputError
from scanner.reports.words import Words
from targets.models import Language
from targets.registry.problems import BadInput

LANGUAGES = MappingProxyType({Language.CHINESE.value: "中文", Language.ENGLISH.value: "English"})
"""Each by its own name."""

_ISO = "%Y-%m-%d"


class PageForm(forms.Form):
    """A form whose labels and helps are the texts ``console.<topic>.<field>`` and ``…<field>_help``.

    The fields of ``rare``, which stand behind the others, are folded away: their values suit most.
    """

    topic = ""
    rare: tuple[str, ...] = ()

    def __init__(self, t: Words, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type] # handed on as they come
        self.words = t
        for name, field in self.fields.items():
            key = f"console.{self.topic}.{name}"
            field.label = t(key)
            if t.has(f"{key}_help"):
                field.help_text = t(f"{key}_help")
            if isinstance(field, ProofField):
                field.words = t

    def clean(self) -> dict[str, object] | None:
        """A field of one line holds one line, of letters that are seen."""
        cleaned = super().clean()
        for name, value in [*self.cleaned_data.items()]:
            lines = isinstance(self.fields[name].widget, forms.Textarea)
            if isinstance(value, str) and not lines and not value.isprintable():
                self.add_error(name, self.words("console.register.one_line"))
        return cleaned

    @property
    def unfolded(self) -> bool:
        """Tell whether one of the rare fields has something to say."""
        return any(name in self.errors for name in self.rare)

    def refuse(self, error: InputError) -> None:
        """Show why an act refused what was entered."""
        self.add_error(None, self.words("console.error.refused", why=why(error, self.words)))


class DayField(forms.DateField):
    """A day, sent as browsers send it whatever the language (HTML, 4.10.5.1.7)."""

    def __init__(self, *, required: bool = True) -> None:
        widget = forms.DateInput(format=_ISO, attrs={"type": "date"})
        super().__init__(required=required, widget=widget, input_formats=[_ISO])


class ListFilter(PageForm):
    """What a list is to show; everything may be left out, and what can't be read counts as left out."""

    def __init__(self, t: Words, asked: Mapping[str, Any]) -> None:
        super().__init__(t, asked)
        self.offer()
        self.is_valid()

    def offer(self) -> None:
        """Fill the fields that have choices; those that have are made so."""

    @property
    def chosen(self) -> dict[str, str]:
        """What was chosen, for the address of another page of the list."""
        return {name: "on" if value is True else str(value) for name, value in self.cleaned_data.items() if value}

    def address(self, number: int) -> str:
        """Return the address of a page of the list."""
        return f"?{urlencode({**self.chosen, 'page': number})}"


def choose_from(form: forms.Form, field: str, choices: Iterable[tuple[str, str]]) -> None:
    """Give a field its choices: values, and what they are called."""
    form.fields[field].choices = list(choices)  # type: ignore[attr-defined] # the stubs know no field by its name


def note_problems(form: PageForm, error: BadInput, fields: Mapping[str, str] = MappingProxyType({})) -> None:
    """Show what is wrong beside the fields that it is about; ``fields`` tells where those of files stand in a form."""
    for problem in error.problems:
        name = problem.field.rpartition(".")[2]
        name = fields.get(name, name)
        form.add_error(name if name in form.fields else None, problem_worded(problem, form.words))
