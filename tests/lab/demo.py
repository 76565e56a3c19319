"""``make demo``: register two organisations, inspect their lab hosts in three rounds, and write what people get to see.

Between the rounds the lab changes: something is fixed, something comes back, a host goes dark. Everything happens with
the product's own commands, on real packets, in a network namespace of its own. What it leaves is in ``var/demo``: the
database, the reports, a notice to each organisation, a bulletin, and the mails.
"""

from __future__ import annotations

import email
import email.policy
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from tests.lab.demo_servers import Lab, demo_servers
from tests.lab.namespace import run_inside

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "var" / "demo"
REPORTS = DATA / "reports"
MAILS = DATA / "mail"

NOT_ALL_INSPECTED = 3
"""The status by which a round says that something was not inspected: the demo has a host that never answers."""

SLUGS = ("water", "transport")


def main() -> int:
    """Run the demo; return 0 when both reports, both notices and the bulletin are there."""
    status = run_inside("tests.lab.demo")
    if status is not None:
        return status
    shutil.rmtree(DATA, ignore_errors=True)
    DATA.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="roundsman-demo-") as folder:
        print("Starting weak servers on loopback, in a network namespace of their own …", flush=True)
        with demo_servers(Path(folder)) as lab:
            _roundsman("targets", "apply", str(_register(DATA / "register").relative_to(ROOT)), "--yes")
            _round()
            _repair(lab)
            _round()
            _relapse(lab)
            _round()
        print("The servers are stopped.\n", flush=True)
    _write()
    return _summary()


def _register(folder: Path) -> Path:
    """Copy the example register without its blackouts: a demo is not kept waiting until the evening."""
    folder.mkdir()
    for source in sorted((ROOT / "targets" / "examples").glob("*.yaml")):
        register = yaml.safe_load(source.read_text(encoding="utf-8"))
        for organisation in register["organisations"]:
            for held in (organisation, *organisation["targets"]):
                held.pop("blackouts", None)
        text = yaml.safe_dump(register, allow_unicode=True, sort_keys=False)
        (folder / source.name).write_text(text, encoding="utf-8")
    return folder


def _round() -> None:
    _roundsman("round", "run", accept=(0, NOT_ALL_INSPECTED))


def _repair(lab: Lab) -> None:
    _tell("Water closes its FTP port and its open Redis, and renews the certificate of its shop.")
    lab.stop("127.20.1.4", 21)
    lab.stop("127.20.1.3", 6379)
    lab.renew_certificate()


def _relapse(lab: Lab) -> None:
    _tell("Water restarts its server, and Redis is open again. Transport's ticket server goes dark: it is not fixed.")
    lab.start("127.20.1.3", 6379)
    lab.go_dark("127.20.2.3")


def _tell(what: str) -> None:
    print(f"\n    Between the rounds: {what}", flush=True)


def _write() -> None:
    output = str(REPORTS.relative_to(ROOT))
    for slug in SLUGS:
        _roundsman("notice", "issue", "--organisation", slug, "--yes")
    _roundsman("report", "build", "--format", "html,json,csv,xlsx,sarif", "--output", output)
    for language in ("zh-Hans", "en"):
        _roundsman("bulletin", "build", "--days", "7", "--language", language, "--output", f"{output}/{language}")
    _roundsman("mail", "send")


def _summary() -> int:
    """Unpack the mails so that a browser shows them, and say where to look."""
    reports = [*sorted(REPORTS.glob("*.html")), *sorted(REPORTS.glob("*/*.html"))]
    mails = [_unpacked(path) for path in sorted(MAILS.glob("*.eml"))]
    notices = sorted(MAILS.glob("*/*.html"))
    print("\nOpen these in a browser:")
    for title, paths in (("Reports and bulletins", reports), ("Notices", notices), ("Mails", mails)):
        print(f"  {title}", *(f"    {path.relative_to(ROOT)}" for path in paths), sep="\n")
    return 0 if len(reports) == len(SLUGS) + 2 and len(notices) >= len(SLUGS) and mails else 1


def _unpacked(mail: Path) -> Path:
    """Write a mail's page beside it, and into a folder the documents that go with it; return the page."""
    message = email.message_from_bytes(mail.read_bytes(), policy=email.policy.default)
    body = message.get_body(("html",))
    page = mail.with_suffix(".html")
    page.write_text(body.get_content() if body else "", encoding="utf-8")
    for part in message.iter_attachments():
        name = part.get_filename()
        if name and part.get_content_type() != "text/html":
            continue
        if name and "R20" in name:
            folder = mail.with_suffix("")
            folder.mkdir(exist_ok=True)
            (folder / Path(name).name).write_text(part.get_content(), encoding="utf-8")
    return page


def _roundsman(*arguments: str, accept: tuple[int, ...] = (0,)) -> None:
    print(f"\n$ roundsman {shlex.join(arguments)}", flush=True)
    environment = {**os.environ, "ROUNDSMAN_DATA_DIR": str(DATA)}
    command = [str(Path(sys.executable).with_name("roundsman")), *arguments]
    status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    if status not in accept:
        raise SystemExit(f"roundsman {arguments[0]} ended with status {status}; see above.")


if __name__ == "__main__":
    sys.exit(main())
