"""Our hello sweep of many TLS servers in one process: connections, processor time, wall-clock time and memory.

Run as a program (``python -m tests.bench.sweep COUNT``) it sweeps the first ``COUNT`` servers and prints its figures as
JSON, so that nothing else is measured with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from scanner.engine.facts.tls import TlsFacts
from scanner.engine.inspect import HOSTS_AT_ONCE
from scanner.engine.model import Endpoint, Level, Target
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.dial import Dialer
from scanner.engine.probes.tls_hello import look
from tests.bench.measure import connections_opened
from tests.lab.lab_ca import INTERMEDIATE, issue, rsa_key
from tests.lab.tls_servers import nginx_server, run_nginx, write_pair

SERVERS = 128
PEER_SERVERS = 8
"""sslyze needs half a second of a core for each; its figures are scaled up from these."""
_NAME = "bench.lab"


@dataclass(frozen=True, slots=True)
class Swept:
    """Figures of one run over ``servers``. Memory is the peak of the resident set, in MB (10⁶ bytes)."""

    servers: int
    connections: int
    cpu_seconds: float
    seconds: float
    peak_mb: float

    def allowed(self) -> bool:
        """Tell whether the run stays within three times what a bare trial of the idea took."""
        return (
            self.connections <= 105 * self.servers
            and self.cpu_seconds <= 0.024 * self.servers
            and self.seconds <= 6.3 * self.servers / 128
            and self.peak_mb <= 90
        )


def where(number: int) -> tuple[str, int]:
    """Return the address and port of a server."""
    return f"127.40.0.{number + 1}", 8443


@contextlib.contextmanager
def servers(folder: Path, count: int) -> Iterator[None]:
    """Run nginx with ``count`` server blocks: TLS 1.0 to 1.3, an RSA key, OpenSSL's usual suites."""
    write_pair(folder, issue(_NAME, INTERMEDIATE, names=[_NAME], key=rsa_key(2048)))
    directives = "ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3; ssl_ciphers DEFAULT@SECLEVEL=0;"
    blocks = (nginx_server(f"{address}:{port} ssl", directives) for address, port in map(where, range(count)))
    with run_nginx(*where(0), folder, "".join(blocks)):
        yield


def sweep(count: int) -> Swept:
    """Sweep the servers in a process of its own, and return its figures. Raises ``RuntimeError`` when it fails."""
    command = [sys.executable, "-m", "tests.bench.sweep", str(count)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise RuntimeError(f"The sweep ended with status {run.returncode}: {run.stderr[-2000:]}")
    return Swept(**json.loads(run.stdout))


def sslyze(count: int) -> Swept:
    """Let sslyze ask the same of ``count`` servers. Nothing else of this network namespace may connect meanwhile."""
    command = [sys.executable, "-m", "tests.compare.oracle_sslyze", "5"]
    asked = json.dumps([(*where(number), _NAME) for number in range(count)])
    before, opened = resource.getrusage(resource.RUSAGE_CHILDREN), connections_opened()
    started = time.monotonic()
    subprocess.run(command, input=asked, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    seconds = time.monotonic() - started
    return Swept(count, connections_opened() - opened, used, seconds, after.ru_maxrss * 1024 / 1e6)


async def _sweep_all(count: int) -> list[TlsFacts]:
    lanes = asyncio.Semaphore(HOSTS_AT_ONCE)

    async def one(number: int) -> TlsFacts:
        async with lanes:
            address, port = where(number)
            contact = Contact(
                Dialer(lambda _: None), Target(_NAME, address, _NAME), Endpoint(address, port), Level.GREETING
            )
            return await look(contact, server_name=_NAME)

    return await asyncio.gather(*(one(number) for number in range(count)))


def main() -> None:
    """Sweep, and print the figures of this process."""
    count = int(sys.argv[1])
    before, started = time.process_time(), time.monotonic()
    facts = asyncio.run(_sweep_all(count))
    swept = Swept(
        servers=count,
        connections=sum(each.connections for each in facts),
        cpu_seconds=time.process_time() - before,
        seconds=time.monotonic() - started,
        peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
    )
    if not all(each.complete and each.suites for each in facts):
        raise SystemExit("Not every server was swept to the end.")
    print(json.dumps(asdict(swept)))


if __name__ == "__main__":
    main()
