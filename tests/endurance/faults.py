"""The faults: each does something bad, says for how long, and puts right what a person would have to put right."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Network

import psutil

from tests.endurance.post import Mood, PostOffice
from tests.endurance.site import Site
from tests.endurance.watch import Seen, Watch
from tests.endurance.world import UNITS

GRACE = 5.0
"""Seconds after which nothing may leave for hosts that must be left alone."""

EVERYBODY = (*(unit.network for unit in UNITS), IPv4Network("127.20.0.0/16"))


@dataclass
class Record:
    """What was done, when, by the monotonic clock. ``quiet`` are (network, since, until) in which no packet may leave.

    ``disturbed`` are spans in which looks at hosts may have come to nothing: nobody can say what they must have seen.
    ``unsure`` are spans in which nobody can know whether what the mail server took was written down.
    """

    quiet: list[tuple[IPv4Network, float, float]] = field(default_factory=list)
    disturbed: list[tuple[float, float]] = field(default_factory=list)
    unsure: list[tuple[float, float]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def left_alone(self, seen: Seen) -> bool:
        """Tell whether nothing kept a round from looking at every host."""
        end = seen.ended or float("inf")
        return not any(since <= end and until >= seen.begun for since, until in self.disturbed)

    def say(self, text: str) -> None:
        self.said.append(text)
        print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


@dataclass
class Faults:
    """Everything that can be done to the installation, by name; returns whether there was something to do it to."""

    site: Site
    office: PostOffice
    watch: Watch
    record: Record
    dice: random.Random
    contacts: tuple[str, ...]

    def all(self) -> dict[str, Callable[[], bool]]:
        """Return the faults by their names."""
        moods = {
            Mood.DOWN: 70.0,
            Mood.BUSY: 40.0,
            Mood.REFUSING: 60.0,
            Mood.DROPPING: 30.0,
            Mood.SLOW: 40.0,
            Mood.MAD: 40.0,
        }
        return {
            "kill the service": self.kill_service,
            "kill the probes": self.kill_child,
            "kill nmap": self.kill_nmap,
            "stop": self.stop,
            "pause": self.pause,
            "hold the database": self.hold,
            "fill the disk": self.fill,
            "doze": self.doze,
            **{f"mail server: {mood}": lambda mood=mood, seconds=seconds: self.mood(mood, seconds)  # type: ignore[misc]  # its defaults bind what the loop has
               for mood, seconds in moods.items()},
        }  # fmt: skip

    def kill_service(self) -> bool:
        self.site.kill()
        self.record.unsure.append((time.monotonic() - 60, time.monotonic() + 1))
        time.sleep(self.dice.uniform(0, 4))
        self.site.start()
        return True

    def kill_child(self) -> bool:
        return self._kill(self.site.processes("scanner.rounds.nursery")[1:])

    def kill_nmap(self) -> bool:
        return self._kill(self.site.processes("nmap"))

    def _kill(self, victims: list[psutil.Process]) -> bool:
        if not victims:
            return False
        with suppress(psutil.NoSuchProcess):
            self.dice.choice(victims).kill()
        now = time.monotonic()
        self.record.disturbed.append((now - 1, now + 1))
        return True

    def stop(self) -> bool:
        """Switch everything off for some seconds; half of the time the service is killed meanwhile."""
        self.site.roundsman("stop", "--reason", "endurance")
        since = time.monotonic() + GRACE
        time.sleep(GRACE + self.dice.uniform(2, 6))
        if self.dice.random() < 0.5:
            self.kill_service()
            time.sleep(4)
        until = time.monotonic()
        self.site.roundsman("resume")
        self.record.quiet += [(network, since, until) for network in EVERYBODY]
        return True

    def pause(self) -> bool:
        running = [each for each in self.watch.unfinished() if each.state == "running"]
        if not running:
            return False
        this = running[0]
        with suppress(RuntimeError):  # it may have ended just now
            self.site.roundsman("round", "pause", str(this.number))
            time.sleep(self.dice.uniform(3, 10))
        self.watch.look()
        while this.state == "paused":
            self.site.begin("round", "resume", str(this.number))
            self.watch.look()
        return True

    def hold(self) -> bool:
        """Keep the database's write lock for longer than anybody waits for it."""
        since = time.monotonic()
        with closing(sqlite3.connect(self.site.database, timeout=30, isolation_level=None)) as holder:
            try:
                holder.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return False
            time.sleep(self.dice.uniform(22, 30))
            holder.execute("ROLLBACK")
        self.record.unsure.append((since - 1, time.monotonic() + 1))
        return True

    def fill(self) -> bool:
        since = time.monotonic()
        self.site.fill_disk()
        time.sleep(self.dice.uniform(10, 40))
        self.site.free_disk()
        self.record.unsure.append((since - 1, time.monotonic() + 1))
        return True

    def doze(self) -> bool:
        """Let the service and all below it stand still, as a machine does that sleeps."""
        since = time.monotonic()
        with self.site.asleep():
            time.sleep(self.dice.uniform(10, 30))
        self.record.disturbed.append((since, time.monotonic() + 1))
        return True

    def mood(self, mood: Mood, seconds: float) -> bool:
        if self.office.mood is not Mood.WELL:
            return False
        self.office.be(mood, seconds * self.dice.uniform(0.5, 1.5), victim=self.dice.choice(self.contacts))
        return True
