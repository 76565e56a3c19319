"""A PostgreSQL server of the tests' own: in a directory that goes with it, reached by a Unix socket, and no daemon.

``python -m tests.postgres COMMAND …`` starts one, runs a command whose database is there, and ends it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

OWNER = "roundsman"
VARIABLE = "TEST_POSTGRES"
"""Tells processes of the tests where the server's socket is."""

CONFIGURATION = {
    "listen_addresses": "",
    "max_connections": "300",
    "shared_buffers": "64MB",
    # A server that is thrown away afterwards need not survive a power cut.
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "jit": "off",
    "autovacuum": "off",
    "max_wal_size": "2GB",
}


def program(name: str) -> str:
    """Return where a program of the newest PostgreSQL of this machine is (Debian's layout, else the path)."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return str(found[-1]) if found else name


@dataclass
class Server:
    """A server whose files are in ``folder``. Databases belong to ``OWNER``, who may do everything."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None
    configuration: Mapping[str, str] = field(default_factory=lambda: CONFIGURATION)

    def url(self, database: str, user: str = OWNER) -> str:
        """Return the connection URI of a database."""
        return f"postgresql://{user}@/{database}?host={self.folder}"

    def create(self, database: str, template: str = "template0") -> str:
        """Make a database anew, as a copy of another, and return its URI."""
        self.drop(database)
        self.tell(f'CREATE DATABASE "{database}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        return self.url(database)

    def drop(self, database: str) -> None:
        """Remove a database, if there is one, whoever uses it."""
        self.tell(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    def has(self, database: str) -> bool:
        """Tell whether there is a database of that name."""
        with closing(psycopg.connect(self.url("postgres"), autocommit=True)) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database])
            return found.fetchone() is not None

    def tell(self, statement: str) -> None:
        """Run a statement on the server."""
        with closing(psycopg.connect(self.url("postgres"), autocommit=True)) as connection:
            connection.execute(statement)

    def make_files(self) -> None:
        """Make the server's files, unless they are there, in its folder, which exists."""
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        self.folder.chmod(0o755)
        (self.folder / "log").touch()
        if not (self.folder / "data").exists():
            initdb = [program("initdb"), "-D", f"{self.folder}/data", "-U", OWNER, "-A", "trust", "--no-sync"]
            settings = ["--encoding=UTF8", "--locale=C.UTF-8"]
            subprocess.run([*initdb, *settings], check=True, stdout=subprocess.DEVNULL, **_unprivileged())

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        options = [word for name, value in self.configuration.items() for word in ("-c", f"{name}={value}")]
        command = [program("postgres"), "-D", f"{self.folder}/data", "-k", str(self.folder), *options]
        with (self.folder / "log").open("ab") as log:
            started = self.process = subprocess.Popen(command, **_unprivileged(), stdout=log, stderr=log)
        ready = [program("pg_isready"), "-q", "-h", str(self.folder)]
        for _ in range(500):
            if subprocess.run(ready, check=False).returncode == 0:
                return
            assert started.poll() is None, (self.folder / "log").read_text(encoding="utf-8")
            signal.sigtimedwait([], 0.02)
        raise AssertionError("PostgreSQL does not answer.")

    def end(self, how: signal.Signals = signal.SIGINT) -> None:
        """End the server, by default at once and in order: SIGINT ends the connections, SIGQUIT is a crash."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(30)
            self.process = None


@contextmanager
def server(
    *, shared: bool = True, files: Path | None = None, configuration: Mapping[str, str] = CONFIGURATION
) -> Iterator[Server]:
    """Yield the server that ``VARIABLE`` names, if it may be shared, or one that lives as long as the block.

    ``files`` are those of a server that was ended, to be copied; without them it has no database yet.
    """
    if shared and VARIABLE in os.environ:
        yield Server(Path(os.environ[VARIABLE]))
        return
    folder = Path(tempfile.mkdtemp(prefix="roundsman-pg-"))
    own = Server(folder, configuration=configuration)
    try:
        if files is not None:
            subprocess.run(["cp", "-a", files, folder / "data"], check=True)
        own.make_files()
        own.start()
        yield own
    finally:
        own.end(signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged() -> dict[str, Any]:
    """How a program is started that refuses to be run by root."""
    if os.geteuid() != 0:
        return {}
    return {"user": "postgres", "group": "postgres", "extra_groups": [], "cwd": "/"}


def main() -> int:
    """Run the command of the arguments with a server."""
    with server() as own:
        environment = {**os.environ, VARIABLE: str(own.folder), "ROUNDSMAN_DATABASE": own.create("roundsman")}
        return subprocess.run(sys.argv[1:], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
