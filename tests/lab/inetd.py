"""inetd, for servers that expect their connection on standard input."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.lab.case import Start, process, program


def inetd(line: str, port: int) -> Start:
    """Run one line of inetd.conf; ``{address}`` is this case's."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        configuration = folder / "inetd.conf"
        configuration.write_text(line.format(address=address) + "\n")
        with process([program("inetd"), "-i", str(configuration)], folder=folder, wait_for=(address, port)):
            yield

    return start
