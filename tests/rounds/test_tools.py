"""What a round notes of the programs that it uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from scanner.rounds import tools


def nmap(path: Path, version: str) -> None:
    """Put an nmap there that notes each of its runs beside it, as a new file."""
    draft = path.with_suffix(".new")
    draft.write_text(f'#!/bin/sh\necho run >> "$0.runs"\necho "Nmap version {version} ( https://nmap.org )"\n')
    draft.chmod(0o700)
    draft.replace(path)


def test_nmap_is_asked_for_its_version_once_until_it_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "nmap"
    nmap(path, "7.93")
    monkeypatch.setattr(tools, "find_nmap", lambda: str(path))
    runs = tmp_path / "nmap.runs"

    assert [tools.tool_versions()["nmap"] for _ in range(3)] == ["7.93"] * 3
    assert runs.read_text().count("run") == 1
    nmap(path, "7.945")
    assert tools.tool_versions()["nmap"] == "7.945"
    assert runs.read_text().count("run") == 2
