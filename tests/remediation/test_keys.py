"""Shared keys across rounds: found over all organisations, and gone only when every host concerned was looked at."""

from __future__ import annotations

import datetime as dt
from base64 import b64encode
from dataclasses import replace

import pytest
from django.db.models import F

from scanner.engine.facts.ssh import SshFacts, SshHostKey
from scanner.engine.facts.tls import Answer as TlsAnswer
from scanner.engine.facts.tls import TlsFacts, TlsVersion
from scanner.engine.model import Endpoint, Facet, Gap, GapReason, HostInspection, Outcome, Service, Target
from scanner.engine.plan import Plan
from scanner.flow import carry_out
from scanner.remediation.follow import follow_round
from scanner.remediation.keys import RoundKeys
from scanner.remediation.models import Finding, FindingEvent, RoundScore, SeenKey
from scanner.rounds.models import HostResult, Round
from targets.models import Organisation
from targets.models import Target as TargetRow
from tests.lab.lab_ca import INTERMEDIATE, Issued, issue, rsa_key
from tests.rounds.world import (
    Answer,
    Engine,
    authorise,
    inspected,
    organisation,
    planned,
    register,
    silent,
    timed_out,
    ways,
)

pytestmark = pytest.mark.django_db

WATER, POWER = "192.0.2.10", "198.51.100.20"
SHARED = issue("*.example.cn", INTERMEDIATE, names=["*.example.cn"], key=rsa_key(2048))
OWN = issue("own.example.cn", INTERMEDIATE, names=["own.example.cn"])


def site(issued: Issued) -> Answer:
    def answer(target: Target, plan: Plan) -> HostInspection:
        chain = tuple(b64encode(each.der).decode() for each in (issued, INTERMEDIATE))
        facts = TlsFacts(sni=None, versions=((TlsVersion.TLS12, TlsAnswer.YES),), chains=(chain,))
        service = Service(Endpoint(target.address, 443), "http", tls=True, tls_facts=facts)
        return inspected(target, plan, (443,), (service,), (service,))

    return answer


def half_seen(target: Target, plan: Plan) -> HostInspection:
    """The port is open; the handshake broke off."""
    seen = inspected(target, plan, (443,), (Service(Endpoint(target.address, 443), "unknown"),))
    gaps = tuple(Gap(GapReason.PROTOCOL_ERROR, facet, 443) for facet in (Facet.TLS, Facet.CERTIFICATE))
    return replace(seen, outcome=Outcome.PARTIAL, coverage=replace(seen.coverage, gaps=gaps))


def ssl2_mail(target: Target, plan: Plan) -> HostInspection:
    versions = ((TlsVersion.SSL2, TlsAnswer.YES),)
    facts = TlsFacts(sni=None, versions=versions, ssl2_certificate=b64encode(SHARED.der).decode())
    service = Service(Endpoint(target.address, 443), "smtp", tls=True, tls_facts=facts)
    return inspected(target, plan, (443,), (service,), (service,))


def half_swept(target: Target, plan: Plan) -> HostInspection:
    """The certificate was read, and the connections were limited before SSL 2.0 could be asked for."""
    seen = site(SHARED)(target, plan)
    gap = Gap(GapReason.CONNECTION_LIMITED, Facet.TLS, 443)
    return replace(seen, outcome=Outcome.PARTIAL, coverage=replace(seen.coverage, gaps=(gap,)))


def ssh(fingerprint: str) -> Answer:
    def answer(target: Target, plan: Plan) -> HostInspection:
        keys = (SshHostKey("ssh-ed25519", 256, fingerprint),) if fingerprint else ()
        service = Service(Endpoint(target.address, 443), "ssh", ssh=SshFacts("SSH-2.0-x", host_keys=keys))
        return inspected(target, plan, (443,), (service,), (service,))

    return answer


@pytest.fixture
def engine() -> Engine:
    for slug, address in (("water", WATER), ("power", POWER)):
        owner = organisation(slug)
        register(owner, address)
        authorise(owner, address)
    return Engine({WATER: site(SHARED), POWER: site(SHARED)})


def a_round(engine: Engine, *slugs: str, **answers: Answer) -> int:
    engine.answers |= {{"water": WATER, "power": POWER}[slug]: answer for slug, answer in answers.items()}
    number = planned(*slugs, ports="443")
    carry_out(number, ways(engine))
    return number


def shared(slug: str, check: str = "CERT-WILDCARD") -> Finding:
    return Finding.objects.get(organisation__slug=slug, check_id=check)


def test_a_key_in_two_organisations_is_found_on_both_and_names_neither_to_the_other(engine: Engine) -> None:
    a_round(engine)
    for slug, theirs in (("water", POWER), ("power", WATER)):
        found = shared(slug)
        assert (found.state, found.severity, dict(found.params)["others"]) == ("open", "medium", "1")
        assert theirs not in str(found.params)


def test_rounds_of_one_organisation_each_see_the_key_all_the_same(engine: Engine) -> None:
    a_round(engine, "water")
    assert not Finding.objects.filter(check_id="CERT-WILDCARD").exists()
    a_round(engine, "power")
    assert shared("power").state == "open"
    a_round(engine, "water")
    assert shared("water").state == "open"


@pytest.mark.parametrize("answer", [timed_out, silent, half_seen])
def test_it_stays_while_the_other_host_was_not_looked_at(engine: Engine, answer: Answer) -> None:
    a_round(engine)
    number = a_round(engine, power=answer)
    assert (shared("water").state, shared("power").state) == ("open", "open")
    kinds = FindingEvent.objects.filter(round=number, finding=shared("water")).values_list("kind", flat=True)
    assert list(kinds) == ["seen"]


