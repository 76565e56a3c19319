"""``make compare-tls``: our verdicts beside testssl.sh's and sslscan's over TLS servers of the lab.

Every run is kept in ``var/compare-tls/``, so that a broken-off comparison goes on where it stopped; ``--fresh`` begins
anew. It ends with status 1 when a peer reports a weakness that we don't and ``explained.toml`` gives no reason.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from rich.console import Console

from scanner.engine.plan import Profile
from tests.compare.kept import Comparison, counts, row_of, started, table_of, unexplained, why
from tests.compare.tls_peers import sslscan, testssl
from tests.lab.case import LabCase
from tests.lab.check import inspected

COMPARISON = Comparison("compare-tls", at_once=2)
"""testssl.sh keeps a core busy for a minute and a half for each server."""

CASES = (
    *("tls-deep-modern", "tls-only-1.0", "tls-only-1.1", "tls-only-1.3", "tls-only-ssl2", "tls-export-suites"),
    *("tls-only-rsa-key-exchange", "tls-dhe-1024", "tls-single-des", "tls-compression", "tls-no-fallback-signal"),
    *("tls-deep-heartbleed", "tls-deep-early-ccs", "tls-deep-robot", "tls-deep-client-renegotiation"),
    *("tls-client-chooses-null", "s-server-null-and-anonymous", "s-server-dhe-1024-of-its-own"),
    *("certificate-expired", "certificate-other-name", "certificate-self-signed", "certificate-rsa-1024"),
    *("certificate-sha-1", "certificate-intermediate-missing"),
)


@dataclass(frozen=True, slots=True)
class Weakness:
    """A row of ``tls.toml``."""

    name: str
    ours: tuple[str, ...]
    testssl: tuple[str, ...]
    sslscan: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What all three said of one case. A peer's value is None when it did not get to see the server."""

    case: str
    ours: tuple[str, ...]
    testssl: tuple[str, ...] | None
    sslscan: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Row:
    """One weakness of one case on which somebody said something."""

    case: str
    weakness: str
    ours: bool
    testssl: bool | None
    sslscan: bool | None

    @property
    def they_more(self) -> tuple[str, ...]:
        """The peers that report it while we don't."""
        return tuple(peer for peer in ("testssl", "sslscan") if getattr(self, peer) and not self.ours)


@cache
def weaknesses() -> tuple[Weakness, ...]:
    """Return the rows of ``tls.toml``."""
    return tuple(
        Weakness(row["name"], tuple(row["ours"]), tuple(row["testssl"]), row["sslscan"])
        for row in table_of("tls.toml")["weakness"]
    )


def main() -> int:
    """Run what is missing, write the table into the documentation, and tell what is unexplained."""
    console = Console()
    COMPARISON.run(CASES, _compare, console)
    seen = [_load(name) for name in CASES]
    rows = [row for each in seen for row in rows_of(each)]
    COMPARISON.write(_tables(rows, seen))
    problems = [*unknown_words(seen), *_unexplained(rows)]
    for problem in problems:
        console.print(problem, style="red", markup=False)
    console.print(_sums(rows), markup=False)
    return 1 if problems else 0


def _compare(name: str) -> dict[str, Any]:
    """Let all three look at one case's server, each alone."""
    paths = {weakness.name: weakness.sslscan for weakness in weaknesses()}
    with started(name) as (case, folder):
        port = _port(case)
        verdict = inspected(case, profile=Profile.DEEP)
        scanned = sslscan(case.address, port, case.hostname or "", folder, paths)
        tested = testssl(case.address, port, case.hostname or "", folder)
    return asdict(
        Seen(
            case=name,
            ours=tuple(sorted({finding.check for finding in verdict.findings})),
            testssl=tuple(sorted(tested.reported)) if tested.inspected else None,
            sslscan=tuple(sorted(scanned.reported)) if scanned.inspected else None,
        )
    )


def _port(case: LabCase) -> int:
    return int(case.ports.removeprefix("T:").partition(",")[0])


def _load(name: str) -> Seen:
    kept = COMPARISON.load(name)
    testssl_said, sslscan_said = (None if kept[peer] is None else tuple(kept[peer]) for peer in ("testssl", "sslscan"))
    return Seen(kept["case"], tuple(kept["ours"]), testssl_said, sslscan_said)


def rows_of(seen: Seen) -> Iterator[Row]:
    """Yield a row for every weakness that at least one of the three reports."""
    for weakness in weaknesses():
        row = Row(
            seen.case,
            weakness.name,
            ours=bool({*weakness.ours} & {*seen.ours}),
            testssl=None if seen.testssl is None else bool({*weakness.testssl} & {*seen.testssl}),
            sslscan=None if seen.sslscan is None else weakness.name in seen.sslscan,
        )
        if row.ours or row.testssl or row.sslscan:
            yield row


def unknown_words(seen: Iterable[Seen]) -> list[str]:
    """Return the ids that testssl.sh reports and the table doesn't know: nothing a peer says is passed over."""
    known = {word for weakness in weaknesses() for word in weakness.testssl}
    words = {word for each in seen for word in each.testssl or ()} - known
    return [f"testssl.sh reports {word}, which tests/compare/tls.toml does not know." for word in sorted(words)]


def _unexplained(rows: Iterable[Row]) -> list[str]:
    """Return what a peer reports, we don't, and nobody has explained."""
    return [
        unexplained(row.case, row.weakness, peer)
        for row in rows
        for peer in row.they_more
        if why(row.case, row.weakness, peer) is None
    ]


def _sums(rows: list[Row]) -> str:
    lines = ["| beside | agree | we more | they more | they did not inspect |", "|---|---|---|---|---|"]
    for peer, label in (("testssl", "testssl.sh"), ("sslscan", "sslscan")):
        lines.append(row_of(label, *counts((row.ours, getattr(row, peer)) for row in rows)))
    return "\n".join(lines)


def _tables(rows: list[Row], seen: list[Seen]) -> str:
    mark = {True: "yes", False: "–", None: "not inspected"}
    lines = [
        f"{len(seen)} servers, {len(rows)} weaknesses that at least one of the three reports.",
        "",
        _sums(rows),
        "",
    ]
    lines += ["| server | weakness | Roundsman | testssl.sh | sslscan | why |", "|---|---|---|---|---|---|"]
    for row in rows:
        if row.ours and row.testssl and row.sslscan is not False:
            continue
        reasons = (why(row.case, row.weakness, peer) for peer in row.they_more)
        because = "; ".join(dict.fromkeys(filter(None, reasons)))
        lines.append(row_of(row.case, row.weakness, mark[row.ours], mark[row.testssl], mark[row.sslscan], because))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
