"""Packs bytes that are kept in rows: with Zstandard (RFC 8878), which takes a third to an eighth of zlib's time.

Facts and pages are much alike, so each is packed by a dictionary of what such rows have in common, which a frame names
by number (RFC 8878 section 5). What an older Roundsman packed without, or with zlib (RFC 1950), is unpacked too.
"""

from __future__ import annotations

import threading
import zlib
from enum import StrEnum
from functools import cache
from pathlib import Path

from zstandard import ZstdCompressionDict, ZstdCompressor, ZstdDecompressor, ZstdError, get_frame_parameters

_MAGIC = b"\x28\xb5\x2f\xfd"

LIMIT = 256 * 1024 * 1024
"""Bytes that anything may unfold to: facts may come from a process that a host took over."""


class Like(StrEnum):
    """What rows are like that share a dictionary: facts as JSON; reports, notices and bulletins as HTML or JSON."""

    FACTS = "facts"
    PAGES = "pages"


DICTIONARIES = {Like.FACTS: 40_001, Like.PAGES: 40_002}
"""The numbers of the dictionaries that are packed by now (RFC 8878 leaves those from 32,768 on to anybody)."""

_FOLDER = Path(__file__).with_name("dictionaries")

_NONE = 0
"""The number of no dictionary."""

_LEVELS = {DICTIONARIES[Like.FACTS]: 2}
_LEVEL = 3
"""Zstandard's usual level: pages get smaller than with zlib's 6. Facts, which come by the thousand, take little more
than half the time at the level below, and a fortieth more room."""

_here = threading.local()
"""A compressor belongs to one thread at a time."""


def dictionary_file(like: Like) -> Path:
    """Return where the dictionary is kept by which rows are packed."""
    return _FOLDER / f"{DICTIONARIES[like]}.zdict"


def pack(content: bytes, like: Like | None = None) -> bytes:
    """Return the bytes packed, by the dictionary of rows ``like`` them."""
    compressors: dict[int, ZstdCompressor] = _here.__dict__.setdefault("compressors", {})
    number = DICTIONARIES[like] if like else _NONE
    compressor = compressors.get(number)
    if compressor is None:
        compressor = compressors[number] = ZstdCompressor(level=_level(number), dict_data=_dictionary(number))
    return compressor.compress(content)


def unpack(packed: bytes | memoryview) -> bytes:
    """Return what :func:`pack`, or zlib, packed. Raises ``ValueError`` when it is damaged or unfolds to too much, or
    was packed by the dictionary of a newer Roundsman."""
    try:
        return _unfolded(bytes(packed)) if bytes(packed[:4]) == _MAGIC else _inflated(bytes(packed))
    except (zlib.error, ZstdError) as error:
        raise ValueError(f"it is damaged: {error}") from error


def _unfolded(packed: bytes) -> bytes:
    frame = get_frame_parameters(packed)
    if frame.content_size > LIMIT:
        raise ValueError("it unfolds to too much")
    decompressors: dict[int, ZstdDecompressor] = _here.__dict__.setdefault("decompressors", {})
    decompressor = decompressors.get(frame.dict_id)
    if decompressor is None:
        decompressor = decompressors[frame.dict_id] = ZstdDecompressor(dict_data=_dictionary(frame.dict_id))
    return decompressor.decompress(packed, max_output_size=LIMIT, allow_extra_data=False)


@cache
def _dictionary(number: int) -> ZstdCompressionDict | None:
    """Return a dictionary by its number; any number of threads may use it."""
    if number == _NONE:
        return None
    try:
        made = ZstdCompressionDict((_FOLDER / f"{number}.zdict").read_bytes())
    except FileNotFoundError as error:
        raise ValueError(f"it is packed by dictionary {number}, which a newer Roundsman knows") from error
    made.precompute_compress(level=_level(number))
    return made


def _level(number: int) -> int:
    return _LEVELS.get(number, _LEVEL)


def _inflated(packed: bytes) -> bytes:
    inflating = zlib.decompressobj()
    content = inflating.decompress(packed, LIMIT)
    if not inflating.eof:
        raise ValueError("it is cut off or unfolds to too much")
    return content
