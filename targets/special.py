"""Address ranges that no wide authorisation reaches: they must be named by an authorisation of their own."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_network

from targets.addresses import Address, Network

_RANGES = (
    # RFC 6890 and the IANA special-purpose registries
    ("unspecified", "0.0.0.0/8"),
    ("loopback", "127.0.0.0/8"),
    ("link-local", "169.254.0.0/16"),
    ("multicast", "224.0.0.0/4"),
    ("reserved", "240.0.0.0/4"),
    ("broadcast", "255.255.255.255/32"),
    ("unspecified", "::/128"),
    ("loopback", "::1/128"),
    ("link-local", "fe80::/10"),
    ("multicast", "ff00::/8"),
    # IPv6 addresses that a gateway turns into IPv4 ones: RFC 4291 2.5.5.1, RFC 6052, RFC 8215, RFC 3056, RFC 4380
    ("translated", "::/96"),
    ("translated", "64:ff9b::/96"),
    ("translated", "64:ff9b:1::/48"),
    ("translated", "2002::/16"),
    ("translated", "2001::/32"),
    # Where clouds serve the credentials of the machine that asks, by the providers' documentation
    ("cloud-metadata", "169.254.169.254/32"),  # AWS, Azure, Google, OpenStack and most others
    ("cloud-metadata", "169.254.170.2/32"),  # AWS ECS tasks
    ("cloud-metadata", "169.254.170.23/32"),  # AWS EKS pods
    ("cloud-metadata", "169.254.0.23/32"),  # Tencent Cloud
    ("cloud-metadata", "169.254.42.42/32"),  # Scaleway
    ("cloud-metadata", "100.100.100.200/32"),  # Alibaba Cloud
    ("cloud-metadata", "168.63.129.16/32"),  # Azure wire server
    ("cloud-metadata", "192.0.0.192/32"),  # Oracle Cloud
    ("cloud-metadata", "fd00:ec2::254/128"),  # AWS
    ("cloud-metadata", "fd00:ec2::23/128"),  # AWS EKS pods
    ("cloud-metadata", "fd20:ce::254/128"),  # Google Cloud
    ("cloud-metadata", "fd00:42::42/128"),  # Scaleway
)

_REMEMBERED = 4096
"""Addresses whose answer is kept: a host is asked about once for each of its ports."""

_WITH_IPV4_INSIDE = (ip_network("64:ff9b::/96"), ip_network("::/96"))

SPECIAL_RANGES: tuple[tuple[str, Network], ...] = tuple((name, ip_network(text)) for name, text in _RANGES)


@lru_cache(maxsize=_REMEMBERED)
def special_range(address: Address) -> tuple[str, Network] | None:
    """The narrowest special range that holds ``address`` with its name, or None for an ordinary address."""
    found = [(name, network) for name, network in SPECIAL_RANGES if address in network]
    return max(found, key=lambda pair: pair[1].prefixlen, default=None)


@lru_cache(maxsize=_REMEMBERED)
def faces(address: Address) -> tuple[Address, ...]:
    """``address`` and the IPv4 addresses that a gateway would turn it into, so that an exclusion holds for all."""
    if not isinstance(address, IPv6Address):
        return (address,)
    inner: list[Address] = []
    if any(address in network for network in _WITH_IPV4_INSIDE):
        inner.append(IPv4Address(int(address) & 0xFFFFFFFF))
    if address.sixtofour:
        inner.append(address.sixtofour)
    if address.teredo:
        inner.extend(address.teredo)
    return (address, *inner)
