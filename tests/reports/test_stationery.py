"""Templates, words, styles and logos of others: the nearest wins, what is broken is told and hinders nothing."""

from __future__ import annotations

import base64
import io
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import override_settings
from jinja2.exceptions import SecurityError
from PIL import Image

from scanner.delivery.samples import render_sample
from scanner.engine.catalogue.load import Language
from scanner.reports import bounded, mishaps, page, texts
from scanner.reports.dress import dress_of
from scanner.reports.pdf import pdf_of
from scanner.reports.render import render_html
from scanner.reports.stationery import found, stationery_of, written_on
from scanner.reports.words import shipped, words
from tests.reports.showcase import showcase
from tests.rounds.world import organisation

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
DRAWING = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><circle cx="4" cy="4" r="3"/></svg>'
BOMB = DRAWING.replace(
    "<circle",
    "<defs><g id='a0'><path d='M0 0h1'/></g>"
    + "".join(f"<g id='a{n}'>" + f"<use href='#a{n - 1}'/>" * 10 + "</g>" for n in range(1, 9))
    + "</defs><use href='#a8'/><circle",
)
"""A drawing of ten thousand thousand lines."""


def png(side: int) -> bytes:
    """A square picture of one colour that nothing else has."""
    out = io.BytesIO()
    Image.new("RGB", (side, side), "#e000c0").save(out, "png")
    return out.getvalue()


LOOP = "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}"


@pytest.fixture(autouse=True)
def home(tmp_path: Path) -> Iterator[Path]:
    with override_settings(OWN_TEMPLATES=tmp_path / "templates", DATA_DIR=tmp_path):
        yield tmp_path / "templates"


