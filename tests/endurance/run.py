"""The endurance run: ``python -m tests.endurance.run --minutes 60``.

The real ``roundsman serve`` works on lab servers and a real mail server, in namespaces of its own, while a seeded
script of faults befalls it. Everything that it did is then held against what the run itself knows. Exit status 0 means
that every round was done once, every finding right, every mail there, and no packet where none was allowed.
"""

from __future__ import annotations

import argparse
import contextlib
import pickle
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.endurance import verdict
from tests.endurance.capture import Capture
from tests.endurance.faults import GRACE, Faults, Record
from tests.endurance.post import Mood, PostOffice
from tests.endurance.site import Site
from tests.endurance.verdict import OPERATOR, Evidence
from tests.endurance.watch import Watch
from tests.endurance.world import PILOTS, PORTS, UNITS, State, Thing, World
from tests.lab.demo_servers import demo_servers
from tests.lab.namespace import run_inside
from tests.processes import lives

ROOT = Path(__file__).resolve().parents[2]

EXAMPLES = [
    ("transport", "security@transport.example.org", "security"),
    ("transport", "director@transport.example.org", "leader"),
    ("water", "security@water.example.org", "security"),
    ("water", "leader@water.example.org", "leader"),
]
"""Whom ``targets/examples`` register."""

SETTLE = 300.0
"""Seconds that everything may take to come to rest at the end."""


