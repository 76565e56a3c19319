"""A network namespace of our own: every loopback address is free in it, and nobody outside can reach it."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

_CLONE_NEWNET = 0x40000000  # linux/sched.h; Python has os.unshare only from 3.12 on

_INSIDE = "ROUNDSMAN_OWN_NAMESPACE"


def run_inside(module: str, *further: str) -> int | None:
    """Start ``python -m module`` again, with the same arguments, in a new network namespace; return its status.

    ``further`` are options of unshare(1), for more namespaces than that.

    Returns None when this process is inside already, with the loopback interface up. Without root, a user
    namespace lends the rights that low ports and raw sockets need.
    """
    if os.environ.get(_INSIDE) == "yes":
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return None
    unshare = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--net"]
    command = [*unshare, *further, sys.executable, "-m", module, *sys.argv[1:]]
    return subprocess.run(command, env={**os.environ, _INSIDE: "yes"}, check=False).returncode


def enter() -> bool:
    """Move this process, and all it starts, into a new network namespace; return False where that isn't permitted.

    Tests that run at the same time then can't take each other's addresses. Must be called before any thread is
    started.
    """
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET) != 0:
        return False
    # A second interface, which leads nowhere: in.tftpd takes a machine with loopback alone for one without IPv4.
    for change in (
        "link set lo up",
        "link add nowhere type veth peer name nobody",
        "addr add 192.0.2.1/32 dev nowhere",
        "link set nowhere up",
        "link set nobody up",
    ):
        subprocess.run(["ip", *change.split()], check=True)
    return True
