"""What a person typed becomes what is sent."""

from __future__ import annotations

import pytest

from scanner.cli.asked import resolve
from scanner.engine.model import Target
from targets.addresses import parse_target


@pytest.mark.parametrize("typed", ["例子.example", "例子。EXAMPLE", "xn--fsqu00a.example", "https://例子.example/"])
def test_a_chinese_name_is_asked_for_by_its_ascii_form(typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []

    def resolve_name(name: str) -> list[str]:
        names.append(name)
        return ["192.0.2.10"]

    monkeypatch.setattr("scanner.cli.asked.resolve_name", resolve_name)
    asked = resolve(typed, parse_target(typed))
    assert names == ["xn--fsqu00a.example"]
    assert asked.targets == (Target(typed, "192.0.2.10", "xn--fsqu00a.example"),)


def test_a_target_keeps_its_name_as_it_is_sent() -> None:
    assert Target("x", "192.0.2.10", "例子.example").hostname == "xn--fsqu00a.example"
    assert Target("x", "192.0.2.10", "my_host.example").hostname == "my_host.example"
    with pytest.raises(ValueError, match="not allowed"):
        Target("x", "192.0.2.10", "😀.example")
