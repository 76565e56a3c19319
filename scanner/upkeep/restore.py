"""Puts a backup in the place of an installation, so that nothing is mailed twice or scanned that must not be.

All is prepared beside what is there: unpacked, checked, migrated, its mail held and its switch thrown. Only then are
the files exchanged, and the old ones are kept.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.db import DEFAULT_DB_ALIAS, connection, transaction
from django.db.migrations.loader import MigrationLoader

from scanner import locks
from scanner.database import place
from scanner.engine.errors import InputError
from scanner.files import sync
from scanner.locks import is_shared
from scanner.settings import UNFINISHED, bring_up_to_date, migrate, set_up
from scanner.upkeep import own_templates, snapshot, transfer
from scanner.upkeep.archive import DATABASE, NAMES, Manifest, unpack

GAP = 10_000
"""By how much numbers jump. What came after the backup has been told of by number: round 57, finding 312. A new one
of the same number would be taken for it, and its mail, whose Message-ID follows from the number, for one known."""

HELD = "held by a restore: it may have been sent after the backup was made; 'roundsman mail retry' sends it"
"""What is noted as the last word on a mail that waited when the backup was made."""

STOPPED = "restored from a backup; exclusions and ended authorisations that came after it are missing from the register"

Shut = Callable[[str, datetime], Mapping[str, int]]
"""Takes back what would let somebody in again that was taken back since; done by whom, when. Returns how many of
what."""

_PREFIX = ".restoring-"
_BESIDE = ("-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did: mails it held, what it shut (how many of what), whether the audit trail is whole, and where
    the old files are, if any.

    ``templates`` is where the operator's own are now, None where the backup holds none.
    """

    held: int
    shut: Mapping[str, int]
    trail_is_whole: bool
    replaced: Path | None
    templates: Path | None


@contextmanager
def prepared(file: Path, data_dir: Path) -> Iterator[Restoring]:
    """Unpack and check ``file`` beside the files of ``data_dir``, which is made when missing; nothing is exchanged yet.

    Raises ``InputError`` when the file is damaged, hostile or of a newer Roundsman, or when something still uses the
    directory. Afterwards what was unpacked and not exchanged is removed.
    """
    set_up()
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as stack:
        alone(data_dir, stack)
        if is_shared():
            bring_up_to_date()
            if not transfer.is_empty(DEFAULT_DB_ALIAS):
                raise InputError(
                    f"{place(connection.settings_dict)} holds something already, and nothing of it may be lost. Make a "
                    "new database (createdb), let ROUNDSMAN_DATABASE lead to it, and restore to that."
                )
        for left_over in data_dir.glob(f"{_PREFIX}*"):
            shutil.rmtree(left_over, ignore_errors=True)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=_PREFIX, dir=data_dir)))
        manifest = unpack(file, folder)
        contents = snapshot.examine(folder / DATABASE)
        told = (manifest.migrations, dict(manifest.rows), manifest.audit_head)
        if (contents.migrations, contents.rows, contents.audit_head) != told:
            raise InputError(f"{file} is refused: its database is not what its manifest says.")
        _refuse_newer(manifest)
        if own_templates.FILE in manifest.files:
            own_templates.lay_out(folder / own_templates.FILE, folder / own_templates.FOLDER)
        yield Restoring(manifest, data_dir, folder)


@dataclass(frozen=True, slots=True)
class Restoring:
    """A backup that was unpacked to ``folder``, and found sound."""

    manifest: Manifest
    data_dir: Path
    folder: Path

    def finish(self, now: datetime, *, actor: str, stop: bool, shut: Shut) -> Restored:
        """Migrate it, hold its mail, ``shut`` what lets in, and put it in its place; with ``stop`` no round goes on
        until ``resume``."""
        with transfer.as_default(transfer.file_in(self.folder)):
            migrate()
            held, closed, whole = _make_safe(self.manifest, now, actor=actor, stop=stop, shut=shut)
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        snapshot.examine(self.folder / DATABASE)
        if is_shared():
            with transfer.opened("backup", transfer.file_in(self.folder)) as source:
                transfer.carry_over(source, DEFAULT_DB_ALIAS)
        templates = self.data_dir / own_templates.FOLDER if own_templates.FILE in self.manifest.files else None
        return Restored(held, closed, whole, self._exchange(now), templates)

    def _exchange(self, now: datetime) -> Path | None:
        """Move the old files aside and the new ones in. Broken off, ``prepare`` refuses what is half done."""
        marker = self.data_dir / UNFINISHED
        marker.touch(mode=0o600)
        sync(self.data_dir)
        aside = self.data_dir / f"replaced-{now:%Y%m%dT%H%M%S.%fZ}"
        files = [each for each in self.manifest.files if each != DATABASE or not is_shared()]
        names = [own_templates.FOLDER if each == own_templates.FILE else each for each in files]
        old = [self.data_dir / each for each in dict.fromkeys((*NAMES, *names, *(DATABASE + end for end in _BESIDE)))]
        there = [path for path in old if path.exists()]
        if there:
            aside.mkdir(mode=0o700)
        for path in there:
            path.replace(aside / path.name)
        for name in names:
            _give(self.folder / name, self.data_dir)
            (self.folder / name).replace(self.data_dir / name)
        sync(self.data_dir)
        marker.unlink()
        return aside if there else None


