"""What a person may write as a target, brought to one canonical form. Framework-free: standard library and idna.

Every error says what is wrong with the text and, where it can be known, what would be right.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import quote, urlsplit

import idna

from targets.wrong import WrongText

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAPPED = IPv6Network("::ffff:0:0/96")
"""IPv4-mapped IPv6 addresses (RFC 4291, 2.5.5.2); they are the IPv4 hosts they name."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LONGEST_NAME = 253  # RFC 1035, 2.3.4, without the final dot
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_NUMBER_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_NAME_AND_PORT = re.compile(r"([^:\[\]/]+|\[[^\]]*\]):([0-9]+)")
_ADDRESS_RANGE = re.compile(r"[0-9.]+-[0-9.]+")


class AddressError(WrongText):
    """The text is nothing that can be inspected; the message says what would be right."""


class Kind(StrEnum):
    """What a target is."""

    HOSTNAME = "hostname"
    IPV4 = "ipv4"
    IPV6 = "ipv6"
    CIDR = "cidr"
    URL = "url"


@dataclass(frozen=True, slots=True)
class ParsedTarget:
    """A target in its canonical form.

    ``value`` is the canonical text: equal values are the same target. ``display`` is the same with names in
    Unicode. ``hostname`` (ASCII) is set for names and URLs of names; ``network`` for everything written as an
    address, a single address being a network of one. ``port`` is the port of a URL, written or implied.
    """

    kind: Kind
    value: str
    display: str
    hostname: str | None = None
    network: Network | None = None
    port: int | None = None


@lru_cache(maxsize=8192)  # registers are parsed again for every job and report
def parse_target(text: str) -> ParsedTarget:
    """Parse a hostname, IPv4 or IPv6 address, CIDR network or http(s) URL. Raises ``AddressError``."""
    text = _checked(text)
    if "://" in text:
        return _parse_url(text)
    _refuse_lookalikes(text)
    if "/" in text:
        return _of_network(parse_network(text))
    if ":" in text or text.startswith("["):
        return _of_network(parse_network(text.removeprefix("[").removesuffix("]")))
    name = _ascii_name(text)
    if _NUMBER_LABEL.fullmatch(name.rpartition(".")[2]):
        return _of_network(parse_network(text))
    return ParsedTarget(Kind.HOSTNAME, name, display_name(name), hostname=name)


def parse_address(text: str) -> Address:
    """Parse one IPv4 or IPv6 literal; an IPv4-mapped IPv6 address becomes the IPv4 address it names."""
    text = _checked(text)
    if "%" in text:
        bare = text.partition("%")[0]
        raise AddressError(
            f"{text} carries a zone index ({text[len(bare) :]}), which has a meaning on one machine only; write {bare}",
            "address-with-zone",
            text=text,
            right=bare,
        )
    try:
        address = ipaddress.ip_address(text)
    except ValueError as error:
        raise _no_address(text) from error
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def parse_network(text: str) -> Network:
    """Parse an address (a network of one) or a CIDR network without host bits. Raises ``AddressError``."""
    text = _checked(text)
    literal, slash, prefix = text.partition("/")
    parse_address(literal)
    if slash and not re.fullmatch(r"[0-9]{1,3}", prefix, re.ASCII):
        right = _cidr_of_mask(text)
        raise AddressError(
            f"{text} is no network in CIDR form; write {right or 'for example 192.0.2.0/24'}",
            "no-cidr",
            text=text,
            right=right or "192.0.2.0/24",
        )
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        longest = 128 if ":" in literal else 32
        raise AddressError(
            f"{text}: the prefix length /{prefix} is out of range; use /0 to /{longest}",
            "prefix-out-of-range",
            text=text,
            longest=longest,
        ) from error
    if str(network.network_address) != str(ipaddress.ip_address(literal)):
        raise AddressError(
            f"{text} names a host inside a network; the network is {network}, the host alone is {literal}",
            "host-bits",
            text=text,
            network=str(network),
            host=literal,
        )
    return unmapped(network)


def parse_hostname(text: str) -> str:
    """Parse a host name to its ASCII form (IDNA 2008 with the mapping of UTS 46), lower case, no final dot.

    Underscores are accepted, as many internal hosts carry them. Raises ``AddressError``; so does a name that is
    really an address.
    """
    parsed = parse_target(text)
    if parsed.kind is not Kind.HOSTNAME:
        raise AddressError(f"{text} is no host name; write for example www.example.org", "no-host-name", text=text)
    return parsed.value


def display_name(name: str) -> str:
    """The Unicode form of an ASCII host name, or the name itself when it has none."""
    if "xn--" not in name:
        return name
    return ".".join(idna.ulabel(label) if label.startswith("xn--") else label for label in name.split("."))


def unmapped(network: Network) -> Network:
    """Turn a network of IPv4-mapped IPv6 addresses into the IPv4 network it is; leave any other as it is."""
    if isinstance(network, IPv6Network) and network.prefixlen >= MAPPED.prefixlen and network.subnet_of(MAPPED):
        low = int(network.network_address) & 0xFFFFFFFF
        return IPv4Network((low, network.prefixlen - MAPPED.prefixlen))
    return network