def put(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def signature(value: str = "") -> str:
    """A page as small as any: the signature below a report."""
    return page.fill("report", "signature.html", {"t": words(Language.EN), "value": value})


def test_without_templates_of_others_everything_is_as_shipped(home: Path) -> None:
    before = render_html(showcase())
    home.mkdir()
    with written_on(found()):
        assert render_html(showcase()) == before
        assert words(Language.EN) is shipped(Language.EN)


def test_a_template_of_the_installation_takes_the_place_of_the_shipped_one_and_may_extend_it(home: Path) -> None:
    put(home, "report/part_trend.html", "<p>Ours</p>")
    put(home, "report/report.html", '{% extends "shipped/report.html" %}{% block title %}Our title{% endblock %}')
    with written_on(found()):
        html = render_html(showcase())
    assert "<p>Ours</p>" in html
    assert "<title>Our title</title>" in html
    assert 'id="card"' in html
    assert mishaps.remembered() == []


@pytest.mark.django_db
def test_the_nearest_organisation_wins_and_the_others_inherit(home: Path) -> None:
    city = organisation("city")
    county = organisation("county", parent=city)
    water = organisation("water", parent=county)
    put(home, "words.toml", '[en]\n"office.name" = "Installation"\n"office.contact" = "desk"\n"office.signature" = "x"')
    put(home, "organisations/city/words.toml", '[en.office]\nname = "City Office"\nsignature = "The City"')
    put(home, "organisations/water/words.toml", '[en.office]\nsignature = "The Water Works"')
    told = {}
    for each in (None, city, county, water):
        with stationery_of(each):
            t = words(Language.EN)
            told[each.slug if each else ""] = tuple(t(f"office.{key}") for key in ("name", "signature", "contact"))
    assert told == {
        "": ("Installation", "x", "desk"),
        "city": ("City Office", "The City", "desk"),
        "county": ("City Office", "The City", "desk"),
        "water": ("City Office", "The Water Works", "desk"),
    }
    assert words(Language.EN)("office.name") == ""


def test_what_is_said_of_a_check_may_be_worded_otherwise_and_the_rest_stays(home: Path) -> None:
    before = texts.text("TLS-V10", Language.EN)
    put(home, "checks.toml", '[en.TLS-V10]\ntitle = "Ours"\nfix = "Ask the help desk."\n[en.TLS-V1]\ntitle = "x"')
    put(home, "organisations/water/checks.toml", '[en.TLS-V10]\ntitle = "The water works\' own"')
    with written_on(found(("water",))):
        told = texts.text("TLS-V10", Language.EN)
        chinese = texts.text("TLS-V10", Language.ZH_HANS)
    assert (told.title, told.fix) == ("The water works' own", "Ask the help desk.")
    assert (told.impact, told.evidence) == (before.impact, before.evidence)
    assert chinese == texts.text("TLS-V10", Language.ZH_HANS)
    with written_on(found()):
        assert texts.text("TLS-V10", Language.EN).title == "Ours"
        put(home, "checks.toml", '[en.TLS-V10]\ntitle = "Changed again"')
    with written_on(found()):
        assert texts.text("TLS-V10", Language.EN).title == "Changed again"
    assert texts.text("TLS-V10", Language.EN) == before


def test_what_is_changed_on_the_disk_counts_at_the_next_page(home: Path) -> None:
    put(home, "shared/signature.html", "one")
    put(home, "words.toml", '[en.report]\nkind = "Old"')
    with written_on(found()):
        assert (signature(), words(Language.EN)("report.kind")) == ("one", "Old")
    put(home, "shared/signature.html", "another")
    put(home, "words.toml", '[en.report]\nkind = "Newer"')
    with written_on(found()):
        assert (signature(), words(Language.EN)("report.kind")) == ("another", "Newer")


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{% if %}", "Expected an expression"),
        ("ok\n{{ nobody_knows }}", "'nobody_knows' is undefined"),
        ("{{ value|safe }}", "No filter named 'safe'"),
        ("{% autoescape false %}{{ value }}{% endautoescape %}", "escaping can't be turned off"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{% include '../../../etc/passwd' %}", "no template"),
        ("{{ 'x' * 99999999 }}", "more often"),
        ("{{ 10 ** 99999999 }}", "high power"),
        ("{{ '%99999999d' % 3 }}", "width"),
        ("{{ 'x'.center(99999999) }}", "method center"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "recursion"),
        (
            "{% set n = namespace(s='x') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
            "value of more",
        ),
        ("{% for i in range(99999) %}" + "y" * 1000 + "{% endfor %}", "writes too much"),
        ("{% block a %}{{ self.a() }}{{ self.a() }}{% endblock %}", "recursion"),
        ("{{ t('no.such.key') }}", "no.such.key"),
    ],
)
def test_a_broken_template_is_told_with_its_line_and_the_shipped_one_is_used(
    home: Path, template: str, said: str
) -> None:
    path = put(home, "shared/signature.html", template)
    with written_on(found()):
        assert signature("<b>") == ""
    (problem,) = mishaps.remembered()
    assert problem.path == path
    assert problem.line == (2 if "\n" in template else 1)
    assert said in problem.text
    put(home, "shared/signature.html", "mended")
    assert mishaps.remembered() == []


def test_whatever_others_wrote_is_in_the_sandbox_wherever_a_shipped_page_takes_it_in(home: Path) -> None:
    before = render_html(showcase())
    escape = "{{ t.__call__.__globals__ }}"
    for name in ("report/part_about.html", "report/macros.html", "report/base.html", "shared/signature.html"):
        path = put(home, name, escape)
        with written_on(found()):
            assert render_html(showcase()) == before
            with page.strictly(), pytest.raises(SecurityError, match="unsafe"):
                render_html(showcase())
        path.unlink()


def test_a_template_that_loops_for_ever_is_stopped_and_not_tried_again(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "STEPS", 10_000)
    put(home, "shared/signature.html", LOOP)
    with written_on(found()):
        assert signature() == ""
        monkeypatch.setattr(bounded, "STEPS", 10**9)
        monkeypatch.setattr(bounded, "SECONDS", 3600.0)
        begun = time.monotonic()
        assert signature() == ""
        assert time.monotonic() - begun < 5
    assert "takes too long" in mishaps.remembered()[0].text


def test_time_alone_ends_a_template_too() -> None:
    budget = bounded.Budget(seconds=0.0)
    with pytest.raises(bounded.LimitError, match="too long"):
        budget.spend()


