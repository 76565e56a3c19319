"""Draws an SVG logo as PNG, for office programs that may know no SVG.

A drawing can ask for any time and memory, and then takes its process with it: so this module is run as a program of its
own, within limits. It reads SVG from standard input and writes PNG to standard output.
"""

from __future__ import annotations

import resource
import subprocess
import sys

from scanner.engine.errors import InputError

WIDTH, HEIGHT = 708, 212
"""Pixels into which a drawing is fitted: 60 by 18 mm at 300 dots an inch."""

SANS, SERIF = "Noto Sans CJK SC", "Noto Serif CJK SC"
"""Debian's fonts for Chinese and Latin (``fonts-noto-cjk``), in which PDF are set, too."""

SECONDS = 10
MEMORY = 2**30
"""Bytes of address space; the fonts of the system are mapped into it."""


def drawn(svg: bytes) -> bytes:
    """Return the drawing as PNG. Raises ``InputError`` when it can't be drawn within the limits."""
    command = [sys.executable, "-P", "-m", __name__]
    try:
        done = subprocess.run(command, input=svg, capture_output=True, timeout=2 * SECONDS, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise InputError("can't be drawn within the limits of time and memory") from error
    return done.stdout


def main() -> None:
    """Draw standard input on standard output."""
    import resvg_py  # here, as nobody but this program needs it

    for limit, most in ((resource.RLIMIT_CPU, SECONDS), (resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(limit, (most, most))
    svg = sys.stdin.buffer.read().decode("utf-8")
    picture = resvg_py.svg_to_bytes(
        svg_string=svg,
        width=WIDTH,
        height=HEIGHT,
        font_family=SANS,
        sans_serif_family=SANS,
        serif_family=SERIF,
    )
    sys.stdout.buffer.write(picture)


if __name__ == "__main__":
    main()
