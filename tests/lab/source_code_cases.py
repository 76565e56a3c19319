"""Subversion, Git and CVS, each by its real daemon, beside programs that say something like it."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from scanner.engine.plan import Profile
from tests.lab.access import exposed, unauth
from tests.lab.case import LabCase, Start, process, program
from tests.lab.http_answers import together
from tests.lab.inetd import inetd
from tests.lab.scripted import hangs_up, scripted


def _daemon(port: int, *command: str) -> Start:
    """Run a daemon that listens on ``{address}``; it has an empty folder to serve."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        (folder / "served").mkdir(exist_ok=True)
        arguments = [argument.format(address=address, folder=folder) for argument in command[1:]]
        with process([program(command[0]), *arguments], folder=folder, wait_for=(address, port)):
            yield

    return start


def _svnserve(port: int, *settings: str, repository: bool = True) -> Start:
    """svnserve, whose root is a repository with these lines of svnserve.conf, or an empty folder."""
    listen = ("--listen-host", "{address}", "--listen-port", str(port))
    daemon = _daemon(port, "svnserve", "--daemon", "--foreground", *listen, "--root", "{folder}/served")

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        if repository:
            subprocess.run([program("svnadmin"), "create", str(folder / "served")], check=True, capture_output=True)
            (folder / "served" / "conf" / "svnserve.conf").write_text("\n".join(("[general]", *settings)) + "\n")
        with daemon(address, folder):
            yield

    return start


def _git(port: int, *options: str) -> Start:
    listen = ("--reuseaddr", "--listen={address}", f"--port={port}")
    return _daemon(port, "git", "daemon", *listen, *options, "--base-path={folder}/served", "{folder}/served")


def _cvs(port: int) -> Start:
    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        repository = folder / "cvs"
        subprocess.run([program("cvs"), "-d", str(repository), "init"], check=True, capture_output=True)
        server = f"{program('cvs')} cvs -f --allow-root={repository} pserver"
        with inetd(f"{{address}}:{port} stream tcp nowait root {server}", port)(address, folder):
            yield

    return start


CASES = (
    LabCase(
        name="source-code-daemons",
        address="127.10.88.11",
        ports="T:2401,T:3690,T:9418",
        start=together(_svnserve(3690, "anon-access = none", "password-db = passwd"), _git(9418), _cvs(2401)),
        expected=exposed(SVN=3690, GIT=9418, CVS=2401),
        silent=frozenset({"SVC-SVN-UNAUTH"}),
        services=frozenset({(3690, "svn"), (9418, "git"), (2401, "cvspserver")}),
        needs=("svnserve", "svnadmin", "git", "cvs", "inetd"),
    ),
    LabCase(
        name="source-code-daemons-on-odd-ports",
        address="127.10.88.12",
        ports="T:12401,T:13690",
        start=together(_svnserve(13690), _cvs(12401)),
        expected=unauth(SVN=13690) | exposed(CVS=12401),
        services=frozenset({(13690, "svn"), (12401, "cvspserver")}),
        needs=("svnserve", "svnadmin", "cvs", "inetd"),
    ),
    LabCase(
        name="source-code-daemons-without-a-repository-at-their-root",
        address="127.10.88.13",
        ports="T:3690,T:9418",
        start=together(_svnserve(3690, repository=False), _git(9418, "--informative-errors")),
        expected=exposed(SVN=3690, GIT=9418),
        silent=frozenset({"SVC-SVN-UNAUTH"}),
        needs=("svnserve", "git"),
    ),
    LabCase(
        name="what-hands-out-no-source-code",
        address="127.10.88.14",
        ports="T:2401,T:3690,T:9418",
        start=together(
            scripted(2401, lambda request: b"bad auth protocol start: " + request[:40]),
            scripted(3690, hangs_up, banner=b"( success ( 2 2 ( ) ( edit-pipeline "),
            scripted(9418, lambda _: b"0031ERR access denied: /another-path-than-asked-for"),
        ),
        silent=frozenset({"SVC-SVN-EXPOSED", "SVC-GIT-EXPOSED", "SVC-CVS-EXPOSED"}),
        outcome="partial",
        profile=Profile.QUICK,
    ),
)
