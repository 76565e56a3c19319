"""A data directory of its own, and the processes that work on it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests import forked
from tests.installation import COMMAND, opened, whereabouts

ROOT = Path(__file__).parents[2]


def within(seconds: float, true: Callable[[], bool]) -> bool:
    """Wait until it is true, for so many seconds; return whether it became so."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if true():
            return True
        time.sleep(0.02)
    return true()


class Prepared:
    """A data directory with a register and a round, and the processes that work on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, **whereabouts(folder)}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return forked.run("-c", COMMAND, *arguments, env=self.environment, cwd=ROOT)

    @contextmanager
    def service(self) -> Iterator[subprocess.Popen[str]]:
        service = forked.Python("-m", "tests.rounds.service", env=self.environment, cwd=ROOT, stdout=subprocess.PIPE)
        with service as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == "serving\n"
                yield process
            finally:
                process.kill()

    def ask(self, query: str) -> list[tuple[object, ...]]:
        with closing(opened(self.folder)) as database:
            return list(database.execute(query).fetchall())

    def tell(self, statement: str) -> None:
        with closing(opened(self.folder)) as database, database:
            database.execute(statement)

    def state(self) -> object:
        return self.ask("SELECT state FROM rounds_round")[0][0]

    def results(self) -> object:
        return self.ask("SELECT count(*) FROM rounds_hostresult WHERE look = 1")[0][0]
