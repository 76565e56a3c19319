"""The grammar of a sender policy (SPF, RFC 7208 section 12): its terms, or the first that no receiver can read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_network

LONGEST_NAME, LONGEST_LABEL = 253, 63
"""Characters (RFC 1035 section 2.3.4)."""

WIDE_IPV4, WIDE_IPV6 = 8, 16
"""A permitted network of fewer bits than these is taken for everyone."""

_TERM = re.compile(r"([+~?-]?)(all|include|a|mx|ptr|ip4|ip6|exists)((?:[:/].*)?)", re.IGNORECASE)
_MODIFIER = re.compile(r"([a-z][a-z0-9_.-]*)=(.*)", re.IGNORECASE)
_LENGTHS = re.compile(r"(?:/(0|[1-9]\d?))?(?://(0|[1-9]\d{0,2}))?")
"""A prefix length of IPv4, then one of IPv6, of the addresses of ``a`` and ``mx`` (section 5.6)."""
_NETWORK = re.compile(r":([^/]+)(?:/(?:0|[1-9]\d{0,2}))?")
"""A length is a number of bits: many programs take ``/255.255.255.0`` too, but receivers don't."""
_MACRO = re.compile(r"%\{([slodiprtcvh])([1-9]\d*)?(r?)([.+,/_=-]*)\}|%[%_-]", re.IGNORECASE)
_TOP_LABEL = re.compile(r"\.(?=[^.]*[a-z])[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.?\Z", re.IGNORECASE)
"""The last label, without which no name is a domain: an address is none, and neither is a bare word (section 7.1)."""

_WITH_TARGET = frozenset({"include", "exists"})
_WITH_LENGTHS = frozenset({"a", "mx"})


@dataclass(frozen=True, slots=True)
class Term:
    """A mechanism. ``target`` is the domain it names, perhaps with macros, or empty; ``is_wide`` tells that it takes in
    every address near those it matches."""

    text: str
    qualifier: str
    kind: str
    target: str = ""
    is_wide: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """The mechanisms of a record in their order, and where its ``redirect`` leads; ``wrong`` is its first bad term."""

    terms: tuple[Term, ...] = ()
    redirect: str = ""
    wrong: str = ""


def read_policy(record: str) -> Policy:
    """Read a record. One bad term anywhere makes it void, also behind ``all`` (section 4.6)."""
    terms: list[Term] = []
    modifiers: dict[str, str] = {}
    for text in record.split()[1:]:
        if modifier := _MODIFIER.fullmatch(text):
            kind = modifier[1].lower()
            known = kind in ("redirect", "exp")
            if kind in modifiers or (known and not is_domain(modifier[2])):
                return Policy(wrong=text)
            modifiers |= {kind: modifier[2]} if known else {}
            continue
        term = _read_term(text)
        if term is None:
            return Policy(wrong=text)
        terms.append(term)
    return Policy(tuple(terms), _lowered(modifiers.get("redirect", "")))


def _read_term(text: str) -> Term | None:
    found = _TERM.fullmatch(text)
    if found is None:
        return None
    qualifier, kind, rest = found[1] or "+", found[2].lower(), found[3]
    if kind in ("ip4", "ip6"):
        return _network(text, qualifier, kind, rest)
    if kind == "all":
        return None if rest else Term(text, qualifier, kind)
    lengths, is_wide = "", False
    if kind in _WITH_LENGTHS:
        lengths = rest[_where_lengths_begin(rest) :]
        bits = _LENGTHS.fullmatch(lengths)
        if bits is None or int(bits[1] or 0) > 32 or int(bits[2] or 0) > 128:
            return None
        is_wide = int(bits[1] or 32) < WIDE_IPV4
    target = rest.removesuffix(lengths) if lengths else rest
    if not target:
        return None if kind in _WITH_TARGET else Term(text, qualifier, kind, is_wide=is_wide)
    if not target.startswith(":") or not is_domain(target[1:]):
        return None
    return Term(text, qualifier, kind, _lowered(target[1:]), is_wide)


def _where_lengths_begin(rest: str) -> int:
    """Return where the prefix lengths begin; a slash within a macro is one of its delimiters."""
    outside = _MACRO.sub(lambda macro: "x" * len(macro[0]), rest)
    return outside.find("/") if "/" in outside else len(rest)


def _network(text: str, qualifier: str, kind: str, rest: str) -> Term | None:
    try:
        network = ip_network(rest[1:], strict=False) if _NETWORK.fullmatch(rest) else None
    except ValueError:
        return None
    if network is None or network.version != (4 if kind == "ip4" else 6):
        return None
    wide = network.prefixlen < (WIDE_IPV4 if network.version == 4 else WIDE_IPV6)
    return Term(text, qualifier, kind, is_wide=wide)


def is_domain(text: str) -> bool:
    """Tell whether this names a domain, or would once its macros are filled in (section 7)."""
    filled = _MACRO.sub(lambda macro: "x" if macro[1] else "_", text)
    labels = filled.removesuffix(".").split(".")
    sized = len(filled) <= LONGEST_NAME and all(0 < len(label) <= LONGEST_LABEL for label in labels)
    ends_in_macro = text.endswith("}") and not filled.endswith("}")
    return sized and text.isascii() and "%" not in filled and bool(ends_in_macro or _TOP_LABEL.search(filled))


def expand(target: str, domain: str, sender: str) -> str:
    """Fill in what doesn't depend on who sends: the ``domain`` whose policy it is, and that of the ``sender``."""

    def filled(macro: re.Match[str]) -> str:
        letter, digits, backwards, delimiters = (part or "" for part in macro.groups())
        if letter not in ("d", "o"):
            return macro[0]
        parts = re.split(f"[{re.escape(delimiters or '.')}]", domain if letter == "d" else sender)
        ordered = parts[::-1] if backwards else parts
        return ".".join(ordered[-int(digits) :] if digits else ordered)

    return _MACRO.sub(filled, target)


def _lowered(domain: str) -> str:
    return domain.lower().removesuffix(".")
