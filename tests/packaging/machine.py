"""``python -m tests.packaging.machine``: installs Roundsman on a Debian of its own as the guide says, and boots it.

The guide's commands and the units of ``docs/examples`` are taken as they are; PostgreSQL and a weak server come from
Debian. What is then looked at stands in :mod:`tests.packaging.inside`: the units start, stay up, have no right too
many, inspect, mail and end in order. The system is booted by systemd-nspawn with a network of its own, which has
loopback alone, on the kernel that runs. It needs root, and Debian's and Python's package archives (300 MB).

Exit status: 0 all held, 1 something did not, 2 the trial could not be made.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

from tests.packaging import inside
from tests.packaging.common import ROOT, TrialError, checkout, debian, need, own_folder, run, say, shown_in_guide, told

PROGRAMS = {"debootstrap": "debootstrap", "systemd-nspawn": "systemd-container"}
PACKAGES = ("systemd-sysv", "dbus", "ca-certificates", "iproute2", "procps", "postgresql", "redis-server")
IN_MACHINE = Path("root/checkout")
SECONDS = 600
"""How long the machine may run; it takes two to three minutes on two cores."""

_TRIAL = """[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/usr/bin/python3 -u /root/inside.py
ExecStopPost=/usr/bin/systemctl --no-block poweroff
StandardOutput=tty
StandardError=tty
TTYPath=/dev/console
[Install]
WantedBy=multi-user.target
"""
_SILENT = ("console-getty.service", "redis-server.service")
"""What would take the console, or the port of the weak server."""


def main() -> int:
    """Make the machine, boot it, and pass on what it prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--release", default="bookworm", help="of Debian, as bookworm (12) or trixie (13)")
    parser.add_argument("--folder", type=Path, help="keep the Debian that was made here for the next call (1.5 GB)")
    parser.add_argument("--authority", type=Path, help="a certificate (PEM) to trust on the way to the package index")
    wanted = parser.parse_args()
    with told():
        need(PROGRAMS)
        with own_folder("roundsman-machine-", wanted.folder) as folder:
            base = debian(wanted.release, folder / wanted.release, PACKAGES, wanted.authority)
            machine = _installed(base, folder)
            return _booted(machine)


def _installed(base: Path, folder: Path) -> Path:
    """Copy the system, and do in it what the guide says; the wheel is built here, as its checkout has no tools."""
    machine = folder / "machine"
    shutil.rmtree(machine, ignore_errors=True)
    run("cp", "--archive", "--reflink=auto", base, machine)
    sources = checkout(machine / IN_MACHINE)
    say("Installing as the operator's guide says …")
    commands = shown_in_guide(0)
    build = [line for line in commands if "hatchling" in line]
    for line in build:
        run("sh", "-ec", line.replace("-t wheel", f"-t wheel -d {sources / 'dist'}"))
    no_daemon = machine / "usr" / "sbin" / "policy-rc.d"
    no_daemon.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
    no_daemon.chmod(0o755)
    others = [line.replace("apt-get install", "apt-get install --yes") for line in commands if line not in build]
    script = "\n".join([f"cd /{IN_MACHINE}", "update-ca-certificates", "apt-get update", *others])
    clean = ("env", "DEBIAN_FRONTEND=noninteractive", "PATH=/usr/sbin:/usr/bin:/sbin:/bin")
    run("chroot", machine, *clean, "sh", "-ec", script)
    no_daemon.unlink()
    _furnish(machine)
    return machine


def _furnish(machine: Path) -> None:
    """Put the units, the trial and its register into the machine."""
    units = machine / "etc" / "systemd" / "system"
    for unit in (ROOT / "docs" / "examples").glob("*.service"):
        text = unit.read_text(encoding="utf-8").replace("--zone dmz", "--zone internal")
        (units / unit.name).write_text(text, encoding="utf-8")
    (units / "trial.service").write_text(_TRIAL, encoding="ascii")
    (units / "multi-user.target.wants" / "trial.service").symlink_to("../trial.service")
    for silent in _SILENT:
        (units / silent).unlink(missing_ok=True)
        (units / silent).symlink_to("/dev/null")
    shutil.copy(inside.__file__, machine / "root" / "inside.py")
    (machine / "srv" / "register.yaml").write_text(inside.REGISTER, encoding="utf-8")


def _booted(machine: Path) -> int:
    """Boot the machine, print what the trial says, and return its status. Raises ``TrialError`` if it never ended."""
    say("Booting it …")
    command = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network", "--boot"]
    options = ["systemd.show_status=0", "systemd.log_target=journal"]
    started = [*command, f"--directory={machine}", *options]
    with subprocess.Popen(
        started, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as booted:
        assert booted.stdout is not None
        ended = None
        late = threading.Timer(SECONDS, booted.kill)
        late.start()
        for raw in booted.stdout:
            line = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", raw.decode(errors="replace")).rstrip()
            say(line)
            ended = ended or re.match(rf"{inside.END}: \d+ checked, (\d+) failed", line)
        late.cancel()
    if ended is None:
        raise TrialError("The machine ended before the trial in it did; what it said is above.")
    return int(ended[1] != "0")


if __name__ == "__main__":
    sys.exit(main())
