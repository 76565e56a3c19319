"""The event loop that the engine runs on: uvloop, which spends a fifth less of a processor on an inspection."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

_T = TypeVar("_T")


def new_runner() -> asyncio.Runner:
    """Return what runs the parts of an inspection one after the other; use it as a context manager."""
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """Run ``work`` to its end in a loop of its own, and return what it returns; Ctrl-C cancels it."""
    with new_runner() as runner:
        return runner.run(work)
