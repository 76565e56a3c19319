"""Name servers other than BIND: as they come, with one line changed, and as they word their version."""

from __future__ import annotations

import contextlib
import datetime as dt
import struct
from collections.abc import Iterator
from pathlib import Path

from scanner.engine.intel.known import Affected, Intel
from tests.lab.case import LabCase, Start, process, program
from tests.lab.dns_servers import on_loopback
from tests.lab.network_cases import named
from tests.lab.scripted import Answer
from tests.lab.udp import scripted_udp, wait_until_bound

_UPSTREAM = "127.10.160.240"
_UNBOUND = """
server:
  interface: {address}
  access-control: 127.0.0.0/8 {control}
  do-daemonize: no
  use-syslog: no
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: ""
  module-config: "iterator"
  do-not-query-localhost: no
remote-control:
  control-enable: no
forward-zone:
  name: "."
  forward-addr: {upstream}
"""
_INTEL = Intel(
    affected={
        "unbound": (Affected("CVE-2024-8508", 5.3, end="1.21.1", end_included=False),),
        "dnsmasq": (Affected("CVE-2020-25681", 8.1, end="2.83", end_included=False),),
    },
    as_of=dt.date(2026, 11, 1),
)


def _unbound(control: str) -> Start:
    """Unbound that lets everyone in, or no one, before a BIND that plays the Internet."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        upstream = folder / "upstream"
        upstream.mkdir()
        configuration = folder / "unbound.conf"
        configuration.write_text(_UNBOUND.format(address=address, folder=folder, control=control, upstream=_UPSTREAM))
        command = [program("unbound"), "-d", "-c", str(configuration)]
        internet = named("recursion no;", zones=("example.org",))
        with internet(_UPSTREAM, upstream), on_loopback(address), process(command, folder=folder):
            wait_until_bound(address, 53)
            yield

    return start


def _says(version: str) -> Answer:
    """Tell the version in so many words, and refuse everything else."""

    def answer(request: bytes) -> bytes | None:
        question = request[12:]
        if question[-4:] != b"\x00\x10\x00\x03":
            return request[:2] + b"\x81\x05" + struct.pack(">4H", 1, 0, 0, 0) + question
        text = bytes([len(version)]) + version.encode()
        record = b"\xc0\x0c\x00\x10\x00\x03" + struct.pack(">IH", 0, len(text)) + text
        return request[:2] + b"\x85\x00" + struct.pack(">4H", 1, 1, 0, 0) + question + record

    return answer


def _on_53(*checks: str) -> frozenset[tuple[int | str, str]]:
    return frozenset(("53/udp", check) for check in checks)


CASES = (
    LabCase(
        name="unbound-for-everyone",
        address="127.10.160.9",
        ports="U:53",
        start=_unbound("allow"),
        expected=_on_53("DNS-RECURSION", "DNS-VERSION", "SW-CVE"),
        silent=frozenset({"DNS-AMP-ANY", "SW-KEV"}),
        intel=_INTEL,
        needs=("unbound", "named"),
    ),
    LabCase(
        name="unbound-for-its-own-network",
        address="127.10.160.10",
        ports="U:53",
        start=_unbound("refuse"),
        silent=frozenset({"DNS-RECURSION", "DNS-AMP-ANY", "DNS-VERSION", "SW-CVE"}),
        intel=_INTEL,
        needs=("unbound", "named"),
    ),
    LabCase(
        name="dnsmasq-of-a-router",
        address="127.10.160.11",
        ports="U:53",
        start=scripted_udp(53, _says("dnsmasq-2.78")),
        expected=_on_53("DNS-VERSION", "SW-CVE"),
        silent=frozenset({"DNS-RECURSION", "DNS-AMP-ANY"}),
        intel=_INTEL,
    ),
    LabCase(
        name="dnsmasq-that-was-mended",
        address="127.10.160.12",
        ports="U:53",
        start=scripted_udp(53, _says("dnsmasq-2.91")),
        expected=_on_53("DNS-VERSION"),
        silent=frozenset({"SW-CVE"}),
        intel=_INTEL,
    ),
)
