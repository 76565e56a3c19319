"""Runs nmap: found, new enough, given literals only, in its own process group, and ended with its parent's wish.

nmap is a separate program that the administrator installs; see https://nmap.org/book/man.html for its options.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import struct
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml.ElementTree import fromstring

from scanner.engine.errors import ToolError

OLDEST = (7, 80)
"""The oldest nmap whose options and XML are known to be right here."""

_CAP_NET_RAW, _EFFECTIVE = 13, 1  # linux/capability.h

_INSTALL = "Install it (Debian: apt-get install nmap) and run again."


@cache
def find_nmap() -> str:
    """Return nmap's path. Raises ``ToolError`` when it is missing or older than 7.80."""
    path = shutil.which("nmap")
    if path is None:
        raise ToolError(f"nmap was not found on PATH. {_INSTALL}")
    try:
        shown = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"{path} could not be started: {error}. {_INSTALL}") from error
    version = re.search(r"Nmap version (\d+)\.(\d+)", shown)
    if version is None:
        raise ToolError(f"{path} does not say which nmap it is. {_INSTALL}")
    if (int(version[1]), int(version[2])) < OLDEST:
        raise ToolError(f"nmap {version[1]}.{version[2]} is too old; 7.80 or newer is needed. {_INSTALL}")
    return path


@cache
def is_privileged() -> bool:
    """Tell whether nmap may use raw sockets: as this process may (CAP_NET_RAW), or by its own file (capabilities(7)).

    Being root is not enough: containers and services often run as root without the capability.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    told = dict(re.findall(r"^(CapEff|CapBnd|NoNewPrivs):\s*([0-9a-f]+)$", status, re.MULTILINE))
    if _has_net_raw(told.get("CapEff", "0")):
        return True
    return _has_net_raw(told.get("CapBnd", "0")) and told.get("NoNewPrivs") == "0" and _is_granted_by_file()


def _has_net_raw(capabilities: str) -> bool:
    return bool(int(capabilities, 16) >> _CAP_NET_RAW & 1)


def _is_granted_by_file() -> bool:
    """Tell whether nmap's file has the capability, permitted and effective, on a file system that lets it count."""
    try:
        path = find_nmap()
        kept = os.getxattr(path, "security.capability")
        flags, permitted = struct.unpack_from("<II", kept)  # vfs_cap_data, linux/capability.h
        counts = not os.statvfs(path).f_flag & os.ST_NOSUID
    except (OSError, ToolError, struct.error):
        return False
    return bool(counts and flags & _EFFECTIVE and permitted >> _CAP_NET_RAW & 1)


@cache
def top_ports(count: int) -> tuple[int, ...]:
    """Return nmap's ``count`` most frequently open TCP ports, ascending."""
    command = [find_nmap(), "-v", "-oG", "-", "--top-ports", str(count)]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout
    listed = re.search(r"TCP\(\d+;([\d,-]+)\)", shown)
    if listed is None:
        raise ToolError(f"nmap did not list its {count} most frequent ports. Is its nmap-services file missing?")
    ports: list[int] = []
    for part in listed[1].split(","):
        first, _, last = part.partition("-")
        ports.extend(range(int(first), int(last or first) + 1))
    return tuple(ports)


async def run_nmap(options: list[str], addresses: list[str], deadline: float) -> Element:
    """Run nmap over literal ``addresses`` for at most ``deadline`` seconds and return its XML document.

    Raises ``ToolError`` when it fails, is cut off, or prints half a document. A cancelled caller leaves no
    process behind.
    """
    with tempfile.TemporaryDirectory(prefix="roundsman-") as folder:
        report = Path(folder) / "nmap.xml"
        command = [find_nmap(), *options, "-oX", str(report), "-iL", "-"]
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(deadline):
                _, complaint = await process.communicate("\n".join(addresses).encode())
        except TimeoutError as error:
            raise ToolError(f"nmap did not finish within {deadline:.0f} seconds and was ended.") from error
        finally:
            await _end(process)
        return _document(report, process.returncode, complaint)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await asyncio.shield(process.communicate())  # to the end of its pipes, without which they stay open


def _document(report: Path, status: int | None, complaint: bytes) -> Element:
    said = complaint.decode(errors="replace").strip()[-500:]
    if status != 0:
        raise ToolError(f"nmap ended with status {status}: {said or 'it said nothing'}")
    try:
        document: Element = fromstring(report.read_text(encoding="utf-8", errors="replace"), forbid_dtd=False)
    except (OSError, ParseError) as error:
        raise ToolError(f"nmap's report could not be read: {error}. {said}") from error
    return document
