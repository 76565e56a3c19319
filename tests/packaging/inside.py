"""What ``python -m tests.packaging.machine`` runs in the machine that it made, as root, once that is up.

It has Python's own library alone, prints a line for each thing that holds or doesn't, and powers the machine off.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
import traceback
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

AS_WEB = (
    *("systemd-run", "--quiet", "--wait", "--pty", "--pipe", "--uid=roundsman"),
    *("--property=EnvironmentFile=/etc/roundsman/web.env", "--setenv=ROUNDSMAN_DATA_DIR=/var/lib/roundsman-web"),
)
"""How the guide has commands typed where the settings are those of a unit."""

ROUNDSMAN = "/opt/roundsman/.venv/bin/roundsman"
SETTINGS = Path("/etc/roundsman")
HOST = "127.77.0.1"
NET_RAW = 1 << 13  # linux/capability.h
END = "The trial in the machine is over"
"""The line that says so, with how many checks there were and how many failed."""

REGISTER = f"""
zones: [{{name: internal, vantage: internal}}]
organisations:
  - slug: water
    name_zh: 云泽市水务局
    name_en: Yunze Water Authority
    language: zh-Hans
    time_zone: Asia/Shanghai
    contacts: [{{name: Li Wei, email: li@water.example, role: security}}]
    targets:
      - {{address: {HOST}, zone: internal}}
      - {{address: 127.77.0.0/28, zone: internal}}
    authorisations:
      - {{document: T-1, allowed_by: Head, valid_from: 2026-01-01, valid_until: 2099-12-31, level: 1,
         scope: [127.77.0.0/28]}}
"""

FORBIDDEN = {
    "facts of hosts": "SELECT facts FROM rounds_hostresult",
    "findings": "SELECT id FROM remediation_finding",
    "mails": "SELECT id FROM delivery_message",
    "reports": "SELECT id FROM reports_report",
    "accounts": "SELECT id FROM accounts_user",
    "contacts": "SELECT id FROM targets_contact",
    "the audit trail": "SELECT id FROM audit_entry",
    "a change of the register": "UPDATE targets_target SET tags = tags",
    "a removal of results": "DELETE FROM rounds_hostresult",
    "a table of its own": "CREATE TABLE mine (id int)",
}
"""What the worker's role in the database may not do."""

failed: list[str] = []
checked: list[str] = []


def main() -> int:
    """Try one machine, then several processes on PostgreSQL; return 0 when all held."""
    for part in (_units, _serve, _several):
        print(f"== {(part.__doc__ or '').strip()}", flush=True)
        try:
            part()
        except Exception:  # noqa: BLE001 - whatever it is, the other parts are tried
            traceback.print_exc(file=sys.stdout)
            hold(f"{part.__name__} came to its end", False)
    print(f"{END}: {len(checked)} checked, {len(failed)} failed", flush=True)
    return int(bool(failed))


def hold(what: str, holds: object, why: str = "") -> None:
    """Print whether something holds, and remember it; of ``why``, what doesn't hold shows all."""
    checked.append(what)
    if not holds:
        failed.append(what)
    shown = why.partition("\n")[0] if holds else why
    print(f"{'ok    ' if holds else 'FAILED'} {what}{f': {shown}' if shown else ''}", flush=True)


def run(*command: str | Path, user: str = "", folder: str | None = None, text: str = "") -> str:
    """Run a command, as another user if need be; return all that it printed. Raises ``AssertionError`` if it failed."""
    done = _ran(*command, user=user, folder=folder, text=text)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}"
    return done.stdout


def _ran(
    *command: str | Path, user: str = "", folder: str | None = None, text: str = ""
) -> subprocess.CompletedProcess[str]:
    before = ("runuser", "-u", user, "--") if user else ()
    return subprocess.run(
        [*before, *map(str, command)],
        cwd=folder,
        input=text,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )


