"""What a person may register as a domain, brought to one canonical form. Imports no Django."""

from __future__ import annotations

from dataclasses import dataclass

from targets.addresses import AddressError, Kind, parse_target

_SECOND_LEVELS = frozenset(
    {"ac", "co", "com", "ed", "edu", "go", "gob", "gouv", "gov", "gv", "mil", "ne", "net", "or", "org"}
)
"""Second levels below which the registries of countries register (``gov.cn``, ``co.uk``)."""

_CHINESE_PROVINCES = frozenset({
    "bj", "sh", "tj", "cq", "he", "sx", "nm", "ln", "jl", "hl", "js", "zj", "ah", "fj", "jx", "sd", "ha", "hb", "hn",
    "gd", "gx", "hi", "sc", "gz", "yn", "xz", "sn", "gs", "qh", "nx", "xj", "tw", "hk", "mo",
})  # fmt: skip
"""Second levels of ``.cn`` for provinces (CNNIC, domain name system of the Internet in China, 2018)."""


@dataclass(frozen=True, slots=True)
class ParsedDomain:
    """``name`` is ASCII, lower case, without a final dot: equal names are the same domain. ``display`` is Unicode."""

    name: str
    display: str


def parse_domain(text: str) -> ParsedDomain:
    """Parse a domain that somebody can own. Raises ``AddressError``, also for what registries sell names below."""
    parsed = parse_target(text)
    if parsed.kind is not Kind.HOSTNAME:
        raise AddressError(f"{text} is no domain; write its name alone, such as example.org")
    labels = parsed.value.split(".")
    if any(label.startswith("_") for label in labels):
        raise AddressError(f"{text} names a record, not a domain; write for example example.org")
    if len(labels) < 2 or _is_registry(labels):
        raise AddressError(f"{text} is not one owner's domain, many register names below it; write yours in full")
    return ParsedDomain(parsed.value, parsed.display)


def _is_registry(labels: list[str]) -> bool:
    if len(labels) != 2 or len(labels[1]) != 2:
        return False
    return labels[0] in _SECOND_LEVELS or (labels[1] == "cn" and labels[0] in _CHINESE_PROVINCES)
