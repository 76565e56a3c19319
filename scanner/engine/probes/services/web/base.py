"""The form that every HTTP-based service probe has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from scanner.engine.facts.http import HttpReply
from scanner.engine.facts.service import ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.http_session import HttpSession


@dataclass(frozen=True, slots=True)
class WebServiceProbe:
    """One product that is recognised over HTTP.

    ``service`` is its catalogue code (``ELASTIC``). ``ports`` are its usual ports: there ``look`` is always tried.
    On any other port it is tried when ``suspects`` finds its traces in the reply to ``GET /``, so that a site
    costs few requests, or when the site's answer to ``OPTIONS /`` names one of ``methods`` (``DAV`` stands for the
    header of that name), or its Server header begins as one of ``servers``. ``look`` returns None when it is not this
    product after all; it raises ``ProbeError`` when it can't be finished. Requests above the given level must not be
    sent.
    """

    service: str
    ports: frozenset[int]
    suspects: Callable[[HttpReply], bool]
    look: Callable[[HttpSession, Level], Awaitable[ServiceFacts | None]]
    methods: frozenset[str] = frozenset()
    servers: tuple[str, ...] = ()
