"""Renders templates that somebody else wrote: sandboxed as ours are, and bounded.

A mistake in a template must not keep a round from being told. Before it is compiled, every turn of a loop, macro, block
and included template is made to spend of a budget, as do the filters and the text that comes out; the budget ends after
:data:`SECONDS`, :data:`STEPS` or :data:`CHARACTERS`. What could use much time or memory at one go (large products and
powers, padding, formatting with huge widths) is not there or refuses. Nothing turns escaping off.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any

from jinja2 import TemplateRuntimeError, TemplateSyntaxError, nodes
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

SECONDS = 10.0
"""Time that one page may take; the largest report that we know of takes two seconds."""

STEPS = 3_000_000
CHARACTERS = 30_000_000
SIZE = 2_000_000
"""Characters, or items, of one value."""

NUMBER = 100_000
"""The largest whole number that a filter or method is given: it may say how long something becomes."""

OPERANDS = 200
"""Texts that one expression strings together."""

FILTERS = [
    "abs",
    "batch",
    "capitalize",
    "count",
    "default",
    "dictsort",
    "e",
    "escape",
    "first",
    "float",
    "groupby",
    "int",
    "items",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "select",
    "selectattr",
    "slice",
    "sort",
    "string",
    "striptags",
    "sum",
    "title",
    "trim",
    "truncate",
    "unique",
    "upper",
    "urlencode",
    "wordcount",
]
"""What is left out pads, wraps, formats, invents text, or declares hostile text to be safe."""

METHODS = frozenset(
    [
        "count",
        "endswith",
        "find",
        "get",
        "index",
        "isdigit",
        "items",
        "keys",
        "lower",
        "lstrip",
        "partition",
        "removeprefix",
        "removesuffix",
        "rpartition",
        "rsplit",
        "rstrip",
        "split",
        "splitlines",
        "startswith",
        "strip",
        "title",
        "upper",
        "values",
    ]
)
"""Methods of texts, lists and tables that can be called."""

_FORMAT_WIDTH = re.compile(r"%[^a-zA-Z%]*(?:\*|[0-9]{3})")


class LimitError(TemplateRuntimeError):
    """A template takes too long, or makes too much."""


class Budget:
    """What one page may use up."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._end = time.monotonic() + seconds
        self._steps = STEPS
        self._characters = CHARACTERS

    def spend(self, characters: int = 0) -> None:
        """Take one step that writes so many characters. Raises ``LimitError`` when there is nothing left."""
        self._steps -= 1
        self._characters -= characters
        if self._steps < 0 or time.monotonic() > self._end:
            raise LimitError(f"takes too long: is there a loop within a loop? (limit: {SECONDS:.0f} s, {STEPS} steps)")
        if self._characters < 0:
            raise LimitError(f"writes too much (limit: {CHARACTERS} characters)")


_budget: ContextVar[Budget | None] = ContextVar("budget", default=None)


@contextmanager
def bounded() -> Iterator[None]:
    """Give what is rendered within a budget of its own."""
    token = _budget.set(Budget())
    try:
        yield
    finally:
        _budget.reset(token)


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """The environment of templates that are not ours; to be used within :func:`bounded`."""

    intercepted_binops = frozenset(("+", "*", "**", "%"))

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        finalize = self.finalize or (lambda value: value)
        self.finalize = lambda value: _written(finalize(value))
        known = self.filters
        self.filters = {name: _counted(known[name]) for name in FILTERS}
        self.filters["replace"] = _counted(_replace)
        self.filters[_SIZED] = _sized
        self.globals = {name: self.globals[name] for name in ("range", "dict", "namespace", "joiner", "cycler")}

    def spend(self, characters: int) -> str:
        """Spend of the present budget; compiled templates call this."""
        _spend(characters)
        return ""

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - as the base does
        owner = getattr(__obj, "__self__", None)
        if isinstance(owner, str | list | tuple | dict):
            if getattr(__obj, "__name__", "") not in METHODS:
                raise LimitError(f"the method {getattr(__obj, '__name__', '?')} is not there in templates")
            _small((*args, *kwargs.values()))
        return _sized(super().call(__context, __obj, *args, **kwargs))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        _spend()
        match operator:
            case "*":
                _check_product(left, right)
            case "**":
                _check_power(left, right)
            case "%" if isinstance(left, str) and _FORMAT_WIDTH.search(left):
                raise LimitError("formats with a width of three digits or more")
        return _sized(super().call_binop(context, operator, left, right))

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for modifier in tree.find_all((nodes.EvalContextModifier, nodes.ScopedEvalContextModifier)):
            raise TemplateSyntaxError("escaping can't be turned off", modifier.lineno, name, filename)
        for joined in tree.find_all(nodes.Concat):
            if len(joined.nodes) > OPERANDS:
                raise TemplateSyntaxError(f"more than {OPERANDS} texts in one", joined.lineno, name, filename)
        instrumented: nodes.Template = _Instrument(self).visit(tree)
        return instrumented


