"""Shows how a round went as a whole, for ``round summary``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from scanner.cli.formats import SummaryFormat
from scanner.engine.catalogue.load import Language
from scanner.engine.hostile import line

if TYPE_CHECKING:
    from scanner.delivery.round_summary import OrganisationLine, RoundSummary
    from scanner.rounds.models import Round


def shown(this: Round, how: SummaryFormat, language: Language | None) -> str:
    """Return the summary of the round in this form; the page in ``language``, None for the office's."""
    from django.conf import settings

    from scanner.delivery.letters import own_language
    from scanner.delivery.round_summary import round_summary, summary_json
    from scanner.delivery.summary_letter import summary_page
    from scanner.reports.stationery import stationery_of

    summary = round_summary(this)
    if how is SummaryFormat.JSON:
        return summary_json(summary)
    if how is SummaryFormat.HTML:
        with stationery_of(None):
            return summary_page(summary, language or own_language(), settings.TIME_ZONE, datetime.now(UTC))
    return "\n".join(_lines(summary)) + "\n"


def _lines(summary: RoundSummary) -> Iterator[str]:
    from scanner.delivery.summary_letter import duration
    from scanner.reports.words import words

    t = words(Language.EN)
    seen, work, found, mails = summary.coverage, summary.work, summary.found, summary.mails
    yield f"Round {summary.number}, {summary.kind}, by {line(summary.requested_by)}: {summary.state}"
    if summary.plan:
        yield f"  plan {line(summary.plan)}" + (f", made up for {summary.missed} missed" if summary.missed else "")
    yield f"  duration {duration(summary.seconds, t)}"
    yield (
        f"  hosts {seen.hosts}: {seen.inspected} inspected, {seen.partial} partly, {seen.missed} not; "
        f"{seen.unused} unused address(es)"
    )
    yield (
        f"  jobs {work.jobs}, {work.retried} begun more than once; {work.failures} process(es) died, "
        f"{work.losses} worker(s) lost"
    )
    yield f"  findings: {found.new} new, {found.reopened} reopened, {found.fixed} fixed"
    yield f"  mail: {mails.sent} sent, {mails.waiting} waiting, {mails.dead} given up, {mails.cancelled} cancelled"
    for reason, hosts in summary.gaps:
        yield f"  gap {reason}: {hosts} host(s)"
    for each in summary.set_aside:
        yield f"  failed: {line(each.host)} ({line(each.organisation.en or each.organisation.zh)})"
    for each in summary.slowest:
        yield f"  slow: {duration(each.seconds, t):>12}  {line(each.host)}"
    yield from map(_organisation, summary.organisations)


def _organisation(each: OrganisationLine) -> str:
    score = "-" if each.score is None else f"{each.score:.1f}"
    return (
        f"  {each.slug:<20}  {each.coverage.inspected}/{each.coverage.hosts} host(s)  score {score:>5}  "
        f"{each.found.new} new, {each.found.reopened} reopened, {each.found.fixed} fixed; "
        f"mail {each.mails.sent} sent, {each.mails.waiting} waiting, {each.mails.dead} given up"
    )
