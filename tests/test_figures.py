"""Whoever counts the same thing says the same number: reports, tables, mails, pages, programs and the terminal."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import re
from collections import Counter
from dataclasses import dataclass

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from scanner.accounts.roles import Role
from scanner.accounts.sight import Sight
from scanner.api import tokens
from scanner.api.scopes import Scope
from scanner.cli import finding as finding_command
from scanner.cli import round as round_command
from scanner.console import card
from scanner.console.campaigns import campaigns
from scanner.console.card import card_of
from scanner.console.standing import Counts, overall, standings
from scanner.delivery.digest import Space, digest_letter
from scanner.delivery.letters import Frame
from scanner.delivery.models import Message, MessageKind
from scanner.delivery.notices import due_for
from scanner.delivery.reminders import escalate, remind
from scanner.delivery.round_letter import round_letter
from scanner.delivery.round_summary import round_summary
from scanner.engine.catalogue.load import Language
from scanner.engine.model import Confidence, Severity
from scanner.remediation import acts
from scanner.remediation.lifecycle import TO_FIX
from scanner.remediation.models import ExemptionKind, Finding, RoundScore
from scanner.remediation.score import Scored, score_host, score_organisation
from scanner.remediation.scores import as_kept
from scanner.reports.dates import Dates
from scanner.reports.formats import ReportFormat, rendered
from scanner.reports.model import ReportModel, SeverityCount
from scanner.reports.query import latest_round, report_model
from scanner.rounds.models import PlanKind, Round
from scanner.rounds.planning import PlanRequest, make_plan
from targets.models import Organisation
from tests.console.house import account, client
from tests.delivery.office import contact, finding, followed_round, unit
from tests.remediation.test_graver import EXPOSED, UNAUTH, guarded_redis
from tests.reports.district import START, District, bulletin, day
from tests.rounds.world import authorise, open_redis, open_web, organisation, register, retire, silent, timed_out

ACTIVE = ("city", "water", "roads", "lamps")


@dataclass
class World:
    """A city, what its rounds found, and how its units' last reports tell of it."""

    organisations: dict[str, Organisation]
    last: Round
    now: dt.datetime
    reports: dict[str, ReportModel]

    def counts(self, slug: str) -> Counts:
        """What the report counts."""
        said = self.reports[slug]
        to_fix = [each for each in said.findings if each.state in TO_FIX]
        return Counts(
            open=sum(each.open for each in said.counts),
            serious=sum(each.open for each in said.counts if each.severity.at_least(Severity.HIGH)),
            overdue=sum(each.overdue for each in said.counts),
            new=sum(
                each.severity is Severity.CRITICAL and each.first_seen > self.now - dt.timedelta(days=7)
                for each in to_fix
            ),
        )

    def total(self) -> Counts:
        each = [self.counts(slug) for slug in self.reports]
        return Counts(*(sum(getattr(one, name) for one in each) for name in ("open", "serious", "overdue", "new")))


@pytest.fixture
def world(db: None) -> World:
    """Four days on which things got mended, came back, got worse, went dark, moved away, and were retired."""
    district = District()
    city = district.unit("city", None, 0, 0)
    water, roads = (
        district.unit("water", city, 6, 1, language="en"),
        district.unit("roads", city, 4, 2, language="en"),
    )
    lamps = district.unit("lamps", roads, 3, 3, language="en")
    bridges = district.unit("bridges", city, 3, 4, language="en")
    every = (water, roads, lamps, bridges)
    vulnerable = ("1.1", "1.3", "1.4", "1.5", "2.1", "2.2", "2.3", "2.4", "3.1", "4.1")
    district.answers.update({f"192.0.{each}": open_redis for each in vulnerable})
    district.answers["192.0.1.2"] = guarded_redis
    district.round(0, *every)
    grant(at("192.0.1.3"), ExemptionKind.ACCEPTED)
    grant(at("192.0.1.4"), ExemptionKind.FALSE_POSITIVE)
    acts.claim(at("192.0.1.5"), "unit", "closed", day(0.6))
    asked = "a decoy", "", day(300), "unit", day(0.6)
    acts.request_exemption(at("192.0.2.4"), ExemptionKind.FALSE_POSITIVE, "Head", *asked)

    district.answers |= {"192.0.1.1": open_web, "192.0.1.2": open_redis, "192.0.1.6": open_redis}
    district.answers |= {"192.0.2.1": timed_out, "192.0.1.5": timed_out}
    district.round(1, *every)
    district.answers["192.0.1.1"] = open_redis
    retire(water, "192.0.1.6")
    retire(roads, "192.0.2.3")
    register(lamps, "192.0.2.3")
    term = {"valid_from": START - dt.timedelta(days=60), "valid_until": START + dt.timedelta(days=400)}
    authorise(lamps, "192.0.2.3", document="Order on what moved", **term)  # type: ignore[arg-type]  # by name
    Organisation.objects.filter(pk=bridges.pk).update(retired_at=day(1.5))
    bridges.refresh_from_db()
    retire(bridges, "192.0.4.1")
    last = district.round(2, water, roads, lamps)

    now = dt.datetime.now(dt.UTC)
    due = Finding.objects.filter(host="192.0.3.1", check_id=UNAUTH)
    due.update(deadline=now + dt.timedelta(days=5))
    organisations = {each.slug: each for each in Organisation.objects.all()}
    reports = {slug: told(organisations[slug], now) for slug in ("water", "roads", "lamps")}
    return World(organisations, last, now, reports)


