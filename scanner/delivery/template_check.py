"""Looks for what is wrong with the templates, wordings, styles and logos of an installation and its organisations.

Everything that can be told from a file is told with its line. Then every document and mail is rendered in both
languages with sample data, where the first thing that a template lacks ends it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import TemplateSyntaxError, nodes

from scanner.delivery.samples import render_sample, samples
from scanner.delivery.template_start import README
from scanner.engine.catalogue.load import Language
from scanner.reports.checks_file import read_checks
from scanner.reports.dress import STYLE, dress_of
from scanner.reports.mishaps import problem_of, remembered
from scanner.reports.page import SHARED, SHIPPED_PREFIX, overriding, strictly
from scanner.reports.stationery import (
    CHECKS,
    LOGOS,
    ORGANISATIONS,
    OWN_STYLE,
    SHIPPED,
    TEMPLATE_FOLDERS,
    WORDS,
    Problem,
    Stationery,
    found,
    read_inside,
    root,
    written_on,
)
from scanner.reports.words import shipped
from scanner.reports.words_file import placeholders, read_words
from targets.models import Organisation

NO_TEMPLATES = frozenset({WORDS, CHECKS, STYLE, OWN_STYLE, *LOGOS})

_FETCHES = re.compile(
    r"<(script|iframe|object|embed|link|base|form|video|audio)\b|\s(on[a-z]+)\s*=|"
    r"\b((?:src|srcset|background|poster)\s*=\s*[\"']?(?!data:|\{\{\s*logo\b))|(@import|url\(\s*[\"']?(?!data:|#))",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Layer:
    """The stationery of the installation (``owner`` is empty) or of an organisation, and the folder that is its own.

    ``known`` is False for a folder of an organisation that is not registered.
    """

    owner: str
    folder: Path
    stationery: Stationery
    known: bool = True

    def files(self) -> list[str]:
        """Return the names of its own files, sorted, without the one that explains them; what begins with a dot is
        nobody's."""
        names = (path.relative_to(self.folder) for path in self.folder.rglob("*") if not path.is_dir())
        ours = (name for name in names if self.owner or name.parts[0] != ORGANISATIONS)
        shown = (name.as_posix() for name in ours if not any(part.startswith(".") for part in name.parts))
        return sorted(name for name in shown if name != README)


def layers() -> list[Layer]:
    """Return all that there are: the installation's first, then those of organisations by slug."""
    home = root()
    own = [Layer("", home, found())] if home.is_dir() else []
    registered = {each.slug: each for each in Organisation.objects.filter(retired_at=None).select_related("parent")}
    folders = sorted(each for each in (home / ORGANISATIONS).glob("*") if each.is_dir())
    return own + [_of(folder, registered.get(folder.name)) for folder in folders]


def _of(folder: Path, organisation: Organisation | None) -> Layer:
    slugs = tuple(each.slug for each in organisation.upwards()) if organisation else (folder.name,)
    return Layer(folder.name, folder, found(slugs), known=organisation is not None)


def check_all() -> list[Problem]:
    """Return what is wrong anywhere, and what reports met since and nobody has mended."""
    problems = [problem for layer in layers() for problem in check(layer)]
    return list(dict.fromkeys((*problems, *remembered())))


def check(layer: Layer) -> list[Problem]:
    """Return what is wrong with the files of one layer."""
    problems: list[Problem] = []
    if not layer.known:
        problems.append(Problem(layer.folder, None, "there is no organisation with this slug"))
    _, wrong_words = read_words(layer.folder, {each: dict(shipped(each).items()) for each in Language})
    problems += wrong_words
    _, wrong_checks = read_checks(layer.folder)
    problems += wrong_checks
    problems += dress_of(Stationery((layer.folder,))).problems
    problems += _templates(layer)
    return list(dict.fromkeys(problems))


def _templates(layer: Layer) -> Iterator[Problem]:
    templates = [name for name in layer.files() if name not in NO_TEMPLATES]
    used: set[str] = set()
    broken = False
    for name in templates:
        folder, _, rest = name.partition("/")
        if folder not in TEMPLATE_FOLDERS or not rest:
            continue
        for problem in _read(layer, name, used):
            broken = True
            yield problem
    for name in templates:
        if not _is_shipped(name) and name.partition("/")[2] not in used:
            yield Problem(layer.folder / name, None, "nothing uses it; 'roundsman templates init' shows what there is")
    if templates and not broken:
        yield from _rendered(layer)


def _is_shipped(name: str) -> bool:
    """Tell whether there is a shipped template of this name, in its folder or for all of them."""
    folder, _, rest = name.partition("/")
    return any((SHIPPED / part / rest).is_file() for part in (folder, SHARED))


def _read(layer: Layer, name: str, used: set[str]) -> Iterator[Problem]:
    """Tell what can be told from a template itself; ``used`` grows by the templates that it asks for."""
    path = layer.folder / name
    folder, _, rest = name.partition("/")
    try:
        source = (read_inside(layer.folder, name) or b"").decode("utf-8")
        environment = overriding("report" if folder == SHARED else folder, layer.stationery)
        tree = environment.parse(source, rest, str(path))
        environment.compile(source, rest, str(path))
    except TemplateSyntaxError as error:
        yield Problem(path, error.lineno, error.message or "can't be read")
        return
    except (OSError, ValueError) as error:
        yield Problem(path, None, str(error))
        return
    for node in tree.find_all((nodes.Include, nodes.Extends, nodes.Import, nodes.FromImport)):
        asked = getattr(node, "template", None)
        if isinstance(asked, nodes.Const):
            used.add(str(asked.value).removeprefix(SHIPPED_PREFIX))
    for number, line in enumerate(source.splitlines(), 1):
        if hit := _FETCHES.search(line):
            said = next(each for each in hit.groups() if each).strip()
            yield Problem(path, number, f"{said} would run or fetch something, which pages and mails must not")
    yield from (Problem(path, line, text) for line, text in wrong_words(tree))


def wrong_words(tree: nodes.Template) -> Iterator[tuple[int, str]]:
    """Tell which texts a template asks for that there are not, and for which it gives too little to fill in."""
    for call in tree.find_all(nodes.Call):
        plain = isinstance(call.node, nodes.Name) and call.node.name == "t" and call.args
        if not plain or not isinstance(call.args[0], nodes.Const):
            continue
        key = str(call.args[0].value)
        needed = _needed().get(key)
        if needed is None:
            yield call.lineno, f"there is no text {key!r}"
        elif missing := sorted(needed - {each.key for each in call.kwargs}):
            yield call.lineno, f"the text {key!r} lacks {', '.join(missing)}"


@cache
def _needed() -> Mapping[str, frozenset[str]]:
    """Return what each text has to be filled with; that of a singular and plural by what the plural needs."""
    texts = dict(shipped(Language.EN).items())
    plural = {key.removesuffix(".other"): text for key, text in texts.items() if key.endswith(".other")}
    return {key: frozenset(placeholders(text)) for key, text in {**texts, **plural}.items()}


def _rendered(layer: Layer) -> Iterator[Problem]:
    """Render everything with sample data; tell the first that goes wrong in each."""
    told: set[tuple[Path, int | None]] = set()
    for name in samples():
        for language in Language:
            try:
                with written_on(layer.stationery), strictly():
                    render_sample(name, language)
            except Exception as error:  # noqa: BLE001 - a template may raise anything
                problem = problem_of(error, layer.stationery, name)
                if (problem.path, problem.line) not in told:
                    told.add((problem.path, problem.line))
                    yield Problem(problem.path, problem.line, f"{problem.text} ({name}, {language})")
                break
