"""Cases of sites whose pages come without further headers: what any such page is told is no subject of them."""

from __future__ import annotations

from collections.abc import Mapping

from tests.lab.case import LabCase, Start
from tests.lab.http_answers import Reply, answers, page, together
from tests.lab.web_cases import BARE_PAGE, WEB

NOT_FOUND = page("Not Found", "<h1>Not Found</h1>", 404)

Site = Mapping[str, Reply]


def bare_case(
    family: str,
    network: int,
    name: str,
    last: int,
    start: Start,
    *checks: tuple[int, str],
    ports: str = "80",
    outcome: str = "inspected",
    hostname: str | None = None,
    tolerated: frozenset[str] = frozenset(BARE_PAGE),
    needs: tuple[str, ...] = (),
    and_else: frozenset[tuple[int | str, str]] = frozenset(),
) -> LabCase:
    """Return a case of a ``family`` at 127.10.``network``.``last``, of which every web check that isn't expected must
    be silent; ``and_else`` are findings that are expected beside those of the web."""
    return LabCase(
        name=f"web-{family}-{name}",
        address=f"127.10.{network}.{last}",
        ports=ports,
        start=start,
        expected=frozenset(checks) | and_else,
        silent=WEB - {check for _, check in checks} - tolerated,
        tolerated=tolerated,
        outcome=outcome,
        hostname=hostname,
        needs=needs,
    )


def sites_at(by_port: Mapping[int, Site], otherwise: Reply = NOT_FOUND, *, tls: bool = False) -> Start:
    """Serve a site on each of these ports; any other path is answered by ``otherwise``."""
    return together(*(answers(port, replies, otherwise, tls=tls) for port, replies in by_port.items()))
