"""The form that every service probe has: how to recognise a protocol, and how to look at it safely."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from scanner.engine.facts.service import ServiceFacts
from scanner.engine.model import Level, Transport
from scanner.engine.probes.contact import Contact

Look = Callable[[Contact], Awaitable[ServiceFacts]]
"""Talk to a recognised service within the contact's level. Raises ``ProbeError`` when it can't be finished:
the caller records a gap, never a pass."""


@dataclass(frozen=True, slots=True)
class ServiceProbe:
    """One protocol that Roundsman recognises by what it says.

    ``protocol`` is the name given to the port (``redis``). ``greeting`` is sent on a fresh connection to make
    the service speak; empty when the server speaks first. ``recognises`` decides on the bytes that came back
    (to the greeting, or as a banner) and must be certain: a doubtful reply is not recognised. ``ports`` are the
    ports where this greeting is tried first; other silent ports get it too, later. ``look`` is the safe
    dialogue. ``also_recognises`` decides on the reply to other protocols' greetings where that is certain too
    (Redis answers an HTTP request with an error of its own). ``one_at_a_time`` tells that the service takes a single
    connection, so that on its ports its greeting goes out before anything else (where it speaks
    first, it is waited for). ``greeting_level`` is what the
    authorisation must allow for the greeting itself to be sent (SNMP's is a community, a credential; NRPE's is a read).
    ``own_ports_only`` keeps the greeting from every other port: it means nothing there, or asks too much of strangers.
    """

    protocol: str
    ports: frozenset[int]
    greeting: bytes
    recognises: Callable[[bytes], bool]
    look: Look
    transport: Transport = Transport.TCP
    also_recognises: Callable[[bytes], bool] | None = None
    answers_elsewhere: bool = False
    one_at_a_time: bool = False
    greeting_level: Level = Level.GREETING
    own_ports_only: bool = False