def at(host: str) -> Finding:
    return Finding.objects.get(host=host, check_id=UNAUTH, organisation__retired_at=None)


def grant(finding: Finding, kind: ExemptionKind) -> None:
    acts.grant(finding, kind, "Head", "known", "", day(300), "ops", day(0.5))


def told(owner: Organisation, now: dt.datetime) -> ReportModel:
    this = latest_round(owner)
    assert this is not None
    return report_model(owner, this, now)


def test_the_story_holds_what_it_is_about(world: World) -> None:
    water = world.reports["water"]
    assert {each.place.host for each in water.changes.reopened} == {"192.0.1.1"}
    assert {(each.place.host, each.check) for each in water.findings if each.place.host == "192.0.1.2"} == {
        ("192.0.1.2", EXPOSED),
        ("192.0.1.2", UNAUTH),
    }
    assert "192.0.1.6" not in {each.place.host for each in water.findings}
    assert {each.state for each in water.findings} == {"open", "claimed", "accepted", "false-positive"}
    assert {each.place.host for each in world.reports["roads"].changes.not_inspected} == {"192.0.2.1"}
    assert "192.0.2.3" in {each.place.host for each in world.reports["lamps"].changes.new}
    assert all(world.counts(slug).overdue for slug in ("water", "roads"))
    assert world.counts("lamps").overdue < world.counts("lamps").open
    assert Finding.objects.filter(registered=False).count() == 3


def test_pages_count_what_reports_count(world: World) -> None:
    sight = Sight.of(account("ops@office.example", Role.OPERATOR))
    chosen = [world.organisations[slug] for slug in ("water", "roads", "lamps", "bridges")]
    found = {each.organisation.slug: each.findings for each in standings(sight, world.now, chosen)}
    assert found == {**{slug: world.counts(slug) for slug in world.reports}, "bridges": Counts()}
    assert overall(sight, world.now, 20).findings == world.total()
    for slug, said in world.reports.items():
        owner = world.organisations[slug]
        shown = card_of(owner, sight, Dates(Language.EN, owner.time_zone, world.now), world.now)
        counts = world.counts(slug)
        assert (shown.counts.open, shown.counts.serious, shown.counts.overdue) == (
            counts.open,
            counts.serious,
            counts.overdue,
        )
        assert shown.scored is not None
        assert (shown.scored.score, shown.actions) == (said.score, said.fix_first)
        change = said.score_change
        assert shown.scored.change == (change.now - change.before if change else None)


def test_lists_of_pages_programs_and_terminal_hold_as_many(world: World) -> None:
    user = account("ops@office.example", Role.OPERATOR)
    _, secret = tokens.add(user, "program", tuple(Scope), "tests", world.now)
    program = Client(headers={"authorization": f"Bearer {secret}"})
    for slug in (*world.reports, "bridges"):
        counts = world.counts(slug) if slug in world.reports else Counts()
        for asked, expected in (("", counts.open), ("&overdue=on", counts.overdue)):
            page = client(user).get(f"/findings/?organisation={slug}{asked}").content.decode()
            (shown,) = re.findall(r"(\d+) findings?\b", page)[:1]
            assert int(shown) == expected, (slug, asked)
        items = program.get(f"/api/v1/findings?organisation={slug}&limit=100").json()["items"]
        assert sum(each["state"] in TO_FIX for each in items) == counts.open, slug
        assert sum(each["overdue"] for each in items) == counts.overdue, slug
        late = program.get(f"/api/v1/findings?organisation={slug}&overdue=true").json()["items"]
        assert len(late) == counts.overdue, slug
        if slug in world.reports:
            assert len(listed("--organisation", slug, "--overdue")) == counts.overdue, slug
            assert len(listed("--organisation", slug, "--state", "open", "--state", "claimed")) == counts.open, slug
    whole = program.get("/api/v1/findings?unregistered=true&limit=100").json()["items"]
    assert {each["host"] for each in whole if not each["registered"]} == {"192.0.1.6", "192.0.2.3"}


