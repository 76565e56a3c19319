"""A service that only nmap could name is asked by our own probe, or counts as not inspected."""

from __future__ import annotations

import asyncio
import re
import socket
from pathlib import Path

import pytest

from scanner.engine.model import Endpoint, Facet, GapReason, Level, Target
from scanner.engine.plan import Profile
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.dial import Dialer
from scanner.engine.probes.identify import Manner
from scanner.engine.probes.notes import PortNotes
from scanner.engine.probes.port import look_at_port
from scanner.engine.probes.version_scan import NamedByNmap, VersionScanner

NAMES = [
    "X11", "ajp13", "cassandra-native", "domain", "kerberos-sec", "ms-sql-s", "ms-wbt-server", "nrpep", "rfb",
    "socks5", "svnserve", "redis", "mysql",
]  # fmt: skip


class Naming(VersionScanner):
    """Stands for nmap, which names every port alike."""

    def __init__(self, protocol: str) -> None:
        super().__init__(1, lambda _: None)
        self._protocol = protocol

    async def name(self, endpoint: Endpoint) -> NamedByNmap | None:
        return NamedByNmap(self._protocol)


@pytest.mark.parametrize("name", NAMES)
def test_what_nmap_names_and_we_could_not_ask_is_not_inspected(name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    own = {"kerberos-sec": 88, "nrpep": 5666}.get(name, port)
    contact = Contact(Dialer(lambda _: None), Target("h", "127.0.0.1"), Endpoint("127.0.0.1", own), Level.READ)
    notes = PortNotes(contact)
    asyncio.run(look_at_port(contact, Manner.FREE, Profile.DEEP, Naming(name), notes))
    assert not {look.facet for look in notes.looks} & {Facet.SERVICE}
    assert GapReason.CONNECTION_BROKEN in [gap.reason for gap in notes.gaps]


def test_the_names_tested_here_are_nmaps_own() -> None:
    published = Path("/usr/share/nmap/nmap-service-probes").read_text(encoding="utf-8", errors="replace")
    given = set(re.findall(r"^match (\S+) ", published, re.MULTILINE)) | {"rfb"}
    assert set(NAMES) <= given
