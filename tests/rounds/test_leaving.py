"""A process that probes ends with what it was for, whatever its event loop still holds."""

from __future__ import annotations

import subprocess
import sys

import pytest

from scanner.installation import ROOT

SCRIPT = """
import asyncio, errno, threading, time

import uvloop

from scanner.rounds.leaving import run_and_leave

class Busy(asyncio.SelectorEventLoop):
    def close(self):
        raise OSError(errno.EBUSY, "a TLS connection is on its way out")

uvloop.new_event_loop = Busy

async def look():
    asyncio.get_running_loop().run_in_executor(None, time.sleep, 60)
    print("seen", flush=True)
    {ends}

run_and_leave(look())
print("went on")
"""


@pytest.mark.parametrize(
    ("ends", "told"),
    [("return", ""), ("raise asyncio.CancelledError", ""), ("raise LookupError('no host')", "LookupError: no host")],
)
def test_a_loop_that_can_not_be_closed_and_a_thread_that_waits_cost_no_result(ends: str, told: str) -> None:
    command = [sys.executable, "-c", SCRIPT.format(ends=ends)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert (ended.returncode, ended.stdout) == (0, "seen\n")
    assert ended.stderr.strip().endswith(told)
    assert bool(ended.stderr) == bool(told)
