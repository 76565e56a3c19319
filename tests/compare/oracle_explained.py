"""Why the two may differ: each explanation has a name, a sentence, and a test of what it presupposes."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from scanner.engine.facts.tls import AcceptedSuite, Answer, TlsFacts, TlsVersion
from tests.compare.oracle_clients import (
    SHORTEST_PRIME,
    Client,
    authenticated_by,
    client_for,
    key_of,
    leaf_keys,
    offers,
    reaches,
)
from tests.compare.oracle_configs import Kind
from tests.compare.oracle_look import Looked
from tests.compare.oracle_views import Point, Topic

_BEFORE_13 = (TlsVersion.SSL3, TlsVersion.TLS10, TlsVersion.TLS11, TlsVersion.TLS12)
_COMMANDS = {
    Topic.COMPRESSION: "tls_compression",
    Topic.RENEGOTIATION: "session_renegotiation",
    Topic.FALLBACK: "tls_fallback_scsv",
    Topic.MASTER_SECRET: "tls_extended_master_secret",
    Topic.LEAF: "certificate_info",
    Topic.CURVE: "elliptic_curves",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """``fits`` is asked with a difference, what both said of the server, and our facts."""

    name: str
    why: str
    fits: Callable[[Point, Looked, TlsFacts], bool]


def explain(point: Point, looked: Looked) -> Explanation | None:
    """Return the first explanation whose precondition holds for a difference; None when there is none."""
    facts = looked.ours or TlsFacts(sni=None)
    return next((each for each in EXPLANATIONS if each.fits(point, looked, facts)), None)


def _spoken(facts: TlsFacts) -> list[TlsVersion]:
    return [version for version in _BEFORE_13 if facts.accepts(version) is Answer.YES]


def _highest(looked: Looked) -> TlsVersion | None:
    """Return the highest version that sslyze found, which decides how it asks for much else."""
    highest = looked.theirs["highest"]
    return TlsVersion(f"{highest[:3]}v{highest[4:].replace('_', '.')}".replace("SSLv3.0", "SSLv3")) if highest else None


def _said(point: Point, ours: str | None, theirs: str | None, *topics: Topic) -> bool:
    return point.topic in topics and point.ours == ours and point.theirs == theirs


def _error(point: Point, looked: Looked, _: TlsFacts) -> bool:
    return point.theirs is None and _COMMANDS.get(point.topic) in looked.theirs.get("trouble", {})


def _only_modern(point: Point, _: Looked, facts: TlsFacts) -> bool:
    good = "no" if point.topic is Topic.COMPRESSION else "yes"
    asked = (Topic.COMPRESSION, Topic.RENEGOTIATION, Topic.MASTER_SECRET)
    return _said(point, None, good, *asked) and not _spoken(facts)


def _good_below_13(point: Point, looked: Looked, _: TlsFacts) -> bool:
    hidden = _said(point, "no", "yes", Topic.RENEGOTIATION, Topic.MASTER_SECRET)
    return hidden and _highest(looked) is TlsVersion.TLS13


def _no_fallback(point: Point, _: Looked, facts: TlsFacts) -> bool:
    return _said(point, None, "yes", Topic.FALLBACK) and len(_spoken(facts)) < 2


def _gap_below(point: Point, looked: Looked, facts: TlsFacts) -> bool:
    """sslyze asks the version right below its highest; the server may not speak that one."""
    highest = _highest(looked)
    if not _said(point, "no", "yes", Topic.FALLBACK) or highest is None:
        return False
    start = _BEFORE_13.index(TlsVersion.TLS12 if highest is TlsVersion.TLS13 else highest)
    return start > 0 and facts.accepts(_BEFORE_13[start - 1]) is Answer.NO


def _unknown_suite(point: Point, _: Looked, __: TlsFacts) -> bool:
    return _said(point, "yes", None, Topic.SUITE)


def _unknown_group(point: Point, looked: Looked, _: TlsFacts) -> bool:
    return _said(point, "yes", None, Topic.CURVE) and looked.theirs.get("curves") is not None


def _curves_not_asked(point: Point, looked: Looked, facts: TlsFacts) -> bool:
    """sslyze asks for curves where its newer client got through with one of its own five."""
    if not _said(point, "yes", None, Topic.CURVE) or looked.theirs.get("curves") is not None:
        return False
    highest = _highest(looked)
    suites = _elliptic(facts, highest)
    return highest not in (TlsVersion.TLS12, TlsVersion.TLS13) or not any(
        offers(Client.NEWER, suite) and reaches(Client.NEWER, suite, facts) for suite in suites
    )


def _elliptic(facts: TlsFacts, version: TlsVersion | None) -> list[AcceptedSuite]:
    modern = version is TlsVersion.TLS13
    return [suite for suite in facts.suites if suite.version is version and (modern or "_ECDH" in suite.suite)]


def _curves_without_suite(point: Point, looked: Looked, facts: TlsFacts) -> bool:
    suites = _elliptic(facts, _highest(looked))
    return _said(point, "yes", "no", Topic.CURVE) and not any(offers(Client.NEWER, suite) for suite in suites)


def _curve_of_key_missing(point: Point, looked: Looked, facts: TlsFacts) -> bool:
    suites = [suite for suite in _elliptic(facts, _highest(looked)) if offers(Client.NEWER, suite)]
    by_key = any("_ECDSA_" in suite.suite for suite in suites)
    return _said(point, "yes", "no", Topic.CURVE) and by_key and point.detail not in {*map(str.lower, leaf_keys(facts))}


def _curve_below_13(point: Point, looked: Looked, facts: TlsFacts) -> bool:
    return (
        _said(point, "yes", "no", Topic.CURVE)
        and _highest(looked) is TlsVersion.TLS13
        and bool(_spoken(facts))
        and point.detail not in Client.NEWER.value
    )


def _short_prime(point: Point, _: Looked, facts: TlsFacts) -> bool:
    if point.topic is Topic.DH_SIZE:
        return point.theirs is None and int(point.ours or 0) < SHORTEST_PRIME
    short = any(suite.prime_sha256 and suite.group_bits < SHORTEST_PRIME for suite in facts.suites)
    return _said(point, "yes", "no", Topic.CONNECTION) and short


def _pss_of_short_key(point: Point, looked: Looked, facts: TlsFacts) -> bool:
    """Only of what sslyze asks with its newer client, which has RSA-PSS."""
    if looked.configuration.kind is not Kind.TLSLITE or "rsa1024" not in looked.configuration.keys:
        return False
    if point.topic is Topic.SUITE:
        version, name = point.detail.split(" ")
        return version == TlsVersion.TLS13 or client_for(AcceptedSuite(TlsVersion(version), name)) is Client.NEWER
    return _said(point, "yes", "no", Topic.CONNECTION, Topic.VERSION, Topic.CURVE) or point.theirs is None


def _out_of_reach(point: Point, _: Looked, facts: TlsFacts) -> bool:
    suites = list(facts.suites)
    if _said(point, "yes", "no", Topic.VERSION):
        suites = [suite for suite in suites if suite.version == point.detail]
    elif _said(point, "yes", "no", Topic.SUITE):
        suites = [suite for suite in suites if f"{suite.version} {suite.suite}" == point.detail]
    elif not _said(point, "yes", "no", Topic.CONNECTION):
        return False
    return bool(suites) and not any(_found(point.topic, suite, facts) for suite in suites)


def _found(topic: Topic, suite: AcceptedSuite, facts: TlsFacts) -> bool:
    client = client_for(suite)
    if topic is Topic.CONNECTION and suite.version is TlsVersion.TLS13 and "_CCM" in suite.suite:
        return False  # it begins TLS 1.3 with OpenSSL's usual three suites
    if topic is Topic.CONNECTION and suite.version is TlsVersion.TLS12:
        client = Client.NEWER  # the only one that sslyze begins TLS 1.2 with
    return offers(client, suite) and reaches(client, suite, facts)


def _leaf_not_asked(point: Point, looked: Looked, facts: TlsFacts) -> bool:
    """sslyze asks for leaves by key type with suites of one version, at most TLS 1.2."""
    if not _said(point, "yes", "no", Topic.LEAF):
        return False
    highest = _highest(looked)
    version = TlsVersion.TLS12 if highest is TlsVersion.TLS13 else highest
    client = Client.NEWER if version is TlsVersion.TLS12 else Client.OLDER
    leaves = (chain[0] for chain in facts.chains)
    key = next(key_of(leaf) for leaf in leaves if sha256(b64decode(leaf)).hexdigest().startswith(point.detail))
    suites = [suite for suite in facts.suites if suite.version is version and authenticated_by(suite, key)]
    without = key != "RSA" and any(suite.version is version and "_anon_" in suite.suite for suite in facts.suites)
    return without or not any(offers(client, suite) and reaches(client, suite, facts) for suite in suites)


def _fails_on_its_pick(point: Point, looked: Looked, _: TlsFacts) -> bool:
    """GnuTLS without parameters picks suites with ephemeral Diffie-Hellman all the same, and ends in internal_error."""
    options = looked.configuration.options
    if looked.configuration.kind is not Kind.GNUTLS or "--dhparams" in options:
        return False
    return _said(point, "yes", "no", Topic.CONNECTION, Topic.LEAF) and any(
        "DHE-RSA" in word or "ANON-DH" in word for word in options
    )


EXPLANATIONS = (
    Explanation("no answer", "sslyze's test ended in an error of its own, so that it says nothing", _error),
    Explanation(
        "only TLS 1.3",
        "there is nothing to ask below TLS 1.3; sslyze reports the good value without having asked, we report untested",
        _only_modern,
    ),
    Explanation(
        "good unless shown",
        "sslyze does not ask for the extended master secret where TLS 1.3 is spoken, and calls renegotiation secure "
        "where its TLS 1.2 handshake is refused; our hello to TLS 1.2 was answered without",
        _good_below_13,
    ),
    Explanation(
        "one version only",
        "with one version below TLS 1.3 there is nothing to fall back to; to sslyze the refusal of a version that is "
        "not spoken is the signal",
        _no_fallback,
    ),
    Explanation(
        "a version is left out",
        "sslyze falls back to a version that the server leaves out, and takes the refusal for the signal",
        _gap_below,
    ),
    Explanation("unknown suite", "sslyze has no such suite to offer", _unknown_suite),
    Explanation("unknown group", "sslyze asks for no finite-field or hybrid groups", _unknown_group),
    Explanation(
        "curves not asked",
        "sslyze asks for curves from TLS 1.2 on only, and where its newer client shares a curve and a suite for it",
        _curves_not_asked,
    ),
    Explanation(
        "no suite for curves",
        "the server's suites with curves (anonymous, NULL, RC4, 3DES) are none of the newer client, with which sslyze "
        "asks for curves",
        _curves_without_suite,
    ),
    Explanation(
        "the key's own curve",
        "sslyze offers one curve at a time; with an elliptic key, either side wants the key's curve to be offered too",
        _curve_of_key_missing,
    ),
    Explanation(
        "curve of an older version",
        "sslyze asks for curves in the highest version only; TLS 1.3 has no such curve, the older version does",
        _curve_below_13,
    ),
    Explanation(
        "short prime",
        "sslyze's client breaks off at a prime below 1024 bits: it doesn't tell the size, and gives up a server that "
        "picks such a suite of the many that it begins with",
        _short_prime,
    ),
    Explanation(
        "RSA-PSS and a short key",
        "offered RSA-PSS, tlslite-ng picks SHA-512 for a key of 1024 bits, which it doesn't fit in, and breaks off; "
        "we ask again without RSA-PSS",
        _pss_of_short_key,
    ),
    Explanation(
        "out of reach",
        "sslyze's client for this offers no group (or no curve of the server's key, or no prime so short, or no such "
        "suite) that the server has",
        _out_of_reach,
    ),
    Explanation(
        "leaf not asked for",
        "sslyze looks for further leaves with the suites of one version, and under TLS 1.3 takes the first it is "
        "shown; no suite of that version that it can finish shows this leaf, or an anonymous one comes before it",
        _leaf_not_asked,
    ),
    Explanation(
        "fails on its own pick",
        "the server picks a suite that it can't serve (Diffie-Hellman without parameters) and ends in an error; sslyze "
        "gives up, we offer the suites of each key exchange alone",
        _fails_on_its_pick,
    ),
)
