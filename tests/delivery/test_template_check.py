"""Whoever writes templates is told what is wrong, and where; and reports go out all the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import override_settings

from scanner.delivery.samples import render_sample, samples
from scanner.delivery.template_check import check_all, layers
from scanner.delivery.template_start import starting_set
from scanner.engine.catalogue.load import Language
from scanner.reports.stationery import found, written_on
from tests.delivery.office import installed
from tests.reports.test_stationery import DRAWING, put
from tests.rounds.world import organisation

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(tmp_path: Path) -> Iterator[Path]:
    with override_settings(OWN_TEMPLATES=tmp_path / "templates", DATA_DIR=tmp_path), installed():
        yield tmp_path / "templates"


def said(home: Path) -> list[str]:
    return [str(each).removeprefix(f"{home}/") for each in check_all()]


def test_there_is_nothing_to_say_of_nothing(home: Path) -> None:
    assert said(home) == []
    assert layers() == []


def test_the_set_to_begin_with_is_good_and_changes_nothing(home: Path) -> None:
    before = render_sample("mail:notice", Language.EN)
    for name, content in starting_set().items():
        put(home, name, content)
    assert said(home) == []
    with written_on(found()):
        assert render_sample("mail:notice", Language.EN) == before


@pytest.mark.parametrize("name", ["words.toml", "checks.toml"])
def test_the_set_to_begin_with_is_good_with_everything_taken_out_of_its_comments(home: Path, name: str) -> None:
    lines = starting_set()[name].split("\n\n", 1)[1].splitlines()
    put(home, name, "\n".join(line.removeprefix("# ") for line in lines))
    assert len(lines) > 1000
    assert said(home) == []


@pytest.mark.parametrize(
    ("name", "content", "line", "words"),
    [
        ("words.toml", "[en]\nreport = ", 2, "is no TOML"),
        ("words.toml", '[fr]\na = "b"', 1, "'fr' is no language"),
        ("words.toml", '[en.report]\nkind = "x"\nkin = "x"', 3, "there is no such text"),
        ("words.toml", '[en.report]\nkind = ""', 2, "must not be empty"),
        ("words.toml", "[en.report]\nkind = 3", 2, "must be a text"),
        ("words.toml", '[zh-Hans]\n"report.title" = "{name}"', 2, "lacks {serial}"),
        ("words.toml", '[en]\nreport.title = "{name} {serial} {more}"', 2, "for {more}"),
        ("words.toml", '[en.report]\ntitle = "{name.x} {serial}"', 2, "nothing but a name"),
        ("words.toml", '[en.report]\ntitle = "{name"', 2, "braces"),
        ("words.toml", '[en.form]\nanswer = "x"', 2, "reply forms"),
        ("checks.toml", '[en.TLS-V10]\ntitle = "x"\n[en.TLS-V1]\ntitle = "x"', 4, "there is no check TLS-V1"),
        ("checks.toml", '[zh-Hans."TLS-V10"]\ntitel = "x"', 2, "it has title, impact, fix, evidence"),
        ("checks.toml", '[en]\nTLS-V10 = "x"', 2, "a check has no such text"),
        ("checks.toml", '[en.TLS-V10]\nfix = ""', 2, "must not be empty"),
        ("checks.toml", '[en.TLS-V10]\nevidence = "Seen."', 2, "lacks {"),
        ("checks.toml", '[en.TLS-V10]\ntitle = "{x}"', 2, "nothing is known to fill in for {x}"),
        ("checks.toml", "[en.TLS-V10]\ntitle", 2, "is no TOML"),
        ("report/part_card.html", "a\nb\n{% if %}", 3, "Expected an expression"),
        ("report/part_card.html", "a\n{{ t('no.such') }}", 2, "there is no text 'no.such'"),
        ("report/part_card.html", "a\n{{ t('report.title', name=1) }}", 2, "lacks serial"),
        ("report/part_card.html", "a\n\n{{ model.nothing }}", 3, "has no attribute 'nothing'"),
        ("report/part_card.html", "a\n<img src=https://evil.example/>", 2, "run or fetch"),
        ("report/part_card.html", "a\n<p onclick=x()>", 2, "onclick would run"),
        ("notice/notice.html", "{% extends 'shipped/notice.html' %}\n{% block x %}{{ y }}{% endblock %}", None, ""),
        (
            "mail/reminder.html",
            "{% extends 'base.html' %}\n{% block body %}{{ y }}{% endblock %}",
            2,
            "'y' is undefined",
        ),
        ("mail/digest.txt", "{% extends 'base.txt' %}\n{% block body %}\n{{ y }}{% endblock %}", 3, "'y' is undefined"),
        ("bulletin/part_units.html", "{{ z }}", 1, "'z' is undefined"),
        ("shared/letterhead.html", "{{ t('office.letterhead') ~ z }}", 1, "'z' is undefined"),
        ("report/part_cart.html", "x", None, "nothing uses it"),
        ("logo.svg", DRAWING.replace("circle", "image"), None, "the element image"),
        ("css/own.css", "p {}\na { background: url(http://evil.example/) }", 2, "elsewhere"),
    ],
)
def test_each_mistake_is_told_with_its_file_and_line(
    home: Path, name: str, content: str, line: int | None, words: str
) -> None:
    put(home, name, content)
    problems = said(home)
    if not words:
        assert problems == []
        return
    (problem,) = problems
    assert problem.startswith(f"{name}:{line}: " if line else f"{name}: ")
    assert words in problem


def test_a_new_piece_that_a_template_includes_is_used(home: Path) -> None:
    put(home, "report/ours.html", "<p>Ours</p>")
    put(home, "report/part_trend.html", '{% include "ours.html" %}')
    assert said(home) == []
    with written_on(found()):
        assert "<p>Ours</p>" in render_sample("report", Language.EN)["html"]


def test_organisations_are_looked_at_with_what_they_inherit(home: Path) -> None:
    city = organisation("city")
    organisation("water", parent=city)
    put(home, "organisations/city/words.toml", '[en.office]\nsignature = "The City"')
    put(home, "organisations/water/mail/reminder.html", "{% extends 'base.html' %}")
    put(home, "organisations/nobody/words.toml", '[en.office]\nsignature = "Nobody"')
    assert said(home) == ["organisations/nobody: there is no organisation with this slug"]
    with written_on(found(("water", "city"))):
        html = render_sample("mail:reminder", Language.EN)["html"]
    assert "The City" in html
    assert "Example Water Works" in html


def test_the_digest_tells_the_operators(home: Path) -> None:
    from scanner.delivery import digest
    from scanner.delivery.letters import Frame
    from scanner.delivery.models import MessageKind
    from scanner.reports.sample import DAY, NOW

    put(home, "report/part_card.html", "{% if %}")
    frame = Frame(MessageKind.DIGEST, Language.EN, NOW)
    told = digest.digest_letter(NOW - DAY, NOW, digest.Space(1, 2), frame)
    assert "report/part_card.html:1: Expected an expression" in " ".join(told.html.split())
    assert "Templates and words of your own" in told.text


@pytest.mark.parametrize("name", samples())
def test_every_document_has_a_sample_in_both_languages(name: str) -> None:
    chinese, english = (render_sample(name, language) for language in (Language.ZH_HANS, Language.EN))
    assert chinese.keys() == english.keys()
    assert "示例市" in chinese["html"]
    assert "Example" in english["html"]
