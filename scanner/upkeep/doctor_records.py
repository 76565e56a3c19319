"""What the doctor looks at in the database: whether it is sound, and whether work goes on as it should."""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Avg, Max
from django.db.models.functions import Length

from scanner.audit import trail
from scanner.audit.models import Entry
from scanner.delivery.models import Message, MessageState
from scanner.delivery.template_check import check_all, layers
from scanner.locks import is_shared
from scanner.rounds.models import HostResult, Job, JobState, Plan, Round, RoundState
from scanner.rounds.service import is_served
from scanner.rounds.switch import current_stop
from scanner.upkeep.backup import last_backup
from scanner.upkeep.health import Check, fail, ok, some, warn
from targets.check import check_register
from targets.models import Contact, Organisation
from targets.query import active_organisations

LARGEST_LOG = 200_000_000
"""Bytes of the write-ahead log above which somebody keeps it from being written back (a reader that never ends)."""

BACKUP_AGE = timedelta(days=7)
OVERDUE = timedelta(hours=1)
STUCK = timedelta(minutes=15)
STEP = timedelta(minutes=5)
"""How far rows may lie in the future before the clock must have been set back."""

WEEK = timedelta(days=7)
YEARS = 1000
"""Days from which on nobody counts."""

LEAST_DAYS = 30
"""Days that the disk should last at the present growth."""


def database_file() -> Path:
    """Return where the SQLite database is."""
    return Path(connection.settings_dict["NAME"])


def integrity() -> Check:
    """Look at every page, without the indexes."""
    try:
        with connection.cursor() as cursor:
            complaints = [row[0] for row in cursor.execute("PRAGMA quick_check(5)").fetchall()]
    except DatabaseError as error:
        complaints = [str(error)]
    if complaints != ["ok"]:
        todo = "Stop Roundsman, copy the data directory, and restore the newest backup ('roundsman restore')."
        return fail("database", some(complaints), todo)
    return ok("database", f"sound, {database_file().stat().st_size / 1e6:.0f} MB")


def migrations() -> Check:
    """An older database is brought up to date by the next command; a newer one must not be touched."""
    executor = MigrationExecutor(connection)
    unknown = set(executor.loader.applied_migrations) - set(executor.loader.disk_migrations)
    if unknown:
        names = sorted(".".join(key) for key in unknown)
        return fail("migrations", f"a newer Roundsman made {some(names)}", "Upgrade Roundsman.")
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        return fail(
            "migrations", f"{len(missing)} are missing", "Any other command makes them: 'roundsman round list'."
        )
    return ok("migrations", "up to date")


def lock() -> Check:
    """Ask for the right to write, and give it back at once."""
    with closing(sqlite3.connect(database_file(), timeout=3, isolation_level=None)) as database:
        try:
            database.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            todo = "See which process holds it ('fuser -v' on the file); a write should take milliseconds."
            return warn("database lock", f"nobody else could write for 3 s: {error}", todo)
        database.execute("ROLLBACK")
    return ok("database lock", "free")


def log_size() -> Check:
    """What has not been written back to the database yet."""
    path = database_file().with_name(database_file().name + "-wal")
    size = path.stat().st_size if path.exists() else 0
    if size > LARGEST_LOG:
        todo = "A process reads without end; restart Roundsman, and look for other programs on the file."
        return warn("write-ahead log", f"{size / 1e6:.0f} MB", todo)
    return ok("write-ahead log", f"{size / 1e6:.0f} MB")


def time_goes_on(now: datetime) -> Check:
    """No row may be of the future."""
    newest = [
        Round.objects.aggregate(at=Max("created"))["at"],
        Entry.objects.aggregate(at=Max("at"))["at"],
        Message.objects.aggregate(at=Max("created"))["at"],
    ]
    latest = max((at for at in newest if at is not None), default=now)
    if latest > now + STEP:
        seen = f"it is {now:%Y-%m-%d %H:%M}Z, but something happened at {latest:%Y-%m-%d %H:%M}Z"
        return fail("time", seen, "Set the clock right; until then plans and deadlines are wrong.")
    return ok("time", f"{now:%Y-%m-%d %H:%M}Z, not before anything that happened")


def growth(now: datetime) -> Check:
    """How long the disk lasts, by the host results of the last week; that of a server is not ours to look at."""
    week = HostResult.objects.filter(finished__gte=now - WEEK)
    size = week.aggregate(size=Avg(Length("facts")))["size"] or 0
    daily = week.count() * (float(size) + 600) / 7
    if not daily:
        return ok("growth", "nothing was inspected in the last week")
    if is_shared():
        return ok("growth", f"about {daily / 1e6:.1f} MB a day of host results, on the database's server")
    days = shutil.disk_usage(settings.DATA_DIR).free / daily
    lasts = f"{days:.0f} days" if days < YEARS else "for years"
    seen = f"about {daily / 1e6:.1f} MB a day of host results; the disk lasts {lasts}"
    if days < LEAST_DAYS:
        return warn("growth", seen, "Make room, or shorten ROUNDSMAN_KEEP_FACTS_DAYS.")
    return ok("growth", seen)


