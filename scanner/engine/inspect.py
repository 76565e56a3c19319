"""One inspection run: discovery by groups, hosts as they are found, domains beside them, results as they finish.

There is no barrier between the stages: while one group of hosts is being looked at, the next is discovered, and
a slow host delays only itself. Queues are short, so memory doesn't grow with the number of hosts.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from scanner.engine.host import Tools, inspect_host, not_inspected
from scanner.engine.model import Endpoint, Facet, Gap, GapReason, HostInspection, PortScan, Target, Transport
from scanner.engine.plan import Domain, Plan, PortSet, as_ranges, ports_of
from scanner.engine.probes.dial import Dialer, Gate
from scanner.engine.probes.discovery import Discovered, discover, tcp_ranges
from scanner.engine.probes.version_scan import VersionScanner

GROUP, GROUPS_AT_ONCE = 8, 4
"""Hosts that one discovery process takes, and how many such processes run.

nmap tells what it found when its whole group is done, so hosts wait for the slowest of few. And each process opens its
own window to the network, which grows with what is answered: 64 hosts that are 50 ms away take 3.9 s so, but 7.7 s in
two groups of 32. On a short way a process more costs 10 ms.
"""

GROUP_AT_A_RATE = 64
"""The same where a rate is set: then one process runs, and what it sends is what limits it."""

HOSTS_AT_ONCE = 32
"""Hosts whose ports are looked at in parallel."""

DOMAINS_AT_ONCE = 4
"""Domains that are looked up in parallel: all their questions go to one resolver."""

EXCLUSIONS_NAMED = 64
"""Refused ports that are named one by one; an authorisation for a few ports is told by the ranges that were asked."""

VERSION_DEADLINE = 45.0
"""Seconds that nmap may spend on naming one group of unknown ports."""


class Stage(StrEnum):
    DISCOVERY = "discovery"
    LOOKING = "looking"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Progress:
    """One host has come to ``stage``; ``inspection`` is there when it is done."""

    stage: Stage
    target: Target
    inspection: HostInspection | None = None


Observer = Callable[[Progress], None]
"""Told of each host's progress, in the event loop: it must return at once."""


async def inspect(plan: Plan, gate: Gate, observer: Observer | None = None) -> AsyncGenerator[HostInspection, None]:
    """Inspect every target and look up every domain of ``plan``, and yield each as it finishes.

    ``gate`` is asked before every connection; a target or port that it refuses gets no packet, not even of
    discovery. Closing the iterator, or cancelling its consumer, ends all probes and child processes. When the run
    deadline strikes, targets that are not finished are yielded as not inspected.
    """
    run = _Run(plan, gate, observer or (lambda _: None))
    worker = asyncio.create_task(run.work())
    worker.add_done_callback(lambda _: run.finished.put_nowait(None))
    try:
        while (inspection := await run.finished.get()) is not None:
            run.room.release()
            yield inspection
        await worker
    finally:
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)