def test_hostile_values_stay_escaped_in_templates_of_others(home: Path) -> None:
    put(home, "shared/signature.html", "{{ value }}|{{ value|replace('x', '<i>') }}|{{ (value ~ '<u>')|upper }}")
    with written_on(found()):
        assert signature("<x>\x1b") == "&lt;x&gt;\\x1b|&lt;&lt;i&gt;&gt;\\x1b|&lt;X&gt;\\x1b&lt;U&gt;"


def test_a_link_out_of_the_folder_of_templates_is_not_followed(home: Path, tmp_path: Path) -> None:
    secret = put(tmp_path, "secret", "the secret key")
    (home / "shared").mkdir(parents=True)
    (home / "shared" / "signature.html").symlink_to(secret)
    with written_on(found()):
        assert signature() == ""
    assert "lies outside" in mishaps.remembered()[0].text


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("logo.svg", DRAWING.replace("<circle", "<script>alert(1)</script><circle"), "script"),
        ("logo.svg", DRAWING.replace("<circle", '<circle onload="x()"'), "onload"),
        ("logo.svg", DRAWING.replace("<circle", '<use href="https://evil.example/x#y"/><circle'), "href"),
        ("logo.svg", DRAWING.replace("<circle", '<circle style="fill:url(https://evil.example/)"'), "style"),
        ("logo.svg", '<!DOCTYPE svg [<!ENTITY a "b">]>' + DRAWING, "document type"),
        ("logo.svg", "<svg>", "is no SVG"),
        ("logo.svg", DRAWING + " " * 70_000, "larger than 64 KiB"),
        ("logo.png", b"GIF89a" + b"\0" * 60, "is no PNG"),
        ("logo.png", PIXEL[:16] + b"\0\1\0\0" + PIXEL[20:], "is a PNG that is damaged"),
        ("logo.png", PIXEL[:-20], "is a PNG that is damaged"),
        ("logo.png", png(2001), "pixels"),
        ("logo.svg", BOMB, "can't be drawn"),
        ("css/own.css", "p { background: url(https://evil.example/x) }", "elsewhere"),
        ("css/own.css", "p {}\n</style><script>", "'<'"),
        ("css/report.css", "@import 'https://evil.example/x.css';", "elsewhere"),
    ],
)
def test_a_logo_or_style_sheet_that_is_not_what_it_should_be_is_left_out_and_told(
    home: Path, name: str, content: str | bytes, said: str
) -> None:
    path = put(home, name, content)
    dress = dress_of(found())
    assert (dress.logo, dress.own_style) == ("", "")
    (problem,) = dress.problems
    assert problem.path == path
    assert said in problem.text


@pytest.mark.parametrize(("name", "content"), [("logo.svg", DRAWING), ("logo.png", PIXEL)])
def test_logo_letterhead_signature_and_style_come_into_the_report(home: Path, name: str, content: str | bytes) -> None:
    put(home, name, content)
    put(home, "css/own.css", ".ours { color: #123456; }")
    put(home, "words.toml", '[en.office]\nletterhead = "1 Main Street\\nExample City"\nsignature = "For the office"')
    with written_on(found()):
        html = render_html(showcase())
    kind = "svg+xml" if name.endswith("svg") else "png"
    assert f'<img class="logo" src="data:image/{kind};base64,' in html
    assert "1 Main Street<br>Example City" in html
    assert "For the office" in html
    assert ".ours { color: #123456; }" in html


@pytest.mark.parametrize(
    ("name", "content"), [("logo.svg", DRAWING.replace("<circle", '<circle fill="#e000c0"')), ("logo.png", png(9))]
)
@pytest.mark.parametrize("document", ["notice", "bulletin"])
def test_the_logo_is_on_paper_too(home: Path, name: str, content: str | bytes, document: str) -> None:
    put(home, name, content)
    with written_on(found()):
        pdf = pdf_of(render_sample(document, Language.EN)["html"])
    command = ["pdftoppm", "-r", "40", "-f", "1", "-l", "1", "-png"]
    page = subprocess.run(command, input=pdf, capture_output=True, check=True).stdout
    colours = Image.open(io.BytesIO(page)).convert("RGB").getcolors(1_000_000)
    assert (0xE0, 0x00, 0xC0) in {colour for _, colour in colours or []}
