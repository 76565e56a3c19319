"""One row of the register from values that somebody entered, read by the rules of files."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from targets.registry.problems import BadInput
from targets.registry.reading import Limits, Source, read_sources
from targets.registry.specs import Register

FORM = "form"
"""What problems call the place of the values."""


def read_written(section: str, values: Mapping[str, object], limits: Limits) -> Register:
    """Return a register of one item of a section (``zones`` or ``organisations``), whose keys are those of files.

    Nothing is read from beside it. Raises ``BadInput``; the last part of a problem's field is a key of ``values``.
    """
    text = yaml.safe_dump({section: [dict(values)]}, allow_unicode=True).encode()
    register, problems = read_sources([Source(FORM, lambda: text)], limits)
    if problems:
        raise BadInput(problems)
    return register
