"""The hosts of the endurance run that change: their servers, what may be found there, and since when it could be.

Two organisations of its own stand beside those of ``targets/examples``, whose servers (``make demo``'s) never change.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network
from pathlib import Path

import yaml

from tests.lab.case import process, program
from tests.lab.lab_ca import DAY, NOW, ROOT, issue
from tests.lab.tls_servers import nginx_server, run_nginx, write_pair

INTERFACE = "lab"
OURS = "192.0.2.15"
"""The address that packets to a host that went dark are sent from (RFC 5737, TEST-NET-1)."""

PORTS = "21,22,80,443,873,1883,6379,11211"
"""What is inspected."""


class State(StrEnum):
    """How something that can be found is: there, gone in a way that can be proven, where nobody can look, or about to
    be another of these."""

    THERE = "there"
    GONE = "gone"
    HIDDEN = "hidden"
    CHANGING = "changing"


@dataclass
class Thing:
    """A check that finds something at a place. ``history`` holds since when it is how, ``sort`` is its server."""

    organisation: str
    address: str
    port: int
    check: str
    sort: str
    history: list[tuple[float, State]] = field(default_factory=list)
    dark: bool = False

    @property
    def name(self) -> str:
        return f"{self.check} on {self.address}:{self.port}"

    @property
    def state(self) -> State:
        return self.history[-1][1]

    def during(self, since: float, until: float) -> set[State]:
        """Return how it was at any time between two moments of the monotonic clock."""
        ends = [at for at, _ in self.history[1:]] + [float("inf")]
        return {state for (at, state), end in zip(self.history, ends, strict=True) if at <= until and end >= since}


@dataclass(frozen=True)
class Unit:
    """An organisation of our own: its contacts (address, role), network and hosts."""

    slug: str
    name: str
    contacts: tuple[tuple[str, str], ...]
    network: IPv4Network
    hosts: tuple[str, ...]


HARBOUR = Unit(
    "harbour",
    "Harbour Office",
    (("security@harbour.example.net", "security"), ("leader@harbour.example.net", "leader")),
    IPv4Network("192.0.2.0/28"),
    ("192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"),
)
PILOTS = Unit(
    "pilots",
    "Pilot Station",
    (("security@pilots.example.net", "security"), ("it@pilots.example.net", "technical")),
    IPv4Network("198.51.100.0/28"),
    ("198.51.100.2", "198.51.100.3"),
)
UNITS = (HARBOUR, PILOTS)


def things() -> list[Thing]:
    """Return what can be found on the hosts of our own organisations."""
    redis, memcached = ("SVC-REDIS-UNAUTH", 6379), ("SVC-MEMCACHED-UNAUTH", 11211)
    return [
        Thing("harbour", "192.0.2.2", redis[1], redis[0], "redis"),
        Thing("harbour", "192.0.2.3", 443, "CERT-EXPIRED", "web"),
        Thing("harbour", "192.0.2.4", redis[1], redis[0], "redis"),
        Thing("harbour", "192.0.2.5", memcached[1], memcached[0], "memcached"),
        Thing("pilots", "198.51.100.2", redis[1], redis[0], "redis"),
        Thing("pilots", "198.51.100.3", memcached[1], memcached[0], "memcached"),
    ]


class World:
    """Their servers. Every change is noted with when it was made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.things = things()
        self._servers: dict[str, ExitStack] = {}
        _ip("link", "add", INTERFACE, "type", "veth", "peer", "name", "nobody")
        _ip("link", "set", INTERFACE, "up")
        _ip("link", "set", "nobody", "up")
        _ip("addr", "add", f"{OURS}/32", "dev", INTERFACE)
        for unit in UNITS:
            _ip("route", "add", str(unit.network), "dev", INTERFACE)
            for address in unit.hosts:
                _ip("addr", "add", f"{address}/32", "dev", INTERFACE)
        for thing in self.things:
            self._start(thing, weak=True)
            thing.history.append((time.monotonic(), State.THERE))

    def register(self, folder: Path, without: str = "") -> Path:
        """Write the register of our organisations; that of ``without`` has an authorisation that has ended."""
        path = folder / "register.yaml"
        document = {
            "zones": [{"name": "internet", "vantage": "internet"}],
            "organisations": [_entry(unit, ended=unit.slug == without) for unit in UNITS],
        }
        path.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), encoding="utf-8")
        return path

    def mend(self, thing: Thing) -> None:
        """Let it be there no more: the port shuts, or a certificate is renewed."""
        with self._changing(thing):
            self._stop(thing)
            if thing.sort == "web":
                self._start(thing, weak=False)

    def spoil(self, thing: Thing) -> None:
        """Let it be there again."""
        with self._changing(thing):
            self._stop(thing)
            self._start(thing, weak=True)

    def darken(self, thing: Thing) -> None:
        """Take its host's address away: nobody can look."""
        with self._changing(thing):
            _ip("addr", "del", f"{thing.address}/32", "dev", INTERFACE)
            thing.dark = True

    def lighten(self, thing: Thing) -> None:
        """Give its host its address back."""
        with self._changing(thing):
            _ip("addr", "add", f"{thing.address}/32", "dev", INTERFACE)
            thing.dark = False

    @contextlib.contextmanager
    def forbidden(self, organisation: str) -> Iterator[None]:
        """Note that what the block does lets nobody look at the organisation."""
        ours = [thing for thing in self.things if thing.organisation == organisation]
        with ExitStack() as changing:
            for thing in ours:
                changing.enter_context(self._changing(thing, State.HIDDEN))
            yield

    @contextlib.contextmanager
    def allowed(self, organisation: str) -> Iterator[None]:
        """Note that what the block does lets everybody look again."""
        ours = [thing for thing in self.things if thing.organisation == organisation]
        with ExitStack() as changing:
            for thing in ours:
                changing.enter_context(self._changing(thing))
            yield

    def close(self) -> None:
        """Stop every server."""
        for servers in self._servers.values():
            servers.close()

    @contextlib.contextmanager
    def _changing(self, thing: Thing, to: State | None = None) -> Iterator[None]:
        self._note(thing, State.CHANGING)
        yield
        found = State.HIDDEN if thing.dark else State.THERE if self._is_weak(thing) else State.GONE
        self._note(thing, to or found)

    def _note(self, thing: Thing, state: State) -> None:
        thing.history.append((time.monotonic(), state))

    def _is_weak(self, thing: Thing) -> bool:
        return (self._folder / thing.address / "weak").exists()

    def _start(self, thing: Thing, *, weak: bool) -> None:
        folder = self._folder / thing.address
        folder.mkdir(exist_ok=True)
        if weak:
            (folder / "weak").touch()
        servers = self._servers[thing.address] = ExitStack()
        address, where = thing.address, (thing.address, thing.port)
        if thing.sort == "redis":
            options = ["--bind", address, "--port", "6379", "--save", "", "--protected-mode", "no"]
            servers.enter_context(process([program("redis-server"), *options], folder=folder, wait_for=where))
        elif thing.sort == "memcached":
            options = ["-u", "root", "-l", address, "-p", "11211", "-U", "0"]
            servers.enter_context(process([program("memcached"), *options], folder=folder, wait_for=where))
        else:
            end = NOW - 2 * DAY if weak else NOW + 60 * DAY
            leaf = issue("www.harbour.example.net", ROOT, addresses=[address], until=end)
            write_pair(folder, leaf, chain=leaf.pem)
            block = nginx_server(f"{address}:443 ssl", "ssl_protocols TLSv1.2 TLSv1.3;")
            servers.enter_context(run_nginx(address, 443, folder, block))

    def _stop(self, thing: Thing) -> None:
        (self._folder / thing.address / "weak").unlink(missing_ok=True)
        self._servers.pop(thing.address).close() if thing.address in self._servers else None


def _entry(unit: Unit, *, ended: bool) -> dict[str, object]:
    until = dt.date(2026, 1, 2) if ended else dt.date(2027, 12, 31)
    return {
        "slug": unit.slug,
        "name_zh": unit.name,
        "name_en": unit.name,
        "language": "en",
        "time_zone": "Asia/Shanghai",
        "contacts": [{"name": role, "email": address, "role": role} for address, role in unit.contacts],
        "targets": [{"address": address, "zone": "internet"} for address in unit.hosts],
        "authorisations": [
            {
                "document": f"{unit.slug} 1",
                "allowed_by": "Director",
                "valid_from": dt.date(2026, 1, 1),
                "valid_until": until,
                "scope": [str(unit.network)],
                "level": 1,
            }
        ],
    }


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
