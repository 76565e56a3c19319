"""``python -m tests.bench.users``: what people wait for whose pages one service makes, in a large installation.

Each loads a page of the usual mix, over HTTP with a session of its own, and thinks before the next: for a time that is
drawn anew, exponentially distributed, so that many come at once now and then. Half of them see everything, half one
organisation. It is measured twice: in the morning, while letters to a thousand organisations are written, and
afterwards, while some of them still leave (for a folder). The times are those from a request to its whole answer, on
one machine with those who ask.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import random
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from scanner.database import FILE
from tests.bench.pages import Size
from tests.console.test_production import served
from tests.installation import Installation
from tests.processes import below, command_line, processor_seconds

ALLOWED_MS = 300
"""What 95 of 100 requests may take."""

PEOPLE = "people.json"
"""The file beside a filled database that tells who is signed in."""

QUIET = 10
"""Seconds without a new letter after which all are taken to be written."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a session, and the pages that they go through: kind → path."""

    session: str
    pages: dict[str, str]


@dataclass(frozen=True, slots=True)
class Load:
    """One page that was loaded: what kind it is, whether by one organisation's person, and milliseconds it took."""

    page: str
    own: bool
    ms: float


def main() -> int:
    """Fill a database, or take the kept one, serve it, and print how long its pages took."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, usual in asdict(Size()).items():
        parser.add_argument(f"--{name}", type=int, default=usual, help=f"({usual:,})")
    parser.add_argument("--users", type=int, default=50, help="who load pages, of whom half see everything (50)")
    parser.add_argument("--think", type=float, default=10, help="seconds between two pages of one, on the average (10)")
    parser.add_argument("--seconds", type=float, default=60, help="how long each part is measured (60)")
    parser.add_argument("--data", type=Path, help="a directory that keeps the filled database for the next run")
    parser.add_argument("--fill", action="store_true", help="fill the database of --data, and measure nothing")
    options = parser.parse_args()
    size = Size(**{name: getattr(options, name) for name in asdict(Size())})
    with tempfile.TemporaryDirectory(prefix="roundsman-bench-") as folder:
        kept = options.data or Path(folder) / "filled"
        _ready(kept, size, options.users)
        if not options.fill:
            data = Path(folder) / "data"
            shutil.copytree(kept, data)  # what is done on it is to be done at the next run again
            _measure(data, options)
    return 0


def _ready(data: Path, size: Size, number: int) -> None:
    """Fill the database and sign people in, in a process that then gives its memory back."""
    if not (data / PEOPLE).is_file():
        os.environ["ROUNDSMAN_DATA_DIR"] = str(data)
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as apart:
            apart.submit(_fill, size, number).result()


def _fill(size: Size, number: int) -> None:
    from scanner.settings import DATA_DIR

    everyone = [asdict(each) for each in _people(size, number)]
    (DATA_DIR / PEOPLE).write_text(json.dumps(everyone), encoding="utf-8")


def _measure(data: Path, options: argparse.Namespace) -> None:
    everyone = [Person(**each) for each in json.loads((data / PEOPLE).read_text(encoding="utf-8"))]
    database = sqlite3.connect(f"file:{data / FILE}?mode=ro", uri=True)
    with served(Installation(data, {"ROUNDSMAN_RESOLVER": "127.0.0.1"})) as (process, port):
        server = Server(process.pid)
        _load_all(port, everyone)
        for part in ("while the letters of the day are written", "once they are written"):
            waiting = _mails(database)
            server.begin()
            loads = list(_visit(port, everyone, options.think, options.seconds))
            spent = server.spent()
            done = _mails(database)
            said = f"{part}: {done[0] - waiting[0]} letters written, {done[1] - waiting[1]} sent"
            thinking = f"{len(everyone)} people, who think {options.think:g} s on the average"
            Console().print(_table(loads, spent, options.seconds, f"{thinking}, {said}"))
            _wait_until_written(database)
        print(f"memory: {server.memory()}")


def _mails(database: sqlite3.Connection) -> tuple[int, int]:
    """Return how many mails were written, and how many of them are sent."""
    [(written, sent)] = database.execute("SELECT count(*), sum(state = 'sent') FROM delivery_message")
    return written, sent


def _wait_until_written(database: sqlite3.Connection) -> None:
    """Wait until no letter was written for ten seconds."""
    quiet, before = 0, _mails(database)[0]
    while quiet < QUIET:
        time.sleep(1)
        now = _mails(database)[0]
        quiet, before = (quiet + 1 if now == before else 0), now


class Server:
    """The processes of a service, and what they take."""

    def __init__(self, number: int) -> None:
        whole = psutil.Process(number)
        apart = [each for each in below(whole, recursive=False) if "scanner.cli.pages" in command_line(each)]
        self._processes = dict(zip(("service", "pages"), (whole, *apart), strict=True))
        self._before: dict[str, float] = {}

    def begin(self) -> None:
        self._before = self._times()

    def spent(self) -> dict[str, float]:
        """Return the seconds of processor time since then; that of everything else on the machine, too."""
        return {name: each - self._before[name] for name, each in self._times().items()}

    def memory(self) -> str:
        """Return what each holds of its own, and its part of what they share."""
        held = {name: each.memory_full_info().pss / 2**20 for name, each in self._processes.items()}
        return ", ".join(f"{name} {size:.0f} MB" for name, size in held.items())

    def _times(self) -> dict[str, float]:
        asking = psutil.Process()
        spent = {name: processor_seconds(each) for name, each in {**self._processes, "who ask": asking}.items()}
        whole = psutil.cpu_times()
        return {**spent, "all else": sum(whole) - whole.idle - whole.iowait - sum(spent.values())}


def _people(size: Size, number: int) -> list[Person]:
    """Fill the database, and sign in so many."""
    from scanner.settings import prepare

    prepare()
    from datetime import UTC, datetime

    from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
    from django.conf import settings
    from django.test import Client

    from scanner.accounts import people
    from scanner.accounts.roles import Role
    from scanner.remediation.models import Finding
    from targets.models import Organisation
    from tests.bench.crowd import filled

    now = datetime.now(UTC)
    filled(size, now)
    units = list(Organisation.objects.order_by("-pk")[: number // 2])
    signed_in = []
    for each in range(number):
        user = people.add(f"user-{each}@office.example", f"User {each}", "bench", now)
        unit = units[each // 2 % len(units)] if each % 2 else None
        people.give(user, Role.UNIT_MANAGER if unit else Role.OPERATOR, unit, "bench", now)
        TOTP.activate(user, generate_totp_secret())
        browser = Client(headers={"host": "localhost"})
        browser.force_login(user)
        there = unit or units[each % len(units)]
        finding = Finding.objects.filter(organisation=there).values_list("pk", flat=True)[0]
        pages = {
            "overview": "/",
            "findings": "/findings/",
            "a finding": f"/findings/{finding}/",
            "targets": "/targets/",
            "an organisation": f"/organisations/{there.slug}/",
        }
        if unit is None:  # rounds are the office's
            pages["rounds"] = "/rounds/"
        signed_in.append(Person(browser.cookies[settings.SESSION_COOKIE_NAME].value, pages))
    return signed_in


def _load_all(port: int, everyone: list[Person]) -> None:
    """See that all may see their pages, and let the server read what it keeps."""
    for person in everyone[:2]:
        for page in person.pages.values():
            _load(port, person, page)


def _visit(port: int, everyone: list[Person], think: float, seconds: float) -> Iterator[Load]:
    ends = time.monotonic() + seconds
    with ThreadPoolExecutor(len(everyone)) as threads:
        asked = [threads.submit(_sit, port, each, place, think, ends) for place, each in enumerate(everyone)]
        for each in asked:
            yield from each.result()


def _sit(port: int, person: Person, place: int, think: float, ends: float) -> list[Load]:
    """Load pages in turn, from a moment and a page of one's own on."""
    dice = random.Random(place)
    time.sleep(dice.uniform(0, think))
    loads = []
    while time.monotonic() < ends:
        kind = dice.choice(list(person.pages))
        ms = _load(port, person, person.pages[kind])
        loads.append(Load(kind, place % 2 == 1, ms))
        time.sleep(max(0, min(dice.expovariate(1 / think), ends - time.monotonic())))
    return loads


