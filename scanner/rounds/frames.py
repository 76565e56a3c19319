"""What a worker and the child process that runs its probes say to each other: frames of a kind and a few bytes.

To the child go pickles, which are ours. From the child, which reads what hostile hosts send, come JSON and the bounded
form of :func:`scanner.engine.serialize.dump_host`, never a pickle: whoever takes the child over gets no further.
"""

from __future__ import annotations

import socket
import struct
import time
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from scanner.engine.plan import Plan
from targets.scope import Scope

LIMIT = 64 * 1024 * 1024
"""Bytes that one frame may hold; the facts of the largest host seen are a hundredth of it."""

HEAD = struct.Struct(">cI")
"""A frame's kind, and how many bytes follow."""


class Kind(Enum):
    """``REQUEST`` and ``GO_ON`` go to the child, the others come from it."""

    REQUEST = b"R"
    GO_ON = b"G"
    TICK = b"T"
    PROGRESS = b"P"
    HOST = b"H"
    END = b"E"
    FAILED = b"F"
    """The engine raised; the payload says what."""
    UNHEARD = b"U"
    """Nobody said go on for too long, so the child ends: its worker, not a host, is the matter."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a child is to inspect. ``names`` are the registered names of each address; see ``ScopeGate``."""

    plan: Plan
    names: dict[str, list[str | None]]
    scope: Scope
    plugins_off: tuple[str, ...]
    now: datetime


@dataclass(frozen=True, slots=True)
class GoOn:
    """The child may go on, by ``scope`` if that changed."""

    now: datetime
    scope: Scope | None = None


class FrameError(Exception):
    """What came is no frame of ours."""


def frame(kind: Kind, payload: bytes = b"") -> bytes:
    """Return a frame as bytes."""
    return HEAD.pack(kind.value, len(payload)) + payload


def read_head(head: bytes) -> tuple[Kind, int]:
    """Return the kind and size of the frame that begins so. Raises ``FrameError``."""
    letter, size = HEAD.unpack(head)
    try:
        kind = Kind(letter)
    except ValueError as error:
        raise FrameError(f"{letter!r} is no kind of frame") from error
    if size > LIMIT:
        raise FrameError(f"a frame of {size} bytes is too large")
    return kind, size


class FrameReader:
    """Takes frames from a socket, as they come."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._data = bytearray()

    def next(self, seconds: float) -> tuple[Kind, bytes] | None:
        """Return the next frame, or None when none is whole within so many seconds.

        Raises ``EOFError`` when the other side closed, ``FrameError`` when it does not keep to the form.
        """
        ends = time.monotonic() + seconds
        while True:
            found = self._whole()
            if found is not None:
                return found
            remaining = ends - time.monotonic()
            if remaining <= 0:
                return None
            self._channel.settimeout(remaining)
            try:
                data = self._channel.recv(1 << 18)
            except TimeoutError:
                return None
            except ConnectionError as error:
                raise EOFError from error
            if not data:
                raise EOFError
            self._data += data

    def _whole(self) -> tuple[Kind, bytes] | None:
        if len(self._data) < HEAD.size:
            return None
        kind, size = read_head(bytes(self._data[: HEAD.size]))
        if len(self._data) < HEAD.size + size:
            return None
        payload = bytes(self._data[HEAD.size : HEAD.size + size])
        del self._data[: HEAD.size + size]
        return kind, payload
