"""A register, and installations that tests of rounds may spoil."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from targets.models import Organisation
from tests import forked
from tests.installation import copied
from tests.rounds.jobs import HOSTS
from tests.rounds.prepared import ROOT, Prepared
from tests.rounds.world import Engine, authorise, open_web, organisation, register
from tests.shared import made_once


@pytest.fixture(scope="session")
def prepared(fresh_installation: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Prepared]:
    """Returns copies of installations, each of which is made once."""

    def copy(*options: str) -> Prepared:
        def make(folder: Path) -> None:
            copied(fresh_installation, folder)
            command = ("-m", "tests.rounds.service", "--prepare", *options)
            forked.run(*command, env=Prepared(folder).environment, cwd=ROOT).check_returncode()

        made = made_once(tmp_path_factory, f"round{''.join(options)}", make)
        return Prepared(copied(made, tmp_path_factory.mktemp("installation")))

    return copy


@pytest.fixture
def brief(prepared: Callable[..., Prepared]) -> Prepared:
    """An installation whose round takes seconds."""
    return prepared()


@pytest.fixture
def slow(prepared: Callable[..., Prepared]) -> Prepared:
    """An installation whose round takes minutes, if nothing ends it."""
    return prepared("--slow")


@pytest.fixture
def owner() -> Organisation:
    owner = organisation()
    register(owner, *HOSTS)
    authorise(owner, "192.0.2.0/24")
    return owner


@pytest.fixture
def engine() -> Engine:
    return Engine(dict.fromkeys(HOSTS, open_web))
