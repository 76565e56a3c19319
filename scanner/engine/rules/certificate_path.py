"""Builds a path from a leaf to a trusted root, leaving time and name aside."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from scanner.engine.intel.roots import trusted_roots
from scanner.engine.rules.x509_view import View, is_signed_by, may_be_signed_by, view

_DEPTH = 8
"""Certificates in one path at most."""
_SEAMS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[_\W]+")
"""Where one word of a name ends: ``UnitRootCA`` and ``unit-root-ca`` are ``Unit root CA`` to their makers."""
_ROOT = re.compile(r"\broot(?:ca)?\b|根")
_MIDDLE = re.compile(r"\b(?:(?:intermediate|inter|sub|issuing)(?:ca)?|subordinate)\b|中级|二级")
_RANK = re.compile(
    r"\b(?:(?:root|intermediate|inter|sub|issuing)(?:ca)?|subordinate|signing|policy|server|tls|ssl|ca|authority"
    r"|certificate|certification|[a-z]?\d+)\b|根|中级|二级|签发|颁发|认证|证书|机构"
)
"""Words in the names of an authority's certificates that say which of them it is."""


class Trust(StrEnum):
    PUBLIC = "public"
    """A path ends at a root that the machine trusts."""
    PRIVATE = "private"
    """A path ends at one of the organisation's own roots."""
    SELF_SIGNED = "self-signed"
    INCOMPLETE = "incomplete"
    """The issuer was not sent, and is an intermediate: the certificate is a public authority's, none of which issues
    from a root, or by the issuer's name belongs under one of the organisation's own roots.

    Where the issuer could be fetched tells nothing by itself: private authorities write that, too, and many of them
    issue from their roots.
    """
    UNTRUSTED = "untrusted"


@dataclass(frozen=True, slots=True)
class Path:
    """``outdated`` are the intermediates outside their validity that every path needs, and so an own root.

    ``roots`` are all the public roots that a path ends at; none when there is a path to the organisation's own.
    """

    verdict: Trust
    outdated: tuple[View, ...] = ()
    roots: tuple[View, ...] = ()


def find_path(sent: tuple[View, ...], anchors: tuple[bytes, ...], now: dt.datetime) -> Path:
    """Judge the chain as sent, leaf first. ``anchors`` are further trusted roots, DER.

    A path of valid intermediates is preferred; where there is none, one with outdated intermediates still shows
    that the issuer is trusted.
    """
    leaf = sent[0]
    private = tuple(root for root in map(view, anchors) if root is not None)
    authorities = tuple(seen for seen in sent[1:] if seen.is_ca)
    valid = tuple(seen for seen in authorities if seen.not_before <= now <= seen.not_after)
    for middle in dict.fromkeys((valid, authorities)):
        public: dict[View, tuple[View, ...]] = {}
        late: Path | None = None
        for path in _paths(leaf, middle):
            for root in (root for root in private if _anchored(path[-1], (root,))):
                own = Path(Trust.PRIVATE, _outdated((*path, root), now))
                if not own.outdated:
                    return own
                late = late or own
            for root in _public_roots(path[-1]):
                public.setdefault(root, path)
        if public:
            shortest = next(iter(public.values()))
            return Path(Trust.PUBLIC, _outdated(shortest, now), tuple(public))
        if late:
            return late
    return Path(_without_path(leaf, sent, private))


def _outdated(path: tuple[View, ...], now: dt.datetime) -> tuple[View, ...]:
    """Return what is outside its validity above the leaf; a root that the machine trusts is not among ``path``."""
    above = dict.fromkeys(seen for seen in path[1:] if seen.certificate != path[0].certificate)
    return tuple(seen for seen in above if not seen.not_before <= now <= seen.not_after)