class _Instrument(NodeTransformer):
    """Puts a call of ``environment.spend`` before whatever may be done many times."""

    def __init__(self, environment: BoundedEnvironment) -> None:
        self._environment = environment

    def _spending(self, node: Any) -> Any:
        self.generic_visit(node)
        node.body.insert(0, self._spend(node))
        return node

    visit_Template = visit_For = visit_Macro = visit_CallBlock = visit_Block = _spending  # noqa: N815 - names of Jinja

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:  # noqa: N802 - Jinja's name
        self.generic_visit(node)
        sized = nodes.Filter(node, _SIZED, [], [], None, None)
        self._place(sized, node)
        return sized

    def _spend(self, node: Any) -> nodes.ExprStmt:
        literal = sum(len(each.data) for child in node.body for each in _literals(child))
        call = nodes.Call(nodes.EnvironmentAttribute("spend"), [nodes.Const(literal)], [], None, None)
        statement = nodes.ExprStmt(call)
        self._place(statement, node)
        return statement

    def _place(self, made: nodes.Node, where: nodes.Node) -> None:
        made.set_lineno(where.lineno, override=False)
        made.set_environment(self._environment)


def _literals(node: nodes.Node) -> Iterable[nodes.TemplateData]:
    return [node] if isinstance(node, nodes.TemplateData) else node.find_all(nodes.TemplateData)


_SIZED = "sized"


def _spend(characters: int = 0) -> None:
    budget = _budget.get()
    if budget is not None:
        budget.spend(characters)


def _written(value: Any) -> Any:
    _spend(len(value) if isinstance(value, str) else 20)
    return value


def _sized(value: Any) -> Any:
    if isinstance(value, str | list | tuple | dict) and len(value) > SIZE:
        raise LimitError(f"makes a value of more than {SIZE} characters or items")
    return value


def _small(values: Iterable[Any]) -> None:
    if any(isinstance(each, int) and abs(each) > NUMBER for each in values):
        raise LimitError(f"a number above {NUMBER} is given where it may say how long something becomes")


def _counted(made: Callable[..., Any]) -> Callable[..., Any]:
    """Let a filter spend, and bound what goes in and comes out. ``wraps`` keeps what Jinja noted on the function."""

    @wraps(made)
    def counted(*args: Any, **kwargs: Any) -> Any:
        _spend()
        _small((*args[1:], *kwargs.values()))
        return _sized(made(*args, **kwargs))

    return counted


def _replace(text: Any, old: str, new: str, count: int | None = None) -> str:
    """Replace like the filter of Jinja, which escapes what goes into text that is escaped."""
    whole: str = text if isinstance(text, str) else str(text)
    times = min(whole.count(old), count if count is not None else len(whole) + 1)
    if len(whole) + times * len(new) > SIZE // 10:
        raise LimitError("replaces too much")
    return whole.replace(old, new, -1 if count is None else count)


def _check_product(left: Any, right: Any) -> None:
    for number, other in ((left, right), (right, left)):
        if isinstance(number, int) and hasattr(other, "__len__") and len(other) * max(number, 0) > NUMBER:
            raise LimitError(f"repeats something more often than makes {NUMBER} characters or items")
    if any(isinstance(each, int) and abs(each) > 2**64 for each in (left, right)):
        raise LimitError("multiplies very large numbers")


def _check_power(left: Any, right: Any) -> None:
    if abs(left) > NUMBER or abs(right) > 10:
        raise LimitError("raises to a high power")
