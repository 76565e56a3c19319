"""What is kept of a reply: few and short headers, no cookie values, an excerpt without secrets."""

from __future__ import annotations

import re
from dataclasses import replace

from scanner.engine.facts.http import HttpReply
from scanner.engine.hostile import line, mask_secrets
from scanner.engine.probes.http_signatures import excerpt

_KEPT_HEADERS, _KEPT_HEADER_LENGTH, _HEADER_CHARACTERS = 40, 500, 8192


def kept(reply: HttpReply, *, excerpt_length: int | None = None) -> HttpReply:
    """Return the reply as it is stored: few and short headers, no cookie values, an excerpt without secrets."""
    headers: list[tuple[str, str]] = []
    room = _HEADER_CHARACTERS
    for name, value in reply.headers[:_KEPT_HEADERS]:
        masked = _cookie_without_value(value) if name == "set-cookie" else mask_secrets(value)
        masked = masked if name == "content-security-policy" else masked[:_KEPT_HEADER_LENGTH]
        room -= len(name) + len(masked)
        if room < 0:
            break
        headers.append((name[:100], masked))
    body = excerpt(reply.body) if excerpt_length is None else mask_secrets(_flat(reply.body[:excerpt_length]))
    return replace(reply, path=without_parameters(reply.path), headers=tuple(headers), body=body)


def without_parameters(path: str) -> str:
    """Return the path alone: what a redirect puts behind it may name a session."""
    return line(re.split(r"[?;]", path, maxsplit=1)[0])


def _flat(text: str) -> str:
    return line(text, len(text))


def _cookie_without_value(header: str) -> str:
    pair, _, attributes = header.partition(";")
    name, equals, value = pair.partition("=")
    shown = "****" if value.strip() else ""
    return f"{name.strip()[:100]}{equals}{shown};{attributes}"


def advertised(reply: HttpReply) -> tuple[str, ...]:
    """Return the methods that a reply to OPTIONS names, DAV among them."""
    listed = ",".join((*reply.all_headers("allow"), *reply.all_headers("public")))
    names = re.findall(r"[A-Z]{2,20}", listed)
    if reply.header("dav"):
        names.append("DAV")
    return tuple(dict.fromkeys(names))[:20]
