"""What both trials need: to be root, programs, Debian systems made from Debian's archive, and the operator's guide."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "operator-guide.md"


class TrialError(Exception):
    """The trial can't go on; its message says why, and what to do."""


def need(programs: dict[str, str]) -> None:
    """Raise ``TrialError`` unless this is root, and each program is there; each is given with its Debian package."""
    if os.geteuid() != 0:
        raise TrialError("Run it as root: it makes systems with users and devices of their own.")
    missing = sorted({package for program, package in programs.items() if shutil.which(program) is None})
    if missing:
        raise TrialError(f"Run first: apt-get install --no-install-recommends {' '.join(missing)}")


def run(*command: str | Path, folder: Path = ROOT, text: str = "", seconds: float = 1200) -> str:
    """Run a command; return all that it printed. Raises ``TrialError`` with it when the command fails."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        input=text,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
        check=False,
    )
    if done.returncode != 0:
        raise TrialError(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout[-4000:]}")
    return done.stdout


def debian(suite: str, folder: Path, packages: Sequence[str] = (), authority: Path | None = None) -> Path:
    """Make a Debian system in a folder, unless it is there; its sources are those of debootstrap.

    ``authority`` is a certificate that it trusts, where the way to the package index is inspected by one.
    """
    if (folder / "etc" / "debian_version").exists():
        return folder
    say(f"Making Debian {suite} …")
    draft = folder.with_name(f"{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    included = [f"--include={','.join(packages)}"] if packages else []
    run("debootstrap", "--variant=minbase", *included, suite, draft)
    for package in (draft / "var" / "cache" / "apt" / "archives").glob("*.deb"):
        package.unlink()
    if authority is not None:
        trusted = draft / "usr" / "local" / "share" / "ca-certificates"
        trusted.mkdir(parents=True, exist_ok=True)
        shutil.copy(authority, trusted / "site.crt")
    return draft.rename(folder)


def checkout(folder: Path) -> Path:
    """Copy what belongs to the repository, as it stands now, to a folder that is made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard")
    for name in listed.splitlines():
        source = ROOT / name
        if source.is_file() and not source.is_symlink():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / name)
    return folder


def shown_in_guide(number: int) -> list[str]:
    """Return the lines of a block of commands of the guide's "Packages and containers", 0 or 1, without comments."""
    section = GUIDE.read_text(encoding="utf-8").partition("\n## Packages and containers\n")[2].partition("\n## ")[0]
    block = re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)[number]
    return [line.partition(" # ")[0].rstrip() for line in block.splitlines()]


@contextmanager
def own_folder(prefix: str, kept: Path | None) -> Iterator[Path]:
    """Yield the folder that is to be kept, or one that goes with the block; in /var/tmp, which is on a disk."""
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept.resolve()
        return
    with tempfile.TemporaryDirectory(prefix=prefix, dir="/var/tmp") as made:
        yield Path(made)


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


@contextmanager
def told() -> Iterator[None]:
    """End the program with status 2 and the message of a ``TrialError``."""
    try:
        yield
    except TrialError as error:
        sys.stderr.write(f"Error: {error}\n")
        sys.exit(2)
