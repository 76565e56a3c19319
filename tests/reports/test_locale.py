"""Both languages say everything, with the same placeholders, and every word of the engine has its text."""

from __future__ import annotations

import re
import string
import tomllib
from importlib import resources
from pathlib import Path

import pytest
from jinja2 import nodes

from scanner.accounts.roles import Role
from scanner.delivery.template_check import wrong_words
from scanner.engine.catalogue.load import Language, catalogue
from scanner.engine.model import Confidence, Facet, GapReason, Level, Outcome, Severity, Transport, Vantage
from scanner.engine.policy.load import Grade as TlsGrade
from scanner.engine.policy.load import policies
from scanner.remediation.lifecycle import State
from scanner.remediation.score import Grade
from scanner.reports import page
from scanner.reports.words import MISSING, Words, fill, words
from targets.scope import RefusalReason

MODULES = Path(__file__).parents[2] / "scanner" / "reports"
TEMPLATES = Path(str(resources.files("report_templates")))
SOURCES = [
    *(TEMPLATES / "report").iterdir(),
    *(TEMPLATES / "mail").iterdir(),
    *(TEMPLATES / "notice").iterdir(),
    *(TEMPLATES / "bulletin").iterdir(),
    *MODULES.glob("*.py"),
    *(MODULES.parent / "delivery").glob("*.py"),
]


BLANK = {"inventory.separator", "office.name", "office.contact", "office.letterhead", "office.signature"}
"""A wide space, and what the settings, or nothing, stand in for."""


