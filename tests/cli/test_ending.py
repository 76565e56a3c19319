"""A command that runs for good ends when it is told to, whichever of its threads the system tells."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

PROGRAM = """
import signal, threading
from scanner.cli.ending import ended_by_signal
ended = ended_by_signal()
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})  # so that another thread is told
print("runs", flush=True)
ended.wait()
print("ended", flush=True)
threading.Event().wait()  # as long as what is in work
"""


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=-1, stderr=-1, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "runs\n"
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_another_thread_gets_ends_it_and_a_second_ends_it_at_once(
    process: subprocess.Popen[str], number: signal.Signals
) -> None:
    process.send_signal(number)
    assert process.stdout is not None
    assert process.stdout.readline() == "ended\n"
    process.send_signal(number)
    assert process.wait(20) == 1
    assert process.stderr is not None
    told = process.stderr.read()
    assert "Ending: what is in work is put back." in told
    assert f"Ended at once by a second {number.name}." in told


STUCK = """
import threading
from scanner.cli import ending
ending.LONGEST = 0.2
ended = threading.Event()
ended.set()
with ending.in_time(ended):
    threading.Event().wait()  # as for a server that has fallen silent
"""


def test_what_does_not_come_to_an_end_in_time_is_broken_off() -> None:
    done = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=30, check=True)
    assert "gone on with at the next start" in done.stderr
