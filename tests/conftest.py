"""Every test process gets a network namespace of its own, so that no two of them meet on an address."""

from __future__ import annotations

import gc
import os
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from scanner.engine.plugins import load
from scanner.remediation import keys, looked
from tests.installation import Installation, copied, database_name, on_server
from tests.lab import namespace
from tests.plugging import Plugs
from tests.shared import made_once

if TYPE_CHECKING:
    from pytest_django import DjangoDbBlocker


# A busy machine is no failure: neither a single example of a property nor making one has a deadline.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


def pytest_configure(config: pytest.Config) -> None:
    """Leave the machine's network, where that is permitted (as root); else tests share its loopback interface.

    A shell's background job, which is how some machines run tests, ignores interrupts and hands that on to every
    child; the tests of Ctrl-C need children that don't. An environment that forbids to keep bytecode, as those of
    containers do, would have each of hundreds of children compile anew all that it imports.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    signal.signal(signal.SIGINT, signal.default_int_handler)
    namespace.enter()
    gc.disable()


def pytest_collection_finish() -> None:
    """Leave the thousands of tests that were collected out of every search for garbage from now on."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let each worker begin with its share of the long tests, so that none runs on alone when all others are done.

    Workers get parts of equal length to begin with, and what is left of them is shared out anew. In each part are as
    many of the lab's cases, which mostly wait for servers, so that the processors have something to do meanwhile.
    """
    workers = int(getattr(config, "workerinput", {}).get("workercount", 1))
    slow = [item for item in items if item.get_closest_marker("slow")]
    rest = _mixed([item for item in items if not item.get_closest_marker("slow")])
    part = -(-len(items) // workers)
    ordered: list[pytest.Item] = []
    for number in range(workers):
        mine = slow[number::workers]
        ordered += mine + rest[: part - len(mine)]
        del rest[: part - len(mine)]
    items[:] = ordered + rest


def _mixed(items: list[pytest.Item]) -> list[pytest.Item]:
    """Spread the lab's cases evenly over the modules of the other tests, which stay whole."""
    cases = [item for item in items if item.path.name == "test_lab.py"]
    others = [item for item in items if item.path.name != "test_lab.py"]
    mixed: list[pytest.Item] = []
    passed = spread = 0
    for _, module in groupby(others, key=lambda item: item.path):
        tests = list(module)
        passed += len(tests)
        due = len(cases) * passed // len(others)
        mixed += [*tests, *cases[spread:due]]
        spread = due
    return mixed + cases[spread:]


@pytest.fixture(scope="session")
def fresh_installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory as the first command makes it, to be copied: migrating takes seconds."""

    def make(folder: Path) -> None:
        server = on_server()
        if server:
            server.create(database_name(folder / "data"))
        Installation(folder / "data").roundsman("audit", "list")

    return made_once(tmp_path_factory, "fresh", make) / "data"


@pytest.fixture(scope="session", autouse=True)
def data_directory_of_tests(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Use nothing of what this machine's operator keeps, such as a mail server, and leave it alone."""
    from django.conf import settings

    settings.DATA_DIR = tmp_path_factory.mktemp("data-directory")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(fresh_installation: Path, django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Leave the migrations out, as the tests' database is a copy of one that was migrated.

    SQLite's is in memory. pytest-django names a file for each of its workers where the backend isn't Django's own.
    """
    from django.db import connection

    connection.settings_dict["TEST"]["MIGRATE"] = False
    if on_server():
        connection.settings_dict["TEST"]["TEMPLATE"] = database_name(fresh_installation)
    else:
        connection.settings_dict["TEST"]["NAME"] = None


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker, fresh_installation: Path) -> None:
    """Begin with the database of a fresh installation.

    Tests with transactions of their own may empty the audit trail after themselves, as they do all tables.
    """
    from django.db import connection

    if on_server():
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER audit_entry_is_not_removed ON audit_entry")
        _keep_connections_of_tests()
        return
    # Without "immutable" SQLite lays files beside it, which other workers would copy while they come and go.
    fresh = sqlite3.connect(f"file:{Installation(fresh_installation).database}?immutable=1", uri=True)
    with django_db_blocker.unblock(), closing(fresh), connection.cursor() as cursor:
        fresh.backup(connection.connection)
        cursor.execute("DROP TRIGGER audit_entry_is_not_removed")


def _keep_connections_of_tests() -> None:
    """Leave a connection open that is in a test's transaction when code of ours lets old ones be closed.

    SQLite databases in memory are never closed, and nothing of ours does so inside a transaction of its own.
    """
    from scanner.postgresql.base import DatabaseWrapper

    close = DatabaseWrapper.close_if_unusable_or_obsolete

    def close_unless_in_test(self: DatabaseWrapper) -> None:
        if not self.in_atomic_block:
            close(self)

    # A method of the class is replaced, which mypy takes for a mistake.
    DatabaseWrapper.close_if_unusable_or_obsolete = close_unless_in_test  # type: ignore[assignment, method-assign]


@pytest.fixture
def installation(fresh_installation: Path, tmp_path: Path) -> Installation:
    """An installation with a real database, whose commands run in processes of their own."""
    return Installation(copied(fresh_installation, tmp_path / "data"))


@pytest.fixture(autouse=True)
def judge_anew() -> None:
    """Forget which facts were judged, before a test may judge them otherwise, or remember them elsewhere."""
    looked._LAST._known.clear()
    keys._LAST._known.clear()


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch) -> Iterator[Plugs]:
    """Give the test plugins of its own making; afterwards there are none again."""
    yield Plugs(monkeypatch)
    load.forget()
    load.leave_out(())
