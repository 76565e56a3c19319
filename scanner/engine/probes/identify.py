"""What speaks on an open TCP port: our own first look, one to three round trips for most ports.

Several short questions are asked at once, each on a connection of its own: silence (does it speak first?), a TLS
hello, an HTTP request, the greetings of the protocols that usually live on this port. The first certain answer
wins. A port that stays silent is then offered every other greeting we know but those that make sense on their own
ports alone, because exposed services hide on odd ports. What nothing recognises is left to nmap.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import replace
from enum import StrEnum
from functools import partial
from typing import Any

from scanner.engine.probes.contact import Contact
from scanner.engine.probes.identify_questions import (
    ANSWER,
    BANNER_WAIT,
    SPEAK_FIRST,
    UNKNOWN,
    Identification,
    ask_http,
    ask_http2,
    ask_ssl2,
    ask_tls,
    greet,
    listen,
    listen_as,
    wait_for_banner,
)
from scanner.engine.probes.services import mssql, postgresql, smtp
from scanner.engine.probes.services.base import ServiceProbe
from scanner.engine.probes.services.devices.registry import DEVICE_PORTS
from scanner.engine.probes.ssh import CLIENT_BANNER

HEAD_START = 0.3
"""Seconds for which ports whose usual service speaks first are only listened to: most then need no other question, and
each question is a process more for servers such as OpenSSH's and rsync's."""

_SSH_CLIENT = CLIENT_BANNER + b"\r\n"

SSH_PORTS = frozenset({22, 2222, 22222})

SLOW_BANNER_WAIT = 12.0
"""Seconds for ports whose usual service speaks first: some look up the client's name before. Those of mail servers get
what :mod:`.services.smtp` allows for a greeting, which is held back to deter spam."""

LATE_BANNER_WAIT = 6.0
"""Seconds that any port gets to speak first that is asked everything else meanwhile: servers that look up the client's
name are set to other ports, too."""

SLOW_ANSWER_WAIT = 6.0
"""Seconds that a usual port of the web gets for its first page where nothing else was recognised, and one of TLS for
its half of a handshake: an application that was just started, or whose database is far, takes its time, and so does a
small device with a long key."""

WEB_PORTS = frozenset(
    {80, 81, 443, 3000, 5000, 7001, 8000, 8001, 8008, 8080, 8081, 8088, 8090, 8443, 8888, 9000, 9080, 9090, 9443}
)

TLS_PORTS = WEB_PORTS | {465, 636, 853, 990, 992, 993, 995, 3269, 4433, 5061, 5671, 5986, 6443, 8883, 10443}
"""Where TLS is usual from the first byte on, by IANA's registry and by custom."""

TLS_GRACE = 0.4
"""Seconds that a port which has answered HTTP gets to say that it wanted TLS; one that refused HTTP gets more."""

SHARED_PORTS = frozenset({443, 8443})
"""Ports that SSH is hidden behind, for networks that let nothing but the web through: a multiplexer reads what a client
says first, and hands the connection on. There it is said what an SSH client would, in place of listening."""

_SHARE_A_PORT = frozenset({"tls", "http", "ssh"})
"""Protocols that multiplexers (sslh, HAProxy, nginx's ssl_preread) tell apart; one that answers may not be alone."""

_HTTP_OF_ITS_OWN = re.compile(r"HTTP/\S+ (?:2\d\d|401)\b(?! Bad)")
"""A page in clear text on a port that speaks TLS too; other answers, and Webmin's "200 Bad Request", only say so."""

_REFUSED = re.compile(r"HTTP/\S+ 400\b")
"""How servers tell plain HTTP on a TLS port off (nginx, Apache, Tomcat, Go); their first handshake may take long."""

_CLEAR_TEXT_TOO = (postgresql.PROBE, mssql.PROBE)
"""What takes TLS from the first byte on a port that speaks in clear first, and inside it serves only those who name its
own protocol by ALPN: PostgreSQL since 17 (``sslnegotiation=direct``), SQL Server since 2022 (TDS 8.0)."""


