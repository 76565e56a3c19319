"""Reads a kept report back, so that it can be had in every form as it was made, whatever became of its findings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from scanner.engine.errors import Refused
from scanner.reports.model import ReportModel
from scanner.reports.render import SCHEMA

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_LISTS = ("new", "reopened", "still_open", "not_inspected", "accepted", "overdue")
"""What changed, as the JSON form has it: numbers of findings that stand elsewhere in it."""


def model_of(document: bytes) -> ReportModel:
    """Return the model that a report's JSON form was made of; its times are whole seconds.

    Raises ``Refused`` for a document that is of another schema, or is broken.
    """
    try:
        told = json.loads(document)
        if told["schema"] != SCHEMA:
            raise Refused(
                f"The report was made by another Roundsman: its form is {told['schema']}, not {SCHEMA}.",
                "report-of-another",
            )
        return _adapter().validate_python(_as_model(told))
    except (KeyError, TypeError, ValueError) as error:
        raise Refused(
            "The report can't be read back; it can be had as HTML and JSON alone.", "report-unreadable"
        ) from error


def _as_model(told: dict[str, Any]) -> dict[str, Any]:
    findings = [_finding(each) for each in told["findings"]]
    fixed = [each | {"finding": _finding(each["finding"])} for each in told["changes"]["fixed"]]
    known = {each["number"]: each for each in (*findings, *(proof["finding"] for proof in fixed))}
    changes = {name: _named(told["changes"][name], known) for name in _LISTS}
    return told | {"findings": findings, "changes": changes | {"fixed": fixed}}


def _finding(told: Mapping[str, Any]) -> dict[str, Any]:
    return {**told, "params": tuple(told["params"].items())}


def _named(numbers: Iterable[int], known: Mapping[int, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [known[number] for number in numbers if number in known]


@cache
def _adapter() -> TypeAdapter[ReportModel]:
    from pydantic import TypeAdapter  # here, because the import alone takes longer than most commands

    return TypeAdapter(ReportModel)
