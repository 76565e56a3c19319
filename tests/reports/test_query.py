"""The report model says what the database holds: findings, changes, coverage, priorities."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.db import connection
from django.test.utils import CaptureQueriesContext

from scanner.engine.errors import InputError
from scanner.engine.facts.tls import TlsFacts
from scanner.engine.inspect import Observer
from scanner.engine.intel.lifecycles import Support
from scanner.engine.model import (
    Confidence,
    Facet,
    Gap,
    GapReason,
    HostInspection,
    Outcome,
    Severity,
    Target,
    Transport,
    Vantage,
)
from scanner.engine.plan import Plan
from scanner.engine.probes.dial import Gate
from scanner.flow import carry_out
from scanner.remediation.acts import grant
from scanner.remediation.models import ExemptionKind
from scanner.remediation.models import Finding as FindingRow
from scanner.reports import model
from scanner.reports.inventory import certificate_of
from scanner.reports.places import Place
from scanner.reports.priorities import fix_first
from scanner.reports.query import latest_round, report_model
from scanner.reports.render import render_html
from scanner.reports.together import Together
from scanner.rounds.models import PlanKind, Round
from scanner.rounds.planning import PlanRequest, make_plan
from targets.models import Contact, Organisation
from tests.days import last_second
from tests.rounds.world import (
    Answer,
    Engine,
    authorise,
    old_elasticsearch,
    open_redis,
    open_web,
    organisation,
    planned,
    register,
    silent,
    timed_out,
    ways,
)

NOW = dt.datetime.now(dt.UTC)
CHECK = "SVC-REDIS-UNAUTH"


@pytest.fixture
def owner(db: None) -> Organisation:
    above = organisation("city", name_zh="市网信办", name_en="City Office")
    owner = organisation(parent=above, time_zone="Asia/Shanghai")
    register(owner, "192.0.2.10", key=True)
    register(owner, "192.0.2.11", "192.0.2.12")
    authorise(owner, "192.0.2.0/24")
    return owner


@pytest.fixture
def engine() -> Engine:
    return Engine({"192.0.2.10": open_redis, "192.0.2.11": open_web, "192.0.2.12": timed_out})


def report(owner: Organisation, engine: Engine) -> model.ReportModel:
    number = planned("water")
    carry_out(number, ways(engine))
    return report_model(owner, Round.objects.get(pk=number), dt.datetime.now(dt.UTC))


def test_who_when_and_by_whose_leave(owner: Organisation, engine: Engine) -> None:
    said = report(owner, engine)
    assert said.organisation.name == model.Name("水务局", "Water Office")
    assert said.organisation.supervisor == model.Name("市网信办", "City Office")
    assert (said.organisation.language, said.organisation.time_zone) == ("zh-Hans", "Asia/Shanghai")
    assert [(each.reference, each.granted_by) for each in said.authorisations] == [("Order 1", "Director")]
    assert said.round.vantages == (Vantage.INTERNET,)
    assert said.round.finished is not None
    assert {tool.name: tool.version for tool in said.method.tools}["nmap"]
    assert said.method.discovery == ("connect",)


def test_what_was_not_inspected_is_listed_with_its_reason(owner: Organisation, engine: Engine) -> None:
    coverage = report(owner, engine).coverage
    assert (coverage.targets, coverage.hosts, coverage.inspected, coverage.not_inspected) == (3, 3, 2, 1)
    assert coverage.share == pytest.approx(2 / 3)
    assert (coverage.ports, coverage.connections) == (2, 6)
    (gap,) = coverage.gaps
    assert (gap.host, gap.outcome) == ("192.0.2.12", "unreachable")
    assert gap.reasons == (
        model.Reason(GapReason.TIMED_OUT, None, None, Transport.TCP, "the port scan ran out of time"),
    )


def test_findings_carry_their_place_evidence_and_deadline(owner: Organisation, engine: Engine) -> None:
    said = report(owner, engine)
    (finding,) = said.findings
    assert (finding.check, finding.severity, finding.service) == (CHECK, Severity.CRITICAL, "redis")
    assert finding.place == Place("192.0.2.10", "192.0.2.10", 6379, Transport.TCP)
    assert finding.exchanges[0].sent == "INFO server"
    assert finding.key_target
    reported = FindingRow.objects.get(pk=finding.number).reported
    assert reported is not None
    assert finding.deadline == last_second(reported + dt.timedelta(days=1.5), owner.time_zone)
    assert 306 in finding.cwe
    assert [(count.severity, count.open) for count in said.counts][:2] == [(Severity.CRITICAL, 1), (Severity.HIGH, 0)]
    assert said.fix_first == (
        model.Action(CHECK, Severity.CRITICAL, (finding.place,), finding.deadline, overdue=False, who="database"),
    )


def test_the_score_carries_its_terms(owner: Organisation, engine: Engine) -> None:
    score = report(owner, engine).score
    assert score.provisional
    assert score.grade is None
    assert score.hosts[0].terms[0].check == CHECK


def test_changes_from_new_to_fixed_with_proof_to_reopened(owner: Organisation, engine: Engine) -> None:
    first = report(owner, engine)
    assert [each.check for each in first.changes.new] == [CHECK]
    assert first.score_change is None
    engine.answers["192.0.2.10"] = open_web
    second = report(owner, engine)
    (proof,) = second.changes.fixed
    assert proof.finding.number == first.findings[0].number
    assert proof.first_look <= proof.second_look
    assert second.findings == ()
    assert second.score_change is not None
    assert second.score_change.before < second.score_change.now
    assert (second.score_change.hosts, second.score_change.previous_round) == (2, first.round.serial)
    engine.answers["192.0.2.10"] = open_redis
    third = report(owner, engine)
    assert [each.number for each in third.changes.reopened] == [first.findings[0].number]
    assert third.findings[0].recurrences == 1


def test_what_stays_open_is_told_apart_from_what_nobody_could_look_at(owner: Organisation, engine: Engine) -> None:
    report(owner, engine)
    assert [each.seen_now for each in report(owner, engine).changes.still_open] == [True]
    engine.answers["192.0.2.10"] = silent
    said = report(owner, engine)
    assert said.changes.still_open == ()
    (finding,) = said.changes.not_inspected
    assert not finding.seen_now
    assert finding in said.findings


def test_accepted_risks_are_shown_but_not_counted(owner: Organisation, engine: Engine) -> None:
    report(owner, engine)
    FindingRow.objects.update(state="accepted", exempt_until=NOW + dt.timedelta(days=365))
    said = report(owner, engine)
    assert [each.check for each in said.changes.accepted] == [CHECK]
    assert [each.state for each in said.findings] == ["accepted"]
    assert all(count.open == 0 for count in said.counts)
    assert said.fix_first == ()
    assert all(not host.terms for host in said.score.hosts)


def test_the_inventory_lists_what_listens(owner: Organisation, engine: Engine) -> None:
    hosts = {host.host: host for host in report(owner, engine).inventory}
    assert set(hosts) == {"192.0.2.10", "192.0.2.11"}
    (service,) = hosts["192.0.2.10"].services
    assert (service.port, service.protocol, service.version, service.findings) == (6379, "redis", "99.0.1", 1)
    assert (hosts["192.0.2.10"].worst, hosts["192.0.2.11"].worst) == (Severity.CRITICAL, None)


def test_a_port_whose_tls_was_not_inspected_to_its_end_is_not_said_to_have_none(
    owner: Organisation, engine: Engine
) -> None:
    def unfinished(target: Target, plan: Plan) -> HostInspection:
        web = open_web(target, plan)
        gap = Gap(GapReason.TIMED_OUT, Facet.TLS, 80)
        return replace(web, outcome=Outcome.PARTIAL, coverage=replace(web.coverage, gaps=(gap,)))

    engine.answers["192.0.2.10"] = unfinished
    said = report(owner, engine)
    told = {host.host: service.tls for host in said.inventory for service in host.services}
    assert told == {"192.0.2.10": None, "192.0.2.11": False}
    english = replace(said, organisation=replace(said.organisation, language="en"))
    assert "<td>not inspected</td>" in render_html(english)


def test_open_ports_that_nobody_could_look_at_are_named_and_counted(owner: Organisation, engine: Engine) -> None:
    def late(target: Target, plan: Plan) -> HostInspection:
        web = open_web(target, plan)
        scans = (replace(web.coverage.scans[0], open=(80, 443, 444)),)
        gaps = (Gap(GapReason.TIMED_OUT),)
        return replace(web, outcome=Outcome.PARTIAL, coverage=replace(web.coverage, scans=scans, gaps=gaps))

    engine.answers |= {"192.0.2.10": late, "192.0.2.12": open_web}
    said = report(owner, engine)
    assert {host.host: host.unlisted for host in said.inventory if host.unlisted} == {"192.0.2.10": "443-444"}
    assert said.coverage.ports == 5


def test_a_certificate_is_only_missing_where_it_was_looked_for(owner: Organisation, engine: Engine) -> None:
    def tls(*gaps: Gap) -> Answer:
        def answer(target: Target, plan: Plan) -> HostInspection:
            web = open_web(target, plan)
            services = (replace(web.services[0], tls=True),)
            outcome = Outcome.PARTIAL if gaps else Outcome.INSPECTED
            return replace(web, services=services, outcome=outcome, coverage=replace(web.coverage, gaps=gaps))

        return answer

    lost = [Gap(GapReason.PROTOCOL_ERROR, facet, 80) for facet in (Facet.TLS, Facet.CERTIFICATE)]
    engine.answers = {"192.0.2.10": tls(*lost), "192.0.2.11": tls(), "192.0.2.12": open_web}
    services = {host.host: host.services[0] for host in report(owner, engine).inventory}
    assert {host: each.certificate_unseen for host, each in services.items() if each.certificate_unseen} == {
        "192.0.2.10": True
    }
    assert [host for host, each in services.items() if each.tls_unfinished] == ["192.0.2.10"]


def test_a_check_that_could_not_be_told_is_named_as_such_and_a_part_by_its_kind(
    owner: Organisation, engine: Engine
) -> None:
    def untold(target: Target, plan: Plan) -> HostInspection:
        web = open_web(target, plan)
        gap = Gap(GapReason.PROTOCOL_ERROR, Facet.SERVICE, 80, check="SSH-PASSWORD")
        return replace(web, outcome=Outcome.PARTIAL, coverage=replace(web.coverage, gaps=(gap,)))

    engine.answers["192.0.2.10"] = untold
    said = report(owner, engine)
    (reason,) = said.coverage.gaps[0].reasons
    assert (reason.check, said.round.part, said.saw_all) == ("SSH-PASSWORD", "", False)
    Round.objects.update(checks=[CHECK], kind=PlanKind.CAMPAIGN)
    assert report_model(owner, Round.objects.get(), NOW).round.part == "campaign"


def test_addresses_of_a_network_where_nothing_ever_answered_are_no_hosts(owner: Organisation, engine: Engine) -> None:
    register(owner, "192.0.2.16/30")
    engine.answers |= {"192.0.2.17": open_web, "192.0.2.18": silent}
    coverage = report(owner, engine).coverage
    assert (coverage.hosts, coverage.unused) == (4, 1)
    engine.answers["192.0.2.17"] = silent
    coverage = report(owner, engine).coverage
    assert (coverage.hosts, coverage.unused) == (4, 1), "it answered once, so it is missed now"
    assert "192.0.2.17" in {gap.host for gap in coverage.gaps}


def test_an_address_of_a_network_whose_inspection_timed_out_is_missed_and_not_called_unused(
    owner: Organisation, engine: Engine
) -> None:
    register(owner, "192.0.2.16/30")
    engine.answers |= {"192.0.2.17": timed_out, "192.0.2.18": silent}
    said = report(owner, engine)
    assert (said.coverage.hosts, said.coverage.unused, said.coverage.not_inspected) == (4, 1, 2)
    assert "192.0.2.17" in {gap.host for gap in said.coverage.gaps}
    assert said.score.coverage == pytest.approx(2 / 4)


def test_the_newest_round_is_the_one_reported(owner: Organisation, engine: Engine) -> None:
    assert latest_round(owner) is None
    serial = report(owner, engine).round.serial
    newest = latest_round(owner)
    assert newest is not None
    assert newest.pk == serial


def test_a_report_on_a_cancelled_round_says_that_it_was_interrupted(owner: Organisation, engine: Engine) -> None:
    async def interrupted(plan: Plan, gate: Gate, observer: Observer) -> AsyncIterator[HostInspection]:
        yield open_redis(plan.targets[0], plan)
        raise KeyboardInterrupt

    number = planned("water")
    with pytest.raises(KeyboardInterrupt):
        carry_out(number, replace(ways(engine), engine=interrupted))
    said = report_model(owner, Round.objects.get(pk=number), NOW)
    assert said.round.finished is None
    assert [each.check for each in said.findings] == [CHECK]
    assert {reason.reason for gap in said.coverage.gaps for reason in gap.reasons} == {GapReason.CANCELLED}
    assert latest_round(owner) is None


def test_a_round_that_was_not_followed_can_not_be_reported(owner: Organisation) -> None:
    with pytest.raises(InputError, match="roundsman round show"):
        report_model(owner, Round.objects.get(pk=planned("water")), NOW)


def test_more_findings_take_no_more_queries(owner: Organisation, engine: Engine) -> None:
    said = report(owner, engine)
    this = Round.objects.get(pk=said.round.serial)
    with CaptureQueriesContext(
        connection,
    ) as few:
        report_model(owner, this, NOW)
    first = FindingRow.objects.get()
    for port in range(1, 20):
        FindingRow.objects.create(
            **{
                field.attname: getattr(first, field.attname)
                for field in FindingRow._meta.concrete_fields
                if field.attname not in ("id", "port")
            },
            port=port,
        )
    with CaptureQueriesContext(connection) as many:
        report_model(owner, this, NOW)
    assert len(many) == len(few)


def a_finding(check: str, severity: Severity, host: str = "h", **fields: object) -> model.Finding:
    values: dict[str, object] = {
        "known_exploited": False,
        "key_target": False,
        "deadline": NOW,
        "overdue": False,
        "confidence": Confidence.CONFIRMED,
        **fields,
    }
    return model.Finding(
        number=1,
        check=check,
        state="open",
        severity=severity,
        place=Place(host, host, 80, Transport.TCP),
        service="",
        params=(),
        exchanges=(),
        cwe=(),
        references=(),
        first_seen=NOW,
        last_seen=NOW,
        last_inspected=NOW,
        fixed=None,
        recurrences=0,
        seen_now=True,
        **values,  # type: ignore[arg-type]  # fields by name
    )


def test_the_same_check_on_many_hosts_is_one_action() -> None:
    later = NOW + dt.timedelta(days=1)
    (action,) = fix_first(
        [a_finding("X", Severity.HIGH, "b", deadline=later), a_finding("X", Severity.HIGH, "a", overdue=True)]
    )
    assert [place.host for place in action.places] == ["a", "b"]
    assert (action.deadline, action.overdue) == (NOW, True)


def test_urgency_goes_by_severity_then_exploitation_certainty_key_targets_and_reach() -> None:
    in_order = [
        [a_finding("A", Severity.CRITICAL, confidence=Confidence.POSSIBLE)],
        [a_finding("B", Severity.HIGH, known_exploited=True)],
        [a_finding("C", Severity.HIGH, key_target=True)],
        [a_finding("D", Severity.HIGH, "1"), a_finding("D", Severity.HIGH, "2")],
        [a_finding("E", Severity.HIGH)],
        [a_finding("F", Severity.HIGH, confidence=Confidence.POSSIBLE)],
    ]
    actions = fix_first(finding for group in reversed(in_order) for finding in group)
    assert [action.check for action in actions] == ["A", "B", "C", "D", "E"]


def test_hints_are_no_actions() -> None:
    assert fix_first([a_finding("A", Severity.INFO)]) == ()


def certificate() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "www.example.cn\n")])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2027, 1, 1, tzinfo=dt.UTC))
        .sign(key, hashes.SHA256())
    )
    return base64.b64encode(signed.public_bytes(serialization.Encoding.DER)).decode()


def test_the_leaf_certificate_is_read_and_its_text_made_harmless() -> None:
    read = certificate_of(TlsFacts(sni=None, chains=((certificate(),),)))
    assert read is not None
    assert read.subject.startswith("CN=www.example.cn")
    assert "\n" not in read.subject
    assert read.not_after == dt.datetime(2027, 1, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize("chains", [(), ((),), (("AAAA",),), (("not base64!",),)])
def test_a_certificate_that_can_not_be_read_is_left_out(chains: tuple[tuple[str, ...], ...]) -> None:
    assert certificate_of(TlsFacts(sni=None, chains=chains)) is None
    assert certificate_of(None) is None


def test_reports_of_the_same_state_are_equal(owner: Organisation, engine: Engine) -> None:
    said = report(owner, engine)
    assert report_model(owner, Round.objects.get(pk=said.round.serial), said.generated) == said


def test_the_card_says_how_much_of_the_time_is_used_up(owner: Organisation, engine: Engine) -> None:
    said = report(owner, engine)
    gauge = said.gauges[0]
    row = FindingRow.objects.get()
    assert (gauge.severity, gauge.open, gauge.oldest, gauge.deadline) == ("critical", 1, row.first_seen, row.deadline)
    assert row.reported is not None
    assert row.deadline is not None
    twice = row.reported + 2 * (row.deadline - row.reported)
    later = report_model(owner, Round.objects.get(pk=said.round.serial), twice)
    assert later.gauges[0].used == pytest.approx(2)
    assert later.gauges[0].overdue == 1
    assert [each.number for each in later.changes.overdue] == [row.pk]
    assert [gauge.open for gauge in later.gauges[1:]] == [0, 0, 0]


def test_a_risky_service_is_newly_open_once_and_then_open(owner: Organisation, engine: Engine) -> None:
    first, second = report(owner, engine), report(owner, engine)
    for said, new in ((first, 1), (second, 0)):
        (database, *others) = said.risky
        assert (database.kind, len(database.places), len(database.new)) == ("database", 1, new)
        assert all(not kind.places for kind in others)


def test_the_trend_tells_what_was_open_and_how_long_repairs_took(owner: Organisation, engine: Engine) -> None:
    first = report(owner, engine)
    assert first.trend == ()
    engine.answers["192.0.2.10"] = open_web
    second = report(owner, engine)
    assert [point.round for point in second.trend] == [first.round.serial, second.round.serial]
    before, after = second.trend
    assert (before.open[0].open, before.fixed, before.median_days) == (1, 0, None)
    assert (after.open[0].open, after.fixed) == (0, 1)
    opened, fixed = second.changes.fixed[0].finding.first_seen, second.changes.fixed[0].finding.fixed
    assert fixed is not None
    assert after.median_days == after.longest_days == pytest.approx((fixed - opened).total_seconds() / 86400)
    assert before.score is not None
    assert after.score is not None
    assert before.score < after.score


def test_a_finding_tells_its_history_and_its_exemption(owner: Organisation, engine: Engine) -> None:
    report(owner, engine)
    row = FindingRow.objects.get()
    until = dt.datetime.now(dt.UTC) + dt.timedelta(days=30)
    grant(row, ExemptionKind.ACCEPTED, "Head of IT", "No replacement yet", "", until, "alice", dt.datetime.now(dt.UTC))
    (finding,) = report(owner, engine).changes.accepted
    assert [event.kind for event in finding.history] == ["opened", "exempted"]
    assert finding.exemption is not None
    assert (finding.exemption.owner, finding.exemption.reason) == ("Head of IT", "No replacement yet")
    assert (finding.exemption.state, finding.exemption.until) == ("granted", until)
    assert finding.products == ("redis",)


def test_what_is_read_for_several_organisations_together_tells_the_same_of_each(
    owner: Organisation, engine: Engine
) -> None:
    other = organisation("power", name_en="Power Office")
    register(other, "192.0.2.10")
    authorise(other, "192.0.2.0/24", document="Order 2")
    for each in (owner, other):
        Contact.objects.create(
            organisation=each, name=f"Zhang of {each.slug}", email="zhang@example.org", language="en"
        )
    for name, covered, hour in (("theirs", "power", 3), ("ours", "water", 5)):
        make_plan(PlanRequest(name, PlanKind.ROUTINE, "alice", (covered,), schedule=f"0 {hour} * * *"), NOW)
    make_plan(PlanRequest("all", PlanKind.ROUTINE, "alice", schedule="0 4 * * *"), NOW)
    number = planned("water", "power")
    carry_out(number, ways(engine))
    this = Round.objects.get(pk=number)
    together = Together((owner, other), this)
    for each in (owner, other):
        alone = report_model(each, this, NOW)
        assert alone.next_round is not None
        assert (alone.contacts[0].name, len(alone.authorisations)) == (f"Zhang of {each.slug}", 1)
        assert report_model(each, this, NOW, together) == alone
    assert (together.registers_anything(other), together.registers_anything(organisation("new"))) == (True, False)


def test_the_next_round_is_the_first_that_a_routine_plan_makes(owner: Organisation, engine: Engine) -> None:
    assert report(owner, engine).next_round is None
    asked = PlanRequest("weekly", PlanKind.ROUTINE, "alice", schedule="0 3 * * mon")
    plan = make_plan(asked, dt.datetime.now(dt.UTC))
    spot_check = replace(asked, name="daily", kind=PlanKind.SPOT_CHECK, schedule="0 3 * * *", share=0.5)
    make_plan(spot_check, dt.datetime.now(dt.UTC))
    assert plan.next_due is not None
    assert report(owner, engine).next_round == model.NextRound("weekly", plan.next_due)


def test_products_are_listed_with_their_end_of_life(owner: Organisation, engine: Engine) -> None:
    engine.answers["192.0.2.11"] = old_elasticsearch("6.8.1")
    engine.answers["192.0.2.12"] = old_elasticsearch("6.8.1")
    (age,) = report(owner, engine).products
    assert (age.name, age.version, age.support) == ("Elasticsearch", "6.8.1", Support.ENDED)
    assert age.ends is not None
    assert [place.host for place in age.places] == ["192.0.2.11", "192.0.2.12"]


def test_who_can_act_is_named(owner: Organisation, engine: Engine) -> None:
    for name, retired in (("Zhang", None), ("Gone", NOW)):
        Contact.objects.create(
            organisation=owner, name=name, email=f"{name}@example.org", language="en", retired_at=retired
        )
    assert report(owner, engine).contacts == (model.Contact("Zhang", "security"),)
