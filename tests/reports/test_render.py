"""A report says what the model says: in the organisation's language, completely, and nothing of a host's making."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.engine.catalogue.load import Language, catalogue
from scanner.engine.facts.service import Exchange
from scanner.engine.intel.lifecycles import Support
from scanner.engine.model import Facet, GapReason, Outcome, Severity, Transport
from scanner.engine.plan import Profile
from scanner.remediation.lifecycle import Happened
from scanner.reports import model as m
from scanner.reports.inventory import certificates_of
from scanner.reports.model import ReportModel
from scanner.reports.render import ports_asked, references, render_html, render_json, version_name
from scanner.reports.risky import kinds
from scanner.reports.words import words
from tests.reports import sample, showcase, skeleton

MODELS = [sample.busy, sample.clean, sample.unreachable, sample.crowded, showcase.showcase]
LANGUAGES = ["en", "zh-Hans"]
EVERYWHERE = pytest.mark.parametrize("language", LANGUAGES)
EVERY_MODEL = pytest.mark.parametrize("model", MODELS)
Make = Callable[[str], ReportModel]


def said_by_a_host(text: str) -> ReportModel:
    """The busy model, with everything that a host can say, and what people wrote, replaced by ``text``."""
    model = sample.busy()
    findings = tuple(
        replace(
            each,
            params=tuple((name, text) for name, _ in each.params),
            exchanges=(Exchange(text, text, ""),),
            service=text,
            references=(text,),
            exemption=sample.exemption(owner=text, reason=text, proof=text, state="requested"),
        )
        for each in model.findings
    )
    accepted = tuple(
        replace(each, exemption=sample.exemption(owner=text, reason=text)) for each in model.changes.accepted
    )
    gaps = tuple(
        replace(gap, reasons=tuple(replace(reason, detail=text) for reason in gap.reasons))
        for gap in model.coverage.gaps
    )
    inventory = tuple(
        replace(
            host,
            services=tuple(
                replace(
                    service,
                    product=text,
                    version=text,
                    protocol=text,
                    tls_versions=(text,) if service.tls else (),
                    certificate=service.certificate and replace(service.certificate, subject=text, issuer=text),
                )
                for service in host.services
            ),
        )
        for host in model.inventory
    )
    return replace(
        model,
        findings=findings,
        changes=replace(model.changes, accepted=accepted),
        coverage=replace(model.coverage, gaps=gaps),
        inventory=inventory,
        certificates=certificates_of(inventory),
        products=tuple(replace(age, name=text, version=text, kept_by=(text,)) for age in model.products),
        contacts=(m.Contact(text, "security"),),
        next_round=m.NextRound(text, sample.NOW),
    )


@cache
def plain() -> list[skeleton.Element]:
    """What a page is made of when a host says nothing special."""
    return skeleton.elements(render_html(said_by_a_host("x")))


BREAKOUTS = st.sampled_from(
    ["<script>", "</style>", "-->", "<!--", "'", '"', "&", "&#60;", "<img src=x>", "]]>", "{{7*7}}", "{%", "\x00", "‮"]
)


@settings(max_examples=50, deadline=None)
@given(text=st.one_of(st.text(min_size=1, max_size=40), st.lists(BREAKOUTS, min_size=1, max_size=6).map("".join)))
def test_nothing_a_host_says_changes_an_element_or_attribute(text: str) -> None:
    assert skeleton.elements(render_html(said_by_a_host(text))) == plain()


@EVERYWHERE
@EVERY_MODEL
def test_a_page_runs_nothing_and_fetches_nothing(model: Make, language: str) -> None:
    html = render_html(model(language))

    assert "<script" not in html.lower()
    for tag, attributes in skeleton.elements(html):
        assert tag not in ("script", "link", "iframe", "object", "embed", "form", "base", "img")
        for name, value in attributes:
            assert not name.startswith("on")
            assert name not in ("style", "src", "srcset", "action", "background")
            assert name != "href" or (value or "").startswith("#")
    assert not re.search(r"url\(|@import", html)
    assert "default-src 'none'" in html


@EVERYWHERE
@EVERY_MODEL
def test_the_same_model_gives_the_same_bytes(model: Make, language: str) -> None:
    assert render_html(model(language)) == render_html(model(language))
    assert render_json(model(language)) == render_json(model(language))


@EVERYWHERE
@EVERY_MODEL
def test_a_page_is_in_its_language_and_well_structured(model: Make, language: str) -> None:
    elements = skeleton.elements(render_html(model(language)))
    tags = [tag for tag, _ in elements]
    ids = [value for _, attributes in elements for name, value in attributes if name == "id"]
    targets = [value for _, attributes in elements for name, value in attributes if name == "href"]

    assert elements[0] == ("html", (("lang", language),))
    assert tags.count("h1") == 1
    assert len(ids) == len(set(ids))
    assert {target[1:] for target in targets if target} <= set(ids)
    assert all(
        dict(attributes).get("scope") in ("col", "row", "rowgroup") for tag, attributes in elements if tag == "th"
    )


@EVERY_MODEL
def test_an_english_page_holds_no_chinese(model: Make) -> None:
    assert not re.search("[一-鿿]", render_html(model("en")))


def test_the_card_says_what_to_fix_first_until_when_and_what_is_overdue() -> None:
    text = skeleton.text(render_html(sample.busy()))

    assert "57.8 of 100" in text
    assert "Some findings have passed their deadline" in text
    assert "was due 21 Nov 2026, 2 days ago" in text
    assert "by 24 Nov 2026 (1 day left)" in text
    assert "9.3 better than in round 11 (compared on 4 hosts)" in text


def test_the_means_can_be_worked_out_from_what_is_shown() -> None:
    model = sample.busy()
    text = skeleton.text(render_html(model))
    total = sum(host.weight for host in model.score.hosts)

    assert model.score.mean == pytest.approx(sum(host.value * host.weight for host in model.score.hosts) / total)
    assert "Key systems count 2 times in both means." in text
    assert text.count("counts 2 times") == 1


def test_every_finding_is_shown_with_evidence_and_command() -> None:
    model = sample.busy()
    html = render_html(model)

    for finding in model.findings:
        assert f'id="f{finding.number}"' in html
    assert "printf 'INFO server\\r\\n' | nc -w 3 2001:db8::10 6380" in skeleton.text(html)
    assert html.count("<article") == 2


def test_what_was_not_inspected_is_named_with_its_reason_in_both_languages() -> None:
    assert "a firewall drops our packets" in skeleton.text(render_html(sample.busy("en")))
    assert "检测报文被防火墙丢弃" in skeleton.text(render_html(sample.busy("zh-Hans")))


def test_the_first_page_tells_why_whole_hosts_were_not_inspected_and_nothing_of_hosts_that_were() -> None:
    made = sample.busy("en")
    silent, part = made.coverage.gaps
    port = m.Reason(GapReason.REFUSED_BY_SCOPE, Facet.PORT, 502, Transport.TCP, "")
    inspected = replace(part, outcome=Outcome.INSPECTED, reasons=(port,))
    gaps = (part, replace(part, host="second.example.org"), silent, inspected)
    shown = render_html(replace(made, coverage=replace(made.coverage, gaps=gaps)))
    reasons = re.findall(r"<li>(\d+) [^<]*?: ([^<]*)</li>", shown)

    assert [number for number, _ in reasons] == ["1", "2", "2"]
    assert "did not answer at all" in reasons[0][1]


def test_addresses_that_never_answered_are_told_apart_from_what_is_known() -> None:
    made = sample.clean()
    quiet = skeleton.text(render_html(replace(made, coverage=replace(made.coverage, unused=250))))

    assert quiet.count("250 further addresses have never answered and are taken as unused") == 2
    assert "Everything in the scope of this round was inspected" not in quiet
    assert "taken as unused" not in skeleton.text(render_html(made))


def test_a_report_without_any_inspected_host_gives_no_good_news() -> None:
    text = skeleton.text(render_html(sample.unreachable()))

    assert "Nothing could be inspected" in text
    assert "No score" in text
    assert "nothing was found" not in text
    assert "Nothing is waiting" not in text


def test_a_clean_report_says_within_which_bounds_it_is_clean() -> None:
    assert "在本次检测范围、视角和时间内，未发现需要整改的隐患。" in skeleton.text(render_html(sample.clean("zh-Hans")))


def test_partly_inspected_and_clean_is_not_called_clean() -> None:
    model = sample.clean()
    model = replace(model, coverage=replace(model.coverage, inspected=3, partial=1))

    assert "The rest is unknown." in skeleton.text(render_html(model))


def test_dates_are_in_the_time_zone_of_the_organisation() -> None:
    late = replace(sample.clean("zh-Hans"), generated=sample.NOW + timedelta(hours=2))

    assert "2026年11月24日 00:30（北京时间）" in skeleton.text(render_html(late))


def test_an_authorisation_ends_on_its_last_day_and_not_on_the_day_after() -> None:
    made = sample.clean("zh-Hans")
    ends = datetime(2027, 12, 31, 16, tzinfo=UTC)  # the first moment of 2028 in Shanghai
    until = replace(made, authorisations=(replace(made.authorisations[0], until=ends),))

    assert "至2027年12月31日" in skeleton.text(render_html(until))


def test_a_missing_name_falls_back_to_the_other_language() -> None:
    model = sample.clean("zh-Hans")
    named = replace(model, organisation=replace(model.organisation, name=replace(model.organisation.name, zh="")))

    assert "Example City Library" in skeleton.text(render_html(named))


@EVERYWHERE
@EVERY_MODEL
def test_json_holds_schema_texts_and_every_finding(model: Make, language: str) -> None:
    made = model(language)
    document = json.loads(render_json(made))

    assert document["schema"] == "roundsman.report/2"
    assert document["language"] == language
    assert [each["number"] for each in document["findings"]] == [each.number for each in made.findings]
    for finding in document["findings"]:
        assert all(finding[field] for field in ("title", "impact", "fix", "evidence", "verify"))
    for gap in document["coverage"]["gaps"]:
        assert all(reason["message"] for reason in gap["reasons"])


def test_json_is_laid_out_for_people_and_times_are_utc() -> None:
    text = render_json(sample.busy()).decode()
    document = json.loads(text)

    assert text == json.dumps(document, ensure_ascii=False, indent=2) + "\n"
    assert document["generated"] == "2026-11-23T14:30:00Z"
    assert document["changes"]["new"] == [103, 106]
    assert document["changes"]["fixed"][0]["second_look"] == "2026-11-23T14:26:00Z"


def test_a_first_report_does_not_list_everything_twice() -> None:
    html = render_html(sample.crowded())

    assert "so all that is listed is new" in skeleton.text(html)
    assert html.count('href="#f') < len(sample.crowded().findings)


def test_a_later_report_lists_what_is_new_and_what_came_back() -> None:
    text = skeleton.text(render_html(sample.busy()))

    assert "2 new, 1 reopened, 1 fixed and proven, 2 seen again, 1 open and not inspected this time." in text
    assert "came back once" in text


@EVERYWHERE
def test_the_card_says_who_what_by_when_and_when_the_next_round_is(language: str) -> None:
    text = skeleton.text(render_html(showcase.showcase(language)))

    wanted = {
        "en": ("Database administrators", "newly open: 1 of 2", "30 Nov 2026", "organisation: Zhang San.", "103%"),
        "zh-Hans": ("数据库管理员", "新增 1 处（共 2 处）", "2026年11月30日", "联系人：张三。", "103%"),
    }
    for said in wanted[language]:
        assert said in text, said


def test_a_round_that_is_not_planned_or_late_is_said_so() -> None:
    made = showcase.showcase()
    assert "None is planned." in skeleton.text(render_html(replace(made, next_round=None)))
    late = replace(made, next_round=m.NextRound("weekly", sample.NOW - timedelta(hours=1)))
    assert "(weekly) and has not begun" in skeleton.text(render_html(late))


def test_risky_services_are_not_called_unseen_where_nothing_was_inspected() -> None:
    card = skeleton.text(render_html(sample.unreachable())).split("Coverage")[0]
    assert "not known" in card
    assert "none seen" not in card


def test_what_happened_to_a_finding_is_told_in_one_line() -> None:
    text = " ".join(skeleton.text(render_html(sample.busy())).split())
    assert (
        "24 Sept 2026 first seen (round 5) → 4 Oct 2026 severity changed from high to critical (round 6) → 9 Oct 2026 "
        "reported as fixed → 14 Oct 2026 reported as fixed, and seen again (round 7) → 24 Oct 2026 proven fixed "
        "(round 8) → 23 Nov 2026 came back (round 12)"
    ) in text


def test_an_exemption_tells_who_answers_for_it_why_and_until_when() -> None:
    text = skeleton.text(render_html(sample.busy()))
    assert "Li Si" in text
    assert "The vendor ends it in March" in text
    assert "2 Mar 2027" in text or "3 Mar 2027" in text


@EVERYWHERE
def test_everything_that_can_happen_has_words(language: str) -> None:
    t = words(Language(language))
    wanted = [
        *(f"history.{kind}" for kind in Happened),
        *(f"risky.kind.{kind}" for kind in kinds()),
        *(f"lifecycle.{support}" for support in Support),
        *(f"who.{who}" for who in ("system", "web", "database", "mail", "dns", "network")),
    ]
    assert [key for key in wanted if not t.has(key)] == []


def test_hosts_that_were_not_inspected_for_the_same_reasons_are_one_row() -> None:
    html = render_html(sample.unreachable())
    assert skeleton.text(html).count("The host did not answer at all") == 2, "on the card, and where they are listed"


@EVERYWHERE
def test_what_was_asked_is_told_in_words_and_not_by_the_names_of_settings(language: str) -> None:
    text = skeleton.text(render_html(sample.busy(language)))
    assert "top1000" not in text
    assert {"en": "the 1000 most used", "zh-Hans": "最常用的 1000 个"}[language] in text


def test_a_list_of_ports_stays_a_list_and_what_was_asked_besides_is_named() -> None:
    t = words(Language.ZH_HANS)
    assert ports_asked("22,80,8000-8100", t) == "22,80,8000-8100"
    assert ports_asked("all", t) == "全部（1–65535）"
    assert ports_asked("top100,T:9999", t).endswith("，另加 T:9999")


@EVERYWHERE
@pytest.mark.parametrize("word", ["top100", "top1000", "all"])
def test_every_set_of_ports_and_every_depth_has_words(word: str, language: str) -> None:
    t = words(Language(language))
    assert t.has(f"ports.{word}")
    assert all(t.has(f"depth.{profile}") for profile in Profile)


def test_versions_of_tls_are_called_by_their_names() -> None:
    said = [version_name(each) for each in ("SSLv2", "SSLv3", "TLSv1.0", "TLSv1.3", "TLCP", "xTLSv1.0")]
    assert said == ["SSL 2.0", "SSL 3.0", "TLS 1.0", "TLS 1.3", "TLCP", "xTLSv1.0"]


def test_a_risk_cites_a_clause_of_classified_protection_and_a_section_as_its_reader_does() -> None:
    chinese, english = words(Language.ZH_HANS), words(Language.EN)
    expired = sample.finding(1, "CERT-EXPIRED", sample.place("192.0.2.1", 443))

    assert references(expired, chinese) == ["CWE-324", "RFC 5280 第 4.1.2.5 节", "GB/T 22239-2019 8.1.2.2"]
    assert references(expired, english)[1] == "RFC 5280 section 4.1.2.5"
    for check in catalogue().values():
        cited = references(sample.finding(1, check.id, sample.place("192.0.2.1", 443)), english)
        clauses = [each for each in cited if each.startswith("GB/T 22239-2019 8.")]
        assert clauses or check.severity is Severity.INFO, check.id


def test_the_score_says_why_it_is_capped_only_where_it_is() -> None:
    assert "no more than 59 while a critical or high finding is confirmed" in skeleton.text(render_html(sample.busy()))
    assert "no more than" not in skeleton.text(render_html(sample.clean())).split("What this report")[0]
