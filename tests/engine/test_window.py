"""A host is asked more while it copes, and less once it, or the way to it, doesn't."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.engine.errors import ConnectionRefused
from scanner.engine.model import Endpoint
from scanner.engine.probes.dial import Dialer
from scanner.engine.probes.window import FIRST, LEAST, Turns, Window

EVENTS = st.lists(st.sampled_from(("accepted", "lost")), max_size=60)


def _after(events: list[str], most: int = 10) -> Window:
    window = Window(most)
    for event in events:
        window.accepted(80) if event == "accepted" else window.lost(window.losses)
    return window


@given(EVENTS, st.integers(1, 64))
def test_the_window_stays_within_its_bounds(events: list[str], most: int) -> None:
    assert min(LEAST, most) <= _after(events, most).allowed <= most


@given(EVENTS, st.integers(0, 60))
def test_one_loss_more_never_lets_a_host_be_asked_more(events: list[str], at: int) -> None:
    assert _after([*events[:at], "lost", *events[at:]]).size <= _after(events).size


@given(EVENTS)
def test_a_host_that_goes_on_accepting_gets_the_whole_window_in_the_end(events: list[str]) -> None:
    assert _after([*events, *["accepted"] * 100]).allowed == 10


def test_it_begins_low_and_doubles_with_what_was_accepted() -> None:
    assert _after([]).allowed == FIRST
    assert _after(["accepted"] * FIRST).allowed == 2 * FIRST


@given(st.integers(1, 10))
def test_one_loss_counts_once_for_all_that_were_open(together: int) -> None:
    window = _after(["accepted"] * 6)
    before = window.losses
    for _ in range(together):
        window.lost(before)
    assert (window.size, window.losses) == (5, 1)


def test_a_refusal_counts_only_where_the_port_had_let_us_in() -> None:
    window = Window(10)
    window.accepted(443)
    window.denied(80, window.losses)
    assert window.losses == 0
    window.denied(443, window.losses)
    assert window.losses == 1


def test_segments_that_were_sent_again_are_a_loss() -> None:
    window = Window(10)
    window.ended(0, 0.05, window.losses)
    window.ended(2, 0.2, window.losses)
    assert (window.losses, window.round_trip, window.is_far) == (1, 0.05, True)


def test_without_a_measure_no_host_is_far() -> None:
    assert not Window(10).is_far


def test_turns_come_in_order_and_follow_the_window() -> None:
    async def run() -> tuple[list[int], int]:
        turns, order, most = Turns(10), [], 0
        inside = 0

        async def one(number: int) -> None:
            nonlocal inside, most
            async with turns.turn():
                order.append(number)
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                turns.window.lost(turns.window.losses)
                inside -= 1

        await asyncio.gather(*(one(number) for number in range(12)))
        assert turns.idle
        return order, most

    order, most = asyncio.run(run())
    assert (order, most) == (list(range(12)), FIRST)


@given(st.lists(st.booleans(), min_size=8, max_size=8))
def test_who_is_cancelled_leaves_no_turn_behind(cancelled: list[bool]) -> None:
    async def run() -> int:
        turns, done = Turns(1), 0

        async def one() -> None:
            nonlocal done
            async with turns.turn():
                await asyncio.sleep(0)
                done += 1

        tasks = [asyncio.create_task(one()) for _ in cancelled]
        for task, now in zip(tasks, cancelled, strict=True):
            await asyncio.sleep(0)
            if now:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert turns.idle
        return done

    assert asyncio.run(run()) >= cancelled.count(False)


@contextlib.contextmanager
def _listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server


def test_a_port_that_begins_to_refuse_halves_the_window() -> None:
    async def run(server: socket.socket) -> list[int]:
        dialer, endpoint = Dialer(lambda _: None), Endpoint("127.0.0.1", server.getsockname()[1])
        window = dialer.window_of(endpoint)
        sizes = []
        for _ in range(6):
            async with dialer.connect(endpoint):
                pass
        sizes.append(window.allowed)
        server.close()
        with pytest.raises(ConnectionRefused):
            async with dialer.connect(endpoint):
                pass
        sizes.append(window.allowed)
        assert not window.is_far
        dialer.forget(endpoint.address)
        return [*sizes, dialer.window_of(endpoint).allowed]

    with _listening() as server:
        assert asyncio.run(run(server)) == [10, 5, FIRST]
