"""A kept report is read back whole, so that every form of it is as it was made."""

from __future__ import annotations

import json

import pytest

from scanner.engine.errors import InputError
from scanner.reports.render import render_html, render_json
from scanner.reports.reread import model_of
from tests.reports.sample import busy, clean, crowded, unreachable


@pytest.mark.parametrize("sample", [clean, crowded, unreachable])
def test_the_model_comes_back_as_it_was(sample: object) -> None:
    assert callable(sample)
    model = sample()
    again = model_of(render_json(model, indented=False))
    assert again == model
    assert render_html(again) == render_html(model)


def test_what_changed_is_found_among_the_findings() -> None:
    model = busy()
    again = model_of(render_json(model))
    for name in ("new", "reopened", "fixed", "still_open", "not_inspected", "overdue"):
        assert getattr(again.changes, name) == getattr(model.changes, name), name
        assert getattr(model.changes, name)
    assert again.findings == model.findings


@pytest.mark.parametrize("document", [b"", b"{}", b"[]", b'{"schema": "roundsman.report/1"}', b"\xff"])
def test_another_document_is_refused(document: bytes) -> None:
    with pytest.raises(InputError):
        model_of(document)


def test_a_document_that_lacks_something_is_refused() -> None:
    told = json.loads(render_json(clean()))
    del told["round"]
    with pytest.raises(InputError):
        model_of(json.dumps(told).encode())
