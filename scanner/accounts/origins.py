"""Where an account is signed in from, and whether that is somewhere new."""

from __future__ import annotations

from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network

from scanner.accounts.models import Origin, User
from scanner.delivery.account_news import KNOWN_DAYS

_PREFIX = {4: 24, 6: 56}
"""Bits of an address by which it counts as the same place: a provider changes those behind them (RFC 6177)."""


def network_of(address: str) -> str:
    """Return the network that stands for a place; what is no address stands for itself."""
    try:
        known = ip_address(address)
    except ValueError:
        return address[:50]
    return str(ip_network((known, _PREFIX[known.version]), strict=False))


def is_elsewhere(user: User, address: str, now: datetime) -> bool:
    """Note where the account signs in from; tell whether it did from other places lately, and not from this one."""
    Origin.objects.filter(user=user, last__lt=now - timedelta(days=KNOWN_DAYS)).delete()
    had_others = Origin.objects.filter(user=user).exists()
    _, is_new = Origin.objects.update_or_create(user=user, network=network_of(address), defaults={"last": now})
    return is_new and had_others
