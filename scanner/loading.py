"""Loads code without searching it for garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """Let no garbage be searched for while code is loaded, which makes none and stays: a seventh of a start's time."""
    if not gc.isenabled():  # a block around this one says when it is over
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
