"""A data directory of its own, used by real processes, as on an operator's machine."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any

import psycopg

from scanner.installation import ROOT
from tests import forked, postgres

COMMAND = "from scanner.cli.main import main; main()"
_PREPARED = "from scanner.settings import prepare; prepare()\n"


def on_server() -> postgres.Server | None:
    """Return the server that the tests run on; None when each installation has an SQLite file."""
    where = os.environ.get(postgres.VARIABLE)
    return postgres.Server(Path(where)) if where else None


def database_name(path: Path) -> str:
    """Return the name of the database that belongs to a data directory, where there is a server.

    What is made as a draft (:func:`tests.shared.made_once`) keeps it under its later name.
    """
    return f"i{hashlib.sha256(str(path).replace('.draft', '').encode()).hexdigest()[:20]}"


def whereabouts(path: Path) -> dict[str, str]:
    """Return the environment that leads to a data directory and its database."""
    server = on_server()
    database = {"ROUNDSMAN_DATABASE": server.url(database_name(path))} if server else {}
    return {"ROUNDSMAN_DATA_DIR": str(path), **database}


def copied(source: Path, to: Path) -> Path:
    """Copy a data directory that nobody uses, and the database that belongs to it; return where the copy is."""
    server = on_server()
    if server:
        server.create(database_name(to), database_name(source))
    return shutil.copytree(source, to, dirs_exist_ok=True)


def opened(path: Path) -> Any:
    """Return a connection to the database of a data directory, of ``sqlite3`` or ``psycopg``, which are much alike."""
    server = on_server()
    if server:
        return psycopg.connect(server.url(database_name(path)))
    return sqlite3.connect(path / "roundsman.sqlite3", timeout=20)


@dataclass(frozen=True)
class Installation:
    """Commands and code on one data directory; ``environment`` holds further settings."""

    path: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def database(self) -> Path:
        return self.path / "roundsman.sqlite3"

    def roundsman(self, *arguments: str | Path, status: int = 0) -> str:
        """Run the command, see that it ends with ``status``, and return what it printed."""
        result = forked.run("-c", COMMAND, *arguments, env=self._variables(), cwd=self.path.parent)
        output = result.stdout + result.stderr
        assert result.returncode == status, output
        return output

    def python(self, code: str) -> str:
        """Run code in a process that is ready for Django; return what it printed."""
        with self.start(code) as process:
            output, _ = process.communicate(timeout=240)
        assert process.returncode == 0, output
        return output

    def start(self, code: str) -> subprocess.Popen[str]:
        """Start such a process, and go on."""
        return forked.Python(
            "-c",
            _PREPARED + dedent(code),
            env=self._variables(),
            cwd=self.path.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    @contextmanager
    def sql(self) -> Iterator[Any]:
        """The database as anybody opens it who has the file, or the right; what is done is committed."""
        with closing(opened(self.path)) as connection, connection:
            yield connection

    def _variables(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ROUNDSMAN_")}
        settings = {
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "scanner.settings",
            **whereabouts(self.path),
        }
        return {**kept, **settings, **self.environment}
