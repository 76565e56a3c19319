"""What the doctor looks at on the machine: programs, directories, clock, resolver, mail server, fonts."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Collection
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from zoneinfo import available_timezones

import dns.message
import dns.query

from scanner.delivery.mail_server import server
from scanner.delivery.smtp import Conversation, NoServer
from scanner.engine.errors import ToolError
from scanner.engine.plan import ResolverAddress
from scanner.engine.probes.nmap import is_privileged
from scanner.rounds.tools import tool_versions
from scanner.settings import UNFINISHED
from scanner.upkeep.health import Check, fail, ok, warn

OLDEST_PYTHON = (3, 11)
ROOM_NEEDED = 200_000_000
ROOM_WANTED = 2_000_000_000
"""Bytes free on the disk below which nothing works for long, and below which it is time to act."""

_PATIENCE = 5.0
"""Seconds for any program or server that is asked; a mail server gets twice as long."""


def python() -> Check:
    """Old interpreters don't run it; this is for those that only seem to."""
    seen = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < OLDEST_PYTHON:
        return fail("python", seen, "Install Python 3.11 or newer and run 'make setup' again.")
    return ok("python", f"{seen}, {sys.executable}")


def packages() -> Check:
    """Every package that Roundsman names must be there."""
    needed = [line for line in requires("roundsman") or () if "extra ==" not in line]
    names = [found[0] for line in needed if (found := re.match(r"[\w.-]+", line))]
    missing = [name for name in names if _version(name) is None]
    if missing:
        return fail("packages", f"missing: {', '.join(missing)}", "Install Roundsman again ('make setup').")
    return ok("packages", f"roundsman {version('roundsman')}, Django {_version('django')}, all {len(names)} are there")


def nmap() -> Check:
    """Without nmap no round is made; without raw sockets it is slower."""
    try:
        found = tool_versions()["nmap"]
    except ToolError as error:
        return fail("nmap", str(error), "Install nmap 7.80 or newer (Debian: apt-get install nmap).")
    way = "SYN scan" if is_privileged() else "full connections, as raw sockets are not permitted (slower)"
    return ok("nmap", f"{found}, {way}")


def operators(addresses: Collection[str]) -> Check:
    """Nobody else learns of what fails while nobody looks."""
    if not addresses:
        return warn("operators", "nobody is told of failures", "Set ROUNDSMAN_OPERATORS; they get the daily digest.")
    return ok("operators", f"{len(addresses)} address(es) get the daily digest")


def data_directory(path: Path) -> Check:
    """It holds who is weak where, so it belongs to one user alone."""
    name = "data directory"
    if not path.is_dir():
        return warn(name, f"{path} is not there yet", "The first command that needs it makes it.")
    if (path / UNFINISHED).exists():
        return fail(name, f"a restore to {path} was broken off", "Run 'roundsman restore' again.")
    status = path.stat()
    if status.st_uid != os.geteuid() and os.geteuid() != 0:
        return fail(name, f"{path} belongs to user {status.st_uid}", f"Run as that user, or: chown -R $USER {path}")
    if not os.access(path, os.W_OK | os.X_OK):
        return fail(name, f"{path} can't be written to", "Mount its disk for writing, or set ROUNDSMAN_DATA_DIR.")
    strangers = [each for each in path.iterdir() if each.lstat().st_uid != status.st_uid]
    if strangers:
        names = ", ".join(sorted(each.name for each in strangers)[:5])
        return warn(name, f"{names} in {path} belong to another user", f"chown -R {status.st_uid} {path}")
    if stat.S_IMODE(status.st_mode) & 0o077:
        return warn(name, f"{path} is open to other users", f"chmod 700 {path}")
    return ok(name, str(path))


def disk(path: Path) -> Check:
    """A full disk stops rounds and mail."""
    there = next(each for each in (path, *path.parents) if each.exists())
    free = shutil.disk_usage(there).free
    seen = f"{free / 1e9:.1f} GB free at {there}"
    if free < ROOM_NEEDED:
        return fail("disk", seen, "Make room now: 'roundsman prune', a larger disk, or shorter ROUNDSMAN_KEEP_…_DAYS.")
    if free < ROOM_WANTED:
        return warn("disk", seen, "Make room: 'roundsman prune', a larger disk, or shorter ROUNDSMAN_KEEP_…_DAYS.")
    return ok("disk", seen)


def time_zones() -> Check:
    """Plans are made in the time of their place."""
    found = available_timezones()
    if "Asia/Shanghai" not in found:
        return fail("time zones", f"{len(found)} are known", "Install them (Debian: apt-get install tzdata).")
    return ok("time zones", f"{len(found)} are known")


def clock() -> Check:
    """Whoever knows whether the clock is kept right is asked; that nobody knows is nothing bad."""
    chrony = _said(["chronyc", "-n", "tracking"])
    if chrony:
        if "Leap status     : Normal" in chrony:
            return ok("clock", "kept right by chrony")
        return warn("clock", "chrony has not set it", "See 'chronyc sources': can it reach its time servers?")
    match _said(["timedatectl", "show", "--property=NTPSynchronized", "--value"]).strip():
        case "yes":
            return ok("clock", "kept right by NTP")
        case "no":
            return warn("clock", "not kept right by NTP", "'timedatectl set-ntp true', or install chrony.")
    return ok("clock", "nobody here tells whether it is kept right")


def resolver(address: ResolverAddress | None) -> Check:
    """The resolver for registered domains must answer; it is asked who serves the root."""
    if address is None:
        return ok("resolver", "none is set, so registered domains are not inspected")
    todo = "See that it runs and lets this machine ask, or set ROUNDSMAN_RESOLVER to another."
    question = dns.message.make_query(".", "NS")
    try:
        answer = dns.query.udp(question, address.address, timeout=_PATIENCE, port=address.port)
    except (OSError, dns.exception.DNSException) as error:
        return fail("resolver", f"{address} does not answer: {str(error) or error!r}", todo)
    if answer.rcode() != dns.rcode.NOERROR or not answer.answer:
        return fail("resolver", f"{address} answers {dns.rcode.to_text(answer.rcode())}, and no root", todo)
    return ok("resolver", f"{address} answers")


def mail_server() -> Check:
    """It is greeted, TLS is made and the log-in done; no mail is begun."""
    configured = server()
    if configured is None:
        todo = "Choose one on the page 'Mail server', or set ROUNDSMAN_SMTP_HOST, once mail is to leave."
        return warn("mail server", "none is set, so mail is written to the folder 'mail'", todo)
    try:
        Conversation(replace(configured, timeout=_PATIENCE, patience=2 * _PATIENCE)).close()
    except NoServer as error:
        todo = "See the page 'Mail server', or ROUNDSMAN_SMTP_…; 'roundsman mail test' shows each step."
        return fail("mail server", f"{configured.host}: {error}", todo)
    how = f"{configured.security}, {'logged in' if configured.user else 'without log-in'}"
    return ok("mail server", f"{configured.host}, port {configured.port}, {how}")


def fonts() -> Check:
    """A PDF made here of a Chinese report needs Chinese characters."""
    if _said(["fc-list", ":lang=zh", "family"]).strip():
        return ok("fonts", "there are fonts for Chinese")
    todo = "For Chinese reports in PDF: apt-get install fontconfig fonts-noto-cjk"
    return warn("fonts", "no font for Chinese was found", todo)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _said(command: list[str]) -> str:
    """Return what a program prints; nothing when it is missing, fails, or takes too long."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return ""
    return done.stdout if done.returncode == 0 else ""
