"""One call over HTTPS, to an address that was looked up, checked, and is then the only one that is connected to.

What is called was written by people, what answers is hostile: its answer is bounded in time, and only its status is
read. A redirect is an answer like any other, and is not followed.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import socket
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from threading import Timer
from typing import Any
from urllib.parse import urlsplit

from scanner.engine.errors import InputError, Refused
from scanner.engine.hostile import line
from targets.special import faces, special_range

PATIENCE = 10.0
"""Seconds for a connection, and for each step of the conversation."""

DEADLINE = 20.0
"""Seconds for all of it."""

_NEVER = frozenset({"unspecified", "link-local", "multicast", "reserved", "broadcast", "translated", "cloud-metadata"})
"""Special ranges that no webhook reaches, even where addresses that are not public are allowed."""

Resolve = Callable[[str, int], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a webhook is: ``target`` is path and query."""

    host: str
    port: int
    target: str
    tls: bool


@dataclass(frozen=True, slots=True)
class Told:
    """How a call went: whether it was taken (2xx), and what came back in a few words."""

    taken: bool
    reply: str


def parse_address(url: str, *, private: bool) -> Place:
    """Return where a URL leads: https, or http to this machine itself where ``private``. Raises ``Refused``."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise Refused(f"{url!r} is no address: {error}.", "no-hook-address", text=url) from error
    tls = parts.scheme == "https"
    if not tls and not (private and parts.scheme == "http" and _is_loopback(host)):
        raise Refused("A webhook is called by https:// only; what it is told names weaknesses.", "hook-without-tls")
    if not url.isascii() or not url.isprintable() or " " in url or not host or parts.username or parts.fragment:
        raise Refused(
            f"{url!r} is no address; write for example https://tickets.office.example/roundsman.",
            "no-hook-address",
            text=url,
        )
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Place(host, port or (443 if tls else 80), target, tls)


def look_up(host: str, port: int) -> list[str]:
    """Return the addresses of a name. Raises ``OSError``."""
    return [str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def permitted(addresses: Iterable[str], *, private: bool) -> str:
    """Return the address to connect to. Raises ``Refused`` when there is none, or one that must not be reached.

    One bad address among good ones refuses all: who can add one to a name decides which is taken.
    """
    found = [_plain(each) for each in addresses]
    for each in found:
        if not _may_reach(each, private=private):
            raise Refused(
                f"{each} is no public address; --private permits addresses of your own network.",
                "hook-private",
                address=str(each),
            )
    if not found:
        raise Refused("its name has no address", "hook-no-address")
    return str(found[0])


def signature(secret: bytes, at: int, body: bytes) -> str:
    """Return what proves that a call is ours and fresh: ``t=<Unix seconds>,v1=<HMAC-SHA256 of 't.body', hex>``."""
    digest = hmac.new(secret, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def call(url: str, body: bytes, headers: dict[str, str], *, private: bool, resolve: Resolve = look_up) -> Told:
    """Make one call. Whatever goes wrong is told, not raised."""
    try:
        place = parse_address(url, private=private)
        address = permitted(resolve(place.host, place.port), private=private)
        status = _status(place, address, body, headers)
    except InputError as error:
        return Told(False, line(f"not called: {error}"))
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Told(False, line(f"{type(error).__name__}: {error}"))
    return Told(200 <= status < 300, f"HTTP {status}")


class _Pinned(http.client.HTTPConnection):
    """A connection to one address, whatever its name leads to by now; TLS is for the name."""

    def __init__(self, place: Place, address: str) -> None:
        super().__init__(place.host, place.port, timeout=PATIENCE)
        self._tls, self._address = place.tls, address

    def connect(self) -> None:
        """Connect, and prove by its certificate who it is."""
        self.sock: Any = socket.create_connection((self._address, self.port), PATIENCE)
        if self._tls:
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)


def _status(place: Place, address: str, body: bytes, headers: dict[str, str]) -> int:
    connection = _Pinned(place, address)
    ends = Timer(DEADLINE, _break_off, [connection])
    ends.daemon = True
    ends.start()
    try:
        connection.request("POST", place.target, body, headers)
        return connection.getresponse().status
    finally:
        ends.cancel()
        connection.close()


def _break_off(connection: _Pinned) -> None:
    if connection.sock is not None:
        connection.sock.shutdown(socket.SHUT_RDWR)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _plain(text: str) -> IPv4Address | IPv6Address:
    """Return an address; an IPv4-mapped one (RFC 4291 section 2.5.5.2) is the one that it stands for."""
    address = ip_address(text.partition("%")[0])
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _may_reach(address: IPv4Address | IPv6Address, *, private: bool) -> bool:
    """Tell whether an address, and what a gateway would turn it into, may be called."""
    for face in faces(address):
        special = special_range(face)
        if special is not None and special[0] in _NEVER:
            return False
        if not private and (special is not None or not face.is_global):
            return False
    return True