def listed(*arguments: str) -> list[str]:
    out = CliRunner().invoke(finding_command.app, ["list", *arguments])
    assert out.exit_code == 0, out.output
    return [line for line in out.stdout.splitlines() if line.strip()[:1].isdigit()]


def test_what_waits_for_somebody_is_as_much_on_the_first_page_as_in_the_digest(world: World) -> None:
    page = client(account("ops@office.example", Role.OPERATOR)).get("/").content.decode()
    total = world.total()
    assert f"{total.overdue} overdue findings" in page
    assert "1 request to decide" in page
    frame = Frame(MessageKind.DIGEST, Language.EN, world.now)
    digest = " ".join(digest_letter(day(1), world.now, Space(5, 10), frame).text.split())
    for slug in ACTIVE:
        late = re.search(rf"Unit {slug}: (\d+) overdue", digest)
        counts = world.counts(slug) if slug in world.reports else Counts()
        assert (int(late[1]) if late else 0) == counts.overdue, slug
    assert "Unit bridges" not in digest


def test_metrics_count_what_reports_count(world: World) -> None:
    text = Client().get("/metrics").content.decode()
    found: Counter[str] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name != "roundsman_findings" or sample.labels["state"] in TO_FIX:
                found[sample.name] += int(sample.value)
    total = world.total()
    assert (found["roundsman_findings"], found["roundsman_findings_overdue"]) == (total.open, total.overdue)


def test_every_form_of_a_report_holds_as_many(world: World) -> None:
    for slug, said in world.reports.items():
        counts, owner = world.counts(slug), world.organisations[slug]
        files = rendered(said, (ReportFormat.CSV, ReportFormat.SARIF, ReportFormat.JSON))
        rows = list(csv.DictReader(io.StringIO(files["-findings.csv"].decode("utf-8-sig"))))
        assert len(rows) == len(said.findings)
        assert sum(row["Overdue"] == "yes" for row in rows) == counts.overdue
        results = json.loads(files[".sarif"])["runs"][0]["results"]
        alive = [each for each in results if each["baselineState"] != "absent"]
        assert sum("suppressions" not in each for each in alive) == counts.open
        assert sum(each["properties"]["overdue"] for each in alive) == counts.overdue
        document = json.loads(files[".json"])
        assert sum(each["state"] in TO_FIX for each in document["findings"]) == counts.open
        assert len(document["changes"]["overdue"]) == counts.overdue
        letter = round_letter(said, Frame(MessageKind.ROUND_REPORT, Language.EN, world.now, owner))
        assert f"{counts.serious} critical or high" in letter.subject
        assert f"{counts.overdue} overdue" in letter.subject


def test_what_changed_and_the_trend_add_up_to_what_is_open(world: World) -> None:
    for slug, said in world.reports.items():
        changes = said.changes
        parts = (changes.new, changes.reopened, changes.still_open, changes.not_inspected)
        numbers = [each.number for part in parts for each in part if each.state in TO_FIX]
        assert sorted(numbers) == sorted(each.number for each in said.findings if each.state in TO_FIX), slug
        assert said.trend[-1].open == tuple(SeverityCount(each.severity, each.open, 0) for each in said.counts), slug
        assert (said.trend[-1].score, said.trend[-1].coverage) == (said.score.value, said.score.coverage)
        assert sum(gauge.open for gauge in said.gauges) == world.counts(slug).open