def main() -> int:
    """Run; return the exit status."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=float, default=60)
    options.add_argument("--seed", type=int, default=20261126)
    options.add_argument("--interval", type=int, default=2, help="Minutes between two rounds of the plan.")
    options.add_argument("--fault", action="append", help="Only this one; may be given several times. Default: all.")
    options.add_argument("--keep", type=Path, help="Keep database, log and evidence in this folder.")
    chosen = options.parse_args()
    status = run_inside("tests.endurance.run", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
    if status is not None:
        return status
    with tempfile.TemporaryDirectory(prefix="roundsman-endurance-") as folder:
        Path(folder).chmod(0o755)
        return Run(Path(folder), chosen).carry_out()


class Run:
    """One endurance run in a folder of its own, as the options say."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self._folder = folder
        self._seconds: float = options.minutes * 60
        self._interval: int = options.interval
        self._chosen: list[str] | None = options.fault
        self._kept: Path | None = options.keep
        self._dice = random.Random(options.seed)
        self._record = Record()
        self._claims: list[tuple[float, Thing]] = []
        self._record.say(f"seed {options.seed}, {options.minutes:g} minutes, a round every {options.interval} minutes")

    def carry_out(self) -> int:
        with contextlib.ExitStack() as all_of_it:
            for name in ("demo", "post", "world"):
                (self._folder / name).mkdir()
            all_of_it.enter_context(demo_servers(self._folder / "demo"))
            self._world = World(self._folder / "world")
            all_of_it.callback(self._world.close)
            self._capture = Capture([int(port) for port in PORTS.split(",")])
            all_of_it.callback(self._capture.close)
            self._office = PostOffice(self._folder / "post")
            all_of_it.callback(self._office.close)
            self._site = Site(self._folder, _saturday(), {**self._office.settings(), **_SETTINGS}, own_disk=True)
            all_of_it.callback(self._site.close)
            added = self._set_up()
            self._watch = Watch(self._site)
            all_of_it.callback(self._watch.close)
            self._endure()
            return self._judge(added, self._settle())

    def _set_up(self) -> datetime:
        """Do what a new user types."""
        contacts = [(unit.slug, *contact) for unit in UNITS for contact in unit.contacts]
        self._contacts = [*EXAMPLES, *contacts]
        self._site.roundsman("targets", "apply", "targets/examples", "--yes")
        self._apply()
        every = f"every {self._interval}m"
        added = ["plan", "add", "all", "--schedule", every, "--ports", PORTS, "--notice-from", "critical"]
        self._record.say(self._site.roundsman(*added).strip())
        self._record.say(self._site.roundsman("doctor", accept=(3,)).strip())
        created = self._site.ask("SELECT created FROM rounds_plan")[0][0]
        self._site.start()
        return datetime.fromisoformat(str(created)).replace(tzinfo=UTC)

    def _apply(self, without: str = "") -> None:
        self._site.roundsman("targets", "apply", str(self._world.register(self._folder, without)), "--yes")

    def _endure(self) -> None:
        faults = Faults(
            self._site,
            self._office,
            self._watch,
            self._record,
            self._dice,
            tuple(address for _, address, _ in self._contacts),
        )
        began = time.monotonic()
        changes = self._changes()
        changed = began
        steps = [(part, timedelta(hours=away)) for part, away in ((0.25, -2), (0.35, 0), (0.6, 2))]
        deck: list[str] = []
        next_fault = began + 20
        self._site.roundsman("plan", "run", "all")
        while (now := time.monotonic()) < began + self._seconds:
            self._office.calm()
            if self._seconds > 600 and steps and now > began + steps[0][0] * self._seconds:
                self._step_clock(steps.pop(0)[1])
            elif any(map(self._record.left_alone, self._watch.whole_since(changed))) and self._is_quiet():
                next(changes)()
                changed = time.monotonic()
            elif now > next_fault:
                names = self._chosen or list(faults.all())
                deck = deck or self._dice.sample(names, len(names))
                name = deck.pop()
                done = faults.all()[name]()
                self._record.say(f"fault: {name}{'' if done else ' (nothing to do it to)'}")
                next_fault = time.monotonic() + (self._dice.uniform(8, 30) if done else 1)
            if not self._site.lives():
                raise RuntimeError("The service ended by itself.")
            time.sleep(0.2)

    def _is_quiet(self) -> bool:
        """Tell whether no round runs, and none begins within a few seconds."""
        self._watch.look()
        due = self._site.ask("SELECT next_due FROM rounds_plan")[0][0]
        until = datetime.fromisoformat(str(due)).replace(tzinfo=UTC) - self._site.clock.now()
        return not self._watch.unfinished() and until > timedelta(seconds=8)

    def _step_clock(self, away: timedelta) -> None:
        now = time.monotonic()
        self._record.disturbed.append((now - 1, now + 300))
        self._site.clock.step_to(away)
        self._record.say(f"the clock is {away} off")
        time.sleep(2)
        if away < timedelta(0):
            self._site.roundsman("plan", "run", "all", accept=(0, 2))  # 2: one runs already

    def _changes(self) -> Iterator[Callable[[], None]]:
        """Yield what changes in the world, one step after the other."""
        world = self._world
        basin, web, crane, store, buoy, light = world.things
        while True:
            yield from (
                self._step("a port shuts, and its finding is claimed fixed", (world.mend, basin), claim=basin),
                self._step("a certificate is renewed; a host goes dark", (world.mend, web), (world.darken, crane)),
                self._step("what was fixed claims to be, and isn't", claim=buoy),
                self._step("the port is open again; the host is back", (world.spoil, basin), (world.lighten, crane)),
                self._end_authorisation,
                self._step("a service is switched off", (world.mend, store)),
                self._renew_authorisation,
                self._step(
                    "the certificate is the old one; the service is back", (world.spoil, web), (world.spoil, store)
                ),
                self._step("two services are switched off", (world.mend, buoy), (world.mend, light)),
                self._step("a host goes dark that has something open", (world.darken, basin)),
                self._step("they are back", (world.spoil, buoy), (world.spoil, light), (world.lighten, basin)),
            )

    def _step(
        self, what: str, *changes: tuple[Callable[[Thing], None], Thing], claim: Thing | None = None
    ) -> Callable[[], None]:
        def change() -> None:
            self._record.say(f"world: {what}")
            for act, thing in changes:
                act(thing)
            if claim is not None:
                self._claim(claim)

        return change

    def _claim(self, thing: Thing) -> None:
        number = self._site.ask(
            f"SELECT id FROM remediation_finding WHERE host = '{thing.address}' AND check_id = '{thing.check}' "
            "AND state = 'open'"
        )
        if number:
            self._site.roundsman("finding", "claim", str(number[0][0]), "--by", "the unit")
            self._claims.append((time.monotonic(), thing))

    def _end_authorisation(self) -> None:
        self._record.say("world: an authorisation ends")
        with self._world.forbidden(PILOTS.slug):
            self._apply(without=PILOTS.slug)
        self._silent_since = time.monotonic() + GRACE

    def _renew_authorisation(self) -> None:
        self._record.say("world: it is renewed")
        self._record.quiet.append((PILOTS.network, self._silent_since, time.monotonic()))
        with self._world.allowed(PILOTS.slug):
            self._apply()

    def _settle(self) -> float:
        """Put all right, do a last round in peace, and let every mail leave; return when the plan was paused."""
        self._record.say("all is put right")
        self._office.be(Mood.WELL)
        if any(thing.state is State.HIDDEN and thing.organisation == PILOTS.slug for thing in self._world.things):
            self._renew_authorisation()
        for thing in self._world.things:
            if thing.dark:
                self._world.lighten(thing)
        self._site.roundsman("plan", "pause", "all")
        paused = time.monotonic()
        self._wait("rounds end", lambda: not self._watch.unfinished())
        self._site.roundsman("plan", "run", "all")
        time.sleep(1)
        self._wait("the last round ends", lambda: not self._watch.unfinished())
        self._site.roundsman("mail", "retry", "--waiting", "--dead")
        unsent = "SELECT count(*) FROM delivery_message WHERE state IN ('queued', 'sending')"
        self._wait("mails leave", lambda: self._site.ask(unsent) == [(0,)])
        return paused

    def _wait(self, what: str, true: Callable[[], bool]) -> None:
        ends = time.monotonic() + SETTLE
        while not true():
            if time.monotonic() > ends:
                self._record.say(f"WRONG: waited {SETTLE:.0f} s in vain until {what}")
                return
            time.sleep(0.5)

    def _judge(self, added: datetime, paused: float) -> int:
        site = self._site
        wrong = []
        doctor = site.roundsman("doctor", accept=(0, 1, 3))
        wrong += [f"doctor: {line}" for line in doctor.splitlines() if line.startswith("FAIL")]
        self._record.say(doctor)
        if "whole" not in site.roundsman("audit", "verify", accept=(0, 3)):
            wrong.append("the audit trail is broken")
        before = site.processes("")
        status, took = site.end()
        if status != 0 or took > 15:
            wrong.append(f"the service ended with {status} after {took:.0f} s")
        time.sleep(1)
        wrong += [f"{each} is left" for each in before if lives(each)]
        self._watch.look()
        evidence = Evidence(
            site.database,
            self._office.taken,
            list(self._watch.rounds.values()),
            self._record,
            self._capture.heard,
            self._world.things,
            self._contacts,
            timedelta(minutes=self._interval),
            added,
            paused,
            self._claims,
        )
        self._keep(evidence)
        wrong += [each for each in self._record.said if each.startswith("WRONG")]
        wrong += verdict.verdict(evidence)
        rounds, taken = evidence.rounds, evidence.taken
        different = len({each.message_id for each in taken})
        self._record.say(
            f"{len(rounds)} rounds, {sum(each.missed for each in rounds)} due times caught up, {len(taken)} mails, "
            f"{different} of them different, {len(self._office.refused)} times refused"
        )
        for each in wrong:
            print(f"WRONG: {each}")
        print("All is well." if not wrong else f"{len(wrong)} thing(s) are wrong.")
        return int(bool(wrong))

    def _keep(self, evidence: Evidence) -> None:
        """Keep what helps to find out why, where somebody wants to."""
        if self._kept is not None:
            self._kept.mkdir(parents=True, exist_ok=True)
            for file in (*self._site.data.glob("roundsman.sqlite3*"), self._site.log):
                shutil.copy(file, self._kept)
            evidence.database = self._kept / self._site.database.name
            (self._kept / "evidence.pickle").write_bytes(pickle.dumps(evidence))


_SETTINGS = {
    "ROUNDSMAN_MAIL_FROM": "roundsman@office.example.net",
    "ROUNDSMAN_OPERATORS": OPERATOR,
    "ROUNDSMAN_LANGUAGE": "en",
    "ROUNDSMAN_TIME_ZONE": "Asia/Shanghai",
}


def _saturday() -> datetime:
    """The next Saturday, 13 o'clock in Shanghai: nothing in the examples is blacked out for hours."""
    now = datetime.now(UTC)
    day = now + timedelta(days=(5 - now.weekday()) % 7 or 7)
    return day.replace(hour=5, minute=0, second=0, microsecond=0)


if __name__ == "__main__":
    sys.exit(main())
