"""Which checks rest on one answer that may be missing although the server was looked at.

Coverage is kept per facet; a test inside a facet can still fail on its own, as when the program that makes it
runs out of time. Such a look can't tell that what the check reports is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from scanner.engine.facts.domain import Reply
from scanner.engine.facts.service import Access
from scanner.engine.facts.tls import Answer, TlsFacts, TlsVersion
from scanner.engine.intel.known import Intel
from scanner.engine.inventory import KeyKind, presented
from scanner.engine.model import Service
from scanner.engine.rules.domain import untested_domain_checks
from scanner.engine.rules.installed import installed

Answered = Callable[[TlsFacts], Answer | str]

UP_TO_12 = (TlsVersion.SSL3, TlsVersion.TLS10, TlsVersion.TLS11, TlsVersion.TLS12)
ONLY_13 = (TlsVersion.TLS13,)

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
        | _untested_tls(service)
        | _untested_ssh(service)
        | _untested_keys(service)
        | unmatched
        | unanswered
    )


def serials_shown(service: Service) -> frozenset[str]:
    """Return the serial numbers, hexadecimal, of the certificates that the server presented as its own."""
    leaves = presented(service.tls_facts) if service.tls_facts is not None else []
    return frozenset(f"{leaf.certificate.serial_number:x}" for leaf in leaves)


def unread_keys(service: Service) -> frozenset[KeyKind]:
    """Return the kinds of key that a service has but did not show, or not so that it could be read."""
    unread: set[KeyKind] = set()
    if service.ssh is not None and not service.ssh.host_keys:
        unread.add(KeyKind.SSH)
    facts = service.tls_facts
    if facts is not None and sum(bool(leaf.fingerprint) for leaf in presented(facts)) < len(facts.chains):
        unread.add(KeyKind.CERTIFICATE)
    return frozenset(unread)


def products_told(service: Service) -> frozenset[str]:
    """Return the products (their ids) of which the look at ``service`` was told a version."""
    return frozenset(software.product.id for software in installed(service))


def answered(service: Service) -> frozenset[str]:
    """Return the questions about a domain that were answered, as ``example.org MX``."""
    answers = service.domain.answers if service.domain is not None else ()
    return frozenset(str(answer.question) for answer in answers if answer.reply is not Reply.FAILED)


def asked_again(check: str, params: Mapping[str, str], answers: Collection[str]) -> bool:
    """Tell whether a look at a domain got the answers that a finding of an earlier one rests on.

    Which names are asked about depends on what is registered and published, so it may not have asked at all. Any answer
    shows a name's alias.
    """
    places = [place.partition(" → ")[0] for place in params.get("places", "").split(", ")]
    match check:
        case "DOM-DNSSEC-BOGUS":
            return params.get("question") in answers
        case "DOM-DANGLING":
            names = {question.partition(" ")[0] for question in answers}
            return all(place.removesuffix(" CNAME") in names for place in places if place.endswith(" CNAME"))
        case "DOM-PRIVATE-A":
            return all(f"{place} {kind}" in answers for place in places for kind in ("A", "AAAA"))
    return True


def _untested_access(service: Service) -> frozenset[str]:
    facts = service.facts
    if facts is None or facts.access is not Access.UNKNOWN:
        return frozenset()
    undecided = frozenset({f"SVC-{facts.service}-UNAUTH"})
    return undecided | {"SMB-SIGN"} if facts.service == "SMB" and not facts.attribute("signing") else undecided


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
    return frozenset(
        check
        for check, (answered, versions) in TESTS.items()
        if answered(facts) in (Answer.UNTESTED, "")
        and any(facts.accepts(version) is not Answer.NO for version in versions)
    )
