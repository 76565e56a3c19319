"""``make accuracy``: precision and recall per check, over every case of the lab.

It watches for dead checks, too: each must have a case in which it has to be found, and is, and one in which it must
not be.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed

from rich.console import Console
from rich.table import Table

from scanner.engine.catalogue.load import catalogue
from tests.lab import namespace
from tests.lab.case import LabCase
from tests.lab.check import Tally, tally
from tests.lab.registry import all_cases

AT_ONCE = 4
"""Cases run at the same time: most of their time is waiting."""


def main() -> int:
    """Run every case and print the table; 0 when precision and recall are 1.0 throughout and no check is dead."""
    console = Console()
    tallies: list[Tally] = []
    wrong: list[str] = []
    cases = all_cases()
    with ProcessPoolExecutor(AT_ONCE, initializer=namespace.enter) as pool:
        for number, done in enumerate(as_completed([pool.submit(_tally, case.name) for case in cases]), start=1):
            result = done.result()
            tallies.append(result)
            console.print(f"[{number}/{len(cases)}] {result.case}: {'right' if not result.wrong else 'WRONG'}")
            if result.wrong:
                wrong.append(result.wrong)
    return _print(console, cases, tallies, wrong)


def _tally(name: str) -> Tally:
    """Run one case in a worker process, which finds it by name: a case holds functions that can't be sent."""
    case = next(case for case in all_cases() if case.name == name)
    try:
        return tally(case)
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        checks = tuple(check for _, check in case.expected)
        return Tally(name, checks, (), (), missed=checks, alarms=(), wrong=f"{name}: did not start: {error}")


def _print(console: Console, cases: Iterable[LabCase], tallies: list[Tally], wrong: list[str]) -> int:
    table = Table("check", "positive cases", "negative cases", "precision", "recall")
    both = 0
    true, false, missed = 0, 0, 0
    checks = sorted({check for result in tallies for check in (*result.expected, *result.silent, *result.alarms)})
    for check in checks:
        positive = sum(check in result.expected for result in tallies)
        negative = sum(check in result.silent for result in tallies)
        right = sum(result.hits.count(check) for result in tallies)
        alarms = sum(result.alarms.count(check) for result in tallies)
        gone = sum(result.missed.count(check) for result in tallies)
        both += bool(positive and negative)
        true, false, missed = true + right, false + alarms, missed + gone
        table.add_row(check, str(positive), str(negative), _ratio(right, right + alarms), _ratio(right, right + gone))
    console.print(table)
    for explanation in wrong:
        console.print(explanation, style="red", markup=False)
    dead = dead_checks(tallies)
    for why, ids in dead.items():
        console.print(f"Checks {why}: {', '.join(ids)}", style="red", markup=False)
    console.print(f"{len(tallies)} cases, {len(checks)} checks, {both} of them with a positive and a negative case")
    console.print(f"precision {_ratio(true, true + false)}, recall {_ratio(true, true + missed)}")
    return 1 if wrong or dead else 0


def dead_checks(tallies: Iterable[Tally]) -> dict[str, list[str]]:
    """Return the checks that the lab can't vouch for, by what is missing; empty when all are alive."""
    known, results = set(catalogue()), list(tallies)
    lacking = {
        "without a positive case": known - {check for result in results for check in result.expected},
        "without a negative case": known - {check for result in results for check in result.silent},
        "that never fired": known - {check for result in results for check in result.hits},
    }
    return {why: sorted(ids) for why, ids in lacking.items() if ids}


def _ratio(part: int, whole: int) -> str:
    """A check that was only ever silent, and rightly so, has nothing to divide."""
    return f"{part / whole:.3g}" if whole else "–"


if __name__ == "__main__":
    sys.exit(main())