def _checked(text: str) -> str:
    text = text.strip()
    if not text:
        raise AddressError("it is empty; write a host name, an address, a network in CIDR form, or a URL", "no-target")
    if text.startswith("-"):
        raise AddressError(
            f"{text!r} looks like an option; a target never begins with '-'", "target-like-option", text=text
        )
    if len(text) > 2048:
        raise AddressError(
            f"it is {len(text)} characters long; no target needs more than 2048", "target-too-long", most=2048
        )
    if any(character.isspace() or not character.isprintable() for character in text):
        raise AddressError(
            f"{text!r} holds a space or an unprintable character; write one target at a time",
            "target-with-space",
            text=text,
        )
    return text


def _refuse_lookalikes(text: str) -> None:
    if "@" in text:
        raise AddressError(
            f"{text!r} looks like an e-mail address; write the host name alone", "target-like-mail", text=text
        )
    if "*" in text:
        raise AddressError(
            f"{text!r} holds a wildcard; list each host name by itself", "target-with-wildcard", text=text
        )
    with_port = _NAME_AND_PORT.fullmatch(text)
    if with_port:
        raise AddressError(
            f"{text} holds a port; write {with_port[1]} and give the port {with_port[2]} as ports",
            "target-with-port",
            host=with_port[1],
            port=with_port[2],
        )
    if _ADDRESS_RANGE.fullmatch(text):
        raise AddressError(
            f"{text} is a range; write networks in CIDR form, such as 192.0.2.0/28", "target-range", text=text
        )


def _of_network(network: Network) -> ParsedTarget:
    if network.num_addresses > 1:
        return ParsedTarget(Kind.CIDR, str(network), str(network), network=network)
    kind = Kind.IPV4 if network.version == 4 else Kind.IPV6
    value = str(network.network_address)
    return ParsedTarget(kind, value, value, network=network)


def _ascii_name(text: str) -> str:
    """Map and encode a name; a name that maps to an address in disguise (``127。0。0。1``) comes back as digits."""
    try:
        mapped = idna.uts46_remap(text, std3_rules=False).removesuffix(".")
        labels = [label if label.isascii() else idna.alabel(label).decode("ascii") for label in mapped.split(".")]
        for label in labels:
            if label.startswith("xn--"):
                idna.ulabel(label)
    except idna.IDNAError as error:
        raise AddressError(f"{text!r} is no valid host name: {error}", "name-not-valid", text=text) from error
    name = ".".join(labels)
    if len(name) > _LONGEST_NAME:
        raise AddressError(
            f"the name is {len(name)} characters long; a host name has at most {_LONGEST_NAME}",
            "name-too-long",
            most=_LONGEST_NAME,
        )
    for label in labels:
        if not _LABEL.fullmatch(label):
            raise AddressError(
                f"{text!r} is no valid host name: {label!r} must be 1 to 63 letters, digits or hyphens, "
                "with no hyphen at either end",
                "label-not-valid",
                text=text,
                label=label,
            )
    return name


def _no_address(text: str) -> AddressError:
    parts = text.split(".")
    if len(parts) == 4 and all(re.fullmatch(r"[0-9]+", part, re.ASCII) for part in parts):
        if any(len(part) > 1 and part.startswith("0") for part in parts):
            plain = ".".join(str(int(part)) for part in parts)
            return AddressError(
                f"{text} has leading zeros, which some programs read as octal; write {plain} if that is meant",
                "address-with-zeros",
                text=text,
                right=plain,
            )
        return AddressError(
            f"{text} is no IPv4 address: each of its four numbers must be 0 to 255", "no-ipv4", text=text
        )
    if ":" in text:
        return AddressError(f"{text} is no IPv6 address; write for example 2001:db8::1", "no-ipv6", text=text)
    if not text.isascii():
        return AddressError(
            f"{text} is an address in full-width characters; write it in plain digits and dots",
            "address-full-width",
            text=text,
        )
    return AddressError(
        f"{text} is no IP address; write all four numbers in decimal, such as 192.0.2.1", "no-address", text=text
    )


def _cidr_of_mask(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        return ""


def _parse_url(text: str) -> ParsedTarget:
    scheme, _, rest = text.partition("://")
    if "@" in rest.partition("/")[0]:
        right = f"{scheme}://{rest.rpartition('@')[2]}"
        raise AddressError(f"the URL holds a user name or password; write {right}", "url-with-user", right=right)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise AddressError(f"{text!r} is no valid URL: {error}", "no-url", text=text) from error
    if parts.scheme not in _DEFAULT_PORTS:
        raise AddressError(
            f"{scheme}:// is not inspected; a URL begins with http:// or https://", "url-scheme", scheme=scheme
        )
    if "\\" in text or not parts.hostname or port == 0:
        raise AddressError(f"{text!r} is no valid URL; write for example https://www.example.org/", "no-url", text=text)
    host = parse_target(parts.hostname)
    if host.kind is Kind.CIDR:
        raise AddressError(f"{text!r} names a network; a URL names one host", "url-of-network", text=text)
    effective = port or _DEFAULT_PORTS[parts.scheme]
    shown_port = "" if effective == _DEFAULT_PORTS[parts.scheme] else f":{effective}"
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~-._?") if parts.query else ""
    bracketed = "[{}]" if host.kind is Kind.IPV6 else "{}"
    value, display = (
        f"{parts.scheme}://{bracketed.format(name)}{shown_port}{path}{query}" for name in (host.value, host.display)
    )
    return ParsedTarget(Kind.URL, value, display, host.hostname, host.network, effective)
