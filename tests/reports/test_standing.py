"""What a report takes over from the one before is what it would have written: whatever has changed is written anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import pytest
from django.test import override_settings
from markupsafe import Markup

from scanner.engine.catalogue.load import Language
from scanner.engine.model import Confidence, Exchange, Outcome, Severity, Transport
from scanner.reports import standing, texts
from scanner.reports.model import Event, Finding, ReportModel
from scanner.reports.places import Certificate, InventoryHost, InventoryService
from scanner.reports.render import render_html
from scanner.reports.standing import CUT, Standing
from scanner.reports.stationery import found, written_on
from tests.reports.sample import DAY, HOSTILE, NOW, busy, exemption, place

CHANGED: dict[str, object] = {
    "number": 7,
    "check": "SVC-REDIS-EXPOSED",
    "state": "claimed",
    "severity": Severity.LOW,
    "confidence": Confidence.PROBABLE,
    "place": place("other.example.org", 6379, "192.0.2.77"),
    "service": "valkey",
    "params": (("access", "restricted"), ("grade", "insufficient"), ("policy", "roundsman"), ("clause", "2.1")),
    "exchanges": (Exchange("PING", "+PONG", NOW.isoformat()),),
    "cwe": (1,),
    "references": ("RFC 9999 section 1",),
    "known_exploited": True,
    "key_target": False,
    "first_seen": NOW - 30 * DAY,
    "last_seen": NOW - 20 * DAY,
    "last_inspected": NOW - 20 * DAY,
    "fixed": NOW,
    "deadline": NOW + 5 * DAY,
    "overdue": False,
    "recurrences": 3,
    "seen_now": False,
    "reported": None,
    "claimed": NOW - 3 * DAY,
    "exemption": exemption(),
    "history": (Event("opened", NOW - 9 * DAY, 5), Event("reopened", NOW - 2 * DAY, 11)),
    "products": ("valkey",),
}


CHANGED_HOST: dict[str, object] = {
    "host": "other.example.org",
    "address": "192.0.2.99",
    "target": "192.0.2.0/24",
    "key_target": False,
    "outcome": Outcome.PARTIAL,
    "worst": None,
    "score": 12.5,
    "services": (),
    "domain": True,
    "unlisted": "8000-8010",
}
CHANGED_SERVICE: dict[str, object] = {
    "port": 9999,
    "transport": Transport.UDP,
    "protocol": "unknown",
    "tls": None,
    "product": "Valkey",
    "version": "99",
    "tls_versions": ("TLSv1.0", "TLSv1.3"),
    "certificate": Certificate("CN=other", "CN=issuer", NOW - DAY),
    "findings": 77,
    "products": ("valkey",),
    "tls_unfinished": True,
    "certificate_unseen": True,
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(standing, "_SHIPPED", Standing(1_000_000))
    with override_settings(OWN_TEMPLATES=tmp_path / "templates", DATA_DIR=tmp_path):
        yield tmp_path / "templates"


def written_anew(model: ReportModel, *, paper: bool = False) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(standing, "_SHIPPED", Standing(0))
        return render_html(model, paper=paper)


def with_first(model: ReportModel, **changes: object) -> ReportModel:
    first = replace(model.findings[0], **changes)  # type: ignore[arg-type]  # fields by name
    return replace(model, findings=(first, *model.findings[1:]))


@pytest.mark.parametrize("name", [each.name for each in fields(Finding)])
@pytest.mark.parametrize("language", ["en", "zh-Hans"])
def test_a_finding_of_which_anything_has_changed_is_shown_as_it_is_now(name: str, language: str) -> None:
    before = busy(language)
    render_html(before)
    now = with_first(before, **{name: CHANGED[name]})
    assert render_html(now) == written_anew(now)


def with_host(model: ReportModel, **changes: object) -> ReportModel:
    first = replace(model.inventory[0], **changes)  # type: ignore[arg-type]  # fields by name
    return replace(model, inventory=(first, *model.inventory[1:]))


@pytest.mark.parametrize("name", [each.name for each in fields(InventoryHost)])
def test_a_host_of_which_anything_has_changed_is_shown_as_it_is_now(name: str) -> None:
    render_html(busy())
    now = with_host(busy(), **{name: CHANGED_HOST[name]})
    assert render_html(now) == written_anew(now)


@pytest.mark.parametrize("name", [each.name for each in fields(InventoryService)])
def test_a_service_of_which_anything_has_changed_is_shown_as_it_is_now(name: str) -> None:
    first, *others = busy().inventory[0].services
    before = with_host(busy(), services=(replace(first, tls=False, tls_versions=(), certificate=None), *others))
    render_html(before)
    changed = replace(before.inventory[0].services[0], **{name: CHANGED_SERVICE[name]})  # type: ignore[arg-type]  # fields by name
    now = with_host(before, services=(changed, *others))
    assert render_html(now) == written_anew(now)


def test_a_certificate_that_has_expired_since_is_shown_as_late() -> None:
    leaf = Certificate("CN=a", "CN=b", NOW + DAY)
    first, *others = busy().inventory[0].services
    before = with_host(busy(), services=(replace(first, certificate=leaf), *others))
    render_html(before)
    now = replace(before, generated=before.generated + 2 * DAY)
    assert render_html(now) == written_anew(now)


def test_when_a_finding_was_inspected_is_shown_as_it_is_now_where_it_is_shown() -> None:
    before = with_first(busy(), seen_now=False)
    render_html(before)
    now = with_first(before, last_inspected=NOW - 3 * DAY)
    assert render_html(now) == written_anew(now)


def test_a_page_in_another_zone_with_tls_or_on_another_day_is_written_as_it_is_now() -> None:
    before = busy()
    render_html(before)
    elsewhere = replace(before, organisation=replace(before.organisation, time_zone="Pacific/Kiritimati"))
    host = before.inventory[0]
    with_tls = replace(host, services=tuple(replace(each, tls=True) for each in host.services))
    for now in (
        elsewhere,
        replace(before, inventory=(with_tls, *before.inventory[1:])),
        replace(before, generated=before.generated + DAY),
        replace(before, findings=before.findings[:1]),
    ):
        assert render_html(now) == written_anew(now) != render_html(before)


def test_a_page_on_paper_takes_over_what_the_other_one_wrote() -> None:
    render_html(busy())
    assert render_html(busy(), paper=True) == written_anew(busy(), paper=True)


def test_own_words_and_texts_of_checks_are_shown_from_the_next_page_on(home: Path) -> None:
    plain = render_html(busy())
    home.mkdir()
    (home / "words.toml").write_text('[en.confidence]\nconfirmed = "seen twice"\n')
    with written_on(found()):
        own = render_html(busy())
        assert own == written_anew(busy()) != plain
    shipped = texts.text("SVC-REDIS-UNAUTH", Language.EN).evidence
    (home / "checks.toml").write_text(f"[en.SVC-REDIS-UNAUTH]\nevidence = '{shipped} Look at it.'\n")
    with written_on(found()):
        assert render_html(busy()) == written_anew(busy()) != own
    assert render_html(busy()) == plain


def test_templates_of_others_are_asked_for_each_page(home: Path) -> None:
    plain = render_html(busy())
    macros = home / "report" / "macros.html"
    macros.parent.mkdir(parents=True)
    names = ("severity", "place", "places", "history", "deadline", "command", "exchanges")
    for text in ("one", "other"):
        macros.write_text("".join(f"{{% macro {name}(a, b, c, d, solid) %}}{text}{{% endmacro %}}" for name in names))
        with written_on(found()):
            page = render_html(busy())
        assert f'data-label="Where">{text}<br>' in page
    assert render_html(busy()) == plain


def test_a_value_can_not_cut_a_piece() -> None:
    hostile = with_first(busy(), params=(("product", f"{HOSTILE}\x1a{HOSTILE}\x1a"),))
    assert "\x1a" not in render_html(hostile)
    assert render_html(hostile) == written_anew(hostile)


class Asked:
    """Counts what had to be written when pieces of eight bytes were asked for."""

    def __init__(self, most: int) -> None:
        self._standing = Standing(most)
        self.written = 0

    def __call__(self, key: int, shows: str) -> None:
        assert self._standing.parts(key, shows, self._write) == ["1234", "567"]

    def _write(self) -> str:
        self.written += 1
        return Markup("1234") + CUT + Markup("567")


def test_a_piece_is_written_again_only_when_it_shows_something_else() -> None:
    asked = Asked(500)
    for shows in ("this", "this", "that", "that", "this"):
        asked(1, shows)
    assert asked.written == 3


def test_no_more_is_remembered_than_fits_and_of_more_that_comes_round_in_a_circle_some_is_found_again() -> None:
    asked = Asked(500)
    for turn in range(50):
        for key in range(100):
            asked(key, "as it was")
        assert turn or asked.written == 100
    assert 50 * 100 * (1 - 500 / 8 / 100) < asked.written < 50 * 100