class Manner(StrEnum):
    """How freely a port may be spoken to before anything is known of it."""

    FREE = "free"
    """Every greeting we know."""
    HTTP = "http"
    """One HTTP request and no more."""
    LISTEN = "listen"
    """Not a byte: only what it says by itself."""


PRINT_PORTS = frozenset(range(9100, 9108))
"""Raw printing (JetDirect): a printer puts whatever it is sent on paper. Metrics exporters live here too."""


def manner(port: int, *, beside_a_printer: bool) -> Manner:
    """Return how a port may be spoken to. ``beside_a_printer``: the host has another printing service open."""
    if port in DEVICE_PORTS or (port in PRINT_PORTS and beside_a_printer):
        return Manner.LISTEN
    return Manner.HTTP if port in PRINT_PORTS else Manner.FREE


Question = Coroutine[Any, Any, Identification]
"""One thing said to the port, on a connection of its own."""


async def identify(contact: Contact, how: Manner = Manner.FREE) -> Identification:
    """Name what speaks on the port, and inside TLS when it speaks TLS.

    Never raises ``ProbeError``: a port that can't be named is ``UNKNOWN``. Raises ``RefusedByScope``.
    """
    if how is Manner.LISTEN:
        found, _ = await listen(contact, BANNER_WAIT)
        return found
    if how is Manner.HTTP:
        return await ask_http(contact)
    found = await _first_look(contact, with_tls=True)
    if _may_want_tls(found):
        asked = await ask_tls(contact, SLOW_ANSWER_WAIT)
        found = asked if asked.protocol == "tls" else found
    if found.protocol != "tls":
        return found
    inside = await _first_look(replace(contact, tls=True), with_tls=False)
    if not inside.known and (in_clear := await _ask_in_clear(contact)).known:
        return in_clear
    return replace(inside if inside.known else found, tls=True, beside=found.beside)


async def _ask_in_clear(contact: Contact) -> Identification:
    """Ask a port that speaks TLS and tells nothing inside what it is in clear text."""
    allowed = [probe for probe in ANSWER if contact.level.at_least(probe.greeting_level)]
    likely = [probe for probe in allowed if contact.endpoint.port in probe.ports]
    asked = _one_for_each_greeting((*likely, *_CLEAR_TEXT_TOO))
    return await _first_certain([greet(contact, probe) for probe in asked])


async def _first_look(contact: Contact, *, with_tls: bool) -> Identification:
    port = contact.endpoint.port
    allowed = [probe for probe in ANSWER if contact.level.at_least(probe.greeting_level)]
    likely = _one_for_each_greeting(probe for probe in allowed if port in probe.ports)
    for probe in likely:
        if probe.one_at_a_time and (alone := await greet(contact, probe)).known:
            return alone
    wait = _head_start(port)
    if wait and (alone := await wait_for_banner(contact, wait)).known:
        return alone
    # Silence comes last: a server that takes one connection at a time would make the others wait for it to end.
    shared = with_tls and port in SHARED_PORTS
    listening = listen_as(_SSH_CLIENT if shared else b"", contact, BANNER_WAIT)
    questions: list[Question] = [ask_http(contact), *([ask_tls(contact)] if with_tls else [])]
    telling = [*questions, *([listening] if shared else [])]
    questions += [*(greet(contact, probe) for probe in likely), listening]
    first = await _first_certain(questions, telling if with_tls else ())
    if first.known:
        return first if shared else await _with_ssh_beside(contact, first)
    rest: list[Question] = [ask_http2(contact), *(greet(contact, probe) for probe in _anywhere(allowed, likely))]
    if with_tls:
        rest.append(ask_ssl2(contact))
        rest += [ask_tls(contact, SLOW_ANSWER_WAIT)] if port in TLS_PORTS else []
    if port in SSH_PORTS or any(port in probe.ports for probe in SPEAK_FIRST):
        is_mail = port in smtp.PROBE.ports
        rest.append(wait_for_banner(contact, smtp.BANNER_TIMEOUT if is_mail else SLOW_BANNER_WAIT))
    elif not first.banner:
        rest.insert(0, wait_for_banner(contact, LATE_BANNER_WAIT))
    if port in WEB_PORTS:
        rest.append(ask_http(contact, SLOW_ANSWER_WAIT))
    second = await _first_certain(rest)
    if second.known or (first.closes_at_once and not likely):
        return second if second.known else first
    alone = await _one_by_one(contact, likely, with_tls=with_tls)
    return alone if alone.known else replace(first, banner=first.banner or second.banner)


