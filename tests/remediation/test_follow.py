"""Findings across whole rounds: what closes them, and all that must not."""

from __future__ import annotations

import datetime as dt
import json
import re
from base64 import b64encode
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from scanner.engine.facts.tls import AcceptedSuite, TlsFacts, TlsVersion
from scanner.engine.facts.tls import Answer as TlsAnswer
from scanner.engine.intel.feeds import recognise
from scanner.engine.intel.store import import_feeds
from scanner.engine.judge import Judgement, judge_whole
from scanner.engine.model import Endpoint, HostInspection, Outcome, Service, Target
from scanner.engine.plan import Plan, Profile
from scanner.engine.rules.base import Basis
from scanner.flow import carry_out
from scanner.remediation import looked
from scanner.remediation.follow import follow_round
from scanner.remediation.models import Finding, FindingEvent, RoundScore
from scanner.remediation.scores import load_score
from scanner.rounds.models import HostResult, LookNumber, Round
from targets.models import Organisation
from tests.days import last_second
from tests.lab.lab_ca import NOW, Issued, issue
from tests.rounds.world import (
    Answer,
    Engine,
    authorise,
    half_seen_redis,
    inspected,
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

pytestmark = pytest.mark.django_db

HOST = "192.0.2.10"
CHECK = "SVC-REDIS-UNAUTH"
NVD = {
    "format": "NVD_CVE",
    "timestamp": "2026-11-01T00:00:00.000",
    "vulnerabilities": [
        {
            "cve": {
                "id": "CVE-2015-1427",
                "lastModified": "2025-10-22T01:15:00.000",
                "metrics": {"cvssMetricV31": [{"type": "Primary", "cvssData": {"baseScore": 9.8}}]},
                "configurations": [
                    {
                        "nodes": [
                            {
                                "operator": "OR",
                                "cpeMatch": [
                                    {
                                        "vulnerable": True,
                                        "criteria": "cpe:2.3:a:elasticsearch:elasticsearch:*:*:*:*:*:*:*:*",
                                        "versionStartIncluding": "1.4.0",
                                        "versionEndExcluding": "1.4.3",
                                    }
                                ],
                            }
                        ]
                    }
                ],
            }
        }
    ],
}


@pytest.fixture
def engine() -> Engine:
    owner = organisation()
    register(owner, HOST)
    authorise(owner, HOST)
    return Engine({HOST: open_redis})


def a_round(engine: Engine, answer: Answer | None = None, profile: Profile = Profile.STANDARD, ports: str = "") -> int:
    if answer is not None:
        engine.answers[HOST] = answer
    number = planned(profile=profile, ports=ports or "80,6379")
    carry_out(number, ways(engine))
    return number


def finding() -> Finding:
    return Finding.objects.get(check_id=CHECK)


def events(number: int) -> list[str]:
    return list(FindingEvent.objects.filter(round=number, finding__check_id=CHECK).values_list("kind", flat=True))


def test_what_is_seen_is_opened_with_its_evidence(engine: Engine) -> None:
    number = a_round(engine)
    opened = finding()
    assert (opened.state, opened.severity, opened.host, opened.addresses) == ("open", "critical", HOST, [HOST])
    assert opened.exchanges[0]["received"] == "redis_version:99.0.1"
    assert opened.reported is not None
    assert opened.deadline == last_second(opened.reported + dt.timedelta(days=3), opened.organisation.time_zone)
    assert events(number) == ["opened"]


def test_of_what_is_merely_seen_again_nothing_but_the_time_is_written(engine: Engine) -> None:
    a_round(engine)
    with CaptureQueriesContext(connection) as asked:
        a_round(engine)
    written = [each["sql"] for each in asked if 'UPDATE "remediation_finding" ' in each["sql"]]
    columns = [re.findall(r'"(\w+)" = ', sql.partition(" WHERE ")[0]) for sql in written]
    assert columns == [["last_seen", "last_inspected"]]


def test_a_host_that_times_out_is_reported_as_not_inspected_and_its_findings_stay_open(engine: Engine) -> None:
    a_round(engine)
    number = a_round(engine, timed_out)
    result = HostResult.objects.get(round=number)
    assert result.outcome == Outcome.UNREACHABLE
    assert [gap.reason for gap in result.inspection().coverage.gaps] == ["timed-out"]
    assert finding().state == "open"
    assert events(number) == ["not-inspected"]


@pytest.mark.parametrize("answer", [silent, half_seen_redis])
def test_an_inspection_that_could_not_tell_closes_nothing(engine: Engine, answer: Answer) -> None:
    a_round(engine)
    number = a_round(engine, answer)
    assert finding().state == "open"
    assert events(number) == ["not-inspected"]


def test_another_port_list_closes_nothing(engine: Engine) -> None:
    a_round(engine)
    number = a_round(engine, open_web, ports="80")
    assert finding().state == "open"
    assert events(number) == ["not-inspected"]


def test_a_refused_host_closes_nothing(engine: Engine) -> None:
    a_round(engine)
    owner = finding().organisation
    owner.authorisations.update(valid_until=dt.datetime.now(dt.UTC))
    number = a_round(engine)
    assert HostResult.objects.get(round=number).outcome == Outcome.REFUSED
    assert len(engine.plans) == 1
    assert finding().state == "open"


def test_two_covering_looks_that_do_not_see_it_fix_it(engine: Engine) -> None:
    a_round(engine)
    number = a_round(engine, open_web)
    fixed = finding()
    assert fixed.state == "fixed"
    assert events(number) == ["fixed"]
    looks = HostResult.objects.filter(round=number).order_by("look")
    assert [result.look for result in looks] == [LookNumber.FIRST, LookNumber.AGAIN]
    detail = FindingEvent.objects.get(round=number, finding=fixed).detail
    assert detail["first_look"] == looks[0].finished.isoformat()
    assert detail["second_look"] == looks[1].finished.isoformat()


def test_the_second_look_asks_only_the_port_in_question_and_one_that_shows_life(engine: Engine) -> None:
    a_round(engine)
    a_round(engine, open_web)
    assert engine.plans[-1].ports.tcp == "80,6379"
    assert engine.plans[-1].ports.udp == ()


def in_turn(*answers: Answer) -> Answer:
    left = iter(answers)
    return lambda target, plan: next(left)(target, plan)


@pytest.mark.parametrize("second", [timed_out, silent, half_seen_redis])
def test_a_second_look_that_could_not_tell_keeps_it_open(engine: Engine, second: Answer) -> None:
    a_round(engine)
    number = a_round(engine, in_turn(open_web, second))
    assert finding().state == "open"
    assert events(number) == ["not-inspected"]


def test_a_second_look_that_sees_it_again_keeps_it_open(engine: Engine) -> None:
    a_round(engine)
    number = a_round(engine, in_turn(open_web, open_redis))
    assert finding().state == "open"
    assert events(number) == ["seen"]


def redis_with_a_password(target: Target, plan: Plan) -> HostInspection:
    """Redis still listens, and was looked at to the end, but serves no strangers any more."""
    return replace(open_redis(target, plan), services=(), second_looks=())


@pytest.mark.parametrize(
    ("profile", "level", "state"),
    [
        (Profile.STANDARD, "1", "fixed"),
        (Profile.DEEP, "1", "fixed"),
        (Profile.QUICK, "1", "open"),
        (Profile.STANDARD, "2", "open"),
    ],
)
def test_only_a_look_as_deep_as_the_one_that_saw_it_can_tell_that_it_is_gone(
    engine: Engine, profile: Profile, level: str, state: str
) -> None:
    a_round(engine)
    Finding.objects.update(level=level)
    a_round(engine, redis_with_a_password, profile=profile)
    assert finding().state == state


def test_a_look_from_elsewhere_can_not_tell(engine: Engine) -> None:
    a_round(engine)
    Finding.objects.update(vantage="internal")
    a_round(engine, open_web)
    assert finding().state == "open"


def test_what_comes_back_keeps_its_number_and_its_first_day(engine: Engine) -> None:
    a_round(engine)
    before = finding()
    a_round(engine, open_web)
    number = a_round(engine, open_redis)
    after = finding()
    assert (after.pk, after.first_seen, after.state, after.recurrences) == (before.pk, before.first_seen, "open", 1)
    assert events(number) == ["reopened"]


def snapshot() -> list[object]:
    return [list(model.objects.order_by("pk").values()) for model in (Finding, FindingEvent, HostResult, RoundScore)]


@pytest.mark.parametrize("answer", [open_redis, open_web, timed_out])
def test_the_same_round_carried_out_twice_changes_nothing(engine: Engine, answer: Answer) -> None:
    a_round(engine)
    number = a_round(engine, answer)
    before = snapshot()
    carry_out(number, ways(engine))
    follow_round(number, dt.datetime.now(dt.UTC))
    assert snapshot() == before


def test_following_again_after_a_crash_changes_nothing(engine: Engine) -> None:
    a_round(engine)
    number = a_round(engine, open_web)
    before = snapshot()[:2]
    RoundScore.objects.filter(round=number).delete()
    Round.objects.filter(pk=number).update(followed=None)
    follow_round(number, dt.datetime.now(dt.UTC))
    assert snapshot()[:2] == before


def test_history_is_only_added_to(engine: Engine) -> None:
    number = a_round(engine)
    event = FindingEvent.objects.get(round=number, finding__check_id=CHECK)
    with pytest.raises(TypeError, match="only added to"):
        event.save()
    with pytest.raises(TypeError, match="only added to"):
        event.delete()


def test_a_name_with_two_addresses_is_fixed_only_when_both_are(engine: Engine) -> None:
    owner = organisation("power")
    register(owner, "db.example.cn")
    authorise(owner, "db.example.cn")
    names = {"db.example.cn": ["192.0.2.21", "192.0.2.22"]}
    engine.answers |= {"192.0.2.21": open_redis, "192.0.2.22": open_redis}
    carry_out(planned("power"), ways(engine, names))
    followed = Finding.objects.get(organisation=owner, check_id=CHECK)
    assert followed.addresses == ["192.0.2.21", "192.0.2.22"]
    engine.answers["192.0.2.21"] = open_web
    carry_out(planned("power"), ways(engine, names))
    followed.refresh_from_db()
    assert followed.state == "open"
    engine.answers["192.0.2.22"] = open_web
    carry_out(planned("power"), ways(engine, {"db.example.cn": ["192.0.2.21"]}))
    followed.refresh_from_db()
    assert followed.state == "open", "the other address was not looked at"
    carry_out(planned("power"), ways(engine, names))
    followed.refresh_from_db()
    assert followed.state == "fixed"


def test_the_score_follows_the_findings_and_leaves_out_what_was_not_inspected(engine: Engine) -> None:
    owner = Round.objects.get(pk=a_round(engine)).organisations.get()
    register(owner, "192.0.2.11")
    engine.answers["192.0.2.11"] = timed_out
    owner.authorisations.update(scope=["192.0.2.0/24"])
    score = load_score(RoundScore.objects.get(round=a_round(engine)))
    assert [host.host for host in score.hosts] == [HOST]
    assert round(score.hosts[0].value, 6) == 55
    assert (score.coverage, score.provisional) == (0.5, True)


def test_facts_are_judged_once_where_nothing_is_to_be_fixed(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[str] = []

    def counted(inspection: HostInspection, basis: Basis) -> Judgement:
        judged.append(inspection.target.address)
        return judge_whole(inspection, basis)

    monkeypatch.setattr(looked, "judge_whole", counted)
    a_round(engine)
    assert judged == [HOST]


def test_hiding_a_version_does_not_mend_it(engine: Engine) -> None:
    a_round(engine, old_elasticsearch("7.10.0"), ports="9200")
    assert Finding.objects.get(check_id="SW-EOL-APP").state == "open"
    a_round(engine, old_elasticsearch(""), ports="9200")
    assert Finding.objects.get(check_id="SW-EOL-APP").state == "open", "nobody knows what runs there now"
    a_round(engine, old_elasticsearch("9.5.1"), ports="9200")
    assert Finding.objects.get(check_id="SW-EOL-APP").state == "fixed"


def test_what_attackers_use_is_recorded_as_such(engine: Engine, settings: Settings, tmp_path: Path) -> None:
    settings.INTEL_FILE = tmp_path / "intel.sqlite3"
    published = tmp_path / "nvd.json"
    published.write_text(json.dumps(NVD))
    listed = tmp_path / "kev.csv"
    listed.write_text("cveID,dateAdded,dueDate,knownRansomwareCampaignUse\nCVE-2015-1427,2022-03-25,2022-04-15,Known\n")
    import_feeds(settings.INTEL_FILE, [recognise(published), recognise(listed)], lambda feed, read: None)

    a_round(engine, old_elasticsearch("1.4.2"), ports="9200")
    found = Finding.objects.get(check_id="SW-KEV")
    assert (found.severity, found.confidence, found.known_exploited) == ("critical", "probable", True)

    settings.INTEL_FILE = tmp_path / "lost.sqlite3"
    a_round(engine, ports="9200")
    assert Finding.objects.get(check_id="SW-KEV").state == "open", "without the list nothing was matched"


def test_a_revoked_certificate_is_not_mended_by_keeping_silent_about_it(engine: Engine) -> None:
    issuer = issue("Water Office Root", is_ca=True)
    revoked, renewed = issue("www.water.test", issuer), issue("www.water.test", issuer)
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=revoked.certificate,
        issuer=issuer.certificate,
        algorithm=hashes.SHA256(),
        cert_status=ocsp.OCSPCertStatus.REVOKED,
        this_update=NOW,
        next_update=None,
        revocation_time=NOW,
        revocation_reason=None,
    )
    signed = builder.responder_id(ocsp.OCSPResponderEncoding.NAME, issuer.certificate).sign(issuer.key, hashes.SHA256())
    staple = b64encode(signed.public_bytes(Encoding.DER)).decode()

    def site(shown: Issued, *responses: str) -> Answer:
        def answer(target: Target, plan: Plan) -> HostInspection:
            chain = tuple(b64encode(each.der).decode() for each in (shown, issuer))
            versions = ((TlsVersion.TLS12, TlsAnswer.YES),)
            facts = TlsFacts(sni=None, versions=versions, chains=(chain,), ocsp_responses=responses)
            service = Service(Endpoint(target.address, 443), "http", tls=True, tls_facts=facts)
            return inspected(target, plan, (443,), (service,), (service,))

        return answer

    a_round(engine, site(revoked, staple), ports="443")
    found = Finding.objects.get(check_id="CERT-REVOKED")
    assert (found.state, found.severity, found.confidence) == ("open", "high", "confirmed")
    a_round(engine, site(revoked), ports="443")
    found.refresh_from_db()
    assert found.state == "open", "the same certificate, without the response"
    a_round(engine, site(renewed), ports="443")
    found.refresh_from_db()
    assert found.state == "fixed"


def test_a_change_of_the_tls_policy_fixes_nothing_that_the_former_one_still_finds(engine: Engine) -> None:
    suites = ["TLS_ECDHE_RSA_WITH_CAMELLIA_256_GCM_SHA384"]

    def web(target: Target, plan: Plan) -> HostInspection:
        accepted = tuple(AcceptedSuite(TlsVersion.TLS12, suite, "x25519", 255) for suite in suites)
        facts = TlsFacts(sni=None, versions=((TlsVersion.TLS12, TlsAnswer.YES),), suites=accepted)
        service = Service(Endpoint(target.address, 443), "http", tls=True, tls_facts=facts)
        return inspected(target, plan, (443,), (service,), (service,))

    def hold_to(policy: str) -> None:
        Organisation.objects.update(tls_policy=policy)

    hold_to("mozilla-intermediate")
    a_round(engine, web, ports="443")
    objection = Finding.objects.get(check_id="TLS-POLICY")
    hold_to("roundsman")
    a_round(engine, ports="443")
    objection.refresh_from_db()
    assert objection.state == "open"
    suites[:] = ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]
    a_round(engine, ports="443")
    objection.refresh_from_db()
    assert objection.state == "fixed"


def test_an_organisations_own_root_is_trusted_from_the_next_round_on(engine: Engine) -> None:
    root = issue("Water Office Root", is_ca=True)
    leaf = issue("www.water.test", root)

    def internal_site(target: Target, plan: Plan) -> HostInspection:
        chain = tuple(b64encode(der).decode() for der in (leaf.der, root.der))
        versions = ((TlsVersion.TLS12, TlsAnswer.YES),)
        facts = TlsFacts(sni=None, versions=versions, chains=(chain,))
        service = Service(Endpoint(target.address, 443), "http", tls=True, tls_facts=facts)
        return inspected(target, plan, (443,), (service,), (service,))

    a_round(engine, internal_site, ports="443")
    untrusted = Finding.objects.get(check_id="CERT-UNTRUSTED")
    assert untrusted.state == "open"
    owner = Organisation.objects.get()
    owner.trusted_roots = [root.pem.decode()]
    owner.save()
    a_round(engine, ports="443")
    untrusted.refresh_from_db()
    assert untrusted.state == "fixed"
