"""``python -m tests.packaging.containers``: builds the images, and runs ``compose.yaml`` as the operator's guide says.

It starts a Docker daemon of its own, whose files, images and volumes go with its folder. The base images are made from
Debian's archive and given the names that ``Containerfile`` and ``compose.yaml`` use; that of PostgreSQL has the same
version, variables and folders as the official one, and does the same when it first starts. It needs root, and Debian's
and Python's package archives (600 MB), and takes some four minutes on two cores. No other Docker daemon may run. At its
end the filter rules are what they were at its beginning.

Exit status: 0 all held, 1 something did not, 2 the trial could not be made.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.packaging.common import TrialError, checkout, debian, need, own_folder, run, say, shown_in_guide, told
from tests.packaging.inside import FORBIDDEN, NET_RAW, checked, failed, hold, within

PROGRAMS = {
    "debootstrap": "debootstrap",
    "dockerd": "docker.io",
    "script": "bsdutils",
    "curl": "curl",
    "iptables-save": "iptables",
    "ip": "iproute2",
}
DATABASE = Path(__file__).with_name("database")
SOCKET = Path("/var/run/docker.sock")
POSTGRES = ("postgresql-17", "gosu")
SITE = "roundsman.example.org"
_BARE = "*nat\nCOMMIT\n*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"
"""Rules of a machine that has none: tables that Docker made are in no earlier list of them."""

SERVICES = ("database", "web", "clock", "worker")


def main() -> int:
    """Make the base images, do what the guide shows, and look at what runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="keep what was made from Debian here for the next call (1 GB)")
    parser.add_argument("--authority", type=Path, help="a certificate (PEM) to trust on the way to the package index")
    wanted = parser.parse_args()
    with told():
        need(PROGRAMS)
        with own_folder("roundsman-containers-", wanted.folder) as folder, _daemon(folder / "docker"):
            _bases(folder, wanted.authority)
            with _Composed(checkout(folder / "checkout")) as composed:
                composed.tried()
    return int(bool(failed))


@contextmanager
def _daemon(files: Path) -> Iterator[None]:
    """A Docker daemon with everything of its own, which all commands of this process speak to."""
    if SOCKET.exists():
        raise TrialError("A Docker daemon runs here. The trial starts one of its own; end that one first.")
    shutil.rmtree(files, ignore_errors=True)
    files.mkdir()
    os.environ["DOCKER_HOST"] = f"unix://{files}/socket"
    places = [f"--{name}={files}/{name}" for name in ("data-root", "exec-root", "pidfile")]
    before = {program: run(f"{program}-save") for program in ("iptables", "ip6tables")}
    with (files / "log").open("wb") as log:
        daemon = subprocess.Popen(["dockerd", *places, "--host", os.environ["DOCKER_HOST"]], stdout=log, stderr=log)
    try:
        if not within(
            30, lambda: subprocess.run(["docker", "version"], capture_output=True, check=False).returncode == 0
        ):
            raise TrialError(
                f"The Docker daemon does not start:\n{(files / 'log').read_text(encoding='utf-8')[-2000:]}"
            )
        yield
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(60)
        subprocess.run(["ip", "link", "delete", "docker0"], capture_output=True, check=False)
        for program, rules in before.items():
            run(f"{program}-restore", text=_BARE + rules)
        shutil.rmtree(files, ignore_errors=True)


def _bases(folder: Path, authority: Path | None) -> None:
    """Make the images that Containerfile and compose.yaml begin with."""
    _imported(debian("bookworm", folder / "bookworm", authority=authority), "debian:bookworm-slim")
    _imported(debian("trixie", folder / "postgresql", POSTGRES), "debian-with-postgresql")
    run("docker", "build", "--tag", "postgres:17-bookworm", DATABASE)


def _imported(system: Path, name: str) -> None:
    say(f"Importing {name} …")
    command = f"tar --directory={shlex.quote(str(system))} --create . | docker import - {name}"
    run("bash", "-eo", "pipefail", "-c", command)