class _Run:
    """The two stages and the short queues between them."""

    def __init__(self, plan: Plan, gate: Gate, observer: Observer) -> None:
        self.plan = plan
        self.gate = gate
        self.observe = observer
        ends_at = asyncio.get_running_loop().time() + plan.run_deadline if plan.run_deadline else None
        dialer = Dialer(gate, plan.limits)
        self.tools = Tools(plan, dialer, VersionScanner(VERSION_DEADLINE, gate, dialer.pace), ends_at)
        self.finished: asyncio.Queue[HostInspection | None] = asyncio.Queue()
        self.room = asyncio.Semaphore(HOSTS_AT_ONCE)
        self._found: asyncio.Queue[tuple[Target, Discovered] | None] = asyncio.Queue(GROUP * GROUPS_AT_ONCE)
        self._unfinished = {*plan.targets, *(domain.target for domain in plan.domains)}

    async def work(self) -> None:
        """Run both stages to the end, or to the run deadline; what is left then gets its gap."""
        workers = max(1, min(HOSTS_AT_ONCE, len(self.plan.targets)))
        try:
            async with asyncio.timeout(self.plan.run_deadline), asyncio.TaskGroup() as stages:
                if self.plan.targets:
                    stages.create_task(self._discover_all(workers))
                    for _ in range(workers):
                        stages.create_task(self._look_at_found())
                waiting = iter(self.plan.domains)
                for _ in range(min(DOMAINS_AT_ONCE, len(self.plan.domains))):
                    stages.create_task(self._look_up(waiting))
        except TimeoutError:
            late = Gap(GapReason.TIMED_OUT)
            for target in tuple(self._unfinished):
                await self._finish(not_inspected(target, late, self.tools))
        finally:
            await self.tools.versions.close()

    async def _discover_all(self, workers: int) -> None:
        ranges = await asyncio.to_thread(tcp_ranges, self.plan.ports)
        capped = self.plan.limits.rate > 0
        groups = self._groups(ranges, GROUP_AT_A_RATE if capped else GROUP)
        at_once = 1 if capped else min(GROUPS_AT_ONCE, -(-len(self.plan.targets) // GROUP))

        async def discover_some() -> None:
            for group, permitted in groups:
                await self._discover(group, permitted, at_once)

        async with asyncio.TaskGroup() as discoverers:
            for _ in range(at_once):
                discoverers.create_task(discover_some())
        for _ in range(workers):
            await self._found.put(None)

    def _groups(self, ranges: str, size: int) -> Iterator[tuple[list[Target], str]]:
        """Split the targets into groups that one nmap process can take: one IP version, the same permitted ports."""
        waiting: dict[tuple[bool, str], list[Target]] = {}
        for target in self.plan.targets:
            key = (":" in target.address, self._permitted(target.address, ranges))
            group = waiting.setdefault(key, [])
            group.append(target)
            if len(group) == size:
                yield waiting.pop(key), key[1]
        for (_, permitted), group in waiting.items():
            yield group, permitted

    def _permitted(self, address: str, ranges: str) -> str:
        allowed = {port for port in ports_of(ranges) if self.gate(Endpoint(address, port)) is None}
        return as_ranges(allowed)

    async def _discover(self, group: list[Target], ranges: str, at_once: int) -> None:
        for target in group:
            self.observe(Progress(Stage.DISCOVERY, target))
        found: dict[str, Discovered] = {}
        if ranges:
            addresses = list(dict.fromkeys(target.address for target in group))
            rate, seconds = self.plan.limits.rate, self.tools.seconds_left()
            found = await discover(addresses, ranges, rate=rate, host_deadline=seconds, at_once=at_once)
        excluded = self._excluded(group[0], ranges)
        for target in group:
            discovered = found.get(target.address) or self._without_tcp(target)
            await self._found.put((target, replace(discovered, excluded=excluded)))

    def _excluded(self, target: Target, permitted: str) -> tuple[Gap, ...]:
        """Return a gap for each port that was wanted and is refused; the group shares them, as it shares the rest."""
        wanted = set(ports_of(tcp_ranges(self.plan.ports))) if permitted else set()
        refused = sorted(wanted.difference(ports_of(permitted)))
        if len(refused) > EXCLUSIONS_NAMED:
            return ()
        return tuple(
            Gap(GapReason.REFUSED_BY_SCOPE, Facet.PORT, port, detail=self.gate(Endpoint(target.address, port)) or "")
            for port in refused
        )

    def _without_tcp(self, target: Target) -> Discovered:
        """No TCP port was asked: none was wanted, or the gate refuses them all, and says why."""
        if not self.plan.ports.tcp and self.plan.ports.which is PortSet.LIST:
            return Discovered(target.address, PortScan(Transport.TCP, "", (), 0, "none"))
        refusal = self.gate(Endpoint(target.address, next(ports_of(tcp_ranges(self.plan.ports))))) or ""
        return Discovered(target.address, None, Gap(GapReason.REFUSED_BY_SCOPE, detail=refusal))

    async def _look_at_found(self) -> None:
        while (item := await self._found.get()) is not None:
            target, found = item
            self.observe(Progress(Stage.LOOKING, target))
            await self._finish(await inspect_host(target, found, self.tools))

    async def _look_up(self, waiting: Iterator[Domain]) -> None:
        from scanner.engine.domain import inspect_domain  # here, because few inspections need a DNS library

        for domain in waiting:
            self.observe(Progress(Stage.LOOKING, domain.target))
            await self._finish(await inspect_domain(domain, self.plan, self.gate, self.tools.dialer.pace))

    async def _finish(self, inspection: HostInspection) -> None:
        await self.room.acquire()
        self._unfinished.discard(inspection.target)
        self.observe(Progress(Stage.DONE, inspection.target, inspection))
        self.finished.put_nowait(inspection)
