"""Unpacks the bodies of servers that pack their pages whatever was asked for, at a bounded size.

Browsers take gzip, deflate, br and zstd (RFC 9110 section 8.4.1, RFC 7932, RFC 8878), so that servers which hold
nothing but packed files send any of them.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable, Mapping

import brotli
import zstandard

_CODINGS = 3
"""Codings on top of each other that are taken off."""

_WINDOW = 8 * 1024 * 1024
"""Bytes that a zstd stream may look back, as RFC 9659 allows on the web."""

_DEFLATED = (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS)
"""With the header of gzip or zlib, and without any, as some servers send what they call deflate (RFC 9110, 8.4.1.2)."""


def _inflate(body: bytes, limit: int) -> bytes | None:
    for form in _DEFLATED:
        with contextlib.suppress(zlib.error):
            return zlib.decompressobj(wbits=form).decompress(body, limit)
    return None


def _read_brotli(body: bytes, limit: int) -> bytes | None:
    with contextlib.suppress(brotli.error):
        return bytes(brotli.Decompressor().process(body, output_buffer_limit=limit))[:limit]
    return None


def _read_zstd(body: bytes, limit: int) -> bytes | None:
    with contextlib.suppress(zstandard.ZstdError):
        return zstandard.ZstdDecompressor(max_window_size=_WINDOW).stream_reader(body).read(limit)
    return None


_WAYS: Mapping[str, Callable[[bytes, int], bytes | None]] = {
    "gzip": _inflate,
    "x-gzip": _inflate,
    "deflate": _inflate,
    "br": _read_brotli,
    "zstd": _read_zstd,
}


def codings(header: str) -> tuple[str, ...]:
    """Return the codings that a Content-Encoding header names, in the order in which they were put on."""
    names = (name.strip().lower() for name in header.split(","))
    return tuple(name for name in names if name not in ("", "identity"))


def is_known(header: str) -> bool:
    """Tell whether everything that a Content-Encoding header names can be taken off here."""
    named = codings(header)
    return len(named) <= _CODINGS and all(name in _WAYS for name in named)


def unpacked(body: bytes, header: str, limit: int) -> bytes:
    """Return at most ``limit`` bytes of what ``body`` holds below the codings that ``header`` names.

    What comes cut is unpacked as far as it goes. What is not packed as it says is left as it came, and so is what is
    packed in a way that isn't known.
    """
    if not is_known(header):
        return body
    for name in reversed(codings(header)):
        opened = _WAYS[name](body, limit)
        if opened is None:
            return body
        body = opened
    return body
