"""The grid of risky services has one place for every check that shows one."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest

from scanner.engine.catalogue.load import catalogue
from scanner.reports.risky import OTHER, kind_of, kinds

PATTERNS = [(kind, pattern) for kind, patterns in kinds().items() for pattern in patterns]


def test_every_exposed_service_is_of_exactly_one_kind() -> None:
    for check in catalogue():
        found = {kind for kind, pattern in PATTERNS if fnmatchcase(check, pattern)}
        assert len(found) == 1 if check.startswith("SVC-") else len(found) <= 1, (check, found)


@pytest.mark.parametrize(("kind", "pattern"), PATTERNS)
def test_every_pattern_means_a_check(kind: str, pattern: str) -> None:
    assert any(fnmatchcase(check, pattern) for check in catalogue()), kind


def test_a_service_of_a_plugin_is_of_the_other_kind_and_a_header_of_none() -> None:
    assert kind_of("SVC-ACME-EXPOSED") == OTHER
    assert kind_of("WEB-HSTS") is None
