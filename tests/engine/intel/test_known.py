"""Which versions a CVE affects, by the rules of CPE 2.3 and of NVD's ranges."""

from __future__ import annotations

import pytest

from scanner.engine.intel.known import Affected, Intel


@pytest.mark.parametrize(
    ("affected", "inside", "outside"),
    [
        (
            Affected("CVE-1", 5, start="0.6.18", end="1.20.1", end_included=False),
            ("0.6.18", "1.18.0"),
            ("1.20.1", "0.6"),
        ),
        (Affected("CVE-1", 5, end="2.4.50"), ("2.4.50", "1.3"), ("2.4.51",)),
        (Affected("CVE-1", 5, start="2.0", start_included=False), ("2.0.1", "9"), ("2.0", "1.9")),
        (Affected("CVE-1", 5, version="2.4.49"), ("2.4.49",), ("2.4.48", "2.4.490", "2.4")),
        (Affected("CVE-1", 5, version="9.2", update="p1"), ("9.2p1",), ("9.2", "9.2p2", "9.3p1")),
        (Affected("CVE-1", 5, version="9.2"), ("9.2", "9.2p1"), ("9.3",)),
        (Affected("CVE-1", 5, version="9.2", update="-"), ("9.2",), ("9.2p1", "9.2rc1")),
        (Affected("CVE-1", 5, version="2.0", update="rc1"), ("2.0-rc1",), ("2.0", "2.0-rc2")),
        (Affected("CVE-1", 5, version="1\\.2\\+x"), (), ("1.3",)),
        (Affected("CVE-1", 5, version="2.4.*"), ("2.4.1", "2.4.49"), ("2.5.1",)),
    ],
)
def test_a_range_holds_what_it_names(affected: Affected, inside: tuple[str, ...], outside: tuple[str, ...]) -> None:
    assert [version for version in inside if not affected.holds(version)] == []
    assert [version for version in outside if affected.holds(version)] == []


@pytest.mark.parametrize("version", ["*", "-"])
def test_a_range_that_names_no_version_proves_nothing(version: str) -> None:
    assert not Affected("CVE-1", 9.8, version=version).holds("1.0")


def test_each_cve_counts_once_the_gravest_first_and_without_conditions_where_it_can() -> None:
    rows = (
        Affected("CVE-2020-1", 5, end="2", conditional=True),
        Affected("CVE-2020-1", 5, end="3"),
        Affected("CVE-2020-2", 9.8, end="3"),
        Affected("CVE-2020-3", 5, end="3", epss=0.9),
        Affected("CVE-2020-4", 9.9, end="0.5"),
    )
    found = Intel(affected={"nginx": rows}).affecting("nginx", "1.0")
    assert [each.cve for each in found] == ["CVE-2020-2", "CVE-2020-3", "CVE-2020-1"]
    assert not found[2].conditional
    assert Intel(affected={"nginx": rows}).affecting("php", "1.0") == ()