def _paths(leaf: View, middle: tuple[View, ...]) -> Iterator[tuple[View, ...]]:
    """Yield one way up from ``leaf`` to each certificate that stands above it in what was sent, the shortest first.

    Each certificate is climbed to once: a host may send ones that all sign each other, with more ways than time.
    """
    ways: list[tuple[View, ...]] = [(leaf,)]
    rest = list(dict.fromkeys(middle))
    for way in ways:  # grows while it is walked
        yield way
        parents = [parent for parent in rest if is_signed_by(way[-1], parent)] if len(way) < _DEPTH else []
        rest = [parent for parent in rest if parent not in parents]
        ways += [(*way, parent) for parent in parents]


def _anchored(tip: View, roots: tuple[View, ...]) -> bool:
    return any(tip.certificate == root.certificate or is_signed_by(tip, root) for root in roots)


def _public_roots(tip: View) -> tuple[View, ...]:
    """Return the trusted roots that ``tip`` is or that signed it."""
    known = trusted_roots()
    names = dict.fromkeys((tip.owner.public_bytes(), tip.issued_by.public_bytes()))
    found = (view(root.public_bytes(Encoding.DER)) for name in names for root in known.get(name, ()))
    return tuple(root for root in found if root is not None and _anchored(tip, (root,)))


def has_key_of_root(certificate: View, anchors: tuple[bytes, ...]) -> bool:
    """Tell whether this is for the name and key of a trusted root, as another authority signed them for older clients.

    Who trusts the root looks no further, whatever that signature is worth. ``anchors`` as for :func:`find_path`.
    """
    known = trusted_roots().get(certificate.owner.public_bytes(), ())
    roots = map(view, (*(root.public_bytes(Encoding.DER) for root in known), *anchors))
    named = (root for root in roots if root is not None and root.owner == certificate.owner)
    return any(certificate.fingerprint and certificate.fingerprint == root.fingerprint for root in named)


def _without_path(leaf: View, sent: tuple[View, ...], private: tuple[View, ...]) -> Trust:
    if leaf.is_self_issued and may_be_signed_by(leaf, leaf):
        return Trust.SELF_SIGNED
    highest = list(_paths(leaf, tuple(seen for seen in sent[1:] if seen.is_ca)))[-1][-1]
    if (highest is leaf and _is_of_public_authority(leaf)) or _lacks_issuer(highest, private):
        return Trust.INCOMPLETE
    return Trust.UNTRUSTED


def _is_of_public_authority(leaf: View) -> bool:
    """Tell whether a leaf without its issuer is a public authority's, by what it says itself.

    Logs take nothing but what a public root vouches for (RFC 6962 section 3.1), so time stamps tell; without any, the
    name of a public root's authority beside an address of the issuer's certificate.
    """
    roots = trusted_roots()
    if leaf.issued_by.public_bytes() in roots:
        return False  # another key has signed it than that root's
    if leaf.scts:
        return True
    authority = _authority(leaf.issued_by) if leaf.ca_issuers else ""
    return bool(authority) and any(authority == _authority(root.subject) for same in roots.values() for root in same)


def _lacks_issuer(tip: View, private: tuple[View, ...]) -> bool:
    """Tell whether ``tip`` was issued by another certificate of an authority whose root is registered: an intermediate.

    That is told by the names, as the intermediate wasn't seen. Another root of the same authority is none. Names
    that hold nothing but their rank (``Root CA``) have to say that it is an intermediate.
    """
    issuer, roots = tip.issued_by, [root.owner for root in private]
    named = _words(issuer.rfc4514_string())
    if tip.is_self_issued or issuer in roots or _ROOT.search(named):
        return False
    authority = _authority(issuer)
    return authority in map(_authority, roots) and bool(authority or _MIDDLE.search(named))


def _authority(name: x509.Name) -> str:
    """Return whose certificate it is: the organisation, else the common name less what tells root from intermediate."""
    for kind in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME):
        for attribute in name.get_attributes_for_oid(kind):
            return " ".join(_RANK.sub(" ", _words(str(attribute.value))).split())
    return ""


def _words(name: str) -> str:
    """Return a name in lower case with a space between its words, however its maker put them together."""
    return _SEAMS.sub(" ", name).lower()
