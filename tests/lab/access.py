"""Cases that are about one question only: who is let in?"""

from __future__ import annotations

from scanner.engine.catalogue.load import catalogue
from tests.lab.case import LabCase, Start

NOT_ABOUT_ACCESS = frozenset(check for check in catalogue() if not check.startswith("SVC-"))
"""These servers are about who is let in; what their pages and certificates lack is not their subject."""


Place = tuple[int | str, str]


def unauth(**ports: int) -> frozenset[Place]:
    """Expect these services to serve strangers: ``ETCD=2379``; underscores in codes stand for dashes."""
    return frozenset((port, f"SVC-{code.replace('_', '-')}-UNAUTH") for code, port in ports.items())


def exposed(**ports: int) -> frozenset[Place]:
    """Expect these services to be reachable and no more."""
    return frozenset((port, f"SVC-{code.replace('_', '-')}-EXPOSED") for code, port in ports.items())


def access_case(
    name: str,
    last: int,
    start: Start,
    expected: frozenset[Place],
    *,
    ports: str = "",
    silent: frozenset[str] = frozenset(),
    outcome: str = "inspected",
    hostname: str | None = None,
    needs: tuple[str, ...] = (),
) -> LabCase:
    """Return a case at 127.10.6.``last``; nothing but ``expected`` may be said about who is let in."""
    found = {check for _, check in expected}
    opposite = {check.replace("EXPOSED", "UNAUTH") for check in found}
    opposite |= {check.replace("UNAUTH", "EXPOSED") for check in found}
    return LabCase(
        name=name,
        address=f"127.10.6.{last}",
        ports=ports or ",".join(str(port) for port, _ in sorted(expected, key=str)),
        start=start,
        expected=expected,
        silent=silent | ((opposite & catalogue().keys()) - found),
        tolerated=NOT_ABOUT_ACCESS,
        outcome=outcome,
        hostname=hostname,
        needs=needs,
    )
