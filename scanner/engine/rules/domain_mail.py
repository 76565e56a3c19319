"""What a domain says of its mail: who may send it (SPF, DMARC), who takes it, and how it travels."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from scanner.engine.facts.domain import (
    DMARC,
    MTA_STS,
    ROOT,
    TLS_REPORTS,
    exchanges,
    lies_in,
    tags,
    versioned,
    within_owner,
)
from scanner.engine.facts.spf import read_spf
from scanner.engine.model import Severity
from scanner.engine.rules.domain_read import HostState, Judge, Reader, Verdict

_ENFORCING = frozenset({"quarantine", "reject"})
_POLICIES = frozenset({"none", *_ENFORCING})
_SHARE = re.compile(r"\d{1,3}")
_STS_ID = re.compile(r"[A-Za-z0-9]{1,32}")

_TLSA_USAGES = frozenset({"2", "3"})
"""DANE-TA and DANE-EE; mail servers ignore the others (RFC 7672 section 3.1.3)."""


def spf(read: Reader) -> Iterator[Verdict]:
    """Report a missing, void, open or undecided sender policy (RFC 7208).

    A domain that takes no mail should say that it sends none; that it doesn't is a hint.
    """
    reading = read_spf(read.name, read.known)
    if reading is None:
        mail = _takes_mail(read)
        if mail is not None:
            yield Verdict("DOM-SPF-NONE", severity=None if mail else Severity.INFO)
        return
    read.incomplete |= reading.failed or bool(reading.missing)
    if reading.problem is not None:
        params = {"spf_problem": str(reading.problem), "term": reading.term, "record": reading.record}
        yield Verdict("DOM-SPF-BROKEN", params)
    elif reading.default == "+":
        yield Verdict("DOM-SPF-OPEN", {"term": reading.opened_by, "record": reading.record})
    elif not read.incomplete and reading.default != "-":
        policy = dmarc_policy(read)
        if not read.incomplete and (reading.default == "?" or policy is None or not policy.enforces):
            yield Verdict("DOM-SPF-WEAK", {"record": reading.record})


@dataclass(frozen=True, slots=True)
class DmarcPolicy:
    """The record that applies to a domain: its own, or the nearest above it."""

    records: tuple[str, ...]
    tags: Mapping[str, str]
    inherited: bool

    @property
    def action(self) -> str:
        """What is asked for mail of the domain itself: ``sp`` when the record stands above it."""
        own = self.tags.get("p", "")
        return (self.tags.get("sp", own) if self.inherited else own).lower()

    @property
    def is_whole(self) -> bool:
        """Whether all forged mail is meant. RFC 9989 knows no share any more, but many receivers still do (RFC 7489
        section 6.3); one that can't be read counts for nothing."""
        share = self.tags.get("pct", "")
        return not _SHARE.fullmatch(share) or int(share) >= 100

    @property
    def is_trial(self) -> bool:
        """Whether receivers are asked to act one step milder (``t``, RFC 9989 section 4.7)."""
        return self.tags.get("t", "").lower() == "y"

    @property
    def is_void(self) -> bool:
        """Whether receivers act as if nothing was asked: for an unknown ``p``, or ``sp`` or ``np`` (RFC 7489
        section 6.6.3)."""
        below = (self.tags[tag].lower() for tag in ("sp", "np") if tag in self.tags)
        return self.tags.get("p", "").lower() not in _POLICIES or not _POLICIES.issuperset(below)

    @property
    def enforces(self) -> bool:
        asked = len(self.records) == 1 and not self.is_void and self.action in _ENFORCING
        return asked and self.is_whole and not self.is_trial


def dmarc_policy(read: Reader) -> DmarcPolicy | None:
    """Return the DMARC record that applies (RFC 9989 section 4.10); None when there is none, or that is unknown.

    It is the domain's own or else its organisation's: the uppermost, or one that says of itself that it is that
    (``psd=n``). One that says that it is a registry's (``psd=y``) is not the owner's.
    """
    applies: DmarcPolicy | None = None
    for each in within_owner(read.name):
        records = read.records(f"_dmarc.{each}", "TXT")
        if records is None:
            return None
        found = versioned(records, DMARC)
        inherited = each != read.name
        stated = tags(found[0]).get("psd", "").lower() if found and inherited else ""
        if found and stated != "y":
            applies = DmarcPolicy(found, tags(found[0]), inherited)
        if stated or (found and not inherited):
            break
    return applies


def dmarc(read: Reader) -> Iterator[Verdict]:
    """Report a missing, void, idle or unwatched policy for forged mail."""
    policy = dmarc_policy(read)
    if policy is None:
        mail = None if read.incomplete else _takes_mail(read)
        if mail is not None:
            yield Verdict("DOM-DMARC-NONE", severity=None if mail else Severity.LOW)
        return
    record = policy.records[0]
    if len(policy.records) > 1 or policy.is_void:
        problem = "multiple" if len(policy.records) > 1 else "policy"
        yield Verdict("DOM-DMARC-BROKEN", {"dmarc_problem": problem, "record": record})
        return
    weakness = _weakness(policy)
    if weakness:
        yield Verdict("DOM-DMARC-WEAK", {"dmarc_weakness": weakness, "record": record})
    if not _reported_to(policy.tags.get("rua", ""), "mailto"):
        yield Verdict("DOM-DMARC-REPORTS", {"record": record})


def _weakness(policy: DmarcPolicy) -> str:
    if policy.action == "none":
        return "none"
    if not policy.inherited and policy.tags.get("sp", "").lower() == "none":
        return "subdomains"
    if policy.is_trial:
        return "trial"
    return "" if policy.is_whole else "share"


