"""What in the register needs attention before the next round: names, overlaps, authorisations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from targets.addresses import parse_address
from targets.models import Organisation
from targets.query import RegisteredDomain, RegisteredTarget, registered_domains, registered_targets, scope_of
from targets.registry.overlaps import find_overlaps
from targets.registry.store import current_register
from targets.registry.times import format_begin, format_end
from targets.scope import AuthorisationTerms, RefusalReason, Scope
from targets.windows import WindowError, parse_windows

SOON = timedelta(days=30)
"""How long before its end an authorisation needs attention."""

Resolver = Callable[[str], list[str]]
Answers = dict[str, list[str]]
"""The addresses of each host name; none when it does not resolve."""


@dataclass(frozen=True, slots=True)
class Attention:
    """Something that someone should look at."""

    organisation: str
    subject: str
    text: str


def check_register(
    organisations: Iterable[Organisation], now: datetime, resolver: Resolver | None, *, looks_up_domains: bool
) -> list[Attention]:
    """Look at ``organisations``; with ``resolver`` None no name is resolved.

    ``looks_up_domains`` tells whether this installation has a resolver for registered domains.
    """
    chosen = list(organisations)
    slugs = {organisation.slug for organisation in chosen}
    found: list[Attention] = []
    for organisation in chosen:
        scope = scope_of(organisation)
        targets = registered_targets(organisation)
        answers = _resolved(targets, resolver) if resolver else {}
        found += _authorisations(scope, targets, now, answers, ZoneInfo(organisation.time_zone))
        if resolver:
            found += _names(scope, targets, now, answers)
        found += _blackouts(organisation)
        found += _domains(scope, registered_domains(organisation), now, ZoneInfo(organisation.time_zone))
        if organisation.domains and not looks_up_domains:
            text = "no resolver is set (ROUNDSMAN_RESOLVER); they are not inspected"
            found.append(Attention(scope.organisation, "its domains", text))
    for overlap in find_overlaps(current_register().target_owners()):
        (owner, target), (other_owner, other) = overlap.narrow, overlap.wide
        if slugs & {owner.slug, other_owner.slug}:
            text = f"overlaps {other.address} of {other_owner.slug}; mark one as shared or remove it"
            found.append(Attention(owner.slug, target.address, text))
    return found


def _resolved(targets: Iterable[RegisteredTarget], resolver: Resolver) -> Answers:
    names = sorted({target.hostname for target in targets if target.hostname})
    with ThreadPoolExecutor(max_workers=16) as pool:
        return dict(zip(names, pool.map(lambda name: _answer(resolver, name), names), strict=True))


def _answer(resolver: Resolver, hostname: str) -> list[str]:
    try:
        return resolver(hostname)
    except (OSError, UnicodeError):
        return []


def _authorisations(
    scope: Scope, targets: Iterable[RegisteredTarget], now: datetime, answers: Answers, zone: ZoneInfo
) -> Iterator[Attention]:
    for target in targets:
        covering = [terms for terms in scope.authorisations if _covers(terms, target, answers)]
        if not covering:
            if not target.hostname:
                yield Attention(scope.organisation, target.display, "no authorisation covers it; it is not inspected")
            continue
        text = _time_left(covering, now, zone)
        if text:
            yield Attention(scope.organisation, target.display, text)


def _blackouts(organisation: Organisation) -> Iterator[Attention]:
    """Targets whose own blackouts, with their organisation's, leave no time of the week."""
    for target in organisation.targets.filter(retired_at=None).exclude(blackouts=[]):
        try:
            parse_windows([*organisation.blackouts, *target.blackouts])
        except WindowError:
            text = "its blackouts and its organisation's together never end; it is not inspected"
            yield Attention(organisation.slug, target.display, text)


def _domains(scope: Scope, domains: Iterable[RegisteredDomain], now: datetime, zone: ZoneInfo) -> Iterator[Attention]:
    for domain in domains:
        refusal = scope.decide_domain(domain.value, now).reason
        covering = [terms for terms in scope.authorisations if domain.value in terms.reach.hostnames]
        if refusal is RefusalReason.DOMAIN_NOT_AUTHORISED:
            text = "no authorisation names this domain; it is not inspected"
        elif refusal is RefusalReason.EXCLUDED:
            text = "it is excluded; it is not inspected"
        else:
            text = _time_left(covering, now, zone)
        if text:
            yield Attention(scope.organisation, domain.display, text)


def _time_left(covering: Iterable[AuthorisationTerms], now: datetime, zone: ZoneInfo) -> str:
    """Why the authorisations of a target need attention, or nothing. An end is the last day, as it was written."""
    ordered = sorted(covering, key=lambda terms: terms.valid_from)
    ended = [terms for terms in ordered if terms.valid_until <= now]
    coming = [terms for terms in ordered if terms.valid_from > now]
    holding = [terms for terms in ordered if terms not in ended and terms not in coming]
    if not holding and coming:
        begins = format_begin(coming[0].valid_from, zone)
        return f"its authorisation {coming[0].document} does not begin before {begins}; until then it is not inspected"
    last = max(holding or ended, key=lambda terms: terms.valid_until)
    until = format_end(last.valid_until, zone)
    if not holding:
        return f"its authorisation {last.document} ended on {until}; it is not inspected"
    followed = any(terms.valid_from <= last.valid_until < terms.valid_until for terms in coming)
    if last.valid_until > now + SOON or followed:
        return ""
    return f"its authorisation {last.document} ends on {until}; renew it"


def _covers(terms: AuthorisationTerms, target: RegisteredTarget, answers: Answers) -> bool:
    if target.network:
        return terms.reach.includes(target.network)
    name = target.hostname or ""
    return name in terms.reach.hostnames or any(
        terms.reach.covers(parse_address(address)) for address in answers.get(name, ())
    )


def _names(scope: Scope, targets: Iterable[RegisteredTarget], now: datetime, answers: Answers) -> Iterator[Attention]:
    for target in targets:
        if not target.hostname:
            continue
        addresses = answers[target.hostname]
        if not addresses:
            yield Attention(scope.organisation, target.display, "the name does not resolve; it is not inspected")
        for address in addresses:
            refusal = _refusal(scope, target, address, target.hostname, now)
            if refusal:
                text = f"resolves to {address}, which may not be touched: {refusal}"
                yield Attention(scope.organisation, target.display, text)


def _refusal(scope: Scope, target: RegisteredTarget, address: str, hostname: str, now: datetime) -> str:
    """Why no authorised port of ``address`` may be touched, or nothing when one may be."""
    ports = {target.url_port} if target.url_port else {terms.ports[0][0] for terms in scope.authorisations}
    decisions = [scope.decide(address, port, "tcp", now, hostname) for port in sorted(ports) or [443]]
    if any(decision.allowed for decision in decisions):
        return ""
    return str(decisions[0].reason)
