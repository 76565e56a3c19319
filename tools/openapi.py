#!/usr/bin/env python3
"""Writes docs/openapi.json, the description of the interface for programs, from its routes."""

from __future__ import annotations

import json
from pathlib import Path

from scanner.settings import set_up

PAGE = Path(__file__).resolve().parent.parent / "docs" / "openapi.json"


def main() -> None:
    """Write the file."""
    set_up()
    from scanner.api.site import document

    PAGE.write_text(json.dumps(document(), ensure_ascii=False, indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
