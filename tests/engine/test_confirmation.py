"""Confirmed means observed twice: what a server shows on one connection and not on the next is not confirmed."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.engine.judge import judge
from scanner.engine.model import Confidence, GapReason
from tests.engine.test_inspect import look, plan_for
from tests.lab.http_answers import Reply, answers, page
from tests.lab.scripted import listening

pytestmark = pytest.mark.lab

OPEN = b"$22\r\nredis_version:7.0.15\r\n\r\n"
DENIED = b"-NOAUTH Authentication required.\r\n"
CHECK = "SVC-REDIS-UNAUTH"


@contextlib.contextmanager
def redis(address: str, served: int, *, then_closes: bool = False) -> Iterator[None]:
    """A scripted Redis (replies as of 7.0) whose INFO serves the first ``served`` askers and turns others away."""
    asked = 0
    lock = threading.Lock()

    def talk(connection: socket.socket) -> None:
        nonlocal asked
        request = connection.recv(4096)
        if request.startswith(b"PING"):
            connection.sendall(b"+PONG\r\n")
        elif request.startswith(b"INFO"):
            with lock:
                asked += 1
                serves = asked <= served
            if serves or not then_closes:
                connection.sendall(OPEN if serves else DENIED)

    with listening(address, 6379, talk):
        yield


@pytest.mark.parametrize(
    ("served", "then_closes", "confidence"),
    [(9, False, Confidence.CONFIRMED), (1, False, Confidence.POSSIBLE), (1, True, Confidence.PROBABLE)],
    ids=["open both times", "open once, then closed to us", "open once, then broken off"],
)
def test_only_what_is_seen_on_a_second_connection_is_confirmed(
    served: int, then_closes: bool, confidence: Confidence
) -> None:
    with redis("127.31.0.9", served, then_closes=then_closes):
        [inspection] = look(plan_for("127.31.0.9", ports="T:6379"))
    found = {finding.check: finding.confidence for finding in judge(inspection)}
    assert found[CHECK] is confidence


_ENV = b"APP_ENV=production\nDB_PASSWORD=only-for-the-lab\n"


def test_what_lies_beside_a_first_page_that_is_out_of_order_is_confirmed(tmp_path: Path) -> None:
    """Both looks see as little of the page, and as much of what lies beside it."""
    replies = {"GET /": page("Maintenance", "", 503), "GET /.env": Reply(200, _ENV)}
    with answers(8080, replies, page("Not Found", "", 404))("127.31.0.10", tmp_path):
        [inspection] = look(plan_for("127.31.0.10", ports="T:8080"))
    found = {finding.check: finding.confidence for finding in judge(inspection)}
    assert found["WEB-ENV"] is Confidence.CONFIRMED
    assert GapReason.PAGE_UNSEEN in {gap.reason for gap in inspection.coverage.gaps}
