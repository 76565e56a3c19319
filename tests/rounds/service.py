"""The workers of a service, and nothing else, in a process that a test can kill: ``python -m tests.rounds.service``.

With ``--prepare`` it makes the register and a round, and ends; with ``--slow`` too, the round takes minutes. Hosts are
on loopback, where nothing listens.
"""

from __future__ import annotations

import signal
import sys
import threading

from scanner.settings import prepare

HOSTS = 24
JOBS = 4
"""Hosts share a job only when they share their ports."""


def _prepare() -> None:
    from tests.rounds.world import authorise, organisation, planned, register

    slow = "--slow" in sys.argv
    owner = organisation(rate=50 if slow else 0)
    for number in range(HOSTS):
        register(owner, f"127.63.0.{number + 1}", ports="T:1-1000" if slow else f"T:{10 + number % JOBS}")
    authorise(owner, "127.63.0.0/24")
    planned()


def _serve() -> None:
    from django.conf import settings

    from scanner.flow import hooks
    from scanner.rounds.service import lead, serving
    from scanner.rounds.ways import Ways
    from scanner.rounds.worker import Workers

    ended, ways = threading.Event(), Ways(resolver=None)
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    leads = threading.Event()

    def leading(over: threading.Event) -> None:
        leads.set()
        over.wait()

    with serving(settings.DATA_DIR), Workers.of_service(2, ways, hooks(ways.now)):
        threading.Thread(target=lead, args=[leading, ended], daemon=True).start()
        leads.wait()
        print("serving", flush=True)
        ended.wait()


if __name__ == "__main__":
    prepare()
    if "--prepare" in sys.argv:
        _prepare()
    else:
        _serve()
