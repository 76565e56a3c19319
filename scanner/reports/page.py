"""Renders the templates of pages and mails: sandboxed, escaping everything, and nothing from elsewhere."""

from __future__ import annotations

from functools import cache
from importlib import resources

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


class _Sandbox(SandboxedEnvironment):
    """The sandbox, which looks at the fields of our frozen records without asking what else they might be."""

    def is_safe_attribute(self, obj: object, attr: str, value: object) -> bool:
        """Return whether a template may read ``attr``; the fields of a dataclass are data and no way out."""
        fields = getattr(type(obj), "__dataclass_fields__", ())
        return (attr in fields and not attr.startswith("_")) or super().is_safe_attribute(obj, attr, value)


@cache
def environment(folder: str) -> SandboxedEnvironment:
    """Return what renders the templates of ``folder``. Values are escaped for HTML, their control characters too."""
    made = _Sandbox(
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
