"""One domain: looked up at the configured resolver, then once more when something seemed wrong."""

from __future__ import annotations

import asyncio
import datetime as dt
import shlex
from collections import defaultdict
from dataclasses import dataclass

from scanner.engine.facts.domain import BOGUS, Answers, DomainFacts, Question, Reply, is_nobodys
from scanner.engine.judge import doubtful, unjudged_by_plugins, with_unjudged
from scanner.engine.model import (
    NO_PORT,
    Coverage,
    Facet,
    Gap,
    GapReason,
    HostInspection,
    Level,
    Look,
    Outcome,
    Service,
    Transport,
    domain_endpoint,
)
from scanner.engine.plan import Domain, Plan
from scanner.engine.plugins.load import active
from scanner.engine.probes.dial import Gate, Pace
from scanner.engine.probes.domain import DomainLook, Resolver
from scanner.engine.rules.base import Basis

DOMAIN_SECONDS = 90.0
"""Seconds that one look at a domain may take at most."""

QUESTIONS_NAMED = 6
"""Unanswered questions that one gap names."""

_EXPECTED = frozenset({GapReason.NEEDS_NAME})
"""What the operator can change and we rightly left out: told, but not making the inspection partial."""


async def inspect_domain(domain: Domain, plan: Plan, gate: Gate, pace: Pace) -> HostInspection:
    """Ask the plan's resolver about one domain; never raises but on cancellation.

    ``gate`` is asked with the domain's endpoint before each look. Without a resolver nothing is sent.
    """
    looking = _Looking(domain, plan)
    refusal = gate(domain_endpoint(domain.name))
    if refusal is not None:
        return looking.not_inspected(Gap(GapReason.REFUSED_BY_SCOPE, transport=Transport.DNS, detail=refusal))
    if plan.resolver is None:
        return looking.not_inspected(Gap(GapReason.NO_RESOLVER, transport=Transport.DNS))
    resolver = Resolver(plan.resolver, plan.limits.read_timeout, pace)
    first = await _look(domain, plan, resolver)
    inspection = looking.conclude(first, (), resolver)
    if not doubtful(inspection, plan.policy) or gate(domain_endpoint(domain.name)) is not None:
        return inspection
    second = await _look(domain, plan, resolver)
    return looking.conclude(first, (second.service,) if second.conclusive else (), resolver)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one look showed. ``gaps`` are what it could not see, the whole domain when one has no facet."""

    facts: DomainFacts
    gaps: tuple[Gap, ...]

    @property
    def service(self) -> Service:
        return Service(domain_endpoint(self.facts.name), "domain", domain=self.facts)

    @property
    def there(self) -> bool:
        return all(gap.facet is not None for gap in self.gaps)

    @property
    def whole(self) -> bool:
        return all(gap.reason in _EXPECTED for gap in self.gaps)

    @property
    def conclusive(self) -> bool:
        """Whether it can stand beside another look: signatures that don't verify are something seen."""
        failed = {answer.why for answer in self.facts.answers if answer.reply is Reply.FAILED}
        return self.whole or (self.there and failed == {BOGUS})


async def _look(domain: Domain, plan: Plan, resolver: Resolver) -> _Seen:
    look = DomainLook(domain)
    gaps: list[Gap] = []
    try:
        async with asyncio.timeout(min(DOMAIN_SECONDS, plan.host_deadline)):
            if not await look.run(resolver):
                gaps.append(_gap(GapReason.TIMED_OUT, "too-many-questions"))
    except TimeoutError:
        gaps.append(_gap(GapReason.TIMED_OUT))
    return _Seen(look.facts, (*_gaps_of(look.facts), *gaps))


def _gaps_of(facts: DomainFacts) -> tuple[Gap, ...]:
    known = Answers(facts.answers)
    soa = next((answer for answer in facts.answers if answer.question == Question(facts.name, "SOA")), None)
    if soa is not None and is_nobodys(soa):
        detail = shlex.join(["no-such-domain", f"domain={facts.name}"])
        return (Gap(GapReason.NAME_NOT_RESOLVED, transport=Transport.DNS, detail=detail),)
    if soa is None or (soa.reply is Reply.FAILED and soa.why != BOGUS):
        return (_unanswered(soa.why if soa else "timed-out", [Question(facts.name, "SOA")], None),)
    failed: dict[str, list[Question]] = defaultdict(list)
    for answer in facts.answers:
        if answer.reply is Reply.FAILED:
            failed[answer.why].append(answer.question)
    zone = known.zone(facts.name)
    elsewhere = (
        (_gap(GapReason.NEEDS_NAME, shlex.join(["not-a-zone", f"zone={zone}"])),) if zone and zone != facts.name else ()
    )
    return (*(_unanswered(why, sorted(questions), Facet.DOMAIN) for why, questions in failed.items()), *elsewhere)


def _unanswered(why: str, questions: list[Question], facet: Facet | None) -> Gap:
    named = ", ".join(str(question) for question in questions[:QUESTIONS_NAMED])
    more = f" +{len(questions) - QUESTIONS_NAMED}" if len(questions) > QUESTIONS_NAMED else ""
    reason = GapReason.TIMED_OUT if why == "timed-out" else GapReason.NAME_NOT_RESOLVED
    words = ["question-bogus"] if why == BOGUS else ["question-unanswered", f"answer={why}"]
    detail = shlex.join([*words, f"questions={named}{more}"])
    return Gap(reason, facet, transport=Transport.DNS, detail=detail)


def _gap(reason: GapReason, detail: str = "") -> Gap:
    return Gap(reason, Facet.DOMAIN, transport=Transport.DNS, detail=detail)


class _Looking:
    """Makes inspections of one domain, all begun at the same moment."""

    def __init__(self, domain: Domain, plan: Plan) -> None:
        self._target = domain.target
        self._vantage = plan.vantage
        self._policy = plan.policy
        self._started = dt.datetime.now(dt.UTC)

    def not_inspected(self, gap: Gap) -> HostInspection:
        outcome = Outcome.REFUSED if gap.reason is GapReason.REFUSED_BY_SCOPE else Outcome.ERROR
        return self._inspection(outcome, Coverage(gaps=(gap,)))

    def conclude(self, first: _Seen, again: tuple[Service, ...], resolver: Resolver) -> HostInspection:
        look = Look(NO_PORT, Transport.DNS, Facet.DOMAIN)
        coverage = Coverage(
            looks=(look,) if first.there else (),
            gaps=first.gaps,
            connections=resolver.connections,
            datagrams=resolver.datagrams,
        )
        if not first.there:
            return self._inspection(Outcome.UNREACHABLE, coverage)
        outcome = Outcome.INSPECTED if first.whole else Outcome.PARTIAL
        return self._inspection(outcome, coverage, (first.service,), again)

    def _inspection(
        self,
        outcome: Outcome,
        coverage: Coverage,
        services: tuple[Service, ...] = (),
        again: tuple[Service, ...] = (),
    ) -> HostInspection:
        inspection = HostInspection(
            target=self._target,
            outcome=outcome,
            started=self._started,
            finished=dt.datetime.now(dt.UTC),
            vantage=self._vantage,
            level=Level.GREETING,
            services=services,
            second_looks=again,
            coverage=coverage,
            plugins=active(),
        )
        return with_unjudged(inspection, unjudged_by_plugins(inspection, Basis(policy=self._policy)))
