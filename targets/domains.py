"""What a person may register as a domain, brought to one canonical form. Imports no Django."""

from __future__ import annotations

from dataclasses import dataclass

from scanner.engine.facts.domain import is_registry
from targets.addresses import AddressError, Kind, parse_target


@dataclass(frozen=True, slots=True)
class ParsedDomain:
    """``name`` is ASCII, lower case, without a final dot: equal names are the same domain. ``display`` is Unicode."""

    name: str
    display: str


def parse_domain(text: str) -> ParsedDomain:
    """Parse a domain that somebody can own. Raises ``AddressError``, also for what registries sell names below."""
    parsed = parse_target(text)
    if parsed.kind is not Kind.HOSTNAME:
        raise AddressError(f"{text} is no domain; write its name alone, such as example.org", "no-domain", text=text)
    if any(label.startswith("_") for label in parsed.value.split(".")):
        raise AddressError(
            f"{text} names a record, not a domain; write for example example.org", "domain-record", text=text
        )
    if is_registry(parsed.value):
        raise AddressError(
            f"{text} is not one owner's domain, many register names below it; write yours in full",
            "domain-of-many",
            text=text,
        )
    return ParsedDomain(parsed.value, parsed.display)
