"""A small installation with real servers, mail server and service, for tests that do one thing to it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml

from tests.endurance.post import PostOffice
from tests.endurance.site import Site
from tests.installation import Installation
from tests.lab.case import process, program
from tests.rounds.prepared import within

UNFINISHED = "SELECT count(*) FROM rounds_round WHERE followed IS NULL OR state NOT IN ('done', 'cancelled')"
UNSENT = "SELECT count(*) FROM delivery_message WHERE state IN ('queued', 'sending')"


@dataclass
class Small:
    """The installation and its mail server, with the folder that its register is applied from."""

    site: Site
    office: PostOffice
    folder: Path

    def apply(self, *organisations: dict[str, object]) -> None:
        """Apply a register that consists of these."""
        document = {"zones": [{"name": "internet", "vantage": "internet"}], "organisations": list(organisations)}
        path = self.folder / "register.yaml"
        path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
        self.site.roundsman("targets", "apply", str(path), "--yes")

    def add_plan(self, ports: str, *options: str) -> None:
        self.site.roundsman("plan", "add", "all", "--ports", ports, *options)

    def number(self, query: str) -> int:
        """Return the one number that the database answers."""
        return int(str(self.site.ask(query)[0][0]))

    def let_write(self, commits: int) -> None:
        """Wait until the database was written to so often, or nothing is left to do; a minute at most.

        How far the service has come is so told without a clock, on a fast machine as on a busy one.
        """
        ends = time.monotonic() + 60
        with closing(sqlite3.connect(self.site.database)) as database:
            before = None
            while commits >= 0 and time.monotonic() < ends:
                (version,) = database.execute("PRAGMA data_version").fetchone()
                if version != before:
                    before = version
                    commits -= 1
                    if not self.number(UNFINISHED) and not self.number(UNSENT):
                        return
                time.sleep(0.005)

    def rests(self, seconds: float = 60) -> bool:
        """Wait until every round has ended and every mail left; return whether that came about."""
        return within(seconds, lambda: not self.number(UNFINISHED) and not self.number(UNSENT))


@contextmanager
def small(installation: Installation, *, steps: bool = False, **settings: str) -> Iterator[Small]:
    """Run the mail server until the block ends; what else ran is ended with it. ``steps`` if its clock is to step."""
    folder = installation.path.parent
    post = folder / "post"
    post.mkdir()
    office = PostOffice(post)
    variables = {
        "ROUNDSMAN_MAIL_FROM": "roundsman@office.example.net",
        "ROUNDSMAN_LANGUAGE": "en",
        "ROUNDSMAN_MAIL_RATE": "1000",
        **settings,
    }
    with ExitStack() as ending:
        ending.callback(office.close)
        site = ending.enter_context(
            Site(folder, datetime.now(UTC) if steps else None, {**office.settings(), **variables})
        )
        yield Small(site, office, folder)


def unit(slug: str, network: str, *addresses: str | dict[str, object], **fields: object) -> dict[str, object]:
    """An organisation of the register, authorised for its network."""
    authorisation = {
        "document": f"{slug} 1",
        "allowed_by": "Director",
        "valid_from": "2026-01-01",
        "valid_until": "2030-12-31",
        "scope": [network],
        "level": 1,
    }
    targets = [each if isinstance(each, dict) else {"address": each} for each in addresses]
    return {
        "slug": slug,
        "name_zh": slug,
        "name_en": slug.capitalize(),
        "language": "en",
        "time_zone": "UTC",
        "contacts": [{"name": "Security", "email": f"security@{slug}.example.net", "role": "security"}],
        "targets": [{"zone": "internet", **each} for each in targets],
        "authorisations": [authorisation],
        **fields,
    }


@contextmanager
def redis(address: str, port: int, folder: Path) -> Iterator[None]:
    """Run an open Redis."""
    options = ["--bind", address, "--port", str(port), "--save", "", "--protected-mode", "no"]
    with process([program("redis-server"), *options], folder=folder, wait_for=(address, port)):
        yield
