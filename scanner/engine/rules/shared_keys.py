"""Keys that several hosts share. What counts as several hosts is told by :mod:`scanner.engine.known_keys`.

Most often a host is judged as if it were alone: then no other host's keys are known, and its own need not be read.
"""

from __future__ import annotations

from collections.abc import Iterator

from scanner.engine.facts.tls import Answer, TlsVersion
from scanner.engine.known_keys import certificate_keys, ssh_keys
from scanner.engine.model import Confidence, Finding, Service, Severity
from scanner.engine.rules.base import Context, needing, rule
from scanner.engine.rules.tls_base import s_client_options


@rule("TLS-DROWN-X")
def drown(service: Service, context: Context) -> Iterator[Finding]:
    """Report a key that serves SSL 2.0 elsewhere (CVE-2016-0800); a server that speaks it itself has its own finding.

    Another port of the same host counts: a mail server with SSL 2.0 gives away the web server beside it. Who merely
    shows a certificate in SSL 2.0 has not proven to hold its key, and a stranger may show anyone's: where only hosts of
    other units do, it is probable.
    """
    facts = service.tls_facts
    if facts is None or not context.basis.keys.known or facts.accepts(TlsVersion.SSL2) is Answer.YES:
        return
    for key, leaf in certificate_keys(service).items():
        sharing = context.basis.keys.sharing(key, context.target, service.endpoint.port)
        if sharing.ssl2 or sharing.ssl2_others:
            yield context.finding(
                "TLS-DROWN-X",
                service,
                confidence=Confidence.CONFIRMED if sharing.ssl2 else Confidence.PROBABLE,
                subject=leaf.subject,
                key=key.fingerprint,
                own=", ".join(sharing.ssl2),
                others=str(sharing.ssl2_others),
                options=s_client_options(facts),
            )


@rule("CERT-WILDCARD")
def certificate_key(service: Service, context: Context) -> Iterator[Finding]:
    """Report a certificate's key that several hosts hold.

    Within one organisation, and with certificates that name all those hosts, it is a hint: wildcards and pools are
    meant so. On hosts that the certificate doesn't name nobody can have meant it, and hosts of several organisations
    should have nothing in common. These may stand behind one provider, though, who holds the key for both: probable at
    most.
    """
    facts = service.tls_facts
    if facts is None or not context.basis.keys.known:
        return
    for key, leaf in certificate_keys(service).items():
        sharing = context.basis.keys.sharing(key, context.target, service.endpoint.port)
        if not sharing.own_count and not sharing.others:
            continue
        yield context.finding(
            "CERT-WILDCARD",
            service,
            severity=Severity.MEDIUM if sharing.others or not sharing.named else None,
            confidence=Confidence.PROBABLE if sharing.others else Confidence.CONFIRMED,
            subject=leaf.subject,
            names=", ".join((*leaf.names, *leaf.addresses)[:8]),
            key=key.fingerprint,
            own=sharing.shown,
            others=str(sharing.others),
            options=s_client_options(facts),
        )


@rule("SSH-SAMEKEY")
def ssh_host_key(service: Service, context: Context) -> Iterator[Finding]:
    """Report a host key that several hosts have: copied with an image, most often.

    Within one organisation it may as well be a cluster, or one machine at several addresses behind a translator: a
    hint. Across organisations that remains possible, so it is probable at most.
    """
    if not context.basis.keys.known:
        return
    algorithms = {key.fingerprint: key.algorithm for key in service.ssh.host_keys} if service.ssh is not None else {}
    for key in ssh_keys(service):
        sharing = context.basis.keys.sharing(key, context.target, service.endpoint.port)
        if not sharing.own_count and not sharing.others:
            continue
        yield context.finding(
            "SSH-SAMEKEY",
            service,
            severity=Severity.MEDIUM if sharing.others else None,
            confidence=Confidence.PROBABLE,
            key=f"SHA256:{key.fingerprint}",
            algorithm=algorithms[key.fingerprint],
            own=sharing.shown,
            others=str(sharing.others),
        )


RULES = (*needing("tls_facts", (drown, certificate_key)), *needing("ssh", (ssh_host_key,)))
