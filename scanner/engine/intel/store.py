"""Keeps what was imported in one SQLite file, so that it is there offline, whole or not at all.

An import is one transaction: readers see the old content until it is done, and a broken file changes nothing. The
same file a second time changes nothing either. Of CVEs only those are kept that affect a known product.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from scanner.engine.errors import InputError, Refused
from scanner.engine.intel.feeds import Feed, Kind, read_epss, read_kev, read_nvd
from scanner.engine.intel.known import Affected, Exploited, Intel
from scanner.engine.intel.products import products

FORM = 1
"""Version of the file's tables; one that is newer than this program is refused."""

_TABLES = """
CREATE TABLE IF NOT EXISTS import (digest TEXT PRIMARY KEY, kind TEXT, name TEXT, day TEXT, at TEXT, entries INT,
                                   products TEXT);
CREATE TABLE IF NOT EXISTS kev (cve TEXT PRIMARY KEY, added TEXT, due TEXT, ransomware INT);
CREATE TABLE IF NOT EXISTS cve (cve TEXT PRIMARY KEY, modified TEXT);
CREATE TABLE IF NOT EXISTS affected (cve TEXT, product TEXT, score REAL, version TEXT, "update" TEXT, start TEXT,
                                     start_included INT, "end" TEXT, end_included INT, conditional INT);
CREATE INDEX IF NOT EXISTS affected_cve ON affected (cve);
CREATE TABLE IF NOT EXISTS epss (cve TEXT PRIMARY KEY, score REAL);
"""

Progress = Callable[[Feed, int], None]
"""Told how far a file has been read, in bytes."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one file. ``changed`` is False when the very file was there already."""

    feed: Feed
    entries: int
    kept: int
    changed: bool


@dataclass(frozen=True, slots=True)
class Source:
    """One kind of data as it stands: files imported, day of the oldest and newest data, entries kept.

    ``outgrown`` tells that it was imported when fewer products were known: importing again will find more.
    """

    kind: Kind
    files: int
    oldest: dt.date
    newest: dt.date
    imported: dt.datetime
    kept: int
    outgrown: bool


