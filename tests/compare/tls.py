"""``make compare-tls``: our verdicts beside testssl.sh's and sslscan's over TLS servers of the lab.

Every run is kept in ``var/compare-tls/``, so that a broken-off comparison goes on where it stopped; ``--fresh`` begins
anew. It ends with status 1 when a peer reports a weakness that we don't and ``explained.toml`` gives no reason.
"""

from __future__ import annotations

import json
import shutil
import sys
import tomllib
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from rich.console import Console

from scanner.engine.plan import Profile
from tests.compare.tls_peers import sslscan, testssl
from tests.lab import namespace
from tests.lab.case import LabCase, case_folder
from tests.lab.check import inspected
from tests.lab.registry import all_cases

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "var" / "compare-tls"
PAGE = ROOT / "docs" / "comparisons.md"
BEGIN, END = "<!-- compare-tls -->", "<!-- end of compare-tls -->"
AT_ONCE = 2
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
    table = tomllib.loads(Path(__file__).with_name("tls.toml").read_text(encoding="utf-8"))
    return tuple(
        Weakness(row["name"], tuple(row["ours"]), tuple(row["testssl"]), row["sslscan"]) for row in table["weakness"]
    )


@cache
def explained() -> dict[tuple[str, str, str], str]:
    """Return why a peer's report is no weakness, by (case or ``*``, weakness, peer)."""
    table = tomllib.loads(Path(__file__).with_name("explained.toml").read_text(encoding="utf-8"))
    return {(row["case"], row["weakness"], row["peer"]): row["why"] for row in table["tls"]}


def main() -> int:
    """Run what is missing, write the table into the documentation, and tell what is unexplained."""
    console = Console()
    if "--fresh" in sys.argv:
        shutil.rmtree(KEPT, ignore_errors=True)
    KEPT.mkdir(parents=True, exist_ok=True)
    missing = [name for name in CASES if not (KEPT / f"{name}.json").is_file()]
    console.print(f"{len(CASES)} servers, {len(missing)} of them still to be compared (about 50 seconds each).")
    with ProcessPoolExecutor(AT_ONCE, initializer=namespace.enter) as pool:
        for number, done in enumerate(as_completed([pool.submit(_compare, name) for name in missing]), start=1):
            console.print(f"[{number}/{len(missing)}] {done.result()}", markup=False)
    seen = [_load(name) for name in CASES]
    rows = [row for each in seen for row in rows_of(each)]
    _write(rows, seen)
    problems = [*unknown_words(seen), *unexplained(rows)]
    for problem in problems:
        console.print(problem, style="red", markup=False)
    console.print(_sums(rows), markup=False)
    return 1 if problems else 0


def _compare(name: str) -> str:
    """Let all three look at one case's server, each alone, and keep what they said."""
    case = next(case for case in all_cases() if case.name == name)
    folder = case_folder(f"compare-{name}")
    paths = {weakness.name: weakness.sslscan for weakness in weaknesses()}
    try:
        with case.start(case.address, folder):
            port = _port(case)
            findings = inspected(case, profile=Profile.DEEP)
            scanned = sslscan(case.address, port, case.hostname or "", folder, paths)
            tested = testssl(case.address, port, case.hostname or "", folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    seen = Seen(
        case=name,
        ours=tuple(sorted({finding.check for finding in findings})),
        testssl=tuple(sorted(tested.reported)) if tested.inspected else None,
        sslscan=tuple(sorted(scanned.reported)) if scanned.inspected else None,
    )
    (KEPT / f"{name}.json").write_text(json.dumps(asdict(seen)), encoding="utf-8")
    return name


def _port(case: LabCase) -> int:
    return int(case.ports.removeprefix("T:").partition(",")[0])


def _load(name: str) -> Seen:
    kept = json.loads((KEPT / f"{name}.json").read_text(encoding="utf-8"))
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


def unexplained(rows: Iterable[Row]) -> list[str]:
    """Return what a peer reports, we don't, and nobody has explained."""
    return [
        f"{row.case}: {peer} reports '{row.weakness}', we don't, and tests/compare/explained.toml doesn't say why."
        for row in rows
        for peer in row.they_more
        if _why(row, peer) is None
    ]


def _why(row: Row, peer: str) -> str | None:
    return explained().get((row.case, row.weakness, peer)) or explained().get(("*", row.weakness, peer))


def _sums(rows: list[Row]) -> str:
    lines = ["| beside | agree | we more | they more | they did not inspect |", "|---|---|---|---|---|"]
    for peer, label in (("testssl", "testssl.sh"), ("sslscan", "sslscan")):
        said = [(row.ours, getattr(row, peer)) for row in rows]
        counts = [said.count(pair) for pair in ((True, True), (True, False), (False, True), (True, None))]
        lines.append(f"| {label} | " + " | ".join(map(str, counts)) + " |")
    return "\n".join(lines)


def _write(rows: list[Row], seen: list[Seen]) -> None:
    """Put the tables between the marks in docs/comparisons.md."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n\n{_tables(rows, seen)}\n\n{END}{after}", encoding="utf-8")


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
        why = "; ".join(dict.fromkeys(reason for peer in row.they_more if (reason := _why(row, peer))))
        cells = (row.case, row.weakness, mark[row.ours], mark[row.testssl], mark[row.sslscan], why)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
