"""Every case of the lab, from every ``*_cases`` module."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable

from scanner.engine.catalogue.load import catalogue
from tests import lab
from tests.lab.case import LabCase


def all_cases() -> tuple[LabCase, ...]:
    """Return the cases of all modules named ``*_cases``, in the order of their addresses."""
    cases: list[LabCase] = []
    for module in pkgutil.iter_modules(lab.__path__):
        if module.name.endswith("_cases"):
            cases.extend(importlib.import_module(f"{lab.__name__}.{module.name}").CASES)
    _refuse_unknown_checks(cases)
    return tuple(sorted(cases, key=lambda case: [int(part) for part in case.address.split(".")]))


def _refuse_unknown_checks(cases: Iterable[LabCase]) -> None:
    """A case that names a check which isn't there can't fail, and so holds nothing."""
    for case in cases:
        unknown = ({check for _, check in case.expected} | case.silent | case.tolerated) - catalogue().keys()
        if unknown:
            raise ValueError(f"The lab case {case.name} names unknown checks: {', '.join(sorted(unknown))}.")
