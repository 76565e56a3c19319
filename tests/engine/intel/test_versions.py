"""Versions compare as their makers mean them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.engine.intel.versions import Version, begins_with


@pytest.mark.parametrize(
    "ascending",
    [
        ("1.9", "1.9.1", "1.10", "1.22.1", "2"),
        ("2.0-alpha1", "2.0-beta1", "2.0-rc1", "2.0-rc2", "2.0", "2.0.1"),
        ("1.0.2", "1.0.2k", "1.0.2u", "1.1.0", "1.1.1", "1.1.1a", "1.1.1w", "3.0.0"),
        ("9.0.0-M1", "9.0.0-M27", "9.0.0", "9.0.0.1"),
        ("7.4", "7.4p1", "7.9p1", "8.0", "9.2p1", "10.0p1"),
        ("3.0b2", "3.0"),
    ],
)
def test_versions_are_in_the_order_of_their_release(ascending: tuple[str, ...]) -> None:
    for earlier, later in pairwise(ascending):
        assert Version(earlier) < Version(later), (earlier, later)


def test_trailing_zeros_and_build_marks_mean_nothing() -> None:
    assert Version("2.4") == Version("2.4.0") == Version("2.4.0+ds1") == Version("2.4 (build 7)")


@given(st.lists(st.integers(0, 99), min_size=1, max_size=4), st.lists(st.integers(0, 99), min_size=1, max_size=4))
def test_plain_numbers_compare_as_tuples(one: list[int], other: list[int]) -> None:
    def text(parts: list[int]) -> str:
        return ".".join(map(str, parts))

    def padded(parts: list[int]) -> list[int]:
        return parts + [0] * (4 - len(parts))

    assert (Version(text(one)) < Version(text(other))) is (padded(one) < padded(other))


@given(st.text(max_size=60))
def test_no_text_breaks_a_version(text: str) -> None:
    assert not Version(text) < Version(text)


def test_a_release_is_named_by_whole_numbers() -> None:
    assert begins_with("1.2.7", "1.2")
    assert begins_with("1.2", "1.2")
    assert begins_with("1.0.2k", "1.0.2")
    assert not begins_with("1.20.1", "1.2")
