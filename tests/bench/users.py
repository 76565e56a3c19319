"""``python -m tests.bench.users``: what people wait for whose pages one service makes, in a large installation.

Each loads a page of the usual mix, over HTTP with a session of its own, and thinks before the next. Half of them see
everything, half one organisation. The times are those from a request to its whole answer, on one machine with those who
ask; the server's processor time is that of its process.
"""

from __future__ import annotations

import argparse
import http.client
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from tests.bench.pages import Size
from tests.console.test_production import served
from tests.installation import Installation

ALLOWED_MS = 300
"""What 95 of 100 requests may take."""


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
    """Fill a database of its own, serve it, and print how long its pages took."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, usual in asdict(Size()).items():
        parser.add_argument(f"--{name}", type=int, default=usual, help=f"({usual:,})")
    parser.add_argument("--users", type=int, default=50, help="who load pages at a time, of whom half see everything")
    parser.add_argument("--think", type=float, default=10, help="seconds between two pages of one of them")
    parser.add_argument("--seconds", type=float, default=60, help="how long")
    options = parser.parse_args()
    size = Size(**{name: getattr(options, name) for name in asdict(Size())})
    with tempfile.TemporaryDirectory(prefix="roundsman-bench-") as folder:
        data = Path(folder) / "data"
        os.environ["ROUNDSMAN_DATA_DIR"] = str(data)
        everyone = _people(size, options.users)
        print(f"load before: {os.getloadavg()[0]:.1f}", flush=True)
        with served(Installation(data, {"ROUNDSMAN_RESOLVER": "127.0.0.1"})) as (process, port):
            server = psutil.Process(process.pid)
            _load_all(port, everyone)
            before = _processor_time(server)
            loads = list(_visit(port, everyone, options.think, options.seconds))
            spent = (_processor_time(server) - before) / len(loads)
        print(f"load after: {os.getloadavg()[0]:.1f}")
    Console().print(_table(loads, spent))
    return 0


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
    from tests.bench.crowd import fill

    now = datetime.now(UTC)
    fill(size, now)
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
        time.sleep(think)
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


def _processor_time(server: psutil.Process) -> float:
    spent = server.cpu_times()
    return (spent.user + spent.system) * 1000


def _table(loads: list[Load], spent: float) -> Table:
    """Return a row for all, for each kind of page, and for either half."""
    table = Table("pages", "loaded", "p50 ms", f"p95 ms, {ALLOWED_MS} allowed", "longest ms", "server's CPU ms each")
    table.add_row("all", *_figures(loads), f"{spent:.0f}")
    for own, whose in ((False, "everything"), (True, "one organisation")):
        for kind in sorted({each.page for each in loads if each.own is own}):
            some = [each for each in loads if each.page == kind and each.own is own]
            table.add_row(f"{kind}, {whose}", *_figures(some), "")
    return table


def _figures(loads: list[Load]) -> tuple[str, str, str, str]:
    taken = sorted(each.ms for each in loads)
    if len(taken) < 2:
        return str(len(taken)), "", "", ""
    late = statistics.quantiles(taken, n=20, method="inclusive")[-1]
    return str(len(taken)), f"{statistics.median(taken):.0f}", f"{late:.0f}", f"{taken[-1]:.0f}"


if __name__ == "__main__":
    sys.exit(main())