def test_letters_of_the_day_and_notices_ask_for_what_reports_list(world: World) -> None:
    now = day(20)
    for slug in ACTIVE:
        contact(world.organisations[slug])
    for slug in world.reports:
        owner = world.organisations[slug]
        said = told(owner, now)
        asked_for = [each for each in said.findings if each.state == "open" and each.severity is not Severity.INFO]
        late = [each for each in asked_for if each.overdue and each.confidence is not Confidence.POSSIBLE]
        undecided = [each for each in late if each.exemption and each.exemption.state == "requested"]
        serious = [each for each in late if each.severity.at_least(Severity.HIGH) and each not in undecided]
        remind(owner, now)
        escalate(owner, now)
        letters = Message.objects.filter(organisation=owner)
        reminder = letters.filter(kind=MessageKind.REMINDER).values_list("subject", flat=True)
        assert [f"{len(late)} overdue" in each for each in reminder] == [True], slug
        above = letters.filter(kind=MessageKind.ESCALATION).exclude(recipient__contains=f"@{slug}.")
        assert [re.findall(r"\d+", each) for each in above.values_list("subject", flat=True)] == [[str(len(serious))]]
        due = due_for(owner, Severity.LOW)
        listed = {each.pk for each in (*due.findings, *due.to_check)}
        assert listed == {each.number for each in asked_for}, slug


def test_a_round_tells_of_itself_what_the_reports_on_it_tell(world: World) -> None:
    summary = round_summary(world.last)
    lines = {each.slug: each for each in summary.organisations}
    for slug, said in world.reports.items():
        line = lines[slug]
        assert line.score == said.score.value
        assert (line.found.new, line.found.reopened, line.found.fixed) == tuple(
            len(part) for part in (said.changes.new, said.changes.reopened, said.changes.fixed)
        )
        seen = said.coverage
        assert (line.coverage.hosts, line.coverage.inspected, line.coverage.missed) == (
            seen.hosts,
            seen.inspected,
            seen.not_inspected,
        )


def test_a_bulletin_counts_what_reports_count_but_for_what_it_says_of_itself(world: World) -> None:
    days = (world.now - START) / dt.timedelta(days=1)
    said = bulletin(world.organisations["city"], 0, int(days) + 1, now=days)
    rows = {row.unit.slug: row for row in (*said.ranked, *said.others)}
    assert set(rows) == set(world.reports)
    for slug, report in world.reports.items():
        row, counts = rows[slug], world.counts(slug)
        late = [each for each in report.findings if each.overdue and each.state != "claimed"]
        undecided = [each for each in late if each.exemption and each.exemption.state == "requested"]
        assert (row.open, row.serious) == (counts.open, counts.serious), slug
        assert row.overdue == len(late) - len(undecided), slug
        assert (row.score, row.grade, row.coverage) == (report.score.value, report.score.grade, report.score.coverage)
        assert row.hosts == report.coverage.hosts
    assert said.open == sum(row.open or 0 for row in rows.values())
    assert said.overdue == sum(each.total for each in said.late) == sum(row.overdue or 0 for row in rows.values())
    assert dict(said.trend[-1].open) == {each.severity: each.open for each in said.severities}


def test_the_score_on_pages_is_that_of_the_newest_round_though_an_older_one_ended_later(db: None) -> None:
    owner = unit()
    older, newest = (followed_round(owner, at=day(number)) for number in (1, 2))
    for this, points in ((newest, []), (older, [Scored("X", Severity.HIGH, Confidence.CONFIRMED)])):
        score = score_organisation([score_host("192.0.2.10", points)], 1)
        RoundScore.objects.create(organisation=owner, round=this, **as_kept(score))
    sight = Sight.of(account("ops@office.example", Role.OPERATOR))
    (standing,) = standings(sight, day(3), [owner])
    scored = card_of(owner, sight, Dates(Language.EN, owner.time_zone, day(3)), day(3)).scored
    assert latest_round(owner) == newest
    assert scored is not None
    assert (standing.last.score, scored.round, scored.score.value) == (100, newest.pk, 100)


