"""Forms of the console: labels in the reader's words, every field bounded."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django import forms

from scanner.engine.errors import InputError
from scanner.reports.words import Words


class PageForm(forms.Form):
    """A form whose labels and helps are the texts ``console.<topic>.<field>`` and ``…<field>_help``."""

    topic = ""

    def __init__(self, t: Words, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type] # handed on as they come
        self.words = t
        for name, field in self.fields.items():
            key = f"console.{self.topic}.{name}"
            field.label = t(key)
            if t.has(f"{key}_help"):
                field.help_text = t(f"{key}_help")

    def refuse(self, error: InputError) -> None:
        """Show why an act refused what was entered."""
        self.add_error(None, self.words("console.error.refused", why=error.args[0]))


def end_of(day: date, zone: str) -> datetime:
    """Return the end of a day in a time zone, which is when what lasts up to and including it ends."""
    return datetime.combine(day + timedelta(days=1), time(), ZoneInfo(zone))