def _reported_to(addresses: str, *schemes: str) -> bool:
    """Tell whether reports are sent anywhere: an address is a URI, without whose scheme receivers ignore it."""
    uris = [address.strip().lower().partition(":") for address in addresses.split(",")]
    return any(scheme in schemes and (scheme != "mailto" or "@" in rest) and rest for scheme, _, rest in uris)


def mail_hosts(read: Reader) -> Iterator[Verdict]:
    """Report mail exchanges that the records don't lead to (RFC 5321 section 5, RFC 2181 section 10.3)."""
    records = read.records(read.name, "MX")
    if records is None:
        return
    hosts = exchanges(records)
    if hosts and any(record.endswith(f" {ROOT}") for record in records):
        yield Verdict("DOM-MX", {"mx_problem": "null", "host": hosts[0]})
        return
    for host in hosts:
        problem = _mx_problem(read, host)
        if problem:
            yield Verdict("DOM-MX", {"mx_problem": problem, "host": host})
            return


def _mx_problem(read: Reader, host: str) -> str:
    if host.rpartition(".")[2].isdigit():
        return "address"
    alias = read.known.get(host, "A")
    if alias is not None and alias.aliases:
        return "alias"
    return "unresolved" if read.host(host) in (HostState.NO_NAME, HostState.NO_ADDRESS) else ""


def transport_policy(read: Reader) -> Iterator[Verdict]:
    """Report a void MTA-STS policy (RFC 8461 section 3.1), or hint at a missing one where DANE doesn't do its work.

    The policy itself is a file on a web server, which is not fetched.
    """
    if not _takes_mail(read):
        return
    records = read.records(f"_mta-sts.{read.name}", "TXT")
    if records is None:
        return
    found = versioned(records, MTA_STS)
    if not found:
        has_dane = _has_dane(read)
        if not has_dane and not read.incomplete:
            yield Verdict("DOM-MTA-STS", {"sts_problem": "absent"})
        return
    problem = ""
    if len(found) > 1:
        problem = "multiple"
    elif not _STS_ID.fullmatch(tags(found[0]).get("id", "")):
        problem = "syntax"
    elif read.host(f"mta-sts.{read.name}") in (HostState.NO_NAME, HostState.NO_ADDRESS):
        problem = "no-host"
    if problem:
        yield Verdict("DOM-MTA-STS", {"sts_problem": problem}, Severity.LOW)


def transport_reports(read: Reader) -> Iterator[Verdict]:
    """Report a void request for reports on TLS in mail (RFC 8460 section 3), or hint at a missing one."""
    if not _takes_mail(read):
        return
    records = read.records(f"_smtp._tls.{read.name}", "TXT")
    if records is None:
        return
    found = versioned(records, TLS_REPORTS)
    if not found:
        yield Verdict("DOM-TLSRPT", {"report_problem": "absent"})
    elif len(found) > 1 or not _reported_to(tags(found[0]).get("rua", ""), "mailto", "https"):
        problem = "multiple" if len(found) > 1 else "syntax"
        yield Verdict("DOM-TLSRPT", {"report_problem": problem}, Severity.LOW)


def dane(read: Reader) -> Iterator[Verdict]:
    """Report TLSA records that mail servers can't use, or hint at missing ones where DNSSEC allows them.

    They count only when they are signed, and so are the MX records (RFC 7672 section 2.2). Where those lead to a host
    of another's, its signed records are not the domain's to mend; senders may go by them all the same.
    """
    records = read.answer(read.name, "MX")
    if records is None:
        return
    hosts = exchanges(records.records)
    answers = {host: read.answer(f"_25._tcp.{host}", "TLSA") for host in hosts}
    known = {host: answer for host, answer in answers.items() if answer is not None}
    pinned = {host: answer for host, answer in known.items() if answer.records}
    validates = any(answer.authentic for answer in read.facts.answers)
    for host, answer in pinned.items():
        led_securely = records.authentic or not lies_in(host, read.name)
        insecure = validates and not (led_securely and answer.authentic)
        if insecure or not any(record.partition(" ")[0] in _TLSA_USAGES for record in answer.records):
            problem = "insecure" if insecure else "usage"
            yield Verdict("DOM-DANE", {"dane_problem": problem, "mail_host": host}, Severity.LOW)
            return
    bare = [host for host in known if host not in pinned]
    if read.incomplete or not bare:
        return
    if pinned:
        yield Verdict("DOM-DANE", {"dane_problem": "partial", "mail_host": bare[0]}, Severity.LOW)
    elif records.authentic and all(known[host].authentic for host in bare):
        yield Verdict("DOM-DANE", {"dane_problem": "absent", "mail_host": bare[0]})


def _takes_mail(read: Reader) -> bool | None:
    records = read.records(read.name, "MX")
    return None if records is None else bool(exchanges(records))


def _has_dane(read: Reader) -> bool:
    records = read.answer(read.name, "MX")
    if records is None or not records.authentic:
        return False
    answers = [read.answer(f"_25._tcp.{host}", "TLSA") for host in exchanges(records.records)]
    return any(answer is not None and answer.authentic and answer.records for answer in answers)


JUDGES: Mapping[Judge, tuple[str, ...]] = {
    spf: ("DOM-SPF-NONE", "DOM-SPF-BROKEN", "DOM-SPF-OPEN", "DOM-SPF-WEAK"),
    dmarc: ("DOM-DMARC-NONE", "DOM-DMARC-BROKEN", "DOM-DMARC-WEAK", "DOM-DMARC-REPORTS"),
    mail_hosts: ("DOM-MX",),
    transport_policy: ("DOM-MTA-STS",),
    transport_reports: ("DOM-TLSRPT",),
    dane: ("DOM-DANE",),
}
