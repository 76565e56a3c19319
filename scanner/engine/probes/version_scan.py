"""What only nmap can name: ``nmap -sV`` over the ports that our own first look left unknown, in groups.

No script of nmap's is asked for, but ``-sV`` runs the ``version`` scripts of whatever it recognises; the ports where
those would act on the target (printers, MQTT, industrial control) are left out.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from scanner.engine.errors import ToolError
from scanner.engine.hostile import line
from scanner.engine.model import Endpoint
from scanner.engine.probes.identify import CONTROL_PORTS, PRINT_PORTS
from scanner.engine.probes.nmap import run_nmap

NEVER = PRINT_PORTS | CONTROL_PORTS | {1883, 8883}
"""Ports where nmap's version probes or scripts print, talk to a controller, or (MQTT) subscribe to messages."""

GATHER = 0.4
"""Seconds to gather ports into one group: nmap costs per process, not per port."""

SURE = 8
"""nmap's confidence (0-10) from which a name comes from a probe's answer and not from the port table."""


@dataclass(frozen=True, slots=True)
class NamedByNmap:
    """nmap's own answer for a port: its service name, and product, version and CPEs where its probe matched."""

    protocol: str
    product: str = ""
    version: str = ""
    cpe: tuple[str, ...] = ()
    tls: bool = False


class VersionScanner:
    """Gathers unknown ports over all hosts and asks nmap about them a group at a time."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._waiting: dict[Endpoint, asyncio.Future[NamedByNmap | None]] = {}
        self._round: asyncio.Task[None] | None = None

    async def name(self, endpoint: Endpoint) -> NamedByNmap | None:
        """Return nmap's name for an open TCP port; None when it has none, or must not be asked (``NEVER``).

        Raises ``ToolError`` when nmap failed or ran out of time: then nothing is known.
        """
        if endpoint.port in NEVER:
            return None
        future: asyncio.Future[NamedByNmap | None] = asyncio.get_running_loop().create_future()
        self._waiting[endpoint] = future
        if self._round is None or self._round.done():
            self._round = asyncio.create_task(self._ask_all())
        return await future

    async def close(self) -> None:
        """End a running nmap."""
        if self._round is not None:
            self._round.cancel()
            await asyncio.gather(self._round, return_exceptions=True)

    async def _ask_all(self) -> None:
        await asyncio.sleep(GATHER)
        while self._waiting:
            batch, self._waiting = self._waiting, {}
            for six in (False, True):
                group = {endpoint: batch[endpoint] for endpoint in batch if (":" in endpoint.address) is six}
                if group:
                    await self._ask(group, six)

    async def _ask(self, group: dict[Endpoint, asyncio.Future[NamedByNmap | None]], six: bool) -> None:
        addresses = sorted({endpoint.address for endpoint in group})
        ports = sorted({endpoint.port for endpoint in group})
        options = ["-n", "-Pn", "-T4", "-sV", "--version-intensity", "5", "--max-retries", "1"]
        options += ["--min-parallelism", "64", "--host-timeout", f"{int(self._deadline)}s"]
        options += ["-p", ",".join(map(str, ports)), *(["-6"] if six else [])]
        try:
            document = await run_nmap(options, addresses, self._deadline + 15)
            named = _read(document)
        except ToolError as error:
            for future in group.values():
                if not future.done():
                    future.set_exception(error)
            return
        for endpoint, future in group.items():
            if not future.done():
                future.set_result(named[endpoint.address].get(endpoint.port))


def _read(document: Element) -> dict[str, dict[int, NamedByNmap]]:
    named: dict[str, dict[int, NamedByNmap]] = defaultdict(dict)
    for host in document.iter("host"):
        address = next(item.get("addr", "") for item in host.iter("address") if item.get("addrtype") != "mac")
        for port in host.iter("port"):
            service = port.find("service")
            if service is None or service.get("method") != "probed" or int(service.get("conf", "0")) < SURE:
                continue
            named[address][int(port.get("portid", "0"))] = NamedByNmap(
                protocol=line(service.get("name", "unknown"), 40),
                product=line(service.get("product", ""), 100),
                version=line(service.get("version", ""), 60),
                cpe=tuple(line(item.text or "", 120) for item in service.iter("cpe")),
                tls=service.get("tunnel") == "ssl",
            )
    return named
