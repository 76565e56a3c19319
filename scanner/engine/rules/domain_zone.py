"""What a domain's zone says: its signatures, who may issue certificates, its servers, and records that lead astray."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from scanner.engine.facts.domain import BOGUS, DnsAnswer, Reply, exchanges, lies_in, upwards, web_names
from scanner.engine.model import Confidence, Severity
from scanner.engine.rules.domain_read import HostState, Judge, Reader, Verdict

NAMED = 5
"""Places that one finding names."""

_PRIVATE = tuple(
    ip_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)
"""RFC 1918, RFC 6598 and RFC 4193."""

_CAA_CRITICAL = 0x80
_CAA_KINDS = frozenset({"issue", "issuewild", "iodef", "issuemail", "issuevmc", "contactemail", "contactphone"})
"""RFC 8659 section 4, and IANA's registry of CAA properties."""

_SAME_IPV4, _SAME_IPV6 = 24, 48
"""Prefix lengths, in bits, of what the Internet routes as one at the least (RFC 7454 section 6.1.3)."""


def dnssec(read: Reader) -> Iterator[Verdict]:
    """Report signatures that don't verify, and hint at a zone that its parent holds no key of (RFC 4035).

    A domain that lies in another's zone has no keys of its own. Where the parent holds a key and the resolver still
    vouches for nothing, the resolver doesn't validate: nothing can be said.
    """
    failed = sorted(
        (answer.question.name != read.name, answer.question)
        for answer in read.facts.answers
        if answer.why == BOGUS and _is_own(read, answer)
    )
    if failed:
        question = failed[0][1]
        yield Verdict("DOM-DNSSEC-BOGUS", {"question": str(question), "name": question.name, "kind": question.kind})
        return
    soa = read.answer(read.name, "SOA")
    if soa is None or soa.authentic or soa.zone != read.name:
        read.incomplete |= soa is not None and not soa.authentic and not soa.zone
        return
    keys = read.answer(read.name, "DS")
    if keys is None:
        return
    if keys.reply is Reply.ANSWERED:
        read.incomplete = True
    elif keys.reply is Reply.NO_DATA:
        yield Verdict("DOM-DNSSEC-UNSIGNED")


def _is_own(read: Reader, answer: DnsAnswer) -> bool:
    """Tell whether an answer comes from the domain's own zone alone. Names that we made up differ from look to look."""
    names = (answer.question.name, *answer.aliases)
    return read.facts.stranger not in names and all(lies_in(name, read.name) for name in names)


def issuers(read: Reader) -> Iterator[Verdict]:
    """Hint at a domain for which every certificate authority may issue (RFC 8659 section 3).

    Records that only tell where to report restrict nobody, nor do those for wildcards alone (section 4.2).
    """
    for name in upwards(read.name, 1):
        records = read.records(name, "CAA")
        if records is None:
            return
        if records:
            if any(_restricts(record) for record in records):
                return
            break
    yield Verdict("DOM-CAA")


def _restricts(record: str) -> bool:
    """Tell whether a CAA record says who may issue; a critical one of an unknown kind keeps everyone from issuing."""
    flags, kind = [*record.split(), "", ""][:2]
    known = kind.lower() in _CAA_KINDS
    return kind.lower() == "issue" or (not known and flags.isdigit() and int(flags) & _CAA_CRITICAL != 0)


def name_servers(read: Reader) -> Iterator[Verdict]:
    """Report a single name server, servers without an address, and servers side by side (RFC 2182)."""
    if read.known.zone(read.name) != read.name:
        read.incomplete |= not read.known.zone(read.name)
        return
    servers = read.records(read.name, "NS")
    if not servers:
        return
    lame = [server for server in servers if _is_lame(read, server)]
    if lame:
        yield Verdict("DOM-NS-LAME", {"hosts": _listed(lame)})
    found = [_addresses(read, server) for server in servers]
    if len(servers) == 1:
        yield Verdict("DOM-NS-SINGLE", {"hosts": servers[0]})
    if len(servers) == 1 or None in found:
        return
    addresses = {address for each in found for address in each or ()}
    if len(_of(4, addresses)) <= 1 and len(_of(6, addresses)) <= 1:
        if addresses:
            yield Verdict("DOM-NS-SINGLE", {"hosts": _listed(map(str, sorted(addresses, key=str)))})
    elif _one_network(_of(4, addresses), _SAME_IPV4) and _one_network(_of(6, addresses), _SAME_IPV6):
        shown = _listed(map(str, sorted(addresses, key=str)))
        yield Verdict("DOM-NS-SAME-NET", {"hosts": shown}, confidence=Confidence.PROBABLE)


def _is_lame(read: Reader, server: str) -> bool:
    """Tell whether nothing can be asked there, or not by everyone: BIND and others follow no alias (RFC 2181 section
    10.3). One that is missing from another domain is a dangling record instead."""
    state, told = read.host(server), read.known.get(server, "A")
    if told is not None and told.aliases and state is not HostState.NO_NAME:
        return True
    return state is HostState.NO_ADDRESS or (state is HostState.NO_NAME and lies_in(server, read.name))


def _addresses(read: Reader, name: str) -> set[IPv4Address | IPv6Address] | None:
    found = [read.records(name, kind) for kind in ("A", "AAAA")]
    return None if None in found else {ip_address(each) for records in found for each in records or ()}


