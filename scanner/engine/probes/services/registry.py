"""Every service probe there is, in the order in which silent ports are tried."""

from __future__ import annotations

from scanner.engine.probes.services import redis
from scanner.engine.probes.services.base import ServiceProbe

PROBES: tuple[ServiceProbe, ...] = (redis.PROBE,)
