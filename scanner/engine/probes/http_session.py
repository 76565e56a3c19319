"""Bounded HTTP requests to one endpoint, pinned to its address."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
import time
from collections.abc import Mapping
from functools import cache

import httpx

from scanner.engine.errors import ConnectionLost, ConnectionRefused, HostSilent, ProbeError, UnexpectedReply
from scanner.engine.facts.http import HttpReply
from scanner.engine.hostile import line
from scanner.engine.probes.contact import Contact, permissive_tls

BODY_LIMIT = 256 * 1024
"""Bytes of a body that are read."""

HEADER_LIMIT = 100
"""Headers of a reply that are kept."""

HEADER_LENGTH = 4096
"""Characters of a header's value that are kept; content security policies are long."""

REQUEST_LIMIT = 60
"""Requests that one site gets in one look."""

BURST, RATE = 30, 5.0
"""A site gets at most ``BURST`` requests at once, then ``RATE`` a second."""

USER_AGENT = "Roundsman/0.1 (authorised read-only inspection)"


class RequestBudgetSpent(ProbeError):  # noqa: N818 - reads as the event it is
    """The site's request limit is used up; what was not asked is not inspected."""


class HttpSession:
    """Sends requests to one endpoint under one Host name. Redirects are not followed and cookies not kept.

    Use as an async context manager. ``requests`` counts what was sent.
    """

    def __init__(self, contact: Contact, host: str | None = None) -> None:
        address, port = contact.endpoint.address, contact.endpoint.port
        self.contact = contact
        self.scheme = "https" if contact.tls else "http"
        self.name = host or (f"[{address}]" if ":" in address else address)
        self.host = self.name if port == (443 if contact.tls else 80) else f"{self.name}:{port}"
        self.requests = 0
        self._tokens, self._refilled = float(BURST), time.monotonic()
        literal = f"[{address}]" if ":" in address else address
        self._base = f"{self.scheme}://{literal}:{port}"
        limits = contact.dialer.limits
        self._extensions: dict[str, object] = {
            "timeout": httpx.Timeout(limits.read_timeout, connect=limits.connect_timeout).as_dict()
        }
        if host:
            self._extensions["sni_hostname"] = host
        # The bare transport, not a client: it knows no redirects, cookies, proxies or decompression.
        self._transport = httpx.AsyncHTTPTransport(
            verify=_shared_context(),
            trust_env=False,
            limits=httpx.Limits(max_connections=2, max_keepalive_connections=2),
        )

    async def __aenter__(self) -> HttpSession:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._transport.aclose()

    async def get(
        self,
        path: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        limit: int = BODY_LIMIT,
        seconds: float = 8.0,
    ) -> HttpReply:
        """Send one request and return the reply, its body cut at ``limit`` bytes and ``seconds`` overall.

        Raises ``HostSilent``, ``ConnectionRefused``, ``ConnectionLost``, ``UnexpectedReply`` (not HTTP),
        ``RequestBudgetSpent``, ``RefusedByScope``.
        """
        if self.requests >= REQUEST_LIMIT:
            raise RequestBudgetSpent(f"The limit of {REQUEST_LIMIT} requests for one site is used up.")
        await self._pace()
        self.requests += 1
        async with self.contact.dialer.slot(self.contact.endpoint):
            try:
                async with asyncio.timeout(seconds):
                    return await self._send(method, path, headers or {}, content, limit)
            except (TimeoutError, httpx.TimeoutException) as error:
                raise HostSilent("The web server did not answer in time.") from error
            except httpx.ConnectError as error:
                kind = ConnectionRefused if "refused" in str(error).lower() else ConnectionLost
                raise kind(f"The connection could not be opened: {error}") from error
            except (httpx.RemoteProtocolError, httpx.InvalidURL, ValueError) as error:
                if "disconnected" in str(error):
                    raise ConnectionLost("The web server closed the connection without an answer.") from error
                raise UnexpectedReply(f"The reply is not valid HTTP: {line(str(error))}") from error
            except (httpx.HTTPError, ssl.SSLError, OSError) as error:
                raise ConnectionLost(f"The connection broke: {line(str(error))}") from error

    async def _send(
        self, method: str, path: str, headers: Mapping[str, str], content: bytes | None, limit: int
    ) -> HttpReply:
        request = httpx.Request(
            method,
            self._base + path,
            content=content,
            headers={
                "Host": self.host,
                "User-Agent": USER_AGENT,
                "Accept": "*/*",
                "Accept-Encoding": "identity",
                **headers,
            },
            extensions=self._extensions,
        )
        reply = await self._transport.handle_async_request(request)
        try:
            body = bytearray()
            async for chunk in reply.aiter_raw():
                body += chunk[: limit - len(body)]
                if len(body) >= limit:
                    break
        finally:
            await reply.aclose()
        kept = [
            (name.lower(), line(value, HEADER_LENGTH)) for name, value in reply.headers.multi_items()[:HEADER_LIMIT]
        ]
        return HttpReply(
            method=method,
            path=path,
            status=reply.status_code,
            headers=tuple(kept),
            body=body.decode("utf-8", errors="replace"),
            body_bytes=len(body),
            at=dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
        )

    async def _pace(self) -> None:
        now = time.monotonic()
        self._tokens = min(BURST, self._tokens + (now - self._refilled) * RATE)
        self._refilled = now
        self._tokens -= 1
        if self._tokens < 0:
            await asyncio.sleep(-self._tokens / RATE)


@cache
def _shared_context() -> ssl.SSLContext:
    """One context for all sessions: building one costs more than a request."""
    return permissive_tls()
