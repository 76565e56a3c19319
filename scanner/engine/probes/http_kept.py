"""What is kept of a reply: few and short headers, no cookie values, an excerpt without secrets."""

from __future__ import annotations

import re
from dataclasses import replace

from scanner.engine.facts.http import HttpReply
from scanner.engine.hostile import line, mask_secrets
from scanner.engine.probes.http_signatures import excerpt

_JUDGED = frozenset(
    {
        *("content-security-policy", "content-type", "location", "permissions-policy", "referrer-policy", "server"),
        *("set-cookie", "strict-transport-security", "www-authenticate", "x-content-type-options", "x-frame-options"),
    }
)
"""Headers whose absence would be a finding, or that are one: of a long list they are kept before all others."""

_KEPT_HEADERS, _KEPT_HEADER_LENGTH, _HEADER_CHARACTERS = 40, 500, 8192

_SIGNATURE = re.compile(r"Apache Tomcat/\d[\w.-]{0,30}(?: \([A-Za-z ]{1,40}\))?")
"""Tomcat names itself and its distribution on its error pages alone."""


def kept(reply: HttpReply, *, excerpt_length: int | None = None) -> HttpReply:
    """Return the reply as it is stored: few and short headers, no cookie values, an excerpt without secrets."""
    headers: dict[int, tuple[str, str]] = {}
    room = _HEADER_CHARACTERS
    judged_first = sorted(enumerate(reply.headers), key=lambda each: each[1][0] not in _JUDGED)
    for at, (name, value) in judged_first[:_KEPT_HEADERS]:
        masked = _cookie_without_value(value) if name == "set-cookie" else mask_secrets(value)
        masked = masked if name == "content-security-policy" else masked[:_KEPT_HEADER_LENGTH]
        if len(name) + len(masked) <= room:
            headers[at] = (name[:100], masked)
            room -= len(name) + len(masked)
    body = excerpt(reply.body) if excerpt_length is None else mask_secrets(_flat(reply.body[:excerpt_length]))
    return replace(
        reply, path=without_parameters(reply.path), headers=tuple(headers[at] for at in sorted(headers)), body=body
    )


def kept_error(reply: HttpReply) -> HttpReply:
    """Return the answer to a path that nobody has as it is stored: of its body, what names the server and no more."""
    signed = _SIGNATURE.search(reply.body)
    return replace(kept(reply, excerpt_length=0), body=signed[0] if signed else "")


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
