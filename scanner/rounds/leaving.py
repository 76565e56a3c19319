"""Runs the one thing that a process is for, and ends the process with it."""

from __future__ import annotations

import asyncio
import os
import traceback
from collections.abc import Coroutine
from typing import Any, NoReturn

import uvloop


def run_and_leave(main: Coroutine[Any, Any, None]) -> NoReturn:
    """Run ``main`` in an event loop of uvloop, and end the process with status 0; an error is told on standard error.

    The loop is left as it is. To close it would mean to wait for threads that still wait for something, and uvloop
    can't while a TLS connection is on its way out (EBUSY); the kernel closes all of it anyway. So ``main`` must have
    sent what it has to say, and ended what it began.
    """
    try:
        uvloop.new_event_loop().run_until_complete(main)
    except asyncio.CancelledError:
        pass  # whoever told it to end need not hear that it did
    except BaseException:  # noqa: BLE001 - whatever it was, a forked process must not go on as its parent would
        traceback.print_exc()
    finally:
        os._exit(0)
