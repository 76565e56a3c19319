"""Awaits what is asked side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any


async def all_of(questions: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Await all of them, then raise the first error: nothing goes on behind the back of whoever handles it."""
    for result in await asyncio.gather(*questions, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
