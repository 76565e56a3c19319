"""Hints on how to fix are shown where their product was recognised, and fit the checks that there are."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from scanner.engine.catalogue.load import Language, catalogue
from scanner.engine.intel.products import products
from scanner.reports.remedy import Remedy, Tried, hints_for, remedies
from scanner.reports.render import render_html
from tests.reports import skeleton
from tests.reports.sample import finding, place
from tests.reports.showcase import showcase

WWW = place("www.example.org", 443)


@pytest.mark.parametrize("remedy", remedies(), ids=lambda each: f"{each.name}-{each.checks[0]}")
def test_a_remedy_is_about_checks_and_products_that_exist(remedy: Remedy) -> None:
    assert set(remedy.checks) <= catalogue().keys()
    assert set(remedy.tested) <= set(remedy.checks)
    assert set(remedy.products) <= products().keys()
    assert all(step.lines for step in remedy.steps)
    assert all(remedy.texts[language] for language in Language)
    assert all(remedy.texts[language].count("`") % 2 == 0 for language in Language)
    assert not re.search(r"[,;:?!()]\s*[一-鿿]", remedy.texts[Language.ZH_HANS])


@pytest.mark.parametrize("remedy", remedies(), ids=lambda each: f"{each.name}-{each.checks[0]}")
def test_a_remedy_was_tried_in_the_lab_or_by_hand_or_says_why_not(remedy: Remedy) -> None:
    """Which checks are tested, and that these are, is held by ``tests/lab/test_remedies.py``."""
    assert [bool(remedy.tested), remedy.by_hand, bool(remedy.untried)].count(True) == 1
    assert bool(remedy.release) != bool(remedy.untried)


def test_no_check_has_two_remedies_for_one_product() -> None:
    pairs = [(remedy.name, check) for remedy in remedies() for check in remedy.checks]
    assert len(pairs) == len(set(pairs))


def test_what_was_recognised_decides_which_hints_are_shown() -> None:
    one = finding(1, "WEB-HSTS", WWW, products=("nginx",))
    hints, recognised = hints_for("WEB-HSTS", [one], Language.EN)
    assert recognised
    assert [hint.product for hint in hints] == ["nginx"]
    both, _ = hints_for("WEB-HSTS", [one, replace(one, products=("apache-http-server",))], Language.EN)
    assert [hint.product for hint in both] == ["Apache", "nginx"]


def test_where_nothing_was_recognised_every_product_is_named() -> None:
    hints, recognised = hints_for("WEB-HSTS", [finding(1, "WEB-HSTS", WWW, products=())], Language.ZH_HANS)
    assert not recognised
    assert len(hints) > 1


def test_a_check_without_a_remedy_has_no_hint() -> None:
    assert hints_for("TLS-HEARTBLEED", [finding(1, "TLS-HEARTBLEED", WWW)], Language.EN) == ((), False)


def test_the_report_shows_the_snippet_of_the_product_that_runs_there() -> None:
    text = skeleton.text(render_html(showcase("zh-Hans")))
    assert 'add_header Strict-Transport-Security "max-age=63072000" always;' in text
    assert "nginx 的设置方法" in text
    assert "Apache 的设置方法" not in text


def test_a_snippet_keeps_its_lines() -> None:
    html = render_html(showcase())
    assert "location ~ /\\.(?!well-known/) {\n    return 404;\n}\n</code>" in html


def _shown(check: str, product: str, language: str) -> str:
    shown = showcase(language)
    one = finding(1, check, WWW, products=(product,))
    return skeleton.text(render_html(replace(shown, findings=(one,))))


def test_the_report_tells_whether_a_snippet_was_tried() -> None:
    assert "Tried in our lab with nginx 1.22: the finding was there before" in _shown("WEB-HSTS", "nginx", "en")
    assert "Tried in our lab with nginx 1.22, but not against this" in _shown("TLS-RC4", "nginx", "en")
    assert "Tried by us by hand with Docker 20.10" in _shown("SVC-DOCKER-UNAUTH", "docker", "en")
    assert "Not tried by us on this product" in _shown("WEB-DIRLIST", "iis", "en")
    assert "已在实验环境中用 nginx 1.22 实测：" in _shown("WEB-HSTS", "nginx", "zh-Hans")
    assert "未经我方在该产品上实测" in _shown("WEB-DIRLIST", "iis", "zh-Hans")


def test_a_check_that_only_one_product_can_have_names_it() -> None:
    hints, recognised = hints_for("RSYNC-OPEN", [finding(1, "RSYNC-OPEN", WWW, products=())], Language.EN)
    assert recognised
    assert [hint.product for hint in hints] == ["rsync"]


def _row(name: str) -> str:
    """What was tried with one product, as a row of the table in docs/reports.md."""
    own = [remedy for remedy in remedies() if remedy.name == name]
    checks = {tried: [check for each in own for check in each.checks if each.tried(check) is tried] for tried in Tried}
    releases = sorted({remedy.release for remedy in own if remedy.release})
    notes = sorted({remedy.untried for remedy in own if remedy.untried})
    if checks[Tried.HAND]:
        notes.append("by hand, as its package changes the firewall of the machine")
    seen = ", ".join(checks[Tried.SEEN] + checks[Tried.HAND])
    rest = ", ".join(checks[Tried.RUN] + checks[Tried.NO])
    cells = ("; ".join(releases + notes), seen or "—", rest or "—")
    return f"| {name} | {' | '.join(cells)} |"


def test_the_documentation_tells_what_was_tried() -> None:
    text = Path("docs/reports.md").read_text(encoding="utf-8")
    for name in dict.fromkeys(remedy.name for remedy in remedies()):
        assert _row(name) in text.splitlines(), _row(name)
