"""Renders an organisation's report: one self-contained HTML page, and the same as JSON.

Both depend on the model alone: the same model gives the same bytes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Any

import orjson

from scanner.engine.catalogue.load import Language, Text
from scanner.engine.model import Outcome, Severity
from scanner.remediation.score import ENOUGH_COVERAGE, KEY_WEIGHT, MEAN_PART, WORST_PART
from scanner.reports import charts, page, texts
from scanner.reports.clauses import clauses_of
from scanner.reports.dates import Dates, utc
from scanner.reports.gaps import gap_sentence
from scanner.reports.identity import office_name
from scanner.reports.model import Action, Finding, Name, NotInspected, Reason, ReportModel
from scanner.reports.places import InventoryHost, Place
from scanner.reports.remedy import hints_for
from scanner.reports.standing import CUT, Pieces
from scanner.reports.words import Words, percents, words

SCHEMA = "roundsman.report/2"

LIMITS = {
    "described_checks": 10_000,
    "named_findings": 600,
    "shown_places": 6,
    "shown_proofs": 200,
    "shown_hosts": 40,
    "shown_scores": 50,
    "shown_inventory": 1200,
    "shown_certificates": 150,
}
"""What the page shows of each list, so that it stays one that a browser opens at once; the other forms hold all.

Of each check's findings the first come with their evidence (see :func:`with_evidence`), and up to ``named_findings``
are named.
"""

PAPER_LIMITS = LIMITS | {
    "described_checks": 40,
    "shown_proofs": 40,
    "shown_scores": 15,
    "shown_inventory": 60,
    "shown_certificates": 30,
}
"""The same for a PDF, which takes a hundred times as long to make: nobody looks things up in three hundred pages."""

_EVIDENCE, _EVIDENCE_ON_PAPER = 500, 80
"""Findings that are shown with their evidence, over all checks."""
_EVIDENCE_OF_ONE = 12

_PLACES_ON_PAPER = 600
"""Places that a PDF names in a list, over all checks."""

_VERSION = re.compile(r"(SSL|TLS)v(\d)(\.\d)?")

_OWN_FORM = frozenset({"findings", "changes"})
"""Parts of the model that the JSON shows in a form of its own."""


@dataclass(frozen=True, slots=True)
class Group:
    """The findings of one check: one repair usually closes them all."""

    check: str
    severity: Severity
    text: Text
    findings: tuple[Finding, ...]


def render_html(model: ReportModel, *, paper: bool = False) -> str:
    """Return the report as one HTML page in the organisation's language, without script or outside resource.

    ``paper`` adds what a PDF needs.
    """
    language = Language(model.organisation.language)
    view = View(model, language)
    groups = view.groups()
    pieces = Pieces(view, language, model)
    return page.render(
        "paper.html" if paper else "report.html",
        language,
        office=office_name(language),
        model=model,
        paper=paper,
        dates=Dates(language, model.organisation.time_zone, model.generated),
        utc=utc,
        name=view.name,
        text_of=lambda check: texts.text(check, language),
        evidence=view.evidence,
        policy_verdict=view.policy_verdict,
        verify=view.verify,
        row=pieces.row,
        remedies_for=pieces.remedies,
        host_row=pieces.host,
        cut=CUT,
        endpoint=endpoint,
        references=lambda finding: references(finding, words(language)),
        ports=ports_asked(model.round.ports, words(language)),
        versions=lambda service: words(language).listed([version_name(each) for each in service.tls_versions]),
        product=lambda service: " ".join(filter(None, (service.product, service.version))) or "—",
        why=view.why,
        why_not=view.why_not(),
        gaps=gap_groups(model.coverage.gaps),
        by_check=view.by_check,
        remedies=lambda group: hints_for(group.check, group.findings, language),
        first_sentence=first_sentence,
        score_of=lambda value: "—" if value is None else f"{value:.1f}",
        trend=charts.trend_charts(model.trend),
        expiry=charts.timeline(model.certificates, model.generated),
        gauge_length=charts.gauge_length,
        gauge_width=charts.GAUGE_WIDTH,
        serious=[group for group in groups if group.severity is not Severity.INFO],
        hints=[group for group in groups if group.severity is Severity.INFO],
        mean_part=MEAN_PART,
        worst_part=WORST_PART,
        key_weight=KEY_WEIGHT,
        verdict=verdict(model),
        extent=extent(model),
        partly={gap.host for gap in model.coverage.gaps if gap.outcome is Outcome.PARTIAL},
        without_services=without_services,
        part=part_of(model, language),
        enough=ENOUGH_COVERAGE,
        percents=percents,
        incomparable=incomparable(model),
        severities=list(reversed(Severity)),
        shown_findings=with_evidence(len(groups), _EVIDENCE_ON_PAPER if paper else _EVIDENCE),
        **(_paper_limits(len(groups)) if paper else LIMITS),
    )


def warm_up() -> None:
    """Compile the shipped templates of the page, for who is about to render one."""
    page.warm_up("report", "report.html")


_FORM = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z | orjson.OPT_OMIT_MICROSECONDS
"""How JSON is written; the model's moments are in UTC."""


