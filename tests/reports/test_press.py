"""PDF for who waits in a browser: in a process of its own, one at a time, and nobody waits long."""

from __future__ import annotations

import resource
import subprocess
import sys
from threading import Event, Thread

import pytest

from scanner.engine.errors import InputError
from scanner.reports import press
from scanner.reports.pdf import LibraryMissingError
from scanner.reports.press import NotYetError, Press, made_apart

PAGE = "<!doctype html><html lang='en'><title>Notice</title><h1>Notice 通知</h1></html>"


def test_a_page_becomes_a_pdf_in_another_process() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    assert made_apart(PAGE).startswith(b"%PDF-1.7")
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime > before


@pytest.mark.parametrize(
    ("status", "output", "error"),
    [(3, b"", LibraryMissingError), (1, b"", InputError), (-9, b"%PDF-", InputError), (0, b"", InputError)],
)
def test_what_becomes_of_the_process_is_told(
    monkeypatch: pytest.MonkeyPatch, status: int, output: bytes, error: type[Exception]
) -> None:
    done = subprocess.CompletedProcess([], status, output, b"no Pango")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    with pytest.raises(error):
        made_apart(PAGE)


def test_one_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(press, "SECONDS", 0.05)
    monkeypatch.setattr(sys, "executable", "/bin/yes")
    with pytest.raises(InputError, match="limits of time"):
        made_apart(PAGE)


class Slow:
    """Makes PDF as soon as it may; counts them."""

    def __init__(self) -> None:
        self.go_on, self.made = Event(), 0

    def __call__(self, page: str) -> bytes:
        assert self.go_on.wait(30)
        self.made += 1
        return page.encode()


def test_one_is_made_at_a_time_and_stays_until_it_is_fetched() -> None:
    slow = Slow()
    made = Press(slow)
    for _ in range(2):
        with pytest.raises(NotYetError) as waiting:
            made.pdf("a", lambda: "page a", 0.01)
        assert waiting.value.mine
    with pytest.raises(NotYetError) as other:
        made.pdf("b", lambda: "page b", 30)
    assert not other.value.mine
    slow.go_on.set()
    assert made.pdf("a", lambda: "never asked for", 30) == b"page a"
    assert made.pdf("b", lambda: "page b", 30) == b"page b"
    assert slow.made == 2


def test_no_more_than_one_thread_waits_for_it() -> None:
    slow = Slow()
    made = Press(slow)
    got: list[bytes] = []
    first = Thread(target=lambda: got.append(made.pdf("a", lambda: "page a", 30)))
    first.start()
    while made._sheet is None or not made._sheet.awaited:
        first.join(0.01)
    with pytest.raises(NotYetError):
        made.pdf("a", lambda: "page a", 30)
    slow.go_on.set()
    first.join(30)
    assert got == [b"page a"]


def test_a_failure_is_told_once_and_keeps_the_press_from_nothing() -> None:
    def fails(_: str) -> bytes:
        raise InputError("too large")

    made = Press(fails)
    for _ in range(2):
        with pytest.raises(InputError, match="too large"):
            made.pdf("a", lambda: "page", 30)

    def broken() -> str:
        raise ValueError("no page")

    with pytest.raises(ValueError, match="no page"):
        made.pdf("b", broken, 30)
    made._make = str.encode
    assert made.pdf("b", lambda: "page", 30) == b"page"
