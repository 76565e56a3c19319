"""Runs ``nmap -sV`` with its safe scripts against one server, and reads what they report."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml.ElementTree import parse

from scanner.engine.probes.nmap import find_nmap
from scanner.engine.probes.version_scan import answered_name

HOST_TIMEOUT = 600
"""Seconds that nmap gives one host; then it tells nothing of it."""

SCRIPT_TIMEOUT = 60
"""Seconds that nmap gives one script; one that tries to hold connections open goes on for half an hour."""

LEFT_OUT = (
    *("http-open-proxy", "socks-open-proxy"),
    *("jdwp-*",),
    *("dicom-ping", "http-trane-info", "knx-gateway-*", "openwebnet-discovery"),
)
"""Scripts that are called safe and make the target fetch a page from outside, run code in it, or talk to controllers of
machines and buildings."""

SCRIPTS = f"safe and not (broadcast or external or brute or dos or intrusive) and not ({' or '.join(LEFT_OUT)})"


@dataclass(frozen=True, slots=True)
class Said:
    """What nmap said. ``ports`` are those that it saw open, written as in lab cases (``80``, ``161/udp``); ``scripts``
    are (port or "" for the host, script, output); ``names`` are (port, service) that a probe's answer gave for certain.
    """

    ports: tuple[str, ...]
    scripts: tuple[tuple[str, str, str], ...]
    names: tuple[tuple[str, str], ...]


def nmap(address: str, tcp: str, udp: str, folder: Path) -> Said:
    """Return what nmap says of these ports (its own ranges); nothing at all when it didn't come to an end."""
    out = folder / "nmap.xml"
    ports = ",".join(f"{letter}:{ranges}" for letter, ranges in (("T", tcp), ("U", udp)) if ranges)
    command = [
        *(find_nmap(), "-sV", "-Pn", "-n", "-p", ports, "--script", SCRIPTS, "--host-timeout", f"{HOST_TIMEOUT}s"),
        *("--script-timeout", f"{SCRIPT_TIMEOUT}s"),
        *(("-sS",) if tcp else ()),
        *(("-sU",) if udp else ()),
        *("-oX", str(out), address),
    ]
    try:
        subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=HOST_TIMEOUT + 60, check=False
        )
        root = parse(out, forbid_dtd=False).getroot()
    except (subprocess.TimeoutExpired, OSError, ParseError):
        return Said((), (), ())
    return _read(root) if root is not None else Said((), (), ())


def _read(root: Element) -> Said:
    ports: list[str] = []
    scripts = [("", *_script(each)) for each in root.iterfind("host/hostscript/script")]
    names: list[tuple[str, str]] = []
    for port in root.iterfind("host/ports/port"):
        state, service = port.find("state"), port.find("service")
        if state is None or state.get("state") != "open":
            continue
        where = port.get("portid", "") + ("/udp" if port.get("protocol") == "udp" else "")
        ports.append(where)
        scripts += [(where, *_script(each)) for each in port.iterfind("script")]
        if service is not None and (name := answered_name(service, sure=10)):
            names.append((where, name))
    return Said(tuple(ports), tuple(scripts), tuple(names))


def _script(element: Element) -> tuple[str, str]:
    return element.get("id", ""), element.get("output", "").strip()
