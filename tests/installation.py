"""A data directory of its own, used by real processes, as on an operator's machine."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

from scanner.installation import ROOT

_PREPARED = "from scanner.settings import prepare; prepare()\n"


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
        code = "from scanner.cli.main import main; main()"
        result = subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            env=self._variables(),
            cwd=self.path.parent,
            capture_output=True,
            text=True,
            check=False,
        )
        output = result.stdout + result.stderr
        assert result.returncode == status, output
        return output

    def python(self, code: str) -> str:
        """Run code in a process that is ready for Django; return what it printed."""
        with self.start(code) as process:
            output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
        return output

    def start(self, code: str) -> subprocess.Popen[str]:
        """Start such a process, and go on."""
        return subprocess.Popen(
            [sys.executable, "-c", _PREPARED + dedent(code)],
            env=self._variables(),
            cwd=self.path.parent,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    @contextmanager
    def sql(self) -> Iterator[sqlite3.Connection]:
        """The database as anybody opens it who has the file; what is done is committed."""
        with closing(sqlite3.connect(self.database, timeout=20)) as connection, connection:
            yield connection

    def _variables(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ROUNDSMAN_")}
        settings = {
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "scanner.settings",
            "ROUNDSMAN_DATA_DIR": str(self.path),
        }
        return {**kept, **settings, **self.environment}
