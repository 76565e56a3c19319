"""A PostgreSQL server, begun once for a whole test run, and a database for each test."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.fleet.site import BEGUN, ROLE, Site
from tests.installation import Installation
from tests.postgres import Server, server
from tests.shared import made_once


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that nobody else uses, so that a test may end it."""

    def make(folder: Path) -> None:
        with server(shared=False) as first:
            first.tell(f"CREATE ROLE {ROLE} LOGIN")
            begun = first.create(BEGUN)
            code = (
                "import runpy, sys; sys.argv[1:] = ['prepare']; runpy.run_module('tests.fleet.process', {}, '__main__')"
            )
            Installation(folder / "data", {"ROUNDSMAN_DATABASE": begun}).python(code)
            first.end()
            subprocess.run(["cp", "-a", first.folder / "data", folder / "files"], check=True)

    files = made_once(tmp_path_factory, "postgresql", make) / "files"
    with server(shared=False, files=files) as own:
        yield own


@pytest.fixture
def site(postgres: Server, tmp_path: Path) -> Iterator[Site]:
    """A database with a register and a plan, as yet without a round."""
    name = f"s{abs(hash(str(tmp_path)))}"
    postgres.create(name, BEGUN)
    with ExitStack() as stack:
        stack.callback(postgres.drop, name)
        yield Site(postgres, tmp_path, name)
