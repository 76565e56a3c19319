"""Tells a round in processes that are killed before a statement of theirs, each on a fresh copy of one database.

``python -m tests.delivery.killed STEP`` prints a line for each point: the statement before which it was killed, and the
reports and letters that there are once another process has told the round again, twice. Every ``STEP``-th point is
tried.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tests.installation import database_name, on_server


def main(step: int) -> None:
    from scanner.settings import DATA_DIR, prepare

    prepare()
    from django.db import connection

    number = _told_about()
    if not on_server():
        connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    base = connection.settings_dict["NAME"]
    last, point = False, 1
    while not last:
        connection.settings_dict["NAME"] = _copy(base, DATA_DIR / f"killed-{point}.sqlite3")
        last = os.WIFEXITED(_apart(partial(_tell, number, killed_before=point)))
        for _ in range(2):
            _apart(partial(_tell, number))
        _apart(partial(_report, point))
        point += step


def _copy(base: str | Path, to: Path) -> str | Path:
    server = on_server()
    if server:
        server.create(database_name(to), str(base))
        return database_name(to)
    return shutil.copy(base, to)


def _told_about() -> int:
    from tests.delivery.office import contact, unit
    from tests.remediation.looks import followed
    from tests.rounds.world import authorise, open_redis, open_web, register

    owner = unit()
    contact(owner, "technical", "zh-Hans")
    register(owner, "192.0.2.10")
    authorise(owner, "192.0.2.0/24")
    followed(owner, open_redis, 1)
    followed(owner, open_web, 2)
    return followed(owner, open_redis, 3).pk


def _apart(act: Callable[[], object]) -> int:
    """Do it in a process of its own; return how that ended."""
    child = os.fork()
    if child == 0:
        act()
        sys.stdout.flush()
        os._exit(0)
    return os.waitpid(child, 0)[1]


def _tell(number: int, killed_before: int = 0) -> None:
    from django.db import connection

    from scanner.delivery.tell import alert_urgent, tell_round
    from scanner.remediation.models import Finding
    from tests.remediation.looks import day

    statements = 0

    def counting(execute: Callable[..., Any], *arguments: Any) -> Any:
        nonlocal statements
        statements += 1
        if statements == killed_before:
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(*arguments)

    with connection.execute_wrapper(counting):
        alert_urgent(Finding.objects.filter(severity="critical").select_related("organisation"), day(3.1))
        tell_round(number, day(3.1))


def _report(point: int) -> None:
    from scanner.delivery.models import Message
    from scanner.reports.models import Report

    kinds = sorted(Message.objects.values_list("kind", flat=True))
    print(point, Report.objects.count(), *kinds)


if __name__ == "__main__":
    main(int(sys.argv[1]))
