"""What is kept of a hostile text: nothing secret, and never at the price of time."""

from __future__ import annotations

import time

import pytest

from scanner.engine.hostile import mask_secrets, remembering


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("DB_PASSWORD=hunter22 next", "hunter22"),
        ('{"api_key": "k3y-of-the-house"}', "k3y-of-the-house"),
        ("a=password=hunter22", "hunter22"),
        ("token=" + "t" * 200 + "the-tail-of-a-long-token", "the-tail-of-a-long-token"),
        ("clé_secret: hunter22", "hunter22"),
    ],
)
def test_a_value_behind_a_secret_looking_name_is_masked_whole(text: str, secret: str) -> None:
    masked = mask_secrets(text)
    assert secret not in masked
    assert "****(sha256:" in masked


@pytest.mark.parametrize("text", ["there is no pass here", "pass=", "name=value&id=7"])
def test_a_text_without_secrets_stays_as_it_is(text: str) -> None:
    assert mask_secrets(text) == text


@pytest.mark.parametrize("piece", ["pass.", "pwd-", "a.", "secret\t", "token=", "api_key "])
def test_a_text_made_to_stall_the_masking_is_read_in_linear_time(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    started = time.perf_counter()
    mask_secrets(text)
    assert time.perf_counter() - started < 2


def test_what_was_made_of_a_text_is_remembered_unless_it_is_long_or_others_came_after() -> None:
    made: list[str] = []

    @remembering(most=2, longest=4)
    def make(text: str) -> str:
        made.append(text)
        return text.upper()

    assert [make(text) for text in ("one", "one", "longer", "longer", "two", "six", "one")] == [
        *("ONE", "ONE", "LONGER", "LONGER", "TWO", "SIX", "ONE")
    ]
    assert made == ["one", "longer", "longer", "two", "six", "one"]
