"""Every case of the lab, from every ``*_cases`` module."""

from __future__ import annotations

import importlib
import pkgutil

from tests import lab
from tests.lab.case import LabCase


def all_cases() -> tuple[LabCase, ...]:
    """Return the cases of all modules named ``*_cases``, in the order of their addresses."""
    cases: list[LabCase] = []
    for module in pkgutil.iter_modules(lab.__path__):
        if module.name.endswith("_cases"):
            cases.extend(importlib.import_module(f"{lab.__name__}.{module.name}").CASES)
    return tuple(sorted(cases, key=lambda case: [int(part) for part in case.address.split(".")]))
