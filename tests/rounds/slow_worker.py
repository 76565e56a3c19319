"""A worker that looks at one host, five packets a second, so that a test can end it, or parts of it, meanwhile."""

from __future__ import annotations

import sys

from scanner.engine.model import Target
from scanner.engine.plan import Plan, PortSet, PortSpec
from scanner.engine.probes.dial import Limits
from scanner.rounds.frames import Request
from scanner.rounds.probing import ChildDied, Probes
from targets.scope import AuthorisationTerms, Reach, Scope
from tests.lab.lab_ca import NOW

ADDRESS = "127.62.0.1"


def request() -> Request:
    """Return a look at a thousand ports of a host of ours."""
    reach = Reach.of([ADDRESS])
    begins, ends = NOW.replace(year=2020), NOW.replace(year=2090)
    terms = AuthorisationTerms(1, "Order 1", "Director", begins, ends, reach, level=1)
    scope = Scope("water", reach, (terms,))
    target = Target(ADDRESS, ADDRESS)
    plan = Plan((target,), PortSpec(PortSet.LIST, "1-1000", ()), limits=Limits(rate=5))
    return Request(plan, {ADDRESS: [None]}, scope, (), NOW)


def main() -> None:
    """Look; say once a second that the child may go on, and at the end what became of it."""
    asked = request()
    with Probes(asked, {(ADDRESS, ""): asked.plan.targets[0]}) as probes:
        print("begins", flush=True)
        try:
            while True:
                probes.next(1.0)
                probes.go_on(None, NOW)
        except ChildDied as death:
            print(f"died: {death}", flush=True)
            sys.exit(7)


if __name__ == "__main__":
    main()
