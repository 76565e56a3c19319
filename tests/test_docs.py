"""The documents say what the program does: generated pages are fresh, links lead somewhere, commands are accepted."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from typer import Typer
from typer.main import get_command

from scanner.cli.main import _COMMANDS
from scanner.engine.catalogue.load import Language
from tools.coverage import PAGE, README, render, with_counts

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]

_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_INLINE_COMMAND = re.compile(r"`roundsman ([a-z][^`]*)`")


def test_the_coverage_page_is_what_its_script_generates() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "Run .venv/bin/python -m tools.coverage."


def test_the_readme_counts_the_checks_as_the_catalogue_does() -> None:
    readme = README.read_text(encoding="utf-8")
    assert readme == with_counts(readme), "Run .venv/bin/python -m tools.coverage."


@pytest.mark.parametrize("name", NAMES)
def test_every_relative_link_leads_to_a_file_and_heading(name: str) -> None:
    page = ROOT / name
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    broken = [link for link in _LINK.findall(text) if "://" not in link and not _leads_somewhere(page, link)]
    assert not broken


def _leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.is_file() or ROOT not in target.parents:
        return False
    return not anchor or anchor in {_anchor(heading) for heading in _HEADING.findall(target.read_text("utf-8"))}


def _anchor(heading: str) -> str:
    """GitHub's anchor of a heading: lower case, punctuation dropped, spaces to hyphens."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def _blocks(page: Path, *languages: str) -> Iterator[str]:
    for language, content in _FENCE.findall(page.read_text(encoding="utf-8")):
        if language in languages:
            yield content


def _shown_commands() -> Iterator[str]:
    for page in PAGES:
        for block in _blocks(page, "console"):
            for shown in re.findall(r"^ *\$ (?:\.venv/bin/)?roundsman (.+)$", block, re.MULTILINE):
                yield shown.partition(" # ")[0].translate({ord("["): None, ord("]"): None}).strip()


@pytest.mark.parametrize("command", sorted(set(_shown_commands())))
def test_the_parser_accepts_each_command_line_that_is_shown(command: str) -> None:
    name, *arguments = shlex.split(command)
    if name == "--version":
        return
    parser = get_command(_app(name))
    context = parser.make_context(f"roundsman {name}", list(arguments), resilient_parsing=False)
    if hasattr(parser, "commands"):
        sub = parser.commands[arguments[0]]
        sub.make_context(arguments[0], arguments[1:], parent=context)


@pytest.mark.parametrize("command", sorted({c for p in PAGES for c in _INLINE_COMMAND.findall(p.read_text("utf-8"))}))
def test_commands_and_options_that_are_mentioned_exist(command: str) -> None:
    name, *words = command.split()
    parser = get_command(_app(name))
    if hasattr(parser, "commands") and words:
        parser = parser.commands[words[0]]
    options = {option for parameter in parser.params for option in parameter.opts} | {"--help"}
    assert {word for word in words if word.startswith("--")} <= options


def _app(name: str) -> Typer:
    app = import_module(_COMMANDS[name][0]).app
    assert isinstance(app, Typer)
    return app


def test_there_are_commands_to_check() -> None:
    assert len(set(_shown_commands())) > 20


def test_the_readme_lists_the_make_targets_that_there_are() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    make = ["make", "--silent", "--no-print-directory", "help"]
    shown = subprocess.run(make, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    assert [shown] == list(_blocks(README, "text"))


def test_the_worked_example_has_the_form_of_a_rule_and_an_entry() -> None:
    guide = ROOT / "docs" / "adding-a-check.md"
    rule, rules, cases = _blocks(guide, "python")
    for source in (rule, rules, f"CASES = (\n{cases})"):
        ast.parse(source)
    (entry,) = (table for block in _blocks(guide, "toml") for table in tomllib.loads(block).values())
    for language in Language:
        assert entry[language].keys() == {"title", "impact", "fix", "evidence"}
    assert re.findall(r"{(\w+)}", entry["en"]["evidence"]) == re.findall(r"{(\w+)}", entry["zh-Hans"]["evidence"])


def test_what_the_page_on_plugins_shows_is_in_the_example() -> None:
    example = ROOT / "docs" / "examples" / "roundsman-example-plugin"
    files = [path.read_text(encoding="utf-8") for path in example.rglob("*") if path.suffix in (".py", ".toml")]
    shown = list(_blocks(ROOT / "docs" / "plugins.md", "python", "toml"))
    assert len(shown) > 4
    assert [block for block in shown if not any(block in text for text in files)] == []


_NAMED_TEST = re.compile(r"`(tests/[\w/]+\.py)::((?:\w+::)?\w+)`")


def test_every_test_that_the_page_on_reliability_names_exists() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    named = _NAMED_TEST.findall(page)
    assert [f"{file}::{name}" for file, name in named if name not in _tests_of(ROOT / file)] == []
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith(("| fault", "| who |"))]
    assert len(rows) > 40
    assert [row for row in rows if not _NAMED_TEST.search(row)] == []


ASVS = """
1.1:1-7 1.2:1-4 1.4:1,4-5 1.5:1-4 1.6:1-4 1.7:1-2 1.8:1-2 1.9:1-2 1.10:1 1.11:1-2 1.12:2 1.14:1-6 2.1:1-12
2.2:1-3 2.3:1-3 2.4:1-5 2.5:1-7 2.6:1-3 2.7:1-6 2.8:1-7 2.9:1-3 2.10:1-4 3.1:1 3.2:1-4 3.3:1-4 3.4:1-5 3.5:1-3
3.7:1 4.1:1-3,5 4.2:1-2 4.3:1-3 5.1:1-5 5.2:1-8 5.3:1-10 5.4:1-3 5.5:1-4 6.1:1-3 6.2:1-6 6.3:1-2 6.4:1-2 7.1:1-4
7.2:1-2 7.3:1,3-4 7.4:1-3 8.1:1-4 8.2:1-3 8.3:1-8 9.1:1-3 9.2:1-4 10.2:1-2 10.3:1-3 11.1:1-8 12.1:1-3 12.2:1
12.3:1-6 12.4:1-2 12.5:1-2 12.6:1 13.1:1,3-5 13.2:1-3,5-6 13.3:1-2 13.4:1-2 14.1:1-4 14.2:1-6 14.3:2-3 14.4:1-7
14.5:1-4
"""
"""The requirements of level 1 and 2 of OWASP ASVS 4.0.3, by section, without those that it marks as deleted."""


def test_every_requirement_of_asvs_has_a_row_with_tests_that_exist_or_a_reason() -> None:
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8").partition("## OWASP ASVS, level 2")[2]
    rows = [line for line in page.splitlines() if re.match(r"\| \d", line)]
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == list(_requirements(ASVS))
    assert [row for row in rows if not _NAMED_TEST.search(row) and "| reason: " not in row] == []
    named = _NAMED_TEST.findall(page)
    assert [f"{file}::{name}" for file, name in named if name not in _tests_of(ROOT / file)] == []


def _requirements(written: str) -> Iterator[str]:
    for section, _, numbers in (each.partition(":") for each in written.split()):
        for run in numbers.split(","):
            first, _, last = run.partition("-")
            yield from (f"{section}.{number}" for number in range(int(first), int(last or first) + 1))


def _tests_of(file: Path) -> set[str]:
    """Return the names of a file's tests; those of a class as ``Class::test``."""
    if not file.is_file():
        return set()
    names = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}::{each.name}" for each in node.body if isinstance(each, ast.FunctionDef)}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
    return names
