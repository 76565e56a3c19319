"""Tells which product a web site is: those that its port or its first pages speak for are asked, one by one."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from scanner.engine.facts.http import HttpFacts, HttpReply
from scanner.engine.facts.service import ServiceFacts
from scanner.engine.model import Service
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.http_session import REQUEST_LIMIT, HttpSession, RequestBudgetSpent
from scanner.engine.probes.services.web.base import WebServiceProbe
from scanner.engine.probes.services.web.registry import WEB_PROBES

_FOLDER = re.compile(r"(/[A-Za-z0-9._-]{1,40})/")
"""The folder at a path's beginning."""

_BY_NAME = {probe.service.lower(): probe for probe in WEB_PROBES}


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
    linked = _linked(sites)
    if not candidates and not linked:
        return None
    asked_for = contact.target.hostname or literal(contact)
    spent = next((site.requests for site in sites if site.host.startswith(asked_for)), 0)
    async with HttpSession(contact, contact.target.hostname, limit=REQUEST_LIMIT - spent) as session:
        for probe in candidates:
            facts = await probe.look(session, contact.level)
            if facts is not None:
                return facts
        found = await _recognise_in_folder(session, contact, sites)
        return found or await _recognise_where_linked(session, contact, linked)


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


def _linked(sites: Sequence[HttpFacts]) -> dict[str, WebServiceProbe]:
    """Return the folders that first pages link to and that are named after a product, by their names."""
    folders = [folder for site in sites if site.page is not None for folder in site.page.folders]
    first = dict.fromkeys(found[1] for folder in folders if (found := _FOLDER.match(folder)))
    return {folder: _BY_NAME[folder[1:].lower()] for folder in first if folder[1:].lower() in _BY_NAME}


async def _recognise_where_linked(
    session: HttpSession, contact: Contact, linked: Mapping[str, WebServiceProbe]
) -> ServiceFacts | None:
    """Look for a product in the folder of its name that a site links to. Attribute ``beside``: ``site``, which it is
    besides; so what is left of its requests may end the search, and nothing is missed of the site by that."""
    with contextlib.suppress(RequestBudgetSpent):
        for folder, probe in linked.items():
            session.under = folder
            facts = await probe.look(session, contact.level)
            if facts is not None:
                return replace(facts, attributes=tuple(sorted((*facts.attributes, ("beside", "site")))))
    return None
