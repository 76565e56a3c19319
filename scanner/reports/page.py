"""Renders the templates of pages and mails: sandboxed, escaping everything, and nothing from elsewhere."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any, ClassVar

from jinja2 import PackageLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

from scanner.engine.catalogue.load import Language
from scanner.engine.hostile import printable
from scanner.reports.words import words


def render(template: str, language: Language, **context: object) -> str:
    """Return the page. Raises ``jinja2.UndefinedError`` when the template asks for what the context lacks."""
    return environment("report").get_template(template).render(t=words(language), language=str(language), **context)


def _printable(value: object) -> object:
    """Escape control characters once more, whatever a record from elsewhere may hold."""
    return printable(value, 6 * len(value)) if isinstance(value, str) and not isinstance(value, Markup) else value


class _Environment(SandboxedEnvironment):
    """The sandbox. It remembers what it decided, as an attribute is safe or not by its name and its owner's type."""

    _decided: ClassVar[dict[tuple[type, str], bool]] = {}

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        key = type(obj), attr
        if key not in self._decided:
            self._decided[key] = super().is_safe_attribute(obj, attr, value)
        return self._decided[key]


@cache
def environment(folder: str) -> SandboxedEnvironment:
    """Return what renders the templates of ``folder``. Values are escaped for HTML, their control characters too."""
    made = _Environment(
        loader=PackageLoader("report_templates", folder),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    style = resources.files("report_templates") / "css" / "report.css"
    # Our own style sheet is the one text that must not be escaped.
    made.globals["css"] = Markup(style.read_text(encoding="utf-8"))  # noqa: S704
    return made
