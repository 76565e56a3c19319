from __future__ import annotations

from scanner.remediation.last import Last


def test_it_is_found_only_for_what_it_was_made_of() -> None:
    last = Last[str](2)
    last.put(1, "facts", "judged")
    assert last.get(1, "facts") == "judged"
    assert last.get(1, "other facts") is None
    assert last.get(2, "facts") is None


def test_what_was_not_put_for_longest_is_forgotten() -> None:
    last = Last[str](2)
    for number in (1, 2, 1, 3):
        last.put(number, "", str(number))
    assert [last.get(number, "") for number in (1, 2, 3)] == ["1", None, "3"]
