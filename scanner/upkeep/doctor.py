"""Looks at everything that an installation needs. Asks the resolver and the mail server; no target is sent anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial

from django.conf import settings

from scanner.locks import is_shared
from scanner.upkeep import doctor_machine as machine
from scanner.upkeep import doctor_records as records
from scanner.upkeep import doctor_server as server
from scanner.upkeep.health import Check, Health, examined, warn

Look = Callable[[], Check]


def examine(now: datetime) -> Iterator[Check]:
    """Yield each check as it is done. Records are looked at only where the database can be read and is up to date."""
    for name, look in _machine().items():
        yield examined(name, look)
    if not is_shared() and not records.database_file().exists():
        yield warn("database", "there is none yet", "'roundsman targets apply FILE' begins.")
        return
    sound = True
    for name, look in _database().items():
        if sound or not is_shared():
            check = examined(name, look)
            sound = sound and check.health is not Health.FAIL
            yield check
    if sound:
        for name, look in _records(now).items():
            yield examined(name, look)


def _machine() -> dict[str, Look]:
    directory = settings.DATA_DIR
    return {
        "python": machine.python,
        "packages": machine.packages,
        "nmap": machine.nmap,
        "data directory": partial(machine.data_directory, directory),
        "disk": partial(machine.disk, directory),
        "time zones": machine.time_zones,
        "clock": machine.clock,
        "resolver": partial(machine.resolver, settings.RESOLVER),
        "mail server": machine.mail_server,
        "operators": partial(machine.operators, settings.INSTALLATION.operators),
        "fonts": machine.fonts,
    }


def _database() -> dict[str, Look]:
    if is_shared():
        return {
            "database": server.answers,
            "migrations": records.migrations,
            "database text": server.text,
            "transactions": server.transactions,
            "connections": server.connections,
        }
    return {
        "database": records.integrity,
        "migrations": records.migrations,
        "database lock": records.lock,
        "write-ahead log": records.log_size,
    }


def _records(now: datetime) -> dict[str, Look]:
    return {
        "time": partial(records.time_goes_on, now),
        "growth": partial(records.growth, now),
        "register": partial(records.register, now),
        "contacts": records.contacts,
        "plans": partial(records.plans, now),
        "service": records.service,
        **({"workers": server.workers} if is_shared() else {}),
        "kill switch": records.switch,
        "jobs": partial(records.jobs, now),
        "mail": records.mail,
        "templates": records.templates,
        "audit trail": records.audit_trail,
        "backup": partial(records.backup, now),
    }