def render_json(model: ReportModel, *, indented: bool = True) -> bytes:
    """Return the report as JSON (UTF-8), in the order of the model; texts are in the organisation's language, times in
    UTC.

    Without ``indented`` it is one line, for machines.
    """
    language = Language(model.organisation.language)
    view = View(model, language)
    document = {name: value for name, value in _fields(model).items() if name not in _OWN_FORM}
    document["schema"] = SCHEMA
    document["language"] = str(language)
    document["findings"] = [view.finding(finding) for finding in model.findings]
    document["changes"] = _changes(model, view)
    document["fix_first"] = [_action(action, language) for action in model.fix_first]
    gaps = [_fields(host) | {"reasons": [view.reason(each) for each in host.reasons]} for host in model.coverage.gaps]
    document["coverage"] = _fields(model.coverage) | {"gaps": gaps}
    return orjson.dumps(document, option=_FORM | (orjson.OPT_INDENT_2 if indented else 0))


class View:
    """Answers the questions that both renderings ask about a model in one language."""

    def __init__(self, model: ReportModel, language: Language) -> None:
        self._model = model
        self._language = language
        self._tls = {
            (host.address, service.port, service.transport)
            for host in model.inventory
            for service in host.services
            if service.tls
        }

    def name(self, name: Name) -> str:
        """Return a name in the report's language, or in the other one when that is all there is."""
        return (name.zh or name.en) if self._language is Language.ZH_HANS else (name.en or name.zh)

    def evidence(self, finding: Finding) -> str:
        return texts.evidence(finding.check, finding.params, self._language)

    def policy_verdict(self, finding: Finding) -> str:
        return texts.policy_verdict(dict(finding.params), self._language)

    def verify(self, finding: Finding) -> str:
        place = finding.place
        where = texts.Place(
            place.address,
            place.port,
            place.host if place.host != place.address else None,
            self.speaks_tls(place),
        )
        return texts.verify(finding.check, finding.params, where)

    def speaks_tls(self, place: Place) -> bool:
        return (place.address, place.port, place.transport) in self._tls

    def groups(self) -> list[Group]:
        """Return the open findings by check, in the order in which the first of each appears."""
        return self.by_check(self._model.findings)

    def by_check(self, findings: Iterable[Finding]) -> list[Group]:
        """Return findings by check, in the order in which the first of each appears."""
        by_check: dict[str, list[Finding]] = {}
        for finding in findings:
            by_check.setdefault(finding.check, []).append(finding)
        return [
            Group(
                check=check,
                severity=max((finding.severity for finding in found), key=lambda severity: severity.rank),
                text=texts.text(check, self._language),
                findings=tuple(found),
            )
            for check, found in by_check.items()
        ]

    def why(self, reason: Reason) -> str:
        return gap_sentence(reason.reason, reason.detail, words(self._language))

    def reason(self, reason: Reason) -> dict[str, Any]:
        """Return why something was not inspected as plain data, with its sentence."""
        return _fields(reason) | {"message": self.why(reason)}

    def why_not(self) -> list[tuple[int, str]]:
        """Return how many hosts were not inspected, or in part only, for each reason.

        What kept whole hosts from being inspected comes first, the most frequent first. A host that counts as inspected
        is in none: of it a port was left out, which the list of gaps tells.
        """
        whole, part = Counter[str](), Counter[str]()
        for gap in self._model.coverage.gaps:
            if gap.outcome is not Outcome.INSPECTED:
                counts = part if gap.outcome is Outcome.PARTIAL else whole
                counts.update(words(self._language)(f"gap.{kind}") for kind in {each.reason for each in gap.reasons})
        reasons = sorted(whole | part, key=lambda reason: (-whole[reason], -part[reason], reason))
        return [(whole[reason] + part[reason], reason) for reason in reasons]

    def finding(self, finding: Finding) -> dict[str, Any]:
        """Return a finding as plain data, with its texts."""
        text = texts.text(finding.check, self._language)
        told = _fields(finding)
        told.update(
            title=text.title,
            impact=text.impact,
            fix=text.fix,
            evidence=self.evidence(finding),
            policy=self.policy_verdict(finding),
            verify=self.verify(finding),
            params=dict(finding.params),
        )
        return told


def without_services(host: InventoryHost) -> str:
    """Return the key of what is to be said of a host without listed services; empty where open ports are named."""
    looked = host.outcome in (Outcome.INSPECTED, Outcome.PARTIAL)
    part = "_partly" if host.outcome is Outcome.PARTIAL else ""
    if host.domain:
        return f"inventory.domain{part}" if looked else "inventory.domain_unknown"
    if not looked:
        return "inventory.not_inspected"
    return "" if host.unlisted else f"inventory.no_services{part}"


def extent(model: ReportModel) -> str:
    """Return the ending of keys that say what was not found: how much was looked at bounds what that means."""
    if model.score.value is None:
        return "unknown"
    return "none" if model.saw_all else "none_partly"


