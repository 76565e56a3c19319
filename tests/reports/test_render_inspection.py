"""What ``roundsman inspect`` prints: a document that keeps to its schema, plain text, HTML and SARIF."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from scanner.engine.catalogue.load import Language, catalogue
from scanner.engine.model import Facet, GapReason, Outcome
from scanner.reports.inspection_report import (
    Refusal,
    document_head,
    inspection_target,
    overall_outcome,
    refused_target,
    render_inspection_html,
    target_text,
)
from scanner.reports.sarif import render_inspection_sarif
from tests.reports import sample, skeleton

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "inspection.schema.json").read_text("utf-8"))
REFUSALS = [Refusal("203.0.113.0/24"), Refusal("nowhere.invalid", GapReason.NAME_NOT_RESOLVED)]


def document(hostile: bool = False, language: Language = Language.EN) -> dict[str, Any]:
    targets = [inspection_target(label, hosts, language) for label, hosts in sample.inspections(hostile)]
    targets += [refused_target(refusal, language) for refusal in REFUSALS]
    return {**document_head(sample.NOW, sample.NOW), "targets": targets}


def text_of(made: dict[str, Any], language: Language) -> str:
    return "\n".join(target_text(target, language) for target in made["targets"])


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("hostile", [False, True])
def test_a_document_keeps_to_the_published_schema(hostile: bool, language: Language) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)

    jsonschema.Draft202012Validator(SCHEMA).validate(document(hostile, language))


def test_the_schema_refuses_a_document_with_a_field_too_many() -> None:
    broken = document() | {"extra": 1}

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(broken)


def test_the_schema_knows_every_word_of_the_engine() -> None:
    definitions = SCHEMA["$defs"]
    gap = definitions["coverage"]["properties"]["not_inspected"]["items"]["properties"]

    assert set(gap["reason"]["enum"]) == set(GapReason)
    assert set(definitions["facet"]["enum"]) == set(Facet)
    assert set(definitions["target"]["properties"]["outcome"]["enum"]) == set(Outcome)


def test_a_finding_carries_what_the_contract_names() -> None:
    finding = document()["targets"][0]["findings"][0]

    assert finding["check"] == "SVC-REDIS-UNAUTH"
    assert (finding["severity"], finding["confidence"]) == ("critical", "confirmed")
    assert (finding["address"], finding["port"], finding["transport"]) == ("192.0.2.10", 6379, "tcp")
    assert finding["verify"] == "printf 'INFO server\\r\\n' | nc -w 3 192.0.2.10 6379"


def test_an_http_service_that_was_recognised_carries_its_own_name() -> None:
    assert [service["service"] for service in document()["targets"][0]["services"]] == ["redis", "elastic"]


def test_targets_that_were_not_inspected_say_so() -> None:
    outcomes = {target["target"]: target["outcome"] for target in document()["targets"]}

    assert outcomes == {
        "192.0.2.10": "partial",
        "192.0.2.99": "unreachable",
        "203.0.113.0/24": "refused",
        "nowhere.invalid": "unreachable",
    }
    assert all(target["reason"] for target in document()["targets"])


@pytest.mark.parametrize(
    ("outcomes", "overall"),
    [
        ([Outcome.INSPECTED, Outcome.INSPECTED], Outcome.INSPECTED),
        ([Outcome.INSPECTED, Outcome.UNREACHABLE], Outcome.PARTIAL),
        ([Outcome.UNREACHABLE, Outcome.REFUSED], Outcome.REFUSED),
        ([Outcome.UNREACHABLE, Outcome.ERROR], Outcome.ERROR),
        ([], Outcome.UNREACHABLE),
    ],
)
def test_a_target_is_inspected_only_when_all_its_addresses_were(outcomes: list[Outcome], overall: Outcome) -> None:
    assert overall_outcome(outcomes) is overall


@pytest.mark.parametrize("language", Language)
def test_terminal_text_holds_no_control_character(language: Language) -> None:
    text = text_of(document(hostile=True, language=language), language)

    assert not [char for char in text if char != "\n" and unicodedata.category(char) in ("Cc", "Cf", "Cs")]
    assert "SVC-REDIS-UNAUTH" in text


def test_terminal_text_tells_findings_and_gaps() -> None:
    text = text_of(document(), Language.EN)

    assert "[CRITICAL] Redis serves anyone without credentials" in text
    assert "192.0.2.10:9200/tcp, the web page and its headers" in text
    assert "192.0.2.99: unreachable" in text


def test_a_host_without_findings_is_clean_only_within_the_scope() -> None:
    _, (host,) = sample.inspections()[0]
    quiet = inspection_target("quiet", [], Language.EN)

    assert quiet["outcome"] == "unreachable"
    assert quiet["reason"] == "No reason was recorded."
    assert inspection_target("one", [host], Language.EN)["findings"]


def test_the_html_of_an_inspection_is_made_of_our_elements_only() -> None:
    plain = render_inspection_html(document(), Language.EN)
    hostile = render_inspection_html(document(hostile=True), Language.EN)

    assert skeleton.elements(hostile) == skeleton.elements(plain)
    assert "<script" not in hostile


def test_sarif_tells_results_rules_and_what_was_not_inspected() -> None:
    (run,) = render_inspection_sarif(document())["runs"]
    result = run["results"][0]

    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "SVC-REDIS-UNAUTH"
    assert len(run["results"]) == len(document()["targets"][0]["findings"])
    assert result["level"] == "error"
    assert result["partialFingerprints"] == {"roundsmanIdentity/v1": "192.0.2.10:6379/tcp/SVC-REDIS-UNAUTH"}
    assert run["invocations"][0]["executionSuccessful"] is False
    told = [each["message"]["text"] for each in run["invocations"][0]["toolExecutionNotifications"]]
    assert len(told) == 5
    assert "9200/tcp, the web page and its headers" in told[1]


def test_rendering_an_inspection_never_imports_django() -> None:
    program = (
        "import sys\n"
        "from scanner.engine.catalogue.load import Language\n"
        "from scanner.reports.inspection_report import render_inspection_html\n"
        "from tests.reports.test_render_inspection import document\n"
        "render_inspection_html(document(), Language.EN)\n"
        "sys.exit('django' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program], timeout=240).returncode == 0


def test_the_html_counts_nothing_where_nothing_was_looked_at() -> None:
    silent = document()
    silent["targets"] = [target for target in silent["targets"] if not target["services"]]

    assert "<b>0</b>" not in render_inspection_html(silent, Language.EN)
    assert "<b>0</b>" in render_inspection_html(document(), Language.EN)


def test_every_check_of_the_catalogue_is_an_id_that_the_schema_allows() -> None:
    pattern = SCHEMA["$defs"]["finding"]["properties"]["check"]["pattern"]

    assert [check for check in catalogue() if not re.fullmatch(pattern, check)] == []
