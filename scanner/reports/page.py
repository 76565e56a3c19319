"""Renders the templates of pages and mails: escaping everything, and nothing from elsewhere.

A template of the present stationery wins over the shipped one of the same name; ``shipped/<name>`` is always the
shipped one, to be extended. What can't be rendered with templates of others is rendered with the shipped ones, and that
is told.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from jinja2 import BaseLoader, Environment, StrictUndefined, TemplateNotFound, meta, nodes
from jinja2.compiler import CodeGenerator, Frame, MacroRef
from jinja2.loaders import split_template_path
from jinja2.runtime import Macro
from markupsafe import Markup, escape

from scanner.engine.catalogue.load import Language
from scanner.engine.hostile import printable
from scanner.reports.bounded import BoundedEnvironment, LimitError, bounded
from scanner.reports.dress import Dress, dress_of
from scanner.reports.mishaps import problem_of, remember
from scanner.reports.stationery import SHIPPED, TEMPLATE_FOLDERS, Stamp, Stationery, current, read_inside, stamp
from scanner.reports.words import words

SHARED = "shared"
SHIPPED_PREFIX = "shipped/"

VALUE_LIMIT = 20_000
"""Characters of one value on a page. Facts are cut when they are kept; this holds whatever is filled in."""

_strict: ContextVar[bool] = ContextVar("strict", default=False)
_too_much: dict[tuple[str, str, tuple[Path, ...]], tuple[Path, Stamp | None]] = {}


def render(template: str, language: Language, **context: object) -> str:
    """Return a page of the folder ``report``. Raises ``jinja2.UndefinedError`` when a shipped template asks for what
    the context lacks."""
    return fill("report", template, {"t": words(language), "language": str(language), **context})


def fill(folder: str, template: str, context: Mapping[str, object]) -> str:
    """Return what a template of ``folder`` makes of the context, on the present stationery.

    Raises ``jinja2.UndefinedError`` when a shipped template asks for what the context lacks.
    """
    stationery = current()
    if stationery.folders and (_strict.get() or not _given_up(folder, template, stationery)):
        try:
            return _filled(folder, template, context, stationery)
        except Exception as error:
            if _strict.get():
                raise
            problem = problem_of(error, stationery, f"{folder}/{template}")
            remember(problem)
            if isinstance(error, LimitError):
                _too_much[folder, template, stationery.folders] = problem.path, stamp(problem.path)
    return environment(folder).get_template(template).render(_dressed(stationery, context))


def is_shipped() -> bool:
    """Tell whether all templates are the shipped ones on the present stationery."""
    return not _with_templates(current())


@contextmanager
def strictly() -> Iterator[None]:
    """Let nothing stand in, within, for a template that can't be used: what it raises (mostly
    ``jinja2.TemplateError``) is raised."""
    token = _strict.set(True)
    try:
        yield
    finally:
        _strict.reset(token)


def overriding(folder: str, stationery: Stationery) -> BoundedEnvironment:
    """Return what renders the templates of others in ``folder``."""
    return _overriding(folder, _with_templates(stationery))


def _filled(folder: str, template: str, context: Mapping[str, object], stationery: Stationery) -> str:
    with bounded():
        return overriding(folder, stationery).get_template(template).render(_dressed(stationery, context))


def _given_up(folder: str, template: str, stationery: Stationery) -> bool:
    """Tell whether a template took too much and has not been changed since: once is enough of that."""
    path, seen = _too_much.get((folder, template, stationery.folders), (None, None))
    return path is not None and stamp(path) == seen


def _dressed(stationery: Stationery, context: Mapping[str, object]) -> dict[str, object]:
    """Add style sheets and logo, which are checked, and so the texts that must not be escaped."""
    dress: Dress = dress_of(stationery)
    for problem in dress.problems:
        remember(problem)
    style, own_style, logo = (Markup(each) for each in (dress.style, dress.own_style, dress.logo))  # noqa: S704 - checked when they were read
    return {"css": style, "own_css": own_style, "logo": logo, **context}


def _with_templates(stationery: Stationery) -> tuple[Path, ...]:
    """Return the folders that hold templates: those who only word things otherwise share what is compiled."""
    return tuple(folder for folder in stationery.folders if any((folder / each).is_dir() for each in TEMPLATE_FOLDERS))


def _printable(value: object) -> object:
    """Cut a text, and escape its control characters once more, whatever a record from elsewhere may hold."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    cut = value[:VALUE_LIMIT]
    return printable(cut, 6 * len(cut))


_OPTIONS: dict[str, Any] = {
    "autoescape": True,
    "undefined": StrictUndefined,
    "finalize": _printable,
    "trim_blocks": True,
    "lstrip_blocks": True,
}


_SHORT = 200
"""Characters of a text that is worth remembering in its escaped form: most of a page is labels, dates and names."""


