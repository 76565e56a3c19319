"""Every HTTP-based service probe there is; the first that recognises a port names it."""

from __future__ import annotations

from scanner.engine.probes.services.web.base import WebServiceProbe

WEB_PROBES: tuple[WebServiceProbe, ...] = ()