def within(seconds: float, condition: Callable[[], object]) -> bool:
    """Tell whether something comes true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.5)
    return False


# --- Units


def state(unit: str, name: str) -> str:
    """Return a property of a unit."""
    return run("systemctl", "show", "--value", f"--property={name}", unit).strip()


def processes(unit: str) -> Iterator[dict[str, str]]:
    """Yield what the kernel says of each process of a unit."""
    group = state(unit, "ControlGroup")
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if group and any(line.endswith(f":{group}") for line in (process / "cgroup").read_text().splitlines()):
                status = (process / "status").read_text(encoding="utf-8").splitlines()
                yield {name: value.strip() for name, _, value in (line.partition(":") for line in status)}
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile


def _users(unit: str) -> set[str]:
    return {user for each in processes(unit) for user in each["Uid"].split()}


def log(unit: str) -> str:
    """Return what a unit has logged."""
    return run("journalctl", "--unit", unit, "--no-pager", "--output=cat")


def _units() -> None:
    """The units as files"""
    units = sorted(Path("/etc/systemd/system").glob("roundsman*.service"))
    verified = _ran("systemd-analyze", "verify", *[re.sub(r"@\.", "@web.", str(unit)) for unit in units])
    hold("systemd-analyze verify has nothing to say", verified.returncode == 0 and not verified.stdout, verified.stdout)
    for unit in ("roundsman.service", "roundsman@web.service", "roundsman-worker.service"):
        told = run("systemd-analyze", "security", "--no-pager", unit).splitlines()[-1]
        level = re.search(r"([\d.]+) \w+", told)
        hold(f"{unit} is exposed little", level and float(level[1]) < 3, told.strip("→ "))


def _comes_up(unit: str, *, raw: bool) -> None:
    run("systemctl", "start", unit)
    hold(f"{unit} runs", within(30, lambda: state(unit, "SubState") == "running"))
    hold(f"{unit} is not root", within(30, lambda: _users(unit) and "0" not in _users(unit)))
    _rights(unit, raw=raw)


def _rights(unit: str, *, raw: bool) -> None:
    may = NET_RAW if raw else 0
    found = list(processes(unit))
    bounds = {int(each["CapBnd"], 16) for each in found}
    effective = {int(each["CapEff"], 16) for each in found}
    hold(f"{unit} can have {'raw sockets' if raw else 'no capability'} and no more", bounds == {may}, str(bounds))
    hold(f"{unit} has {'raw sockets' if raw else 'no capability'}", effective == {may}, str(effective))
    hold(f"{unit} gains no privileges", {each["NoNewPrivs"] for each in found} == {"1"})
    hold(f"{unit} filters system calls", {each["Seccomp"] for each in found} == {"2"})


def _stays_up(*units: str) -> None:
    for unit in units:
        again = state(unit, "NRestarts")
        hold(f"{unit} never began anew", state(unit, "SubState") == "running" and again == "0", again)
        bad = [
            line for line in log(unit).splitlines() if re.search("error|traceback|denied|warning", line, re.IGNORECASE)
        ]
        hold(f"{unit} has logged nothing bad", not bad, "\n".join(bad[:12]))


def _ends(*units: str) -> None:
    for unit in units:
        begun = time.monotonic()
        run("systemctl", "stop", unit)
        took = time.monotonic() - begun
        result = state(unit, "Result")
        hold(f"{unit} ends in order when it is told to", result == "success" and took < 15, f"{result}, {took:.1f} s")


# --- One machine


def _serve() -> None:
    """One machine: roundsman.service, on SQLite"""
    folder = Path("/opt/roundsman")
    (folder / ".env").write_text(
        "ROUNDSMAN_DATA_DIR=/var/lib/roundsman\nROUNDSMAN_REPORT_FORMATS=html,pdf\nROUNDSMAN_TIME_ZONE=Asia/Shanghai\n",
        encoding="ascii",
    )
    shutil.chown(folder / ".env", "roundsman")
    (folder / ".env").chmod(0o600)
    unit = "roundsman.service"
    _comes_up(unit, raw=True)
    hold("its pages answer", within(60, lambda: _answers(8440)))
    run(ROUNDSMAN, "targets", "apply", "--yes", "/srv/register.yaml", user="roundsman", folder=str(folder))
    with _weak_server():
        _round(lambda *words: run(ROUNDSMAN, *words, user="roundsman", folder=str(folder)))
    _mailed(Path("/var/lib/roundsman/mail"))
    doctor = _ran(ROUNDSMAN, "doctor", user="roundsman", folder=str(folder))
    hold("the doctor finds nothing broken", doctor.returncode in (0, 3), f"status {doctor.returncode}")
    _stays_up(unit)
    _dies(unit)
    _ends(unit)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@contextmanager
def _weak_server() -> Iterator[None]:
    """A Redis without a password, on the loopback address that is registered."""
    command = ["redis-server", "--bind", HOST, "--port", "6379", "--protected-mode", "no", "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            yield
        finally:
            server.terminate()


def _round(roundsman: Callable[..., str]) -> None:
    done = roundsman("round", "run").splitlines()[-1]
    hold("a round looks at all hosts", "0 not or only partly inspected" in done, done)
    found = roundsman("finding", "list")
    hold("the weak server is found", "SVC-REDIS-UNAUTH" in found, found)


def _mailed(folder: Path) -> None:
    """The report and the alert are files, and the report's PDF was made by the service itself."""
    hold("mail is written", within(60, lambda: len(list(folder.glob("*.eml"))) >= 2), str(list(folder.glob("*"))))
    written = [path.read_bytes() for path in folder.glob("*.eml")]
    hold("a PDF goes with it", any(b"application/pdf" in each for each in written))
    hold("nobody else can read mail", all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir()))


def _dies(unit: str) -> None:
    """It is killed, and is back by itself."""
    before = state(unit, "MainPID")
    run("kill", "-KILL", before)
    back = within(60, lambda: state(unit, "SubState") == "running" and state(unit, "MainPID") not in ("0", before))
    hold(f"{unit} is back after it was killed", back)