def _load(port: int, person: Person, page: str) -> float:
    """Return the milliseconds until all of the page is there. Raises ``AssertionError`` when it is not shown."""
    begun = time.perf_counter()
    answer = _ask(port, person, page)
    if answer.status == 302:  # whoever has one organisation is led from the overview to its page
        answer = _ask(port, person, answer.headers["Location"])
    assert answer.status == 200, (page, answer.status)
    return (time.perf_counter() - begun) * 1000


def _ask(port: int, person: Person, page: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", page, headers={"Host": f"127.0.0.1:{port}", "Cookie": f"session={person.session}"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def _table(loads: list[Load], spent: dict[str, float], seconds: float, title: str) -> Table:
    """Return a row for all, for each kind of page, and for either half."""
    busy = ", ".join(f"{name} {100 * each / seconds:.0f} % of a core" for name, each in spent.items())
    each = 1000 * spent.get("pages", 0) / len(loads)
    caption = f"{len(loads) / seconds:.1f} requests a second; {busy}; {each:.0f} ms of processor time for a page"
    table = Table("pages", "loaded", "p50 ms", f"p95 ms, {ALLOWED_MS} allowed", "p99 ms", "longest ms")
    table.title, table.caption = title, caption
    table.add_row("all", *_figures(loads))
    for own, whose in ((False, "everything"), (True, "one organisation")):
        for kind in sorted({each.page for each in loads if each.own is own}):
            some = [each for each in loads if each.page == kind and each.own is own]
            table.add_row(f"{kind}, {whose}", *_figures(some))
    return table


def _figures(loads: list[Load]) -> tuple[str, ...]:
    taken = sorted(each.ms for each in loads)
    if len(taken) < 2:
        return str(len(taken)), "", "", "", ""
    of_hundred = statistics.quantiles(taken, n=100, method="inclusive")
    shown = (statistics.median(taken), of_hundred[94], of_hundred[98], taken[-1])
    return str(len(taken)), *(f"{each:.0f}" for each in shown)


if __name__ == "__main__":
    sys.exit(main())
