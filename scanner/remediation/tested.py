"""Which checks rest on one answer that may be missing although the server was looked at.

Coverage is kept per facet; a test inside a facet can still fail on its own, as when the program that makes it
runs out of time. Such a look can't tell that what the check reports is gone.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain

from scanner.engine.facts.domain import DomainFacts, Reply
from scanner.engine.facts.service import Access
from scanner.engine.facts.tls import Answer, TlsFacts, TlsVersion
from scanner.engine.intel.known import Intel
from scanner.engine.known_keys import KeyKind, presented
from scanner.engine.model import HostInspection, Service, Transport
from scanner.engine.probes.http_paths import may_be_left_out
from scanner.engine.rules.certificate_path import Trust
from scanner.engine.rules.certificates import chains_of
from scanner.engine.rules.domain import untested_domain_checks
from scanner.engine.rules.installed import installed
from scanner.engine.rules.software import SOFTWARE_CHECKS
from scanner.engine.rules.web_content import KIND_OF
from scanner.engine.rules.web_transport import untold_without_https

Answered = Callable[[TlsFacts], Answer | str]

UP_TO_12 = (TlsVersion.SSL3, TlsVersion.TLS10, TlsVersion.TLS11, TlsVersion.TLS12)
ONLY_13 = (TlsVersion.TLS13,)

_RSA = "ssh-rsa"
"""The type of every RSA key, whatever hash it signs with (RFC 8332 section 3)."""

TESTS: Mapping[str, tuple[Answered, tuple[TlsVersion, ...]]] = {
    "TLS-COMP": (lambda facts: facts.compression, UP_TO_12),
    "TLS-SCSV": (lambda facts: facts.fallback_scsv, UP_TO_12),
    "TLS-EMS": (lambda facts: facts.extended_master_secret, UP_TO_12),
    "TLS-SIGHASH": (lambda facts: facts.sha1_signature, UP_TO_12),
    "TLS-RENEG-INSEC": (lambda facts: facts.secure_renegotiation, UP_TO_12),
    "TLS-RENEG-DOS": (lambda facts: facts.client_renegotiation, UP_TO_12),
    "TLS-HEARTBLEED": (lambda facts: facts.heartbleed, UP_TO_12),
    "TLS-CCS": (lambda facts: facts.ccs_injection, UP_TO_12),
    "TLS-ROBOT": (lambda facts: facts.robot, UP_TO_12),
    "TLS-PREF": (lambda facts: facts.server_preference, UP_TO_12),
    "TLS-0RTT": (lambda facts: facts.early_data, ONLY_13),
    "CERT-OCSP-STAPLE": (lambda facts: facts.ocsp_stapled, UP_TO_12 + ONLY_13),
}
"""Check → its answer (``UNTESTED`` or empty when missing), and the versions in which the question makes sense."""


def untested_checks(service: Service, intel: Intel) -> frozenset[str]:
    """Return the checks that the look at ``service`` can't answer although it covered their facet.

    A question about versions that the server refuses needs no answer: what it asks about can't be there. A service
    that neither served nor turned away a stranger (``Access.UNKNOWN``) may still serve the next one. An SSH server
    whose key or log-in methods were not reached has them all the same. Without imported vulnerabilities no version can
    be held against them. Each check of a domain rests on questions of its own.
    """
    unmatched: frozenset[str] = frozenset() if intel.affected else frozenset({"SW-KEV", "SW-CVE"})
    unanswered = untested_domain_checks(service.domain) if service.domain else frozenset()
    return (
        _untested_access(service)
        | _untested_exports(service)
        | _untested_tls(service)
        | _untested_ssh(service)
        | _untested_keys(service)
        | unmatched
        | unanswered
    )


def untested_places(host: HostInspection, intel: Intel) -> frozenset[tuple[int, Transport, str]]:
    """Return where the look at ``host`` can't answer which checks: by what a port showed, or other ports did not."""
    return frozenset(
        (service.endpoint.port, service.endpoint.transport, check)
        for service in host.services
        for check in untested_checks(service, intel) | untold_without_https(service, host)
    )