def _anywhere(allowed: Sequence[ServiceProbe], likely: Sequence[ServiceProbe]) -> list[ServiceProbe]:
    """Return those whose greetings may be said on any port and were not said on this one yet."""
    said = {probe.greeting for probe in likely}
    return _one_for_each_greeting(p for p in allowed if p.greeting not in said and not p.own_ports_only)


def _one_for_each_greeting(probes: Iterable[ServiceProbe]) -> list[ServiceProbe]:
    by_greeting: dict[bytes, ServiceProbe] = {}
    for probe in probes:
        by_greeting.setdefault(probe.greeting, probe)
    return list(by_greeting.values())


def _head_start(port: int) -> float:
    """Return for how many seconds a port is listened to before anything is asked of it; 0 for not at all."""
    usual = [probe for probe in SPEAK_FIRST if port in probe.ports]
    if any(probe.one_at_a_time for probe in usual):
        return BANNER_WAIT
    return HEAD_START if usual or port in SSH_PORTS else 0


async def _one_by_one(contact: Contact, likely: list[ServiceProbe], *, with_tls: bool) -> Identification:
    """Ask the likeliest questions again, each with the port to itself.

    ``openssl s_server`` and small devices serve one connection and leave the next ones waiting, or close them at once.
    """
    asks: list[Callable[[Contact], Question]] = [*([ask_tls] if with_tls else []), ask_http]
    asks += [partial(greet, probe=probe) for probe in likely]
    for ask in asks:
        found = await ask(contact)
        if found.known:
            return found
    return UNKNOWN


async def _first_certain(questions: Sequence[Question], telling: Sequence[Question] = ()) -> Identification:
    """Return the first answer that names the port; the others are cancelled.

    What may share a port waits a moment for the answers to the ``telling`` ones of the questions: servers tell plain
    HTTP on a TLS port off in plain HTTP, and multiplexers answer each in its own way.
    """
    tasks = {asyncio.create_task(question): question for question in questions}
    awaited = {task for task, question in tasks.items() if question in telling}
    unnamed: list[Identification] = []
    held: list[Identification] = []
    try:
        pending = set(tasks)
        while pending and not (held and awaited.isdisjoint(pending)):
            done, pending = await asyncio.wait(
                pending, timeout=TLS_GRACE if held else None, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                break
            for answer in (task.result() for task in done):
                if answer.known and not (awaited and answer.protocol in _SHARE_A_PORT):
                    return answer
                (held if answer.known else unnamed).append(answer)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return _together(held) if held else _summary(unnamed)


def _together(answers: list[Identification]) -> Identification:
    """Return what a port is that answered so, TLS before all else, with what else is behind it."""
    by_protocol = {answer.protocol: answer for answer in reversed(answers)}
    tls, http, ssh = (by_protocol.get(protocol) for protocol in ("tls", "http", "ssh"))
    if tls is not None and http is not None and not _HTTP_OF_ITS_OWN.match(http.banner):
        http = None
    main, *others = filter(None, (tls, http, ssh))
    return replace(main, beside=tuple(others))


async def _with_ssh_beside(contact: Contact, found: Identification) -> Identification:
    """Look for SSH where HTTP and TLS share a port, which little else than a multiplexer makes them do."""
    if {each.protocol for each in found.beside} != {"http"}:
        return found
    ssh = await listen_as(_SSH_CLIENT, contact, BANNER_WAIT)
    return replace(found, beside=(*found.beside, ssh)) if ssh.protocol == "ssh" else found


def _summary(unnamed: list[Identification]) -> Identification:
    banner = next((answer.banner for answer in unnamed if answer.banner), "")
    return replace(UNKNOWN, banner=banner, closes_at_once=bool(unnamed) and all(a.closes_at_once for a in unnamed))


def _may_want_tls(answer: Identification) -> bool:
    return answer.protocol == "http" and _REFUSED.match(answer.banner) is not None
