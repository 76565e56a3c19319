from __future__ import annotations

from scanner.remediation.last import Last


def test_it_is_found_only_for_what_it_was_made_of() -> None:
    last = Last[str](2)
    last.put(b"1", "alone", "judged")
    assert last.get(b"1", "alone") == "judged"
    assert last.get(b"1", "with others") is None
    assert last.get(b"2", "alone") is None


def test_what_was_not_put_for_longest_is_forgotten() -> None:
    last = Last[str](2)
    for digest in (b"1", b"2", b"1", b"3"):
        last.put(digest, "", digest.decode())
    assert [last.get(digest, "") for digest in (b"1", b"2", b"3")] == ["1", None, "3"]