# --- Several processes on PostgreSQL


def _several() -> None:
    """Pages, clock and worker, on PostgreSQL"""
    _make_database()
    web, clock, worker = "roundsman@web.service", "roundsman@clock.service", "roundsman-worker.service"
    _comes_up(web, raw=False)
    hold("its pages answer", within(60, lambda: _answers(8440)))
    run("systemctl", "start", clock)

    def roundsman(*words: str) -> str:
        return run(*AS_WEB, ROUNDSMAN, *words)

    roundsman("targets", "apply", "--yes", "/srv/register.yaml")
    roundsman("workers", "grant", "roundsman_worker")
    _comes_up(clock, raw=False)
    _comes_up(worker, raw=True)
    hold("all three are known", within(60, lambda: roundsman("workers", "list").count("job(s)") == 3))
    asked = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename LIKE 'roundsman%'"
    told = run("psql", "--tuples-only", "--command", asked, "roundsman", user="postgres", folder="/")
    hold("they speak to the database by TLS", told.split() == ["t"], told.strip())
    with _weak_server():
        _round(roundsman)
        _drains(worker, roundsman)
    _mailed(Path("/var/lib/roundsman-web/mail"))
    _role()
    run("systemctl", "restart", _server())
    hold(
        "all three survive a new start of the database",
        within(90, lambda: "silent" not in roundsman("workers", "list")),
    )
    for unit in (web, clock, worker):
        hold(f"{unit} never began anew", state(unit, "NRestarts") == "0", state(unit, "NRestarts"))
    _dies(worker)
    _ends(worker, clock, web)


def _server() -> str:
    """Return the unit of the one PostgreSQL server that Debian has made."""
    (cluster,) = Path("/etc/postgresql").glob("*/main")
    return f"postgresql@{cluster.parent.name}-main.service"


def _make_database() -> None:
    """As the operator's guide says, with the settings of each in a file of its own."""
    run("systemctl", "start", _server())
    statements = "CREATE ROLE roundsman LOGIN PASSWORD 'owner'; CREATE ROLE roundsman_worker LOGIN PASSWORD 'worker';"
    run("psql", "--quiet", user="postgres", folder="/", text=statements)
    made = ("--encoding=UTF8", "--locale=C.UTF-8", "--template=template0", "--owner=roundsman", "roundsman")
    run("createdb", *made, user="postgres", folder="/")
    SETTINGS.mkdir(exist_ok=True)
    for name, content in (("database-password", "owner"), ("worker-password", "worker"), ("secret-key", "k" * 64)):
        (SETTINGS / name).write_text(content, encoding="ascii")
        (SETTINGS / name).chmod(0o400)
        shutil.chown(SETTINGS / name, "roundsman", "roundsman")
    of_all = (
        "ROUNDSMAN_DATABASE=postgresql://roundsman@127.0.0.1/roundsman?sslmode=require\n"
        f"ROUNDSMAN_DATABASE_PASSWORD_FILE={SETTINGS}/database-password\n"
        f"ROUNDSMAN_SECRET_KEY_FILE={SETTINGS}/secret-key\nROUNDSMAN_REPORT_FORMATS=html,pdf\n"
    )
    (SETTINGS / "web.env").write_text(of_all, encoding="ascii")
    (SETTINGS / "clock.env").write_text(f"{of_all}ROUNDSMAN_WEB=off\n", encoding="ascii")
    (SETTINGS / "worker.env").write_text(
        "ROUNDSMAN_DATABASE=postgresql://roundsman_worker@127.0.0.1/roundsman?sslmode=require\n"
        f"ROUNDSMAN_DATABASE_PASSWORD_FILE={SETTINGS}/worker-password\n",
        encoding="ascii",
    )


def _drains(worker: str, roundsman: Callable[..., str]) -> None:
    """The worker is ended in the middle of a round, and goes on with it when it is back."""
    command = [*AS_WEB, ROUNDSMAN, "round", "run", "--ports", "all"]
    begun = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    hold("a round is at work", within(30, lambda: "at work: look" in roundsman("round", "status")))
    _ends(worker)
    hold("its job waits", within(10, lambda: "waiting:" in roundsman("round", "status")), roundsman("round", "status"))
    run("systemctl", "start", worker)
    told, _ = begun.communicate(timeout=120)
    hold("the round is done nevertheless", "0 not or only partly inspected" in told, told[-1500:])


def _role() -> None:
    """What the worker's role may not do, the database refuses."""
    for what, statement in FORBIDDEN.items():
        uri = "postgresql://roundsman_worker:worker@127.0.0.1/roundsman"
        told = _ran("psql", "--quiet", uri, "--command", statement).stdout
        hold(f"the worker's role is refused {what}", "permission denied" in told, told.strip())


if __name__ == "__main__":
    sys.exit(main())
