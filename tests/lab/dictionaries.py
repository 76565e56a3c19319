"""Makes the dictionaries by which rows are packed, from what this lab shows: ``python -m tests.lab.dictionaries``.

What was packed by a dictionary is never read again without it, so one that was ever released stays as it is: a better
one is a new file, with a number of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING
from unittest.mock import patch

from zstandard import train_dictionary

from scanner.engine.catalogue.load import Language, catalogue
from scanner.engine.serialize import json_of
from scanner.packing import DICTIONARIES, Like, dictionary_file
from scanner.settings import prepare
from tests.lab import namespace
from tests.lab.accuracy import AT_ONCE
from tests.lab.check import run_case
from tests.lab.registry import all_cases

if TYPE_CHECKING:
    from scanner.reports.model import ReportModel

BYTES = {Like.FACTS: 112 * 1024, Like.PAGES: 256 * 1024}
"""The size of each: the longer, the longer it takes to read at the start of every process."""

CHECKS_OF_A_REPORT = 6
"""Checks that each report has findings of, from which the dictionary of pages is made: few, so that there are many."""

PIECE = 4096
"""Bytes of a sample that pages are cut into."""


def main() -> int:
    """Write the dictionaries that :mod:`scanner.packing` packs by."""
    with (
        tempfile.TemporaryDirectory(prefix="roundsman-dictionaries-") as folder,
        patch.dict(os.environ, {"ROUNDSMAN_DATA_DIR": folder}),
    ):
        prepare()
        pages: list[bytes | bytearray | memoryview] = list(_pages())
    for like, samples in ((Like.PAGES, pages), (Like.FACTS, _facts())):
        made = train_dictionary(BYTES[like], samples, dict_id=DICTIONARIES[like], level=3)
        dictionary_file(like).write_bytes(made.as_bytes())
        print(f"{like}: {len(made):,} bytes from {sum(map(len, samples)):,} in {len(samples):,} samples")
    return 0


def _facts() -> list[bytes | bytearray | memoryview]:
    with ProcessPoolExecutor(AT_ONCE, initializer=namespace.enter) as pool:
        return [facts for facts in pool.map(_facts_of, (case.name for case in all_cases())) if facts]


def _facts_of(name: str) -> bytes:
    case = next(case for case in all_cases() if case.name == name)
    try:
        return json_of(run_case(case).inspection)
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        print(f"{name} did not start: {error}", file=sys.stderr)
        return b""


def _pages() -> Iterator[bytes]:
    """Yield pieces of reports that have findings of every check in turn, in both languages and forms."""
    from scanner.reports.render import render_html, render_json
    from scanner.reports.sample import sample_report

    for language in Language:
        report = sample_report(language)
        checks = list(catalogue())
        for first in range(0, len(checks), CHECKS_OF_A_REPORT):
            about = _about(report, checks[first : first + CHECKS_OF_A_REPORT])
            for whole in (render_html(about).encode(), render_json(about, indented=False)):
                yield from (whole[at : at + PIECE] for at in range(0, len(whole), PIECE))


def _about(report: ReportModel, checks: list[str]) -> ReportModel:
    kinds = report.findings
    findings = tuple(replace(kinds[at % len(kinds)], check=check, number=at) for at, check in enumerate(checks))
    return replace(report, findings=findings)


if __name__ == "__main__":
    sys.exit(main())
