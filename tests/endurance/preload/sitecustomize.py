"""Python's start-up file in processes that live by libfaketime.

``time.sleep`` sleeps until a moment of the monotonic clock, which libfaketime 0.9.10 takes for one of the faked clock:
clock_nanosleep(2) then fails with EINVAL. Waiting for something that never comes is not so misunderstood.
"""

import threading
import time
from typing import SupportsIndex


def _sleep(seconds: SupportsIndex | float) -> None:
    threading.Event().wait(float(seconds))


time.sleep = _sleep