def unread_keys(service: Service) -> frozenset[KeyKind]:
    """Return the kinds of key that a service has but did not show, or not so that it could be read."""
    unread: set[KeyKind] = set()
    if service.ssh is not None and not service.ssh.host_keys:
        unread.add(KeyKind.SSH)
    facts = service.tls_facts
    if facts is not None and sum(bool(leaf.fingerprint) for leaf in presented(facts)) < len(facts.chains):
        unread.add(KeyKind.CERTIFICATE)
    return frozenset(unread)


@dataclass(frozen=True, slots=True)
class Shown:
    """What one look was shown at a port, or of a domain, that the silence about a finding must rest on.

    ``products`` are those whose version was told; ``serials`` the serial numbers, hexadecimal, of the server's own
    certificates, ``rootless`` of those among them that no path to a root was seen of; ``hides_rsa`` tells that an RSA
    host key was offered and another one read, as a conversation about RSA broke off; ``answers`` are the questions
    about a domain that were answered, as ``example.org MX``; ``asked`` are the paths of a site that answered, among
    those which a look may leave out, and those of its first page: None where there is no site.
    """

    products: frozenset[str] = frozenset()
    serials: frozenset[str] = frozenset()
    rootless: frozenset[str] = frozenset()
    hides_rsa: bool = False
    answers: frozenset[str] = frozenset()
    asked: frozenset[str] | None = None

    def beside(self, other: Shown) -> Shown:
        """Return what both showed, where several services are behind one port."""
        return Shown(
            products=self.products | other.products,
            serials=self.serials | other.serials,
            rootless=self.rootless | other.rootless,
            hides_rsa=self.hides_rsa or other.hides_rsa,
            answers=self.answers | other.answers,
            asked=self.asked if other.asked is None else other.asked | (self.asked or frozenset()),
        )


def shown(service: Service, anchors: tuple[bytes, ...], now: dt.datetime) -> Shown:
    """Return what the look at ``service`` was shown; paths are built as of ``now``, to ``anchors`` too."""
    leaves = presented(service.tls_facts) if service.tls_facts is not None else []
    return Shown(
        products=frozenset(software.product.id for software in installed(service)),
        serials=frozenset(f"{leaf.certificate.serial_number:x}" for leaf in leaves),
        rootless=_rootless(service, anchors, now),
        hides_rsa=_hides_rsa(service),
        answers=_answered(service.domain) if service.domain is not None else frozenset(),
        asked=_asked(service) if service.http else None,
    )


def _answered(facts: DomainFacts) -> frozenset[str]:
    questions = (answer.question for answer in facts.answers if answer.reply is not Reply.FAILED)
    return frozenset(f"{facts.as_told(question.name)} {question.kind}" for question in questions)


def _asked(service: Service) -> frozenset[str]:
    shown_to_visitors = (reply.path for site in service.http for reply in site.first_page)
    return frozenset((*shown_to_visitors, *(path for site in service.http for path in site.asked)))