def import_feeds(path: Path, feeds: Sequence[Feed], progress: Progress) -> list[Imported]:
    """Import the files in one transaction: all of them or, with an ``InputError``, none.

    A KEV catalogue or EPSS table replaces the one before and may not be older than it; NVD feeds add up, and of two
    versions of a CVE the later one counts.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(_connect(path)) as database, database:
        database.execute("BEGIN IMMEDIATE")
        return [_import(database, feed, progress) for feed in feeds]


def status(path: Path) -> list[Source]:
    """Return what is there, by kind; empty when nothing was ever imported."""
    if not path.is_file():
        return []
    with closing(_connect(path)) as database:
        return [found for kind in Kind if (found := _source(database, kind)) is not None]


def load(path: Path) -> Intel:
    """Return all that was imported; empty when there is nothing. Read again only when the file has changed."""
    try:
        found = path.stat()
    except OSError:
        return Intel()
    return _load(path, found.st_mtime_ns, found.st_size, found.st_ino)


@lru_cache(maxsize=1)
def _load(path: Path, *state: int) -> Intel:
    del state
    with closing(_connect(path)) as database:
        days = [row[0] for row in database.execute("SELECT max(day) FROM import GROUP BY kind")]
        exploited = {
            cve: Exploited(cve, dt.date.fromisoformat(added), dt.date.fromisoformat(due) if due else None, bool(known))
            for cve, added, due, known in database.execute("SELECT * FROM kev")
        }
        affected: defaultdict[str, list[Affected]] = defaultdict(list)
        for product, row in _ranges(database):
            affected[product].append(row)
    return Intel(
        exploited,
        {product: tuple(rows) for product, rows in affected.items()},
        min(map(dt.date.fromisoformat, days), default=None),
    )


def _ranges(database: sqlite3.Connection) -> Iterator[tuple[str, Affected]]:
    query = (
        'SELECT product, cve, a.score, version, "update", start, start_included, "end", end_included, conditional, '
        "epss.score FROM affected AS a LEFT JOIN epss USING (cve) ORDER BY product, cve, a.rowid"
    )
    for product, cve, score, version, update, start, after, end, before, conditional, epss in database.execute(query):
        yield (
            product,
            Affected(cve, score, version, update, start, bool(after), end, bool(before), bool(conditional), epss),
        )


def _import(database: sqlite3.Connection, feed: Feed, progress: Progress) -> Imported:
    known = database.execute(
        "SELECT entries FROM import WHERE digest = ? AND products = ?", (feed.digest, _known_products())
    ).fetchone()
    if known is not None:
        return Imported(feed, known[0], _kept(database, feed.kind), changed=False)
    if feed.kind is Kind.NVD:
        entries = _import_nvd(database, feed, progress)
    else:
        _refuse_older(database, feed)
        entries = _import_kev(database, feed) if feed.kind is Kind.KEV else _import_epss(database, feed)
        database.execute("DELETE FROM import WHERE kind = ?", (feed.kind,))
    if entries == 0:
        raise InputError(f"{feed.path} holds no entry. Nothing was imported.")
    database.execute(
        "INSERT OR REPLACE INTO import VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            feed.digest,
            feed.kind,
            feed.path.name,
            feed.day.isoformat(),
            dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            entries,
            _known_products(),
        ),
    )
    return Imported(feed, entries, _kept(database, feed.kind), changed=True)


def _refuse_older(database: sqlite3.Connection, feed: Feed) -> None:
    newest = database.execute("SELECT max(day) FROM import WHERE kind = ?", (feed.kind,)).fetchone()[0]
    if newest is not None and newest > feed.day.isoformat():
        raise InputError(
            f"{feed.path} is of {feed.day}, older than what is there ({newest}). Nothing was imported; "
            "fetch the newest file."
        )


def _import_kev(database: sqlite3.Connection, feed: Feed) -> int:
    database.execute("DELETE FROM kev")
    rows = [
        (each.cve, each.added.isoformat(), each.due.isoformat() if each.due else None, each.ransomware)
        for each in read_kev(feed)
    ]
    database.executemany("INSERT OR REPLACE INTO kev VALUES (?, ?, ?, ?)", rows)
    return len(rows)


def _import_epss(database: sqlite3.Connection, feed: Feed) -> int:
    database.execute("DELETE FROM epss")
    before = database.total_changes
    database.executemany("INSERT OR REPLACE INTO epss VALUES (?, ?)", read_epss(feed))
    return database.total_changes - before


def _import_nvd(database: sqlite3.Connection, feed: Feed, progress: Progress) -> int:
    entries = 0
    for entry in read_nvd(feed, lambda read: progress(feed, read)):
        entries += 1
        known = database.execute("SELECT modified FROM cve WHERE cve = ?", (entry.cve,)).fetchone()
        if known is not None and known[0] > entry.modified:
            continue
        if known is not None:
            database.execute("DELETE FROM affected WHERE cve = ?", (entry.cve,))
            database.execute("DELETE FROM cve WHERE cve = ?", (entry.cve,))
        if entry.affected:
            database.execute("INSERT INTO cve VALUES (?, ?)", (entry.cve, entry.modified))
            rows = [(each.cve, product, *_columns(each)) for product, each in entry.affected]
            database.executemany("INSERT INTO affected VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    return entries


def _columns(row: Affected) -> tuple[object, ...]:
    bounds = (row.start, row.start_included, row.end, row.end_included)
    return (row.score, row.version, row.update, *bounds, row.conditional)


def _source(database: sqlite3.Connection, kind: Kind) -> Source | None:
    files, oldest, newest, imported, narrow = database.execute(
        "SELECT count(*), min(day), max(day), max(at), sum(products != ?) FROM import WHERE kind = ?",
        (_known_products(), kind),
    ).fetchone()
    if not files:
        return None
    return Source(
        kind=kind,
        files=files,
        oldest=dt.date.fromisoformat(oldest),
        newest=dt.date.fromisoformat(newest),
        imported=dt.datetime.fromisoformat(imported),
        kept=_kept(database, kind),
        outgrown=kind is Kind.NVD and bool(narrow),
    )


def _kept(database: sqlite3.Connection, kind: Kind) -> int:
    query = {
        Kind.KEV: "SELECT count(*) FROM kev",
        Kind.NVD: "SELECT count(*) FROM cve",
        Kind.EPSS: "SELECT count(*) FROM epss",
    }[kind]
    kept: int = database.execute(query).fetchone()[0]
    return kept


def _known_products() -> str:
    """Return a digest of the names that CVEs are kept for."""
    return sha256("\n".join(sorted(pair for each in products().values() for pair in each.cpe)).encode()).hexdigest()


def _connect(path: Path) -> sqlite3.Connection:
    try:
        database = sqlite3.connect(path, timeout=20, isolation_level=None)
        form = database.execute("PRAGMA user_version").fetchone()[0]
        if form > FORM:
            raise Refused(
                f"{path} was written by a newer Roundsman; upgrade, or delete the file and import again.",
                "intel-newer",
                path=str(path),
            )
        if form < FORM:
            database.executescript(f"{_TABLES} PRAGMA user_version = {FORM};")
    except sqlite3.DatabaseError as error:
        raise Refused(
            f"{path} can't be used: {error}. Delete it and import again.", "intel-broken", path=str(path)
        ) from error
    return database