class _Composed:
    """What ``compose.yaml`` starts, in a copy of the repository. Ends and removes it at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.command = _compose()

    def __enter__(self) -> _Composed:
        return self

    def __exit__(self, *_: object) -> None:
        self("down", "--volumes", "--timeout", "20")

    def __call__(self, *words: str, text: str = "") -> str:
        return run(*self.command, *words, folder=self.folder, text=text)

    def roundsman(self, *words: str) -> str:
        return self("exec", "-T", "web", "roundsman", *words)

    def tried(self) -> None:
        """Do what the guide shows, then look at everything."""
        say("Doing what the operator's guide says (the first time it takes some minutes) …")
        for line in shown_in_guide(2):
            typed = line.replace("docker compose", shlex.join(self.command))
            run("script", "--quiet", "--return", "--command", typed, "/dev/null", folder=self.folder)
        self._they_run()
        self._their_rights()
        self._pages()
        self._round()
        self._database()
        self._database_anew()
        self._drained()
        self._again()
        say(f"The trial of the containers is over: {len(checked)} checked, {len(failed)} failed")

    def state(self, service: str) -> dict[str, object]:
        """Return what the daemon says of a service's container."""
        (name,) = self("ps", "--all", "--quiet", service).split()
        (told,) = json.loads(run("docker", "inspect", name))
        assert isinstance(told, dict)
        return told

    def _status(self, service: str) -> str:
        state = self.state(service)["State"]
        assert isinstance(state, dict)
        health = state.get("Health", {}).get("Status", "")
        return f"{state['Status']} {health}" if state["Status"] == "running" else f"ended with {state['ExitCode']}"

    def _is(self, service: str, status: str) -> bool:
        return self._status(service) == status

    def _they_run(self) -> None:
        for service in SERVICES:
            state = "running healthy" if service in ("database", "web") else "running "
            hold(f"{service} runs", within(60, partial(self._is, service, state)), self._status(service))
        hold("the worker's rights were given", self._status("rights") == "ended with 0", self("logs", "rights"))
        hold(
            "web, clock and worker are known", within(60, lambda: self._works() == 3), self.roundsman("workers", "list")
        )

    def _works(self) -> int:
        return self.roundsman("workers", "list").count("job(s)")

    def _their_rights(self) -> None:
        for service in ("web", "clock", "worker"):
            status = dict(
                line.split(":", 1) for line in self("exec", "-T", service, "cat", "/proc/1/status").splitlines()
            )
            may = NET_RAW if service == "worker" else 0
            hold(f"{service} is not root", set(status["Uid"].split()) == {"8440"})
            hold(
                f"{service} may {'use raw sockets alone' if may else 'do nothing special'}",
                int(status["CapBnd"], 16) == may,
            )
            hold(f"{service} can write to no program", _refused(self, service, "touch /opt/roundsman/x"))
            if service != "worker":
                hold(f"{service} gains no privileges", status["NoNewPrivs"].strip() == "1")
        special = self("exec", "-T", "worker", "sh", "-c", "find / -xdev -type f -perm /6000 2>/dev/null || true")
        hold("no program of the worker is another user's", not special.strip(), special)
        raw = "from scanner.engine.probes.nmap import is_privileged; print(is_privileged())"
        hold("the worker scans by raw sockets", "True" in self("exec", "-T", "worker", "python", "-c", raw))
        seen = self("exec", "-T", "worker", "sh", "-c", "ls /run/secrets")
        hold("the worker has its own password alone", seen.split() == ["worker-password"], seen)

    def _pages(self) -> None:
        asked = [
            "curl",
            "--silent",
            "--output",
            "/dev/null",
            "--write-out",
            "%{http_code}",
            "--header",
            f"Host: {SITE}",
        ]
        page = "http://127.0.0.1:8440/account/sign-in/"
        hold("the pages send who comes without TLS away", run(*asked, page) == "301")
        hold("they are there behind a proxy", run(*asked, "--header", "X-Forwarded-Proto: https", page) == "200")

    def _round(self) -> None:
        """A server that lets anybody in is found, reported and mailed."""
        network = f"{self.folder.name}_outside"
        weak = ["run", "--detach", "--rm", "--network", network, "--env", "POSTGRES_HOST_AUTH_METHOD=trust"]
        name = run("docker", *weak, "postgres:17-bookworm").split()[-1]
        form = f'{{{{(index .NetworkSettings.Networks "{network}").IPAddress}}}}'
        address = run("docker", "inspect", "--format", form, name).strip()
        try:
            self("exec", "-T", "web", "sh", "-c", "cat > /tmp/register.yaml", text=_register(address))
            self.roundsman("targets", "apply", "--yes", "/tmp/register.yaml")
            hold("a round looks at the host", "0 not or only partly inspected" in self.roundsman("round", "run"))
            hold("the weak server is found", "SVC-POSTGRES-UNAUTH" in self.roundsman("finding", "list"))
            self.roundsman("report", "build", "--format", "pdf", "--output", "/tmp/reports")
            first = self("exec", "-T", "web", "sh", "-c", "head -c 5 /tmp/reports/*.pdf")
            hold("a PDF is made", first.startswith("%PDF"), first)
            hold("the alert and the report are mailed", within(30, lambda: self._sent() == 2))
        finally:
            run("docker", "stop", name)

    def _sent(self) -> int:
        return self.roundsman("mail", "queue", "--all").count("sent ")

    def _database(self) -> None:
        """The owner is no superuser, that one can't come from outside, and the worker's role may do little."""
        as_owner = (
            "exec",
            "-T",
            "database",
            "psql",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "--username=postgres",
            "roundsman",
        )
        roles = "SELECT rolname FROM pg_roles WHERE rolsuper OR rolcreaterole OR rolcreatedb"
        hold(
            "only PostgreSQL's own role may do everything", self(*as_owner, "--command", roles).split() == ["postgres"]
        )
        kept = "SELECT rolpassword IS NULL FROM pg_authid WHERE rolname = 'postgres'"
        hold("it has no password", self(*as_owner, "--command", kept).split() == ["t"])
        for what, statement in FORBIDDEN.items():
            asked = f'psql -h database -U roundsman_worker roundsman -c "{statement}" 2>&1 || true'
            typed = f"PGPASSWORD=$(cat /run/secrets/worker-password) {asked}"
            said = self("exec", "-T", "database", "sh", "-c", typed)
            hold(f"the worker's role is refused {what}", "permission denied" in said, said.strip())
        (network,) = json.loads(run("docker", "network", "inspect", f"{self.folder.name}_inside"))
        hold("the database has no way out", network["Internal"])

    def _database_anew(self) -> None:
        self("restart", "database")
        hold("all survive a new start of the database", within(60, lambda: _or_none(self._works) == 3))
        hold("none of them began anew", all(self.state(each)["RestartCount"] == 0 for each in SERVICES))

    def _drained(self) -> None:
        for service in ("worker", "clock", "web"):
            begun = time.monotonic()
            self("stop", service)
            took = time.monotonic() - begun
            hold(
                f"{service} ends in order when it is told to",
                self._status(service) == "ended with 0" and took < 15,
                f"{took:.1f} s",
            )

    def _again(self) -> None:
        """What an upgrade does: everything is taken down and started anew, and nothing is lost."""
        self("down")
        self("up", "--build", "--detach")
        hold("web, clock and worker are back", within(60, lambda: _or_none(self._works) == 3))
        hold("findings are still there", "SVC-POSTGRES-UNAUTH" in self.roundsman("finding", "list"))
        for line in [line for line in shown_in_guide(3) if "backup" in line]:
            typed = line.replace("docker compose", shlex.join(self.command))
            run("script", "--quiet", "--return", "--command", typed, "/dev/null", folder=self.folder)
        hold("a backup is made and taken out", any(self.folder.glob("backup*.tar.gz")))


def _compose() -> list[str]:
    """Return the command: the plugin, or the program of Debian 12."""
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0:
        return ["docker", "compose"]
    if shutil.which("docker-compose") is None:
        raise TrialError("Run first: apt-get install --no-install-recommends docker-compose")
    return ["docker-compose"]


def _refused(composed: _Composed, service: str, command: str) -> bool:
    return "Read-only" in composed("exec", "-T", service, "sh", "-c", f"{command} 2>&1 || true")


def _or_none(asked: Callable[[], int]) -> int | None:
    try:
        return asked()
    except TrialError:
        return None


def _register(address: str) -> str:
    return f"""
zones: [{{name: internal, vantage: internal}}]
organisations:
  - slug: water
    name_zh: 云泽市水务局
    name_en: Yunze Water Authority
    language: zh-Hans
    time_zone: Asia/Shanghai
    contacts: [{{name: Li Wei, email: li@water.example, role: security}}]
    targets: [{{address: {address}, zone: internal}}]
    authorisations:
      - {{document: T-1, allowed_by: Head, valid_from: 2026-01-01, valid_until: 2099-12-31, level: 1,
         scope: [{address}]}}
"""


if __name__ == "__main__":
    sys.exit(main())