def _give(path: Path, like: Path) -> None:
    """Let the owner of ``like`` own a file, or a folder and all below it, when it is the superuser who restores."""
    if os.geteuid() == 0:
        owner = like.stat()
        for each in (path, *path.rglob("*")):
            os.chown(each, owner.st_uid, owner.st_gid)


def alone(data_dir: Path, stack: ExitStack) -> None:
    """Hold the locks of the installation until ``stack`` unwinds. Raises ``InputError`` when somebody uses it."""
    if is_shared():
        holder = stack.enter_context(closing(locks.Holder()))
        if not holder.takes(locks.Lock.LEADER):
            raise InputError(f"Roundsman is running on {place(connection.settings_dict)}; stop it first.")
    from scanner.rounds.service import LOCK

    for name in (LOCK, "migrate.lock"):
        lock = stack.enter_context((data_dir / name).open("a"))  # what a service wrote into it stays
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(f"Roundsman is running on {data_dir}; stop it first. Nothing was changed.") from error
    users = sorted(_users_of(data_dir / DATABASE))
    if users:
        numbers = ", ".join(map(str, users))
        raise InputError(f"The database in {data_dir} is in use (process {numbers}); nothing was changed.")


def _users_of(path: Path) -> Iterator[int]:
    """Yield the processes that have a file open, as far as this user may see (Linux, proc(5))."""
    for process in Path("/proc").glob("[0-9]*"):
        if process.name != str(os.getpid()):
            with suppress(OSError):
                if any(_is_link_to(each, path) for each in (process / "fd").iterdir()):
                    yield int(process.name)


def _is_link_to(link: Path, path: Path) -> bool:
    with suppress(OSError):
        return link.samefile(path)
    return False


def _refuse_newer(manifest: Manifest) -> None:
    known = {".".join(key) for key in MigrationLoader(None).disk_migrations}
    newer = sorted(set(manifest.migrations) - known)
    if newer:
        raise InputError(
            f"Roundsman {manifest.version} made this backup, with changes to the database that this one doesn't know "
            f"({', '.join(newer[:3])}). Upgrade Roundsman, then restore."
        )


def _make_safe(
    manifest: Manifest, now: datetime, *, actor: str, stop: bool, shut: Shut
) -> tuple[int, Mapping[str, int], bool]:
    """Hold mail that may have left since, sign everybody out, shut, number anew, stop; return how many mails, what was
    shut, and whether the trail is whole. A session of the backup may have been ended since."""
    from django.contrib.sessions.models import Session

    from scanner.audit.trail import Action, record, verify
    from scanner.delivery.models import Message, MessageState
    from scanner.rounds.switch import stop_all

    whole = verify(manifest.audit_head).is_whole
    with transaction.atomic():
        waiting = Message.objects.filter(state__in=(MessageState.QUEUED, MessageState.SENDING))
        held = waiting.update(state=MessageState.DEAD, finished=now, lease_until=None, reply=HELD)
        Session.objects.all().delete()
        closed = shut(actor, now)
        if stop:
            stop_all(actor, STOPPED, now)
        _number_anew()
        record(
            Action.RESTORE,
            f"backup of {manifest.created}",
            actor=actor,
            at=now,
            version=manifest.version,
            audit_head=manifest.audit_head,
            held=held,
            stopped=stop,
            shut=closed,
        )
    return held, closed, whole


def _number_anew() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE sqlite_sequence SET seq = seq + %s", [GAP])
        cursor.execute(
            "INSERT INTO sqlite_sequence (name, seq) SELECT name, %s FROM sqlite_master WHERE type = 'table' "
            "AND sql LIKE '%%AUTOINCREMENT%%' AND name NOT IN (SELECT name FROM sqlite_sequence)",
            [GAP],
        )