def test_all_that_is_due_on_a_day_is_counted_even_where_the_page_names_only_the_worst(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = unit()
    for number in range(5):
        finding(owner, port=number, deadline=day(10 + number // 3))
    sight = Sight.of(account("ops@office.example", Role.OPERATOR))
    dates = Dates(Language.EN, owner.time_zone, day(3))
    all_read = card_of(owner, sight, dates, day(3)).due
    monkeypatch.setattr(card, "READ", 2)
    assert [each.findings for each in card_of(owner, sight, dates, day(3)).due] == [3, 2]
    assert card_of(owner, sight, dates, day(3)).due == all_read


def test_addresses_that_nobody_uses_are_hosts_to_nobody(db: None) -> None:
    district = District()
    owner = district.unit("water", None, 0, 0, language="en")
    register(owner, "192.0.9.0/29")
    authorise(owner, "192.0.9.0/29", document="Order on the network")
    district.answers = {f"192.0.9.{number}": silent for number in range(8)}
    district.answers |= {"192.0.9.1": open_web, "192.0.9.2": open_redis, "192.0.9.3": timed_out}
    this = district.round(1, owner)

    seen = report_model(owner, this, day(1)).coverage
    assert (seen.hosts, seen.inspected, seen.not_inspected) == (3, 2, 1)
    covered = round_summary(this).coverage
    assert (covered.hosts, covered.inspected, covered.missed) == (3, 2, 1)
    digest = digest_letter(day(0), day(2), Space(5, 10), Frame(MessageKind.DIGEST, Language.EN, day(2)))
    assert "Hosts 3, inspected 2, partly 0, not inspected 1." in " ".join(digest.text.split())
    shown = CliRunner().invoke(round_command.app, ["show", str(this.pk)]).stdout
    assert "3 host(s), 1 not or only partly inspected" in shown
    (row,) = bulletin(owner, 0, 29).others
    assert (row.hosts, row.coverage) == (3, seen.share)
    page = client(account("ops@office.example", Role.OPERATOR)).get(f"/rounds/{this.pk}/").content.decode()
    assert "2 of 3" in page


def test_hosts_that_all_fell_silent_are_hosts_to_the_report_and_to_the_bulletin(db: None) -> None:
    district = District()
    owner = district.unit("water", None, 0, 0)
    register(owner, "192.0.9.0/29")
    authorise(owner, "192.0.9.0/29", document="Order on the network")
    district.answers = {f"192.0.9.{number}": silent for number in range(8)}
    district.answers |= {"192.0.9.1": open_web, "192.0.9.2": open_web}
    district.round(1, owner)
    district.answers |= {"192.0.9.1": silent, "192.0.9.2": silent}
    this = district.round(2, owner)

    seen = report_model(owner, this, day(2)).coverage
    assert (seen.hosts, seen.inspected, seen.not_inspected) == (2, 0, 2)
    said = bulletin(owner, 0, 29)
    assert [(row.hosts, row.coverage) for row in said.others] == [(2, 0)]
    assert (said.situation.hosts, said.situation.hosts_inspected) == (2, 0)


def test_who_registered_domains_alone_needs_a_contact_and_an_authorisation_like_all_others(db: None) -> None:
    organisation("zones", name_en="Zones Office", domains=["zones.example"])
    organisation("above", name_en="Supervising Office")
    page = client(account("ops@office.example", Role.OPERATOR)).get("/").content.decode()
    digest = digest_letter(day(0), day(2), Space(5, 10), Frame(MessageKind.DIGEST, Language.EN, day(2))).text
    assert "1 organisation without an authorisation that lasts" in page
    assert "1 organisation without a contact" in page
    assert digest.count("Zones Office") == 2
    assert "Supervising Office" not in digest


def test_a_campaign_is_told_alike_on_its_page_and_in_the_bulletin(db: None) -> None:
    district, begun = District(), dt.datetime.now(dt.UTC) - START - dt.timedelta(days=5)
    since = begun / dt.timedelta(days=1)
    city = district.unit("city", None, 0, 0)
    owner = district.unit("water", city, 3, 1)
    register(owner, "192.0.9.0/29")
    authorise(owner, "192.0.9.0/29", document="Order on the network")
    district.answers = {f"192.0.9.{number}": silent for number in range(8)}
    district.answers |= {f"192.0.1.{number}": open_redis for number in (1, 2, 3)}
    district.answers["192.0.9.1"] = open_redis
    checks = (UNAUTH,)
    plan = make_plan(PlanRequest("redis-first", PlanKind.CAMPAIGN, "ops", checks=checks, ports="6379"), day(0))
    campaign = {"kind": PlanKind.CAMPAIGN, "plan": plan, "checks": checks}
    district.round(since, owner, request=campaign)
    acts.grant(at("192.0.1.2"), ExemptionKind.ACCEPTED, "Head", "known", "", day(300), "ops", day(since + 0.5))
    retire(owner, "192.0.1.3")
    district.answers["192.0.1.1"] = open_web
    district.round(since + 1, owner, request=campaign)

    (told_there,) = bulletin(city, since - 1, since + 3).campaigns
    (shown,) = campaigns(Sight.of(account("ops@office.example", Role.OPERATOR)), dt.datetime.now(dt.UTC))
    assert (told_there.found, told_there.fixed) == (shown.found, shown.fixed) == (2, 1)
    assert (told_there.missed, shown.hosts - shown.inspected) == (0, 0)
    assert (told_there.hosts, shown.hosts) == (4, 3), "all that it ever looked at, and what its newest round did"
