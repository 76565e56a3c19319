"""Redis in every state of openness."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.lab.case import LabCase, Start, process, program


def _redis(port: int, *options: str) -> Start:
    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        command = [program("redis-server"), "--bind", address, "--port", str(port), "--save", "", *options]
        with process(command, folder=folder, wait_for=(address, port)):
            yield

    return start


CASES = (
    LabCase(
        name="redis-open",
        address="127.10.1.1",
        ports="6379",
        start=_redis(6379, "--protected-mode", "no"),
        expected=frozenset({(6379, "SVC-REDIS-UNAUTH")}),
        services=frozenset({(6379, "redis")}),
    ),
    LabCase(
        name="redis-password-odd-port",
        address="127.10.1.2",
        ports="7777",
        start=_redis(7777, "--requirepass", "only-for-the-lab"),
        expected=frozenset({(7777, "SVC-REDIS-EXPOSED")}),
        silent=frozenset({"SVC-REDIS-UNAUTH"}),
        services=frozenset({(7777, "redis")}),
    ),
    LabCase(
        name="redis-acl-ping-only",
        address="127.10.1.3",
        ports="6379",
        start=_redis(6379, "--protected-mode", "no", "--user", "default on nopass -@all +ping"),
        expected=frozenset({(6379, "SVC-REDIS-EXPOSED")}),
        silent=frozenset({"SVC-REDIS-UNAUTH"}),
    ),
)
