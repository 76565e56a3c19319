"""What it takes to remove what was kept long enough: ``python -m tests.bench.swept``, over a database that was filled.

The sweep is the product's own. Beside it stands what the server alone takes for the same rows of one table: deleted in
one statement and vacuumed, or dropped as a table of their own, as a partition would be. Prints its figures as JSON.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from tests.bench.replayed import memory, server_seconds, sizes


@dataclass(frozen=True, slots=True)
class Swept:
    """Processor seconds here and in the server, and MB (10⁶ bytes) written to its log and of the table then."""

    rows: int
    seconds: float
    server: float
    wal_mb: float
    table_mb: float
    memory_mb: float


def main() -> int:
    """Sweep, and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", type=int, required=True, help="process number of the PostgreSQL server")
    server = parser.parse_args().server
    from scanner.settings import prepare

    prepare()
    print(json.dumps({name: asdict(each) for name, each in _all(server).items()}))
    return 0


def _all(server: int) -> dict[str, Swept]:
    from django.db import connection

    def told(*statements: str) -> Callable[[], int]:
        def tell() -> int:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return max(0, int(cursor.rowcount))

        return tell

    old = "SELECT * FROM rounds_hostresult WHERE round_id < (SELECT max(id) - 14 FROM rounds_round)"
    for name in ("deleted", "dropped"):
        rows = told(f"CREATE TABLE {name} (LIKE rounds_hostresult INCLUDING ALL)", f"INSERT INTO {name} {old}")()
    told("VACUUM ANALYZE", "CHECKPOINT")()
    found = {"swept": _measured(_sweep, server, "rounds_hostresult")}
    found["deleted"] = _measured(lambda: told("DELETE FROM deleted", "VACUUM deleted")() or rows, server, "deleted")
    found["dropped"] = _measured(lambda: told("DROP TABLE dropped")() or rows, server, "dropped")
    return found


def _sweep() -> int:
    from scanner.upkeep.retention import Policy, What, prune
    from tests.bench.living import START

    return prune(START + dt.timedelta(days=7), Policy.of_settings(), rest=lambda _: None).counts[What.RESULTS]


def _measured(do: Callable[[], int], server: int, table: str) -> Swept:
    before, used, began = sizes(), server_seconds(server), time.process_time()
    rows = do()
    after: Any = sizes()
    return Swept(
        rows,
        time.process_time() - began,
        server_seconds(server) - used,
        (after.wal - before.wal) / 1e6,
        after.tables.get(table, 0) / 1e6,
        memory(),
    )


if __name__ == "__main__":
    sys.exit(main())