def placeholders(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def keys(vocabulary: Words) -> dict[str, set[str]]:
    """Every key with its placeholders; none, singular and plural count as one key with the plural's."""
    found = {}
    for key, template in vocabulary.items():
        if not key.endswith((".one", ".zero")):
            found[key.removesuffix(".other")] = placeholders(template)
    return found


def test_both_languages_hold_the_same_keys_with_the_same_placeholders() -> None:
    english, chinese = keys(words(Language.EN)), keys(words(Language.ZH_HANS))

    assert english == chinese
    assert len(english) > 150


@pytest.mark.parametrize("language", Language)
def test_a_singular_has_a_plural_and_asks_for_nothing_more(language: Language) -> None:
    texts = dict(words(language).items())
    few = [key for key in texts if key.endswith((".one", ".zero"))]

    for key in few:
        plural = texts[key.rpartition(".")[0] + ".other"]
        assert placeholders(texts[key]) <= placeholders(plural)
        assert "n" in placeholders(plural)


@pytest.mark.parametrize("language", Language)
def test_no_text_is_empty_and_no_placeholder_looks_inside_its_value(language: Language) -> None:
    for key, template in words(language).items():
        assert template.strip() or key in BLANK, key
        assert all(re.fullmatch("[a-z_]+", name) for name in placeholders(template)), key


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize(
    ("prefix", "kind"),
    [
        ("severity", Severity),
        ("confidence", Confidence),
        ("outcome", Outcome),
        ("facet", Facet),
        ("gap", GapReason),
        ("vantage", Vantage),
        ("level", Level),
        ("transport", Transport),
        ("state", State),
        ("grade", Grade),
        ("policy.grade", TlsGrade),
        ("account_role", Role),
    ],
)
def test_every_word_of_the_engine_has_a_text(language: Language, prefix: str, kind: type[Severity]) -> None:
    texts = dict(words(language).items())

    assert {key for key in texts if key.startswith(f"{prefix}.")} == {f"{prefix}.{member.value}" for member in kind}


def test_every_key_that_a_template_or_module_asks_for_exists() -> None:
    asked = set()
    for source in SOURCES:
        asked.update(
            re.findall(r"""\b(?:t|vocabulary)\(\s*['"]([a-z_.]+[a-z_])['"]\s*[,)]""", source.read_text("utf-8"))
        )

    assert len(asked) > 80
    assert asked <= set(keys(words(Language.EN)))


def test_every_key_is_used() -> None:
    used = "".join(path.read_text("utf-8") for path in SOURCES)
    by_prefix = (
        *("severity", "confidence", "outcome", "facet", "gap", "vantage", "level", "transport", "state", "grade"),
        *(
            "param",
            "detail",
            "section",
            "verdict",
            "limit",
            "glossary",
            "discovery",
            "score",
            "list",
            "changes",
            "policy",
            "ports",
            "depth",
        ),
        "account_role",
        "mail.account",
        "mail.kind",
        "mail.plan",
        "mail.reinspection.title",
        "mail.reinspection.meaning",
        "form",
        "notice.column",
        "notice.slip",
        "plan_kind",
        "round_state",
        "sheet",
        "column",
        "who",
        "risky",
        "history",
        "lifecycle",
        "remedy",
        "bulletin.change",
        "bulletin.figure",
        "bulletin.note",
        "bulletin.rate",
        "bulletin.unranked",
        *("findings", "first", "inventory", "timeline"),
    )

    unused = [
        key
        for key in keys(words(Language.EN))
        if not key.startswith(tuple(f"{prefix}{end}" for prefix in by_prefix for end in "._")) and key not in used
    ]

    assert unused == []


def test_the_chinese_file_uses_full_width_punctuation_and_the_english_one_none() -> None:
    for key, template in words(Language.ZH_HANS).items():
        assert not re.search(r"[一-鿿]\s*[,;:?!()]|[,;:?!()]\s*[一-鿿]", template), key
    for key, template in words(Language.EN).items():
        assert not re.search(r"[　-〿＀-￯一-鿿]", template), key


def test_the_chinese_texts_keep_off_words_that_a_read_only_inspection_must_not_use() -> None:
    for key, template in words(Language.ZH_HANS).items():
        assert not re.search("攻击|入侵|黑客|渗透|拿下|等保得分|责令|合格", template), key


def test_the_score_is_called_an_internal_index_and_not_inspected_is_not_called_safe() -> None:
    chinese = words(Language.ZH_HANS)

    assert chinese("score.nature") == "网络安全风险监测指数（内部巡检指标，不作为等级测评结论）。"
    assert chinese("coverage.not_clean") == "未检测不等于安全。"


def test_catalogue_texts_ask_for_the_same_things_in_both_languages() -> None:
    for check in catalogue().values():
        english, chinese = check.texts[Language.EN], check.texts[Language.ZH_HANS]
        assert placeholders(english.evidence) == placeholders(chinese.evidence), check.id


def test_the_locale_files_list_their_tables_in_the_same_order() -> None:
    folder = resources.files("report_templates") / "locale"
    english, chinese = (tomllib.loads((folder / f"{name}.toml").read_text("utf-8")) for name in ("en", "zh_Hans"))

    assert list(english) == list(chinese)


def test_one_thing_is_singular_and_two_are_plural() -> None:
    english = words(Language.EN)

    assert english("findings.places", n=1) == "1 place"
    assert english("findings.places", n=2) == "2 places"


@pytest.mark.parametrize("language", Language)
def test_what_is_due_today_is_not_counted_in_days(language: Language) -> None:
    for key in ("deadline.due", "deadline.overdue"):
        assert "0" not in words(language)(key, n=0, date="today")
        assert "1" in words(language)(key, n=1, date="today")
        assert "2" in words(language)(key, n=2, date="today")


def test_a_missing_value_becomes_a_dash_and_a_value_is_never_a_template() -> None:
    assert fill("{a} and {b}", {"a": "{b.__class__}"}) == f"{{b.__class__}} and {MISSING}"
    assert fill("{a.real} {a[0]} {a!r:>9}", {"a": "x"}) == f"{MISSING} {MISSING} x"


def test_an_unknown_key_is_an_error_and_not_a_blank() -> None:
    with pytest.raises(KeyError):
        words(Language.EN)("no.such.key")


def test_every_refusal_that_a_probe_reports_has_words() -> None:
    probes = (MODULES.parent / "engine" / "probes" / "services").rglob("*.py")
    refusals = {word for probe in probes for word in re.findall(r'"refusal", "([a-z-]+)"', probe.read_text("utf-8"))}

    assert "credentials" in refusals
    assert [word for word in refusals if not words(Language.ZH_HANS).has(f"param.access.{word}")] == []


def test_every_refusal_of_the_gate_that_a_registered_host_can_meet_has_its_own_sentence() -> None:
    malformed = {reason for reason in RefusalReason if reason.startswith(("bad-", "time-"))}

    for language in Language:
        silent = [reason for reason in RefusalReason if not words(language).has(f"detail.{reason}")]
        assert set(silent) == malformed


@pytest.mark.parametrize("language", Language)
def test_every_tls_policy_has_a_name(language: Language) -> None:
    assert all(words(language).has(f"policy.{name}") for name in policies())


TEMPLATE_FILES = sorted(
    path for path in TEMPLATES.rglob("*") if path.suffix in {".html", ".txt", ".svg"} and path.parent.name != "locale"
)


@pytest.mark.parametrize("path", TEMPLATE_FILES, ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_a_template_holds_no_words_of_its_own(path: Path) -> None:
    source = path.read_text("utf-8")
    for pattern in (
        r"{% macro font.*?endmacro %}",
        r"{#.*?#}",
        r"{%.*?%}",
        r"{{.*?}}",
        r"<style>.*?</style>",
        r"<!doctype html>",
    ):
        source = re.sub(pattern, "", source, flags=re.DOTALL)
    shown = re.sub(r"<[^>]*>", "", source, flags=re.DOTALL)
    attributes = re.findall(r"""\b(?:alt|title|aria-label|placeholder)="([^"]*)\"""", source)

    assert re.findall(r"[A-Za-z一-鿿]{2,}", shown) == []
    assert [each for each in attributes if re.search(r"[A-Za-z一-鿿]", each)] == []


@pytest.mark.parametrize("path", TEMPLATE_FILES, ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_a_template_asks_only_for_texts_there_are_and_fills_in_what_they_need(path: Path) -> None:
    environment = page.environment("report")
    tree = environment.parse(path.read_text("utf-8"))

    assert list(wrong_words(tree)) == []


FIT_FOR_CHINESE = re.compile(
    r"Roundsman|roundsman [a-z ]+|[A-Z]{2,}|[a-z]+\.(?:html|csv|docx|eml)|Word|Excel|IANA|GiB|Web|Git|Mozilla|"
    r"intermediate"
)
"""What stays Latin in a Chinese text: names, abbreviations, commands and names of files."""


def test_no_chinese_text_holds_english_and_no_english_one_chinese() -> None:
    for key, template in words(Language.ZH_HANS).items():
        bare = FIT_FOR_CHINESE.sub("", re.sub(r"{[a-z_]+}", "", template))
        assert not re.search(r"[A-Za-z]{3,} [A-Za-z]{2,}", bare), (key, template)
    for key, template in words(Language.EN).items():
        assert not re.search(r"[一-鿿]", template), (key, template)


def test_both_languages_differ_wherever_there_is_something_to_say() -> None:
    chinese = dict(words(Language.ZH_HANS).items())
    same = [
        key
        for key, template in words(Language.EN).items()
        if template == chinese.get(key) and re.search(r"[A-Za-z]{3,}", re.sub(r"{[a-z_]+}", "", template))
    ]
    assert [key for key in same if not FIT_FOR_CHINESE.search(chinese[key])] == []


@pytest.mark.parametrize("path", TEMPLATE_FILES, ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_a_template_makes_no_sentence_of_two_texts(path: Path) -> None:
    tree = page.environment("report").parse(path.read_text("utf-8"))

    assert [node.lineno for node in tree.find_all(nodes.Concat) if any(map(is_text, node.nodes))] == []
    for output in tree.find_all(nodes.Output):
        for before, between, after in zip(output.nodes, output.nodes[1:], output.nodes[2:], strict=False):
            if isinstance(between, nodes.TemplateData) and is_text(before) and is_text(after):
                assert between.data.strip(" ") or not between.data, (output.lineno, between.data)


def is_text(node: nodes.Node) -> bool:
    """Tell whether a node of a template is a text of the locale."""
    return isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name == "t"