def _of(version: int, addresses: Iterable[IPv4Address | IPv6Address]) -> list[IPv4Address | IPv6Address]:
    return [address for address in addresses if address.version == version]


def _one_network(addresses: list[IPv4Address | IPv6Address], bits: int) -> bool:
    return len({ip_network(f"{address}/{bits}", strict=False) for address in addresses}) <= 1


def dangling(read: Reader) -> Iterator[Verdict]:
    """Report aliases, name servers and mail exchanges that lead to a name nobody has: whoever gets it takes over.

    Whether it can be had, only the owner of the record can tell, so it is possible. Below the domain itself nobody
    else can.
    """
    found = [*_lost_aliases(read), *_lost_hosts(read)]
    if not found:
        return
    foreign = [pair for pair in found if not lies_in(pair[1], read.name)]
    shown = foreign or found
    name, _, kind = shown[0][0].rpartition(" ")
    params = {"places": _listed(f"{place} → {target}" for place, target in shown)}
    params |= {"record": name, "kind": kind, "gone": shown[0][1]}
    yield Verdict("DOM-DANGLING", params, None if foreign else Severity.LOW, Confidence.POSSIBLE)


def _lost_aliases(read: Reader) -> Iterator[tuple[str, str]]:
    """Yield the aliases of the domain that lead nowhere, of whatever was asked; the hosts' must all be known."""
    for name in read.facts.hosts:
        read.answer(name, "A")
    lost = {
        read.facts.as_told(answer.question.name): answer.aliases[-1]
        for answer in read.facts.answers
        if answer.reply is Reply.NO_NAME and answer.aliases and lies_in(answer.question.name, read.name)
    }
    for name, target in sorted(lost.items()):
        yield f"{name} CNAME", target


def _lost_hosts(read: Reader) -> Iterator[tuple[str, str]]:
    servers = read.records(read.name, "NS") if read.known.zone(read.name) == read.name else ()
    hosts = exchanges(read.records(read.name, "MX") or ())
    for kind, names in (("NS", servers or ()), ("MX", hosts)):
        for name in names:
            address_as_name = name.rpartition(".")[2].isdigit()
            if not address_as_name and not lies_in(name, read.name) and read.host(name) is HostState.NO_NAME:
                yield f"{read.name} {kind}", name


def wildcard(read: Reader) -> Iterator[Verdict]:
    """Hint at a zone in which every name has an address (RFC 4592)."""
    found = [address for kind in ("A", "AAAA") for address in read.records(read.facts.stranger, kind) or ()]
    if found:
        yield Verdict("DOM-WILDCARD", {"addresses": _listed(found), "record": f"*.{read.name}"})


def private_addresses(read: Reader) -> Iterator[Verdict]:
    """Report names that lead to private addresses, and mail exchanges and name servers of the domain that do.

    The resolver may have been shown an inside view: probable.
    """
    servers = read.records(read.name, "NS") if read.known.zone(read.name) == read.name else ()
    named = {"MX": exchanges(read.records(read.name, "MX") or ()), "NS": servers or ()}
    places = {name: name for name in read.facts.hosts}
    for kind, hosts in named.items():
        places |= {host: f"{read.name} {kind}" for host in hosts if lies_in(host, read.name) and host not in places}
    found = [
        (name, f"{place} → {address if place == name else f'{name} {address}'}")
        for name, place in places.items()
        for kind in ("A", "AAAA")
        for address in read.records(name, kind) or ()
        if any(ip_address(address) in network for network in _PRIVATE)
    ]
    if found:
        shown = _listed(place for _, place in found)
        yield Verdict("DOM-PRIVATE-A", {"places": shown, "record": found[0][0]}, confidence=Confidence.PROBABLE)


def ipv6(read: Reader) -> Iterator[Verdict]:
    """Hint at names on IPv6 that nobody registered as hosts: firewalls often filter one family and not the other."""
    hosts = exchanges(read.records(read.name, "MX") or ())
    own = [host for host in hosts if lies_in(host, read.name)]
    found = [
        (name, address)
        for name in dict.fromkeys((*web_names(read.name), *own))
        if name not in read.facts.names
        for address in read.records(name, "AAAA") or ()
    ]
    if found:
        places = _listed(f"{name} → {address}" for name, address in found)
        yield Verdict("DOM-IPV6", {"places": places, "record": found[0][0]})


def _listed(items: Iterable[str]) -> str:
    named = list(items)
    more = f" +{len(named) - NAMED}" if len(named) > NAMED else ""
    return ", ".join(named[:NAMED]) + more


JUDGES: Mapping[Judge, tuple[str, ...]] = {
    dnssec: ("DOM-DNSSEC-BOGUS", "DOM-DNSSEC-UNSIGNED"),
    issuers: ("DOM-CAA",),
    name_servers: ("DOM-NS-SINGLE", "DOM-NS-LAME", "DOM-NS-SAME-NET"),
    dangling: ("DOM-DANGLING",),
    wildcard: ("DOM-WILDCARD",),
    private_addresses: ("DOM-PRIVATE-A",),
    ipv6: ("DOM-IPV6",),
}
