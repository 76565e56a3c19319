"""Runs testssl.sh and sslscan against one server, and reads what they report."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from defusedxml import ElementTree

from tests.lab.case import program

DEADLINE = 420
"""Seconds that one run of a peer may take."""
REPORTS = frozenset({"LOW", "MEDIUM", "HIGH", "CRITICAL"})
"""Severities by which testssl.sh reports a weakness; OK, INFO and WARN are none, or say that it is not sure."""
_GRADES = (
    "scan",
    "grade_",
    "final_score",
    "overall_grade",
    "rating_",
    "protocol_support_score",
    "key_exchange",
    "cipher_strength",
)
"""Ids of testssl.sh that tell of the run or of marks, not of a weakness."""


@dataclass(frozen=True, slots=True)
class Peer:
    """What a tool said. ``inspected`` False: it did not get to see the server, so its silence means nothing."""

    inspected: bool
    reported: frozenset[str]


def testssl(address: str, port: int, name: str, folder: Path) -> Peer:
    """Return the ids that testssl.sh reports, from a whole run without short cuts."""
    out = folder / "testssl.json"
    command = [
        *(program("testssl"), "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none"),
        *("--connect-timeout", "5", "--openssl-timeout", "5", "--jsonfile", str(out)),
        *(("--ip", address, f"{name}:{port}") if name else (f"{address}:{port}",)),
    ]
    _run(command, folder)
    try:
        found = json.loads(out.read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError):
        return Peer(inspected=False, reported=frozenset())
    ids = {item["id"]: item["severity"] for item in found}
    reported = {_plain(each) for each, severity in ids.items() if severity in REPORTS and not each.startswith(_GRADES)}
    return Peer(inspected="TLS1_2" in ids, reported=frozenset(reported))


def sslscan(address: str, port: int, name: str, folder: Path, paths: dict[str, str]) -> Peer:
    """Return the weaknesses (keys of ``paths``) that sslscan's XML shows."""
    out = folder / "sslscan.xml"
    sni = (f"--sni-name={name}",) if name else ()
    _run([program("sslscan"), f"--xml={out}", "--show-certificate", "--no-colour", *sni, f"{address}:{port}"], folder)
    try:
        root = ElementTree.parse(out).getroot()
    except (OSError, ElementTree.ParseError):
        return Peer(inspected=False, reported=frozenset())
    test = None if root is None else root.find("ssltest")
    if test is None or not test.findall("protocol[@enabled='1']"):
        return Peer(inspected=False, reported=frozenset())  # every version is called disabled where it can't speak any
    ciphers = [cipher.get("cipher", "") for cipher in test.findall("cipher")]
    reported = set()
    for weakness, path in paths.items():
        if path.startswith("cipher[contains_"):
            part = path.removeprefix("cipher[contains_").removesuffix("]")
            seen = any(part in cipher for cipher in ciphers)
        else:
            seen = bool(path) and bool(test.findall(path))
        if seen:
            reported.add(weakness)
    return Peer(inspected=True, reported=frozenset(reported))


def _plain(name: str) -> str:
    """``cert_keySize <cert#1>`` is about the first of two certificates."""
    return name.partition(" ")[0]


def _run(command: list[str], folder: Path) -> None:
    """Run a peer to its end or its deadline; what it wrote until then is read."""
    try:
        subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE, check=False
        )
    except subprocess.TimeoutExpired:
        return
