"""Sites that refuse, limit or block us: what is asked again, and what counts as not inspected."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.engine.probes import http_asking, http_session
from tests.engine.http_site import answer, look, serving
from tests.lab import web_sites as sites

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("status", ["403 Forbidden", "429 Too Many Requests", "503 Busy"])
def test_a_server_that_refuses_everything_is_blocked_and_soon_left_alone(tmp_path: Path, status: str) -> None:
    with serving(lambda _: iter([answer(status=status)]), tmp_path):
        facts = look()
    assert facts.blocked
    assert facts.requests <= 4


@pytest.mark.parametrize("refusal", ["403 Forbidden", "405 Method Not Allowed", "200 OK", "302 Found"])
def test_a_firewall_that_loses_patience_is_noticed(tmp_path: Path, refusal: str) -> None:
    count = 0

    def reply(_: bytes) -> Iterator[bytes]:
        nonlocal count
        count += 1
        yield answer(status="404 Not Found" if count < 12 else refusal)

    with serving(reply, tmp_path):
        assert look().blocked


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
def test_what_a_limiter_turned_away_is_asked_again(
    tmp_path: Path, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_asking, "LIMITED_PAUSE", 0.01)
    monkeypatch.setattr(http_session, "SLOW_RATE", 1000.0)
    turned_away: list[bytes] = []

    def reply(request: bytes) -> Iterator[bytes]:
        path = request.split()[1]
        if path in (b"/.env", b"/web.config") and path not in turned_away:
            turned_away.append(path)
            yield answer(status=status)
        else:
            found = path == b"/.env"
            yield answer(sites.ENV.encode(), headers="Content-Type: text/plain") if found else answer(status="404 No")

    with serving(reply, tmp_path):
        facts = look()
    assert [path.kind for path in facts.exposed] == ["env"]
    assert facts.complete


def test_what_a_limiter_turns_away_twice_is_not_inspected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_asking, "LIMITED_PAUSE", 0.01)
    monkeypatch.setattr(http_session, "SLOW_RATE", 1000.0)

    def reply(request: bytes) -> Iterator[bytes]:
        limited = request.split()[1] == b"/backup.zip"
        yield answer(status="503 Service Unavailable" if limited else "404 Not Found")

    with serving(reply, tmp_path):
        facts = look()
    assert not facts.complete
    assert "/backup.zip" in facts.ended


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
def test_methods_that_a_balancer_can_hand_to_nobody_are_refused_and_no_limiter(
    status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_asking, "LIMITED_PAUSE", 0.1)

    def reply(request: bytes) -> Iterator[bytes]:
        pages = "200 OK" if request.startswith(b"GET / ") else "404 Not Found"
        yield answer(status=pages if request.startswith(b"GET ") else status)

    started = time.monotonic()
    with serving(reply, tmp_path) as asked:
        facts = look()
    assert time.monotonic() - started < 5, "it was asked slowly, as if it limited us"
    assert [asked.count(f"{method} / HTTP/1.1") for method in ("TRACE", "OPTIONS")] == [2, 2]
    assert (facts.complete, facts.blocked, facts.trace, facts.methods) == (True, False, False, ())


def test_a_limiter_that_turns_pages_away_too_leaves_the_methods_unanswered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_asking, "LIMITED_PAUSE", 0.1)
    monkeypatch.setattr(http_session, "SLOW_RATE", 50.0)
    limited: list[bytes] = []

    def reply(request: bytes) -> Iterator[bytes]:
        if request.startswith(b"TRACE ") or 0 < len(limited) < 3:
            limited.append(request)
            yield answer(status="503 Service Unavailable")
        else:
            yield answer(status="200 OK" if request.startswith(b"GET / ") else "404 Not Found")

    with serving(reply, tmp_path):
        facts = look()
    assert [request.split()[0] for request in limited] == [b"TRACE", b"TRACE", b"GET"]
    assert (facts.complete, facts.ended) == (False, "No valid answer for /.")


def test_a_limiter_behind_the_first_page_is_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_asking, "LIMITED_PAUSE", 0.01)
    monkeypatch.setattr(http_session, "SLOW_RATE", 1000.0)

    def reply(request: bytes) -> Iterator[bytes]:
        yield answer(status="200 OK" if request.startswith(b"GET / ") else "429 Too Many Requests")

    with serving(reply, tmp_path):
        facts = look()
    assert facts.blocked
    assert facts.requests < 10


def test_a_limiter_that_stays_is_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_asking, "LIMITED_PAUSE", 0.01)
    monkeypatch.setattr(http_session, "SLOW_RATE", 1000.0)
    count = 0

    def reply(_: bytes) -> Iterator[bytes]:
        nonlocal count
        count += 1
        yield answer(status="404 Not Found" if count < 12 else "429 Too Many Requests")

    with serving(reply, tmp_path):
        facts = look()
    assert facts.blocked
    assert not facts.complete
    assert facts.requests < 25