def register(now: datetime) -> Check:
    """What ``targets check`` says without resolving a name: authorisations missing or about to end, overlaps."""
    organisations = active_organisations()
    if not organisations:
        todo = "'roundsman targets apply FILE', or the first steps on the overview of the pages."
        return warn("register", "nothing is registered, so nothing is inspected", todo)
    found = check_register(organisations, now, None, looks_up_domains=settings.RESOLVER is not None)
    if found:
        alike: dict[tuple[str, str], list[str]] = {}
        for each in found:
            alike.setdefault((each.organisation, each.text), []).append(each.subject)
        texts = [f"{owner}: {some(subjects, 1)}: {text}" for (owner, text), subjects in alike.items()]
        return warn("register", some(texts), "'roundsman targets check' lists all; correct the register and apply it.")
    return ok("register", f"{len(organisations)} organisation(s), nothing needs attention")


def contacts() -> Check:
    """An organisation without contacts gets no mail."""
    written_to = Contact.objects.filter(retired_at=None).values("organisation")
    alone = Organisation.objects.filter(retired_at=None).exclude(pk__in=written_to)
    slugs = list(alone.values_list("slug", flat=True))
    if slugs:
        return warn("contacts", f"none at {some(slugs)}", "Register a contact for each, or nobody there gets reports.")
    return ok("contacts", "every organisation that is registered has one")


def plans(now: datetime) -> Check:
    """Plans that are paused, overdue, or never come."""
    active = list(Plan.objects.filter(retired_at=None))
    if not active:
        return warn("plans", "there is none; rounds are made by hand only", "'roundsman plan add' makes one.")
    said = []
    for plan in active:
        if plan.paused:
            said.append(f"{plan} is paused")
        elif plan.schedule and plan.next_due is None:
            said.append(f"{plan} never comes")
        elif plan.next_due and plan.next_due < now - OVERDUE:
            said.append(f"{plan} has been due since {plan.next_due:%Y-%m-%d %H:%M}Z")
    if said:
        todo = "Is 'roundsman serve' running? 'roundsman plan list' shows all; 'roundsman plan resume' ends a pause."
        return warn("plans", some(said), todo)
    return ok("plans", f"{len(active)}, all coming")


def service() -> Check:
    """Whether somebody does what plans ask for."""
    if is_served(settings.DATA_DIR):
        return ok("service", "running")
    if Plan.objects.filter(retired_at=None, paused=False).exists():
        return warn("service", "not running, so no plan is followed and no mail leaves", "Start 'roundsman serve'.")
    return ok("service", "not running, and no plan asks for it")


def switch() -> Check:
    """While the kill switch is on nothing is inspected."""
    stop = current_stop()
    if stop is not None:
        todo = "'roundsman resume' when it is safe again."
        return warn("kill switch", f"{stop}{f': {stop.reason}' if stop.reason else ''}", todo)
    return ok("kill switch", "off")


def jobs(now: datetime) -> Check:
    """Running jobs whose lease ended long ago, which nobody took up."""
    stuck = Job.objects.filter(state=JobState.RUNNING, lease_until__lt=now - STUCK, round__state=RoundState.RUNNING)
    numbers = [f"{job}" for job in stuck.select_related("round")[:50]]
    if numbers:
        todo = "Is 'roundsman serve' running? It takes them up again by itself."
        return warn("jobs", f"left by their workers: {some(numbers)}", todo)
    waiting = Job.objects.filter(state=JobState.WAITING).count()
    return ok("jobs", f"{waiting} waiting, none left behind")


def mail() -> Check:
    """Mails that were given up, and that wait for long."""
    counts = Counter(Message.objects.values_list("state", flat=True))
    dead = counts[MessageState.DEAD]
    if dead:
        todo = "'roundsman mail queue' shows why; 'roundsman mail retry' or 'roundsman mail cancel' each of them."
        return warn("mail", f"{dead} given up", todo)
    return ok("mail", f"{counts[MessageState.SENT]} sent, {counts[MessageState.QUEUED]} waiting, none given up")


def audit_trail() -> Check:
    """Walk the whole chain."""
    verdict = trail.verify()
    if not verdict.is_whole:
        at = f"{verdict.broken} at entry {verdict.number}"
        return fail(
            "audit trail", at, "'roundsman audit verify' says what it means; find out who wrote to the database."
        )
    return ok("audit trail", f"{verdict.entries} entries, whole")


def backup(now: datetime) -> Check:
    """When the last backup was made on this machine."""
    last = last_backup(settings.DATA_DIR)
    if last is None:
        return warn("backup", "none is known of", "'roundsman backup PATH' daily, to another disk.")
    days = (now - last.at).days
    seen = f"{days} day(s) old, {last.path}"
    if now - last.at > BACKUP_AGE:
        return warn("backup", seen, "'roundsman backup PATH' daily, to another disk.")
    return ok("backup", seen)


def templates() -> Check:
    """Templates and words of one's own that can't be used."""
    problems = [str(each) for each in check_all()]
    if problems:
        todo = "'roundsman templates check' lists all; until then the shipped ones are used instead."
        return warn("templates", some(problems), todo)
    return ok("templates", f"{sum(len(each.files()) for each in layers())} file(s) of your own, all good")
