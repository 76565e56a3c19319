"""What a lab case is: a real server, weak (or sound) on purpose, with what must and must not be found."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509

from scanner.engine.intel.known import Intel
from scanner.engine.plan import Profile
from scanner.engine.policy.load import DEFAULT

Start = Callable[[str, Path], contextlib.AbstractContextManager[None]]
"""``start(address, folder)`` runs the server on ``address`` for the length of the block."""


@dataclass(frozen=True, slots=True)
class Partner:
    """Another host, inspected beside the case's own on the same ports, so that what both have in common can be judged.

    ``organisation`` is whose host it is; the case's own is of ``lab``. What else is found on it doesn't count.
    """

    address: str
    start: Start
    hostname: str | None = None
    organisation: str = "lab"


@dataclass(frozen=True, slots=True)
class LabCase:
    """One address of the lab.

    ``expected`` are the checks that must be found, as ``(port, check)``; on UDP the port is ``"161/udp"``.
    ``silent`` are ids that must not be found on any port of this address, and every check that is neither expected
    nor listed in ``tolerated`` counts as a false alarm. ``address`` is this case's own, in 127.0.0.0/8.
    ``hostname`` is the registered name, pinned to the address. ``ports`` are inspected, in the CLI's syntax.
    ``services`` are what must be recognised, as ``(port, protocol)``.

    With ``domain`` it is no host but that domain that is inspected, at a resolver on the address: what is found has
    the place ``"dns"``, and ``domain_names`` are the host names that its owner registered.
    """

    name: str
    address: str
    ports: str
    start: Start
    expected: frozenset[tuple[int | str, str]] = frozenset()
    silent: frozenset[str] = frozenset()
    tolerated: frozenset[str] = frozenset()
    services: frozenset[tuple[int, str]] = frozenset()
    hostname: str | None = None
    domain: str | None = None
    domain_names: tuple[str, ...] = ()
    level: int = 1
    outcome: str = "inspected"
    profile: Profile = Profile.STANDARD
    anchors: tuple[bytes, ...] = ()
    """Root certificates, DER, that the case's organisation has registered as its own."""
    public_roots: tuple[x509.Certificate, ...] = ()
    """Certificates that take the place of the machine's public roots."""
    policy: str = DEFAULT
    """The TLS policy that the case's organisation has chosen."""
    given_up: dt.datetime | None = None
    """Since when browsers no longer trust what the public roots issue; None means that they do."""
    intel: Intel = field(default_factory=Intel)
    """What was imported about vulnerable software."""
    at: dt.datetime | None = None
    """The moment as of which the case is judged; None means when it was inspected."""
    partner: Partner | None = None
    needs: tuple[str, ...] = ()
    """Programs that must be on PATH."""


def program(name: str) -> str:
    """Return the full path of a Debian program, also when ``/usr/sbin`` is not on PATH."""
    found = shutil.which(
        name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/lib/postgresql/15/bin:/usr/libexec/samba"
    )
    if found is None:
        raise FileNotFoundError(f"The lab needs {name}; run make setup.")
    return found


@contextlib.contextmanager
def process(
    command: list[str], *, folder: Path, wait_for: tuple[str, int] | None = None, env: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server in its own process group until the block ends; wait until its port answers (10 s at most).

    Its output goes to ``server.log`` in ``folder``, which is quoted when it does not start.
    """
    with tempfile.NamedTemporaryFile(dir=folder, prefix="server-", suffix=".log", delete=False) as log:
        child = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **(env or {})},
        )
    try:
        if wait_for is not None:
            _wait_until_listening(child, wait_for, Path(log.name))
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait(5)


def _wait_until_listening(child: subprocess.Popen[bytes], where: tuple[str, int], log: Path) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(where, timeout=0.5):
            return
        if child.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"{child.args!r} does not listen on {where}: {log.read_text(errors='replace')[-2000:]}")


def case_folder(name: str) -> Path:
    """Return a new private folder for a case; servers that drop privileges may need to chmod it."""
    return Path(tempfile.mkdtemp(prefix=f"roundsman-lab-{name}-"))