@pytest.mark.parametrize("slug", ["water", "power"])
def test_a_new_key_on_either_host_ends_it_on_both(engine: Engine, slug: str) -> None:
    a_round(engine)
    a_round(engine, **{slug: site(OWN)})
    assert (shared("water").state, shared("power").state) == ("fixed", "fixed")


@pytest.mark.parametrize("second", [timed_out, half_seen, site(SHARED)])
def test_a_second_look_at_the_other_host_that_could_not_confirm_keeps_it(engine: Engine, second: Answer) -> None:
    a_round(engine)
    answers = iter([site(OWN), second])
    a_round(engine, power=lambda target, plan: next(answers)(target, plan))
    assert (shared("water").state, shared("power").state) == ("open", "open")


def test_a_host_whose_own_key_was_not_read_keeps_it(engine: Engine) -> None:
    a_round(engine)
    a_round(engine, water=half_seen)
    assert (shared("water").state, shared("power").state) == ("open", "open")


def test_a_host_that_is_no_longer_registered_shares_nothing(engine: Engine) -> None:
    a_round(engine)
    TargetRow.objects.filter(value=POWER).update(retired_at=dt.datetime.now(dt.UTC))
    a_round(engine, "water")
    assert shared("water").state == "fixed"


def test_ssl2_at_one_organisation_endangers_the_other_until_it_is_off(engine: Engine) -> None:
    a_round(engine, power=ssl2_mail)
    found = shared("water", "TLS-DROWN-X")
    assert (found.state, found.severity, dict(found.params)["others"]) == ("open", "high", "1")
    for untold in (timed_out, half_swept):
        a_round(engine, power=untold)
        assert shared("water", "TLS-DROWN-X").state == "open"
    a_round(engine, power=site(SHARED))
    assert (shared("water", "TLS-DROWN-X").state, shared("water").state) == ("fixed", "open")


def test_an_ssh_server_that_shows_no_key_has_not_changed_it(engine: Engine) -> None:
    a_round(engine, water=ssh("same"), power=ssh("same"))
    assert shared("water", "SSH-SAMEKEY").severity == "medium"
    a_round(engine, power=ssh(""))
    assert {each.state for each in Finding.objects.filter(check_id="SSH-SAMEKEY")} == {"open"}
    a_round(engine, power=ssh("new"))
    assert {each.state for each in Finding.objects.filter(check_id="SSH-SAMEKEY")} == {"fixed"}


def snapshot() -> list[object]:
    return [list(model.objects.order_by("pk").values()) for model in (Finding, FindingEvent, HostResult, SeenKey)]


def test_following_twice_changes_nothing(engine: Engine) -> None:
    a_round(engine)
    number = a_round(engine, power=site(OWN))
    before = snapshot()
    RoundScore.objects.filter(round=number).delete()
    Round.objects.filter(pk=number).update(followed=None)
    follow_round(number, dt.datetime.now(dt.UTC))
    assert snapshot() == before


def test_an_earlier_round_that_is_followed_late_does_not_bring_old_keys_back(engine: Engine) -> None:
    early = a_round(engine)
    a_round(engine, power=site(OWN))
    before = list(SeenKey.objects.order_by("pk").values_list("address", "fingerprint", "seen"))
    RoundKeys(Round.objects.get(pk=early)).keep()
    assert list(SeenKey.objects.order_by("pk").values_list("address", "fingerprint", "seen")) == before


NAME, OLD, NEW = "www.example.cn", "198.51.100.21", "198.51.100.22"


def days_pass(number: float) -> None:
    """Let everything that was stored have happened so many days earlier."""
    earlier = dt.timedelta(days=number)
    HostResult.objects.update(started=F("started") - earlier, finished=F("finished") - earlier)
    Round.objects.update(created=F("created") - earlier)
    SeenKey.objects.update(seen=F("seen") - earlier)
    Finding.objects.update(last_inspected=F("last_inspected") - earlier, last_seen=F("last_seen") - earlier)


def named_round(engine: Engine, *addresses: str) -> None:
    carry_out(planned(ports="443"), ways(engine, {NAME: list(addresses)}))


@pytest.fixture
def named(engine: Engine) -> Engine:
    """A name of the one organisation leads to a host with the key that the other has, too."""
    owner = Organisation.objects.get(slug="power")
    register(owner, NAME)
    authorise(owner, NAME, "198.51.100.0/24", document="Order 2")
    engine.answers |= {POWER: site(OWN), OLD: site(SHARED), NEW: site(issue("new.example.cn", INTERMEDIATE))}
    named_round(engine, OLD)
    assert (shared("water").state, shared("power").state) == ("open", "open")
    return engine


def test_an_address_that_a_name_has_left_keeps_no_key(named: Engine) -> None:
    days_pass(1)
    named_round(named, NEW)
    assert (shared("water").state, shared("power").state) == ("open", "open"), "it may lead there again tomorrow"
    days_pass(7)
    named_round(named, NEW)
    assert (shared("water").state, shared("power").state) == ("fixed", "fixed")
    assert not SeenKey.objects.filter(address=OLD).exists()


def test_an_address_that_a_name_may_still_lead_to_keeps_its_key(named: Engine) -> None:
    days_pass(8)
    named_round(named, NEW)
    assert shared("water").state == "open", "it was found elsewhere once"
    named.answers[OLD] = timed_out
    for _ in range(2):
        days_pass(8)
        named_round(named, OLD, NEW)
    assert shared("water").state == "open", "it leads there and was not looked at"
    for _ in range(2):
        days_pass(8)
        named_round(named)
    assert SeenKey.objects.filter(address=OLD).exists(), "it leads nowhere"