def rare_places(check: str, params: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """Return the kind of thing that a finding is about and the paths where it lay, of those which a look may leave
    out; none for what does not lie at a path."""
    kind = KIND_OF.get(check, "")
    paths = dict.fromkeys(filter(None, (params.get("path", ""), *params.get("paths", "").split(", "))))
    return kind, tuple(path for path in paths if kind and may_be_left_out(kind, path))


def left_out(check: str, params: Mapping[str, str], seen: Shown) -> bool:
    """Tell whether a look at a site did not ask everywhere that something lay: it is not gone because nobody asked
    for it, be it that the first page leads there no more or that the path is a rare one."""
    return seen.asked is not None and not seen.asked.issuperset(rare_places(check, params)[1])


def silence_tells(check: str, params: Mapping[str, str], seen: Shown) -> bool:
    """Tell whether a look that did not find ``check`` any more would have, were what it had found still there.

    Hiding a version mends nothing, nor does hiding what an authority says: a revoked certificate must be gone, one of a
    distrusted root be gone or lead to another. An RSA key is not gone when another was read in its place. Which names
    of a domain are asked about depends on what is registered and published; any answer shows a name's alias.
    """
    if check in SOFTWARE_CHECKS:
        return set(params.get("products", "").split()) <= seen.products
    places = [place.partition(" → ")[0] for place in params.get("places", "").split(", ")]
    match check:
        case "CERT-REVOKED":
            return params.get("serial") not in seen.serials
        case "CERT-DISTRUST":
            return params.get("serial") not in seen.rootless
        case "SSH-SAMEKEY":
            return not seen.hides_rsa or params.get("algorithm") != _RSA
        case "SSH-HOSTKEY-WEAK":
            return not seen.hides_rsa or not params.get("key", "").startswith(f"{_RSA} ")
        case "DOM-DNSSEC-BOGUS":
            return params.get("question") in seen.answers
        case "DOM-DANGLING":
            names = {question.partition(" ")[0] for question in seen.answers}
            return all(place.removesuffix(" CNAME") in names for place in places if place.endswith(" CNAME"))
        case "DOM-PRIVATE-A":
            asked = [[place] if " " in place else [f"{place} A", f"{place} AAAA"] for place in places]
            return seen.answers.issuperset(chain.from_iterable(asked))
    return True


def _rootless(service: Service, anchors: tuple[bytes, ...], now: dt.datetime) -> frozenset[str]:
    """A server that leaves an intermediate out hides by that which root its certificate leads to."""
    sent = service.tls_facts.chains if service.tls_facts is not None else ()
    return frozenset(
        f"{chain.leaf.certificate.serial_number:x}"
        for chain in chains_of(sent, anchors, now)
        if chain.path.verdict not in (Trust.PUBLIC, Trust.PRIVATE)
    )


def _hides_rsa(service: Service) -> bool:
    facts = service.ssh
    if facts is None or not facts.host_keys:
        return False
    offered = any(name in (_RSA, "rsa-sha2-256", "rsa-sha2-512") for name in facts.host_key_algorithms)
    return offered and all(key.algorithm != _RSA for key in facts.host_keys)


def _untested_access(service: Service) -> frozenset[str]:
    facts = service.facts
    if facts is None or facts.access is not Access.UNKNOWN:
        return frozenset()
    undecided = frozenset({f"SVC-{facts.service}-UNAUTH"})
    return undecided | {"SMB-SIGN"} if facts.service == "SMB" and not facts.attribute("signing") else undecided


def _untested_exports(service: Service) -> frozenset[str]:
    """The port mapper answers for itself; what is exported is told by the mount daemon, at a port of its own."""
    unasked = service.facts is not None and service.facts.attribute("exports_asked") == "failed"
    return frozenset({"NFS-EXPORT"}) if unasked else frozenset()


_KEY_CHECKS = {
    KeyKind.SSH: frozenset({"SSH-SAMEKEY", "SSH-HOSTKEY-WEAK"}),
    KeyKind.CERTIFICATE: frozenset({"CERT-WILDCARD", "TLS-DROWN-X", "CERT-REVOKED"}),
}
"""What rests on having read a key of each kind."""


def _untested_keys(service: Service) -> frozenset[str]:
    return frozenset(check for kind in unread_keys(service) for check in _KEY_CHECKS[kind])


def _untested_ssh(service: Service) -> frozenset[str]:
    reached = service.ssh is None or service.ssh.auth_methods is not None
    return frozenset() if reached else frozenset({"SSH-PASSWORD"})


def _untested_tls(service: Service) -> frozenset[str]:
    facts = service.tls_facts
    if facts is None:
        return frozenset()
    unanswered = frozenset(
        check
        for check, (answered, versions) in TESTS.items()
        if answered(facts) in (Answer.UNTESTED, "")
        and any(facts.accepts(version) is not Answer.NO for version in versions)
    )
    # The key of a server that speaks SSL 2.0 by itself has that finding instead: it may well serve it elsewhere too.
    return unanswered | {"TLS-DROWN-X"} if facts.accepts(TlsVersion.SSL2) is Answer.YES else unanswered
