"""The OpenAPI document is what the routes are, and the routes are what it says."""

from __future__ import annotations

import json
from pathlib import Path

from scanner.api.site import document

KEPT = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"


def test_the_document_in_the_repository_is_the_one_that_the_routes_make() -> None:
    assert json.loads(KEPT.read_text(encoding="utf-8")) == document(), "Run .venv/bin/python -m tools.openapi."
