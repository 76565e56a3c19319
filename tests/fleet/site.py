"""One PostgreSQL database, and the processes that share it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from scanner.installation import ROOT
from tests import forked
from tests.installation import Installation
from tests.postgres import Server
from tests.rounds.prepared import within

BEGUN = "begun"
"""The database that all others are copies of: migrated, with a register and a plan."""

ROLE = "roundsman_worker"
"""A role of the server that can log in and nothing else, until it is given rights."""

HELD = "SELECT count(*) FROM rounds_job WHERE state = 'running' AND kind = 'look'"


class Site:
    """A database of its own on ``server``. Each process has a data directory of its own, as on a machine of its own."""

    def __init__(self, server: Server, folder: Path, name: str) -> None:
        self.server, self.folder, self.name = server, folder, name
        self.looked = folder / "looked"
        self.looked.touch()

    def settings(self, user: str = "roundsman") -> dict[str, str]:
        """The settings of any of its machines."""
        return {
            "ROUNDSMAN_DATABASE": self.server.url(self.name, user),
            "ROUNDSMAN_SECRET_KEY": "k" * 40,
            "ROUNDSMAN_WEB": "off",
            "LOOKED": str(self.looked),
        }

    def office(self) -> Installation:
        """The machine at which people type commands."""
        return Installation(self.folder / "office", self.settings())

    @contextmanager
    def running(self, *kinds: str, **settings: str) -> Iterator[list[subprocess.Popen[str]]]:
        """Let processes of :mod:`tests.fleet.process` run, until the block ends or they do."""
        with ExitStack() as stack:
            started = [self._start(kind, number, settings) for number, kind in enumerate(kinds)]
            for process in started:
                stack.enter_context(process)
                stack.callback(process.kill)
            for process in started:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"
            yield started

    def _start(self, kind: str, number: int, settings: dict[str, str]) -> subprocess.Popen[str]:
        variables = {name: value for name, value in os.environ.items() if not name.startswith("ROUNDSMAN_")}
        own = {"ROUNDSMAN_DATA_DIR": str(self.folder / f"{kind}-{number}"), "ROUNDSMAN_ZONES": "none"}
        environment = {**variables, "PYTHONPATH": str(ROOT), **self.settings(), **own, **settings}
        command = ("-m", "tests.fleet.process", kind)
        with (self.folder / "log").open("ab") as log:
            return forked.Python(*command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=log)

    def ask(self, question: str) -> list[tuple[Any, ...]]:
        """What the database says."""
        with closing(psycopg.connect(self.server.url(self.name), autocommit=True)) as connection:
            return connection.execute(question.encode()).fetchall()

    def one(self, question: str) -> Any:
        """The one value that the database says."""
        return self.ask(question)[0][0]

    def tell(self, statement: str) -> None:
        """Change the database by hand."""
        with closing(psycopg.connect(self.server.url(self.name), autocommit=True)) as connection:
            connection.execute(statement.encode())

    def begin(self) -> None:
        """Let the plan be due."""
        self.tell("UPDATE rounds_plan SET next_due = now() - interval '1 minute'")

    def ended(self, seconds: float = 90) -> bool:
        """Wait for the round's end."""
        return within(seconds, lambda: self.one("SELECT state FROM rounds_round ORDER BY id DESC LIMIT 1") == "done")

    def log(self) -> str:
        """What all processes logged."""
        return (self.folder / "log").read_text(encoding="utf-8")

    def looks(self) -> list[tuple[int, str]]:
        """Each look at a host: the process, and the address."""
        lines = self.looked.read_text(encoding="ascii").splitlines()
        return [(int(process), address) for process, address in map(str.split, lines)]
