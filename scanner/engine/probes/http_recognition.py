"""Tells which product a web site is: those that its port or its first pages speak for are asked, one by one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from scanner.engine.facts.http import HttpFacts, HttpReply
from scanner.engine.facts.service import ServiceFacts
from scanner.engine.model import Service
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.http_session import REQUEST_LIMIT, HttpSession
from scanner.engine.probes.services.web.registry import WEB_PROBES

_FOLDER = re.compile(r"(/[A-Za-z0-9._-]{1,40})/")
"""The folder at a path's beginning."""


def literal(contact: Contact) -> str:
    """Return the bare address as a Host header has it."""
    address = contact.endpoint.address
    return f"[{address}]" if ":" in address else address


class Suspects:
    """Which products a site may be, by its port and its first pages; each page is looked at once."""

    def __init__(self, contact: Contact) -> None:
        self._usual = {probe.service for probe in WEB_PROBES if contact.endpoint.port in probe.ports}
        self._by_page: list[tuple[HttpReply, set[str]]] = []

    def any_by(self, pages: Sequence[HttpReply]) -> bool:
        """Tell whether there are any."""
        return bool(self.by(pages))

    def by(self, pages: Sequence[HttpReply]) -> set[str]:
        """Return the products by the names of their services."""
        return self._usual.union(*(self._of(page) for page in pages))

    def _of(self, page: HttpReply) -> set[str]:
        for seen, services in self._by_page:
            if seen is page:
                return services
        services = {probe.service for probe in WEB_PROBES if probe.suspects(page)}
        self._by_page.append((page, services))
        return services


async def recognise(
    contact: Contact, sites: list[HttpFacts], known: Service, suspects: Suspects
) -> ServiceFacts | None:
    """Return the product that one of these sites is, within what is left of its requests; None for any other site.

    Raises ``ProbeError`` when a product's look can't be finished.
    """
    before = known.facts.service if known.facts else ""
    methods = {method for site in sites for method in site.methods}
    servers = [site.root.header("server") or "" for site in sites if site.root is not None]
    likely = {before} if before else suspects.by([reply for site in sites for reply in site.first_page])
    candidates = [
        probe
        for probe in WEB_PROBES
        if probe.service in likely
        or (not before and (probe.methods & methods or any(server.startswith(probe.servers) for server in servers)))
    ]
    if not candidates:
        return None
    asked_for = contact.target.hostname or literal(contact)
    spent = next((site.requests for site in sites if site.host.startswith(asked_for)), 0)
    async with HttpSession(contact, contact.target.hostname, limit=REQUEST_LIMIT - spent) as session:
        for probe in candidates:
            facts = await probe.look(session, contact.level)
            if facts is not None:
                return facts
        return await _recognise_in_folder(session, contact, sites)


async def _recognise_in_folder(session: HttpSession, contact: Contact, sites: list[HttpFacts]) -> ServiceFacts | None:
    """Look for a product where the first page leads: behind a proxy, many are set to live in a folder of their own."""
    shown = next((site.first_page[-1] for site in sites if len(site.first_page) > 1), None)
    folder = _FOLDER.match(shown.path) if shown else None
    if shown is None or folder is None:
        return None
    session.under = folder[1]
    for probe in WEB_PROBES:
        if probe.suspects(shown) and (facts := await probe.look(session, contact.level)) is not None:
            return facts
    return None
