"""Which programs and plugins take part in a round, and their versions."""

from __future__ import annotations

import re
import subprocess
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from scanner.engine.plugins.load import State, installed
from scanner.engine.probes.nmap import find_nmap


def tool_versions() -> dict[str, str]:
    """Return the version of each program and plugin by its name.

    nmap is run when its file is another than the last time: rounds are made within transactions, which have to be
    short. Raises ``ToolError`` when nmap is missing or too old.
    """
    path = find_nmap()
    plugins = {f"plugin {each.name}": each.version for each in installed() if each.state is State.ACTIVE}
    return {"roundsman": version("roundsman"), "nmap": _version_of(path, _state_of(path)), **plugins}


def _state_of(path: str) -> tuple[int, int, int] | None:
    """Tell a file from the one that took its place, as an upgrade does."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


@lru_cache(maxsize=1)
def _version_of(path: str, state: tuple[int, int, int] | None) -> str:
    del state
    shown = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=False).stdout
    found = re.search(r"Nmap version (\S+)", shown)
    return found[1] if found else ""
