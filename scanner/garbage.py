"""How often a process that looks at hosts, or runs for months, looks for garbage that refers to itself."""

from __future__ import annotations

import gc

_YOUNG = 50_000
"""Objects that come up, more than go, before the young ones are looked through. Python's 700 are the facts of one host:
a tenth of a round's time went into looking through what was still in use."""


def settle(*, cleaned: bool = True) -> None:
    """Leave out, from now on, what was loaded at the start and stays, and look through the rest less often.

    What is garbage by then is ``cleaned`` away before, which takes longer than it is worth to a process that soon ends.
    """
    if cleaned:
        gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])
