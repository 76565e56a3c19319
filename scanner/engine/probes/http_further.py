"""What is asked of a site because of something that it answered before."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from typing import Any

from scanner.engine.facts.http import HttpReply, Page
from scanner.engine.probes import mqtt_websocket
from scanner.engine.probes.http_kept import advertised
from scanner.engine.probes.http_page_marks import library_in
from scanner.engine.probes.http_signatures import Proof

LIBRARY_HEAD = 512
"""Bytes of a script library in which its comment names it."""

NO_INDEX = "/no-such-file"
"""A path that is no folder, whether or not there is anything."""

_OF_MOD_DIR = frozenset({"GET", "HEAD", "POST", "OPTIONS", "TRACE"})

_ACTUATOR_READABLE = ("env", "jolokia", "gateway")

Ask = Callable[..., Coroutine[Any, Any, HttpReply | None]]
"""Asks the site for a path; None when nothing came."""


async def with_libraries(ask: Ask, paths: Iterable[str], page: Page) -> Page:
    """Return the page with the libraries at ``paths``, whose names tell no version, by the first lines of each."""
    for path in paths:
        reply = await ask(path, headers={"Range": f"bytes=0-{LIBRARY_HEAD - 1}"}, limit=LIBRARY_HEAD)
        library = library_in(reply.body) if reply is not None and reply.status in (200, 206) else None
        if library is not None:
            found = replace(library, source=f"{path}: {library.source}"[:120])
            page = replace(page, libraries=(*page.libraries, found))
    return page


async def gives_back(ask: Ask) -> bool | None:
    """Tell whether TRACE gives our own header back; None when nothing came."""
    value = secrets.token_hex(8)
    reply = await ask("/", method="TRACE", headers={"X-Probe": value})
    if reply is None:
        return None
    return reply.status == 200 and reply.content_type == "message/http" and value in reply.body


async def methods_beside_index(ask: Ask, server: str, methods: tuple[str, ...]) -> tuple[str, ...]:
    """Return what Apache advertises at ``NO_INDEX``, where that may be more than ``methods``, those of its root.

    For a folder with an index its mod_dir answers OPTIONS, and never tells of WebDAV (Apache 2.4).
    """
    its_own = server.startswith("Apache") and not server.startswith("Apache-Coyote")
    if not its_own or "OPTIONS" not in methods or not _OF_MOD_DIR.issuperset(methods):
        return ()
    reply = await ask(NO_INDEX, method="OPTIONS")
    return advertised(reply) if reply is not None else ()


async def brokers(ask: Ask) -> tuple[str, ...]:
    """Return where a WebSocket to an MQTT broker is opened; it is closed again without a word to the broker."""
    reply = await ask(mqtt_websocket.PATH, headers=mqtt_websocket.upgrade_headers())
    return (mqtt_websocket.PATH,) if reply is not None and mqtt_websocket.opens(reply) else ()


async def actuator_access(ask: Ask, base: str, proof: Proof) -> list[tuple[str, str]]:
    """Ask by HEAD whether sensitive endpoints below ``base`` are answered. Not heapdump: even HEAD makes Spring write
    the dump."""
    listed = dict(proof.details)["endpoints"].split(", ")
    opened: list[str] = []
    for name in _ACTUATOR_READABLE:
        path = f"{base}/gateway/routes" if name == "gateway" else f"{base}/{name}"
        if name in listed and (reply := await ask(path, method="HEAD")) and reply.status == 200:
            opened.append(name)
    return [("open", ", ".join(opened))]