@lru_cache(maxsize=16_384)
def _escaped(text: str) -> str:
    return str(escape(_printable(text)))


def _shown(value: object) -> str:
    """Return a value as a page shows it: what is no markup already is printable, and escaped for HTML."""
    if type(value) is str and len(value) < _SHORT:
        return _escaped(value)
    return value if type(value) is Markup else escape(_printable(value))


class _Plainly(CodeGenerator):
    """Writes plain calls, as nothing that our templates call asks for the context they run in, and shows values."""

    def visit_Call(self, node: nodes.Call, frame: Frame, forward_caller: bool = False) -> None:  # noqa: N802 - Jinja's name
        self.write("environment.call(")
        self.visit(node.node, frame)
        self.signature(node, frame, {"caller": "caller"} if forward_caller else None)
        self.write(")")

    def macro_def(self, macro_ref: MacroRef, frame: Frame) -> None:
        """Make a macro that is called at once with what it takes, unless it asks for more than it names."""
        if macro_ref.accesses_kwargs or macro_ref.accesses_varargs or macro_ref.accesses_caller:
            super().macro_def(macro_ref, frame)
            return
        name, takes = getattr(macro_ref.node, "name", None), [each.name for each in macro_ref.node.args]
        self.write(
            f"environment.macro(environment, macro, {name!r}, {takes!r}, False, False, False, "
            "context.eval_ctx.autoescape)"
        )

    def visit_Include(self, node: nodes.Include, frame: Frame) -> None:  # noqa: N802 - Jinja's name
        """Take what is included as one piece, where the library has each template above it pass on every word."""
        if node.ignore_missing or not node.with_context:
            super().visit_Include(node, frame)
            return
        self.writeline("template = environment.get_or_select_template(", node)
        self.visit(node.template, frame)
        self.write(f", {self.name!r})")
        within = f"template.new_context(context.get_all(), True, {self.dump_local_context(frame)})"
        self.simple_write(f"concat(template.root_render_func({within}))", frame)

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo) -> None:
        self.write("environment.shown(")

    def _output_child_post(self, node: nodes.Expr, frame: Frame, finalize: CodeGenerator._FinalizeInfo) -> None:
        self.write(")")


class _PlainMacro(Macro):
    """A macro that takes what its call names in order, where the library first sees what it might take else."""

    def __call__(self, *args: Any, **kwargs: Any) -> str:
        if kwargs or len(args) != self._argument_count:
            return super().__call__(*args, **kwargs)
        text = self._func(*args)
        return Markup(text) if self._default_autoescape else text  # noqa: S704 - macros escape what they show


class _OwnEnvironment(Environment):
    """The environment of the shipped templates, which are part of the program and need no sandbox."""

    code_generator_class = _Plainly
    call = operator.call  # built in, so an instance doesn't bind it
    shown = staticmethod(_shown)
    macro = _PlainMacro


@cache
def environment(folder: str) -> Environment:
    """Return what renders the shipped templates of ``folder``. Values are escaped for HTML, their controls too."""
    return _OwnEnvironment(loader=_Loader(folder), auto_reload=False, **_OPTIONS)


def warm_up(folder: str, template: str) -> None:
    """Compile a shipped template of ``folder`` and all that it refers to."""
    own, waiting, known = environment(folder), [template], {template}
    while waiting:
        name = waiting.pop()
        own.get_template(name)
        source, _, _ = _Loader(folder).get_source(own, name)
        found = {each for each in meta.find_referenced_templates(own.parse(source)) if each is not None} - known
        known |= found
        waiting += found


@lru_cache(maxsize=32)
def _overriding(folder: str, folders: tuple[Path, ...]) -> BoundedEnvironment:
    return BoundedEnvironment(loader=_Loader(folder, folders), **_OPTIONS)


class _Loader(BaseLoader):
    """Finds a template in the same folder of each stationery, then in its ``shared``, and at last among the shipped."""

    def __init__(self, folder: str, folders: tuple[Path, ...] = ()) -> None:
        self._folder = folder
        self._folders = folders

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        name = "/".join(split_template_path(template))
        folders = (SHIPPED,) if name.startswith(SHIPPED_PREFIX) else (*self._folders, SHIPPED)
        name = name.removeprefix(SHIPPED_PREFIX)
        candidates = [folder / part / name for folder in folders for part in (self._folder, SHARED)]
        seen = [stamp(path) for path in candidates]
        for home in folders:
            for part in (self._folder, SHARED):
                try:
                    content = read_inside(home, f"{part}/{name}")
                except (OSError, ValueError) as error:
                    raise TemplateNotFound(template, f"{home / part / name} {error}") from error
                if content is not None:
                    return content.decode("utf-8"), str(home / part / name), lambda: _same(candidates, seen)
        raise TemplateNotFound(template)


def _same(paths: list[Path], before: list[Stamp | None]) -> bool:
    return [stamp(path) for path in paths] == before
