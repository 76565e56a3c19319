"""Turns a response of HTTP, whichever version it came by, into the reply that all others work on.

Texts are unpacked and decoded by what they declare; headers are cut.
"""

from __future__ import annotations

import datetime as dt
import re

import h11

from scanner.engine.facts.http import HttpReply
from scanner.engine.hostile import line
from scanner.engine.probes.http_unpacking import is_known, unpacked

BODY_LIMIT = 256 * 1024
"""Bytes of a body that are read."""

HEAD_LIMIT = 100 * 1024
"""Bytes of a status line and headers beyond which a reply is no HTTP worth reading."""

HEADER_LIMIT = 100
"""Headers of a reply that are kept."""

HEADER_LENGTH = 4096
"""Characters of a header's value that are kept; content security policies are long."""

Head = h11.Response | h11.InformationalResponse
"""Status and headers; an informational one where it is the last."""

_TEXT = re.compile(rb"(?i)\s*(?:text/|application/(?:[\w.+-]{0,40}\+)?(?:json|xml|javascript|xhtml))")


def is_unreadable(reply: HttpReply) -> bool:
    """Tell whether a text came packed in a way that can't be read here, though it was asked for unpacked."""
    known = is_known(reply.header("content-encoding") or "")
    return not known and _TEXT.match(reply.content_type.encode() or b"text/html") is not None


def _unpacked(response: Head, body: bytes) -> bytes:
    """Return a text as it is meant. Devices that keep their pages packed send them so, whatever was asked for.

    At most ``BODY_LIMIT`` bytes are unpacked; archives, which some servers call packed too, are left as they came.
    """
    headers = dict(response.headers)
    packing = headers.get(b"content-encoding", b"").decode("ascii", "replace")
    return unpacked(body, packing, BODY_LIMIT) if _TEXT.match(headers.get(b"content-type", b"text/html")) else body


_DECLARED = re.compile(rb"""(?i)charset\s{0,3}=\s{0,3}["']?([\w-]{2,20})""")
_DECLARED_WITHIN = 1024
"""Bytes of a page in which its meta element may name how it is written (HTML standard, 13.2.3.2)."""

_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_WRITTEN = {
    **dict.fromkeys(("gb2312", "gbk", "gb18030", "x-gbk", "gb_2312-80", "cp936"), "gb18030"),
    **dict.fromkeys(("big5", "big5-hkscs"), "big5hkscs"),
    **dict.fromkeys(("utf-16", "utf-16le"), "utf-16-le"),
    "utf-16be": "utf-16-be",
}
"""Charsets, by their labels, that are not read as UTF-8: those of the West have the same letters where it matters."""


def _decoded(response: Head, body: bytes) -> str:
    """Return the body as text, by its mark or by the charset that a text or page declares, else as UTF-8."""
    content_type = dict(response.headers).get(b"content-type", b"")
    encoding = next((name for mark, name in _MARKS if body.startswith(mark)), "")
    if not encoding and _TEXT.match(content_type or b"text/html"):
        declared = _DECLARED.search(content_type) or _DECLARED.search(body[:_DECLARED_WITHIN])
        encoding = _WRITTEN.get(declared[1].decode("ascii", "replace").lower(), "") if declared else ""
    return body.decode(encoding or "utf-8", errors="replace").removeprefix("\ufeff")


def _header_value(name: bytes, value: bytes) -> str:
    """Return a header's value as one line; a cookie's attributes stand behind a value of any length."""
    return line(value.decode("utf-8", "replace"), HEAD_LIMIT if name == b"set-cookie" else HEADER_LENGTH)


def reply_of(method: str, path: str, response: Head, body: bytes) -> HttpReply:
    """Return what came for a request, its body as text."""
    kept = response.headers.raw_items()[:HEADER_LIMIT]
    body = _unpacked(response, body)
    return HttpReply(
        method=method,
        path=path,
        status=response.status_code,
        headers=tuple(
            (name.decode("ascii", "replace").lower(), _header_value(name.lower(), value)) for name, value in kept
        ),
        body=_decoded(response, body),
        body_bytes=len(body),
        at=dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
    )