def endpoint(place: Place) -> str:
    """Return where a finding is, for people."""
    return texts.endpoint(place.host, place.port, place.transport)


def references(finding: Finding, t: Words) -> list[str]:
    """Return what a finding cites, in the order weaknesses (CWE), works, classified protection, each once."""
    cited = dict.fromkeys((*(f"CWE-{cwe}" for cwe in finding.cwe), *finding.references, *clauses_of(finding.check)))
    return [_cited(each, t) for each in cited]


def _cited(reference: str, t: Words) -> str:
    """Return a reference as its language cites a section of a work."""
    work, found, section = reference.partition(" section ")
    return t("reference.section", work=work, section=section) if found else reference


def ports_asked(ports: str, t: Words) -> str:
    """Return which TCP ports were asked, in words where a round names them by one (``engine.plan.parse_ports``)."""
    word, _, more = ports.partition(",")
    if not t.has(f"ports.{word}"):
        return ports
    named = t(f"ports.{word}")
    return t("ports.besides", ports=named, more=more) if more else named


def version_name(version: str) -> str:
    """Return what people call a version of TLS: ``TLSv1.0`` is TLS 1.0, ``SSLv3`` is SSL 3.0."""
    found = _VERSION.fullmatch(version)
    return f"{found[1]} {found[2]}{found[3] or '.0'}" if found else version


def with_evidence(groups: int, most: int = _EVIDENCE) -> int:
    """Return of how many findings of each check the page shows the evidence, when there are so many checks."""
    return max(1, min(_EVIDENCE_OF_ONE, most // max(1, groups)))


def _paper_limits(groups: int) -> dict[str, int]:
    """Return what a PDF shows: the more checks there are, the fewer places of each in the lists."""
    return PAPER_LIMITS | {"shown_places": max(2, min(LIMITS["shown_places"], _PLACES_ON_PAPER // max(1, groups)))}


def gap_groups(gaps: Iterable[NotInspected]) -> list[list[NotInspected]]:
    """Return hosts that were not inspected for the same reasons as one group, in the order of the first of each."""
    groups: dict[object, list[NotInspected]] = {}
    for gap in gaps:
        groups.setdefault((gap.outcome, gap.reasons), []).append(gap)
    return list(groups.values())


def part_of(model: ReportModel, language: Language) -> str:
    """Return the sentence that the round looked at a part of what is registered; nothing when it looked at all."""
    t = words(language)
    return t("mail.part", kind=t(f"mail.plan.{model.round.part}")) if model.round.part else ""


def first_sentence(text: str) -> str:
    """Return the first sentence of one of our own texts; a full stop ends it where a capital follows."""
    return re.split(r"(?<=[。！？])|(?<=[.!?])\s+(?=[A-Z])", text.strip(), maxsplit=1)[0]


def verdict(model: ReportModel) -> str:
    """Return the key of the one sentence that sums the report up."""
    if model.score.value is None:
        return "nothing_inspected"
    if any(count.overdue for count in model.counts):
        return "overdue"
    worst = next((count.severity for count in _worst_first(model) if count.open), None)
    if worst is None or worst is Severity.INFO:
        return "clean" if model.saw_all else "clean_partly"
    return "urgent" if worst.at_least(Severity.HIGH) else "planned"


def incomparable(model: ReportModel) -> str:
    """Return the key of the sentence that says why nothing can be told to have changed; empty where it can."""
    changes = model.changes
    if model.score_change or any((changes.fixed, changes.still_open, changes.reopened, changes.not_inspected)):
        return ""
    if model.score.value is None:
        return "unknown"
    return "first" if model.findings else "nothing"


def _worst_first(model: ReportModel) -> list[Any]:
    return sorted(model.counts, key=lambda count: -count.severity.rank)


def _changes(model: ReportModel, view: View) -> dict[str, Any]:
    changes = model.changes

    def numbers(findings: Iterable[Finding]) -> list[int]:
        return [finding.number for finding in findings]

    return {
        "new": numbers(changes.new),
        "reopened": numbers(changes.reopened),
        "still_open": numbers(changes.still_open),
        "not_inspected": numbers(changes.not_inspected),
        "accepted": numbers(changes.accepted),
        "overdue": numbers(changes.overdue),
        "fixed": [
            {
                "finding": view.finding(proof.finding),
                "first_look": proof.first_look,
                "second_look": proof.second_look,
            }
            for proof in changes.fixed
        ],
    }


def _action(action: Action, language: Language) -> dict[str, Any]:
    text = texts.text(action.check, language)
    return _fields(action) | {"title": text.title, "fix": text.fix}


def _fields(record: Any) -> dict[str, Any]:
    """Return the fields of one of the model's dataclasses; their values stay as they are."""
    kind: Any = type(record)
    names, values = _reader(kind)
    return dict(zip(names, values(record), strict=True))


@cache
def _reader(kind: Any) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    """Return the names of a dataclass's fields, of which there are several, and what reads all of them at once."""
    names = tuple(kind.__dataclass_fields__)
    return names, attrgetter(*names)
