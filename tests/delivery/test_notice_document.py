"""What a notice says, in both languages: all that such a letter has to, in words that it may use."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import replace

import pytest

from scanner.delivery.models import Notice
from scanner.delivery.notice_document import NoticeModel, notice_model, render_notice
from scanner.delivery.notice_word import render_notice_docx
from scanner.delivery.notices import issue
from scanner.engine.catalogue.load import Language
from scanner.remediation.models import Finding
from scanner.remediation.score import score_host, score_organisation
from scanner.rounds.models import Round
from tests.delivery.daily import DAY
from tests.delivery.office import NOW, finding, followed_round, installed, plan, unit
from tests.rounds.world import authorise

pytestmark = pytest.mark.django_db


@pytest.fixture
def notice() -> Notice:
    owner = unit()
    authorise(owner, "192.0.2.0/24", document="Order 2026-17", valid_from=NOW - DAY)
    this = followed_round(owner, of=plan())
    asked = [
        finding(owner, seen_in=this),
        finding(owner, seen_in=this, port=21, check_id="FTP-ANON", severity="high", deadline=NOW + 7 * DAY),
        finding(owner, seen_in=this, port=443, check_id="CERT-EXPIRED", severity="high", deadline=NOW - DAY),
    ]
    possible = finding(owner, seen_in=this, port=80, check_id="SW-OUTDATED", severity="high", confidence="possible")
    return issue(owner, this, asked, by="ops", now=NOW, to_check=[possible])


def text_of(notice: Notice, language: Language) -> str:
    html = render_notice(notice_model(notice), language)
    return " ".join(re.sub(r"<style>.*?</style>|<[^>]+>", " ", html, flags=re.DOTALL).split())


def test_it_says_all_that_such_a_letter_has_to_in_english(notice: Notice) -> None:
    with installed(office_contact="010-1234", notice_basis_en="Regulation 4"):
        told = text_of(notice, Language.EN)
    first, second, third, possible = (item.finding_id for item in notice.items.all())
    for words in (
        "Security Office",
        "Number: R2026-1",
        "To Water Office:",
        "Regulation 4",
        "Order 2026-17 (Director)",
        "26 Nov 2026 09:00 to 26 Nov 2026 10:00 (Asia/Shanghai)",
        "from the internet; remote read-only inspection",
        "Hosts: 1. Inspected 1, partly 0, not inspected 0. Not inspected does not mean safe.",
        "asks you to fix 3 findings",
        f"1 possible finding besides (number {possible})",
        f"Finding {third} was to be fixed by 25 Nov 2026 and is overdue: please fix it at once.",
        f"Finding {first}: please fix it by the end of 29 Nov 2026.",
        f"Finding {second}: please fix it by the end of 3 Dec 2026.",
        "by the end of 29 Nov 2026",
        "Contact: 010-1234",
        "Annex 1: List of findings",
        "Annex 2: Reply slip",
    ):
        assert words in told, words


def test_it_asks_in_chinese_and_keeps_off_words_that_only_others_may_use(notice: Notice) -> None:
    with installed(office_name_zh="某市网络安全办公室"):
        told = text_of(notice, Language.ZH_HANS)
    for words in (
        "某市网络安全办公室",
        "网络安全隐患整改通知书",
        "水务局：",
        "请于2026年11月29日（含当日）前完成整改",
        "请于2026年11月29日（含当日）前填写整改情况反馈表",
        "据版本信息或单次观察推断，不在整改要求之列，请核实后反馈",
        "附件1 网络安全隐患清单",
        "单位（盖章）",
    ):
        assert words in told, words
    assert re.findall("责令|攻击|入侵|黑客|渗透|通报批评|依据 ", told) == []


@pytest.mark.parametrize("language", Language)
def test_it_brings_all_it_needs_and_nothing_from_elsewhere(notice: Notice, language: Language) -> None:
    html = render_notice(notice_model(notice), language)
    assert re.findall(r"<(?:script|link|img|iframe|object)|url\(|@import|(?:src|href)=", html) == []
    assert "size: A4" in html
    assert f'lang="{language}"' in html


@pytest.mark.parametrize("language", Language)
def test_what_a_host_said_stays_text(notice: Notice, language: Language) -> None:
    evil = "<script>alert(1)</script>\x1b[31m\r\n\u202e{{ 7*7 }}"
    Finding.objects.update(params=[["protocol", evil], ["product", evil], ["version", evil], ["subject", evil]])
    html = render_notice(notice_model(notice), language)
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert [mark for mark in ("\x1b", "\u202e", "49") if mark in html.partition("Redis")[2].partition("FTP")[0]] == []


def test_a_notice_without_a_round_says_what_is_known() -> None:
    owner = unit()
    notice = issue(owner, None, [finding(owner)], by="ops", now=NOW)
    told = text_of(notice, Language.EN)
    assert "Hosts:" not in told
    assert "Finding" in told


def test_numbers_of_hosts_that_are_kept_no_more_are_not_made_up(notice: Notice) -> None:
    Round.objects.update(pruned=NOW)
    kept = Notice.objects.get(pk=notice.pk)
    for told in (text_of(kept, Language.EN), word_of(notice_model(kept))):
        assert "Hosts: 1." not in told
        assert "How many of the hosts were inspected is kept no more" in told


def test_a_provisional_score_is_called_so(notice: Notice) -> None:
    score = score_organisation([score_host("192.0.2.10", [])], 0.5)
    model = notice_model(notice)
    assert model.inspected is not None
    model = replace(model, inspected=replace(model.inspected, score=score))
    for told in (render_notice(model, Language.EN), word_of(model)):
        assert "Provisional: less than 80% of the hosts could be inspected." in told


def word_of(model: NoticeModel) -> str:
    with zipfile.ZipFile(io.BytesIO(render_notice_docx(model, Language.EN))) as docx:
        return re.sub(r"<[^>]+>", "", docx.read("word/document.xml").decode())
