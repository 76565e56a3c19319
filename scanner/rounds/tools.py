"""Which programs and plugins take part in a round, and their versions."""

from __future__ import annotations

import re
import subprocess
from importlib.metadata import version

from scanner.engine.plugins.load import State, installed
from scanner.engine.probes.nmap import find_nmap


def tool_versions() -> dict[str, str]:
    """Return the version of each program and plugin by its name.

    Raises ``ToolError`` when nmap is missing or too old.
    """
    command = [find_nmap(), "--version"]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout
    nmap = re.search(r"Nmap version (\S+)", shown)
    plugins = {f"plugin {each.name}": each.version for each in installed() if each.state is State.ACTIVE}
    return {"roundsman": version("roundsman"), "nmap": nmap[1] if nmap else "", **plugins}
