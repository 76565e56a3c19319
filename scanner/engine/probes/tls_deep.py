"""What needs a real handshake: asked of sslyze, in a child process that can be ended.

sslyze carries an old OpenSSL of its own and may hang or crash on a hostile server, so it never runs in this process.
Its tests are the non-exploiting ones: Heartbleed is told by an echo of sslyze's own bytes, ROBOT by alerts.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from dataclasses import replace

from scanner.engine.errors import ProbeError
from scanner.engine.facts.tls import Answer, TlsFacts, TlsVersion
from scanner.engine.probes.contact import Contact

DEADLINE = 60.0
"""Seconds for one server."""
OUTPUT_LIMIT = 64 * 1024
"""Bytes that the child may print."""

STARTTLS = {
    "smtp": "SMTP",
    "imap": "IMAP",
    "pop3": "POP3",
    "ftp": "FTP",
    "ldap": "LDAP",
    "xmpp": "XMPP",
    "xmpp-server": "XMPP_SERVER",
    "rdp": "RDP",
    "postgresql": "POSTGRES",
}
"""Protocols that sslyze can upgrade, under its names for them."""

_FIELDS = {
    "heartbleed": "heartbleed",
    "openssl_ccs_injection": "ccs_injection",
    "session_renegotiation": "client_renegotiation",
    "tls_1_3_early_data": "early_data",
}
"""sslyze's commands and the facts that they answer."""

_BEFORE_13 = (TlsVersion.SSL3, TlsVersion.TLS10, TlsVersion.TLS11, TlsVersion.TLS12)


async def look_deeper(
    contact: Contact, facts: TlsFacts, *, http: bool = False, again: TlsFacts | None = None, deadline: float = DEADLINE
) -> TlsFacts:
    """Return ``facts`` with what sslyze could answer; the rest stays untested.

    ``http`` allows the test for early data, which sends an HTTP request. ``again`` is a first look's result: then
    only what it found present is asked once more. Raises ``RefusedByScope``; a failed or late sslyze only leaves
    answers untested.
    """
    commands = _commands(facts, http=http, again=again)
    if not commands or (facts.starttls and facts.starttls not in STARTTLS):
        return facts
    request = {
        "server_name": facts.sni or "",
        "address": contact.endpoint.address,
        "port": contact.endpoint.port,
        "starttls": STARTTLS.get(facts.starttls, ""),
    }
    async with contact.dialer.slot(contact.endpoint):
        try:
            answers, connections = await _ask(commands, request, deadline)
        except (ProbeError, ValueError, OSError):  # untested is untested, whatever the reason
            return facts
        further = max(0, connections - 1)  # the slot counts as one
        contact.dialer.connections[contact.endpoint.address] += further
        contact.dialer.pace.spent(further)
    robot = answers.get("robot")
    return replace(
        facts,
        heartbleed=_answer(answers.get("heartbleed")),
        ccs_injection=_answer(answers.get("openssl_ccs_injection")),
        client_renegotiation=_answer(answers.get("session_renegotiation")),
        early_data=_answer(answers.get("tls_1_3_early_data")),
        robot=robot if robot in ("none", "weak", "strong") else "",
    )


async def _ask(commands: list[str], request: dict[str, object], deadline: float) -> tuple[dict[str, object], int]:
    """Return the answers and the connections they took. What the first run left open is asked a second time: sslyze
    tells ROBOT by differences between replies, and one reply that came late makes it inconclusive."""
    ends = asyncio.get_running_loop().time() + deadline
    answers, connections = await _run(json.dumps({**request, "commands": commands}), deadline)
    left = [command for command in commands if command not in answers]
    remaining = ends - asyncio.get_running_loop().time()
    if left and remaining > 1:
        more, further = await _run(json.dumps({**request, "commands": left}), remaining)
        answers, connections = answers | more, connections + further
    return answers, connections


def _answer(value: object) -> Answer:
    if value is None:
        return Answer.UNTESTED
    return Answer.YES if value is True else Answer.NO


def _commands(facts: TlsFacts, *, http: bool, again: TlsFacts | None) -> list[str]:
    """Return the commands that can have an answer here.

    sslyze talks the highest version a server speaks and reports the good result where its test doesn't exist in
    that version: Heartbleed and CCS injection can't be tested where TLS 1.3 is spoken.
    """
    modern = facts.accepts(TlsVersion.TLS13) is Answer.YES
    classic = any(facts.accepts(version) is Answer.YES for version in _BEFORE_13)
    commands: list[str] = []
    if classic and not modern:
        commands += ["heartbleed", "openssl_ccs_injection"]
    if classic:
        commands.append("session_renegotiation")
    if any(suite.suite.startswith("TLS_RSA_") for suite in facts.suites):
        commands.append("robot")
    if modern and http and not facts.starttls:
        commands.append("tls_1_3_early_data")
    if again is None:
        return commands
    present = {command for command, field in _FIELDS.items() if getattr(again, field) is Answer.YES}
    present |= {"robot"} if again.robot in ("weak", "strong") else set()
    return [command for command in commands if command in present]


async def _run(request: str, deadline: float) -> tuple[dict[str, object], int]:
    """Run the worker; return what it printed and how many connections it opened, at least. Its whole process group ends
    with this call."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "scanner.engine.probes.tls_deep_worker",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    printed = b""
    try:
        async with asyncio.timeout(deadline):
            assert process.stdin is not None  # noqa: S101 - asked for above
            assert process.stdout is not None  # noqa: S101 - asked for above
            process.stdin.write(request.encode())
            process.stdin.close()
            while len(printed) < OUTPUT_LIMIT and (more := await process.stdout.read(OUTPUT_LIMIT - len(printed))):
                printed += more
    except TimeoutError:
        return {}, printed.count(b".")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await asyncio.shield(process.communicate())  # to the end of its pipes, without which they stay open
    said = printed.lstrip(b".")
    answers = json.loads(said or b"{}")
    return answers if isinstance(answers, dict) else {}, len(printed) - len(said)
