"""How writers wait for each other where the database is an SQLite file."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import OperationalError
from django.db.utils import ConnectionHandler

from scanner.database import FILE, configured
from scanner.sqlite3.base import DatabaseWrapper

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[DatabaseWrapper]:
    made = ConnectionHandler({"default": configured("", "", tmp_path)})["default"]
    assert isinstance(made, DatabaseWrapper)
    with made.cursor() as cursor:
        cursor.execute("CREATE TABLE said (word TEXT)")
    yield made
    made.close()


@pytest.fixture
def another_writer(database: DatabaseWrapper, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Somebody else in the midst of a transaction that writes."""
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    yield other
    other.close()


def begin(database: DatabaseWrapper) -> None:
    """Begin a transaction as ``atomic()`` does."""
    database.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)


def patience(database: DatabaseWrapper) -> int:
    with database.cursor() as cursor:
        return int(cursor.execute("PRAGMA busy_timeout").fetchone()[0])


def test_a_transaction_begins_once_the_one_before_has_ended(
    database: DatabaseWrapper, another_writer: sqlite3.Connection
) -> None:
    another_writer.execute("INSERT INTO said VALUES ('first')")
    ending = threading.Timer(0.05, another_writer.execute, ["COMMIT"])
    ending.start()
    begin(database)
    with database.cursor() as cursor:
        assert cursor.execute("SELECT word FROM said").fetchall() == [("first",)]
    ending.join()
    assert patience(database) == 20_000


def test_it_is_given_up_when_the_connection_has_waited_as_long_as_it_may(
    database: DatabaseWrapper, another_writer: sqlite3.Connection
) -> None:
    with database.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 30")
    with pytest.raises(OperationalError, match="locked"):
        begin(database)
    assert patience(database) == 30
    another_writer.execute("ROLLBACK")
    begin(database)
    assert patience(database) == 30


def test_an_error_that_is_no_other_writer_is_told_at_once(database: DatabaseWrapper) -> None:
    with database.cursor() as cursor:
        cursor.execute("BEGIN")
    with pytest.raises(OperationalError, match="within a transaction"):
        begin(database)
    assert patience(database) == 20_000


@pytest.mark.parametrize("times", [1, 2])
def test_a_statement_is_asked_with_other_values_each_time(database: DatabaseWrapper, times: int) -> None:
    with database.cursor() as cursor:
        for number in range(times):
            cursor.execute("INSERT INTO said VALUES (%s)", [f"{number} %s"])
        cursor.execute("SELECT word FROM said WHERE word LIKE '%%s' AND word != %s ORDER BY word", ["9 %s"])
        assert cursor.fetchall() == [(f"{number} %s",) for number in range(times)]
        cursor.execute("SELECT word FROM said WHERE word = %(word)s", {"word": "0 %s"})
        assert cursor.fetchall() == [("0 %s",)]
        cursor.execute("SELECT '%s'")
        assert cursor.fetchall() == [("%s",)]
