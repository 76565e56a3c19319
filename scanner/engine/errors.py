"""Everything that the engine may raise on purpose.

RoundsmanError
├── InputError             the person's input can't be used; nothing was sent
│   ├── CatalogueError     a catalogue file contradicts itself or the rules
│   ├── Refused            it can't be done as things stand, for a reason that every language has a text for
│   └── PluginRefused      an installed plugin does not have the form of one
├── RefusedByScope         the gate said no; nothing was sent
├── ToolError              a program we start is missing, too old or failed
└── ProbeError             one conversation with a scanned host ended early
    ├── HostSilent         nothing came back in time
    ├── ConnectionRefused  nobody listens there
    ├── ConnectionLost     the other side closed in mid-conversation
    │   └── NameRefused    it serves nobody who doesn't ask for a name that it knows (a TLS alert)
    ├── UnexpectedReply    what came back is not the protocol that was asked
    └── PluginFailed       a plugin's probe raised what it should not

A ``ProbeError`` never reaches the user as a crash: the pipeline turns it into a gap of the coverage.
"""

from __future__ import annotations

import shlex
from typing import Self

from scanner.engine.sentence import Sentence


class RoundsmanError(Exception):
    """Base of every error whose message is meant for a person: it says what happened and what to do."""


class InputError(RoundsmanError):
    """The input can't be used; nothing was sent."""


class CatalogueError(InputError):
    """A catalogue file contradicts itself or the rules that use it."""


class Refused(InputError):  # noqa: N818 - reads as the event it is
    """What was asked for can't be done as things stand.

    The message says why in English, and ``sentence`` says the same as data, so that a page can word it in the language
    of its reader.
    """

    def __init__(self, message: str, code: str, /, **values: object) -> None:
        super().__init__(message)
        self.sentence = Sentence(message, code, **values)

    @classmethod
    def saying(cls, sentence: Sentence) -> Self:
        """Return the refusal for a reason that something else gave."""
        return cls(sentence, sentence.code, **sentence.values)


class PluginRefused(InputError):  # noqa: N818 - reads as the event it is
    """An installed plugin does not have the form of one; nothing of it is used."""


class RefusedByScope(RoundsmanError):  # noqa: N818 - reads as the event it is
    """The gate refused an address or port; no packet was sent to it."""


class ToolError(RoundsmanError):
    """A program that Roundsman starts is missing, too old, or failed."""


class ProbeError(RoundsmanError):
    """A conversation with a scanned host ended early."""


class HostSilent(ProbeError):  # noqa: N818 - reads as the event it is
    """Nothing came back in time."""


class ConnectionRefused(ProbeError):  # noqa: N818 - reads as the event it is
    """Nobody listens there."""


class ConnectionLost(ProbeError):  # noqa: N818 - reads as the event it is
    """The other side closed the connection in mid-conversation."""


class HostUnreachable(ConnectionLost):
    """A router or firewall says that there is no way to the host or port (ICMP, RFC 1812 section 5.2.7.1)."""


class NameRefused(ConnectionLost):
    """The server ended the TLS handshake with the alert ``unrecognized_name`` (RFC 6066 section 3)."""


class UnexpectedReply(ProbeError):  # noqa: N818 - reads as the event it is
    """What came back is not the protocol that was asked."""


class PluginFailed(ProbeError):  # noqa: N818 - reads as the event it is
    """A plugin's probe raised what it should not; ``error`` says what, as one printable line."""

    def __init__(self, plugin: str, error: str) -> None:
        super().__init__(f"The plugin {plugin} failed: {error}")
        self.detail = shlex.join(["plugin-probe", f"plugin={plugin}", f"error={error}"])
        """The same as data for a gap."""
