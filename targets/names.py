"""Asks the system's resolver for the addresses of a host name. Imports no Django."""

from __future__ import annotations

import shlex
import socket

from targets.addresses import parse_address


def resolve_name(hostname: str) -> list[str]:
    """Return every address of ``hostname``, canonical and each once. Raises ``OSError`` when there is none."""
    answers = socket.getaddrinfo(hostname, None, type=socket.SOCK_STREAM)
    literals = (str(answer[4][0]).partition("%")[0] for answer in answers)
    return list(dict.fromkeys(str(parse_address(literal)) for literal in literals))


def why_unresolved(hostname: str, error: OSError) -> str:
    """Return the detail of a gap: a resolver that gave no usable answer is no proof that the name has no address."""
    no_such_name = error.errno in (socket.EAI_NONAME, socket.EAI_NODATA)
    return shlex.join(["unknown-name" if no_such_name else "resolver-failed", f"hostname={hostname}"])
