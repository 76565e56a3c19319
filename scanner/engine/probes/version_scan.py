"""What only nmap can name: ``nmap -sV`` over the ports that our own first look left unknown, in groups.

No script of nmap's is asked for, but ``-sV`` runs the ``version`` scripts of whatever it recognises; the ports where
those would act on the target (printers, MQTT, industrial control) are left out.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from scanner.engine.errors import RefusedByScope, ToolError
from scanner.engine.hostile import line
from scanner.engine.model import Endpoint
from scanner.engine.probes.dial import Gate, Pace
from scanner.engine.probes.identify import PRINT_PORTS
from scanner.engine.probes.nmap import run_nmap
from scanner.engine.probes.services.devices.registry import DEVICE_PORTS

NEVER = PRINT_PORTS | DEVICE_PORTS | {1883, 8883}
"""Ports where nmap's version probes or scripts print, talk to a device, or (MQTT) subscribe to messages."""

GATHER = 0.4
"""Seconds to gather ports into one group: nmap costs per process, not per port."""

AT_ONCE = 6
"""nmap processes at once."""

CONNECTIONS = 12
"""Connections that naming one port takes, roughly. nmap's --max-rate does not reach them (nmap(1)); so under a cap it
asks one port at a time, and all of ours wait for as long as these would take."""

SURE = 8
"""nmap's confidence (0-10) from which a name comes from a probe's answer and not from the port table."""


_HTTP_ANSWER = re.compile(r'%r\(\w+,[0-9A-F]+,"HTTP/1\\\.[01]\\x20\d{3}')
"""An answer in HTTP among those that nmap quotes when no match of its own fits."""


@dataclass(frozen=True, slots=True)
class NamedByNmap:
    """nmap's own answer for a port: its service name, and product, version and CPEs where its probe matched."""

    protocol: str
    product: str = ""
    version: str = ""
    cpe: tuple[str, ...] = ()
    tls: bool = False


Waiting = asyncio.Future[NamedByNmap | None]


class VersionScanner:
    """Gathers unknown ports over all hosts and asks nmap about them, a group of hosts at a time.

    nmap asks every port of its list on every host of its list, so a group has the same unknown ports on each host: a
    port that was named already, or that must not be touched, is never asked because another host has it unknown.
    """

    def __init__(self, deadline: float, gate: Gate, pace: Pace | None = None) -> None:
        self._deadline = deadline
        self._gate = gate
        self._pace = pace or Pace()
        self._slots = asyncio.Semaphore(1 if self._pace.is_capped else AT_ONCE)
        self._waiting: dict[Endpoint, Waiting] = {}
        self._round: asyncio.Task[None] | None = None

    async def name(self, endpoint: Endpoint) -> NamedByNmap | None:
        """Return nmap's name for an open TCP port; None when it has none, or must not be asked (``NEVER``).

        Raises ``ToolError`` when nmap failed or ran out of time: then nothing is known; ``RefusedByScope``.
        """
        if endpoint.port in NEVER:
            return None
        future: Waiting = asyncio.get_running_loop().create_future()
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
            async with asyncio.TaskGroup() as groups:
                for group in self._groups(batch):
                    groups.create_task(self._ask(group))

    def _groups(self, batch: dict[Endpoint, Waiting]) -> Iterable[dict[Endpoint, Waiting]]:
        """Split into groups of one IP version and the same ports; what is refused by now, or given up, is left out."""
        ports: dict[str, set[int]] = defaultdict(set)
        for endpoint, future in batch.items():
            refusal = self._gate(endpoint)
            if refusal is not None and not future.done():
                future.set_exception(RefusedByScope(refusal))
            if not future.done():
                ports[endpoint.address].add(endpoint.port)
        alike: dict[tuple[bool, frozenset[int]], dict[Endpoint, Waiting]] = defaultdict(dict)
        for endpoint, future in batch.items():
            if endpoint.port in ports[endpoint.address]:
                alike[":" in endpoint.address, frozenset(ports[endpoint.address])][endpoint] = future
        return alike.values()

    async def _ask(self, group: dict[Endpoint, Waiting]) -> None:
        addresses = sorted({endpoint.address for endpoint in group})
        ports = sorted({endpoint.port for endpoint in group})
        options = ["-n", "-Pn", "-T4", "-sV", "--version-intensity", "5", "--max-retries", "1"]
        options += ["--max-parallelism", "1"] if self._pace.is_capped else ["--min-parallelism", "64"]
        options += ["--host-timeout", f"{int(self._deadline)}s"]
        options += ["-p", ",".join(map(str, ports)), *(["-6"] if ":" in addresses[0] else [])]
        try:
            async with self._slots:
                await self._pace.turn(CONNECTIONS * len(group))
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


def answered_name(service: Element, sure: int = SURE) -> str:
    """Return nmap's name for a service where an answer gave it with at least this confidence, else an empty string.

    nmap has no match for HTTP in general. It keeps the port table's name then (``http-proxy`` on 8080), as certain when
    one of its scripts found so much as a header, so its quotes tell more than its name.
    """
    if _HTTP_ANSWER.search(service.get("servicefp", "")):
        return "http"
    certain = service.get("method") == "probed" and int(service.get("conf", "0")) >= sure
    return line(service.get("name", "unknown"), 40) if certain else ""


def _read(document: Element) -> dict[str, dict[int, NamedByNmap]]:
    named: dict[str, dict[int, NamedByNmap]] = defaultdict(dict)
    for host in document.iter("host"):
        address = next(item.get("addr", "") for item in host.iter("address") if item.get("addrtype") != "mac")
        for port in host.iter("port"):
            service = port.find("service")
            name = "" if service is None else answered_name(service)
            if service is None or not name:
                continue
            named[address][int(port.get("portid", "0"))] = NamedByNmap(
                protocol=name,
                product=line(service.get("product", ""), 100),
                version=line(service.get("version", ""), 60),
                cpe=tuple(line(item.text or "", 120) for item in service.iter("cpe")),
                tls=service.get("tunnel") == "ssl",
            )
    return named
