"""Keys over an inventory: what counts as several hosts, who is told of which, and that order makes no difference."""

from __future__ import annotations

import datetime as dt
import string
from base64 import b64encode
from dataclasses import replace
from itertools import count
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.engine.catalogue.load import catalogue
from scanner.engine.facts.ssh import SshFacts, SshHostKey
from scanner.engine.facts.tls import Answer, TlsFacts, TlsVersion
from scanner.engine.judge import judge
from scanner.engine.known_keys import Key, KeyKind, KnownKeys, OrganisationKeys, Place, sightings
from scanner.engine.model import (
    Confidence,
    Endpoint,
    Finding,
    HostInspection,
    Level,
    Outcome,
    Service,
    Severity,
    Target,
    Vantage,
)
from scanner.engine.rules.base import Basis
from tests.lab.lab_ca import INTERMEDIATE, ROOT, Issued, issue, rsa_key

NOW = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
KEY = Key(KeyKind.CERTIFICATE, "00" * 32)
CHECKS = ("TLS-DROWN-X", "CERT-WILDCARD", "SSH-SAMEKEY")
WILDCARD = issue("*.example.cn", INTERMEDIATE, names=["*.example.cn"], key=rsa_key(2048))
RENEWED = issue("mail.example.cn", INTERMEDIATE, names=["mail.example.cn"], key=WILDCARD.key)
ONE_NAME = issue("a.example.cn", INTERMEDIATE, names=["a.example.cn"])
_addresses = count(1)


def host(*services: Service, name: str | None = None, address: str = "") -> HostInspection:
    own = address or f"192.0.2.{next(_addresses)}"
    return HostInspection(
        target=Target(name or own, own, name),
        outcome=Outcome.INSPECTED,
        started=NOW,
        finished=NOW,
        vantage=Vantage.INTERNET,
        level=Level.READ,
        services=tuple(replace(each, endpoint=Endpoint(own, each.endpoint.port)) for each in services),
    )


def site(name: str | None, issued: Issued = WILDCARD, address: str = "", port: int = 443) -> HostInspection:
    chain = tuple(b64encode(each.der).decode() for each in (issued, INTERMEDIATE))
    facts = TlsFacts(sni=name, versions=((TlsVersion.TLS12, Answer.YES),), chains=(chain,))
    return host(Service(Endpoint("", port), "http", tls=True, tls_facts=facts), name=name, address=address)


def ssl2(name: str | None, issued: Issued = RENEWED, address: str = "", port: int = 465) -> HostInspection:
    certificate = b64encode(issued.der).decode()
    facts = TlsFacts(sni=name, versions=((TlsVersion.SSL2, Answer.YES),), ssl2_certificate=certificate)
    return host(Service(Endpoint("", port), "smtp", tls=True, tls_facts=facts), name=name, address=address)


def ssh(name: str | None, fingerprint: str = "same", address: str = "") -> HostInspection:
    facts = SshFacts("SSH-2.0-x", host_keys=(SshHostKey("ssh-ed25519", 256, fingerprint),))
    return host(Service(Endpoint("", 22), "ssh", ssh=facts), name=name, address=address)


def beside(this: HostInspection, *own: HostInspection, others: tuple[HostInspection, ...] = ()) -> dict[str, Finding]:
    """Judge ``this``, of the organisation ``water``, among its other hosts and those of the organisation ``power``."""
    seen = {each for one in (this, *own) for each in sightings(one, "water")}
    seen |= {each for one in others for each in sightings(one, "power")}
    found = judge(this, Basis((ROOT.der,), keys=OrganisationKeys(KnownKeys(seen), "water")))
    return {finding.check: finding for finding in found if finding.check in CHECKS}


def test_a_wildcard_on_the_hosts_it_is_for_is_a_hint_that_names_them() -> None:
    found = beside(site("a.example.cn"), site("b.example.cn"), site("c.example.cn"))["CERT-WILDCARD"]
    assert found.severity is Severity.INFO
    assert dict(found.params)["own"] == "b.example.cn, c.example.cn"
    assert dict(found.params)["others"] == "0"


def test_a_key_on_a_host_that_its_certificate_does_not_name_is_a_weakness() -> None:
    assert beside(site("a.example.cn"), site("b.example.org"))["CERT-WILDCARD"].severity is Severity.MEDIUM
    assert beside(site("b.example.org"), site("a.example.cn"))["CERT-WILDCARD"].severity is Severity.MEDIUM


def test_addresses_without_a_registered_name_can_not_be_misnamed() -> None:
    assert beside(site(None, ONE_NAME), site(None, ONE_NAME))["CERT-WILDCARD"].severity is Severity.INFO


def test_hosts_of_other_organisations_are_counted_and_never_named() -> None:
    theirs = (site("secret.example.cn", address="198.51.100.7"), site("secret2.example.cn", address="198.51.100.8"))
    found = beside(site("a.example.cn"), others=theirs)["CERT-WILDCARD"]
    assert (found.severity, found.confidence) == (Severity.MEDIUM, Confidence.PROBABLE)
    assert (dict(found.params)["others"], dict(found.params)["own"]) == ("2", "")
    told = str(found)
    assert "secret" not in told
    assert "198.51.100" not in told
    assert "power" not in told


@pytest.mark.parametrize(
    "same",
    [
        [site("a.example.cn", address="192.0.2.200"), site("a.example.cn", address="2001:db8::1")],
        [site("a.example.cn", address="192.0.2.200"), site("b.example.cn", address="192.0.2.200")],
        [site("a.example.cn", address="192.0.2.200"), site(None, address="192.0.2.200", port=8443)],
        [ssh("a.example.cn", address="192.0.2.200"), ssh("a.example.cn", address="192.0.2.201")],
        [ssh("a.example.cn", address="192.0.2.200"), ssh(None, address="192.0.2.200")],
        [
            site("a.example.cn", address="192.0.2.200"),
            site("b.example.cn", address="192.0.2.200"),
            site("b.example.cn", address="192.0.2.201"),
            site("c.example.org", address="192.0.2.201"),
        ],
    ],
    ids=["dual-stack", "two-names", "two-ports", "ssh-pool", "name-and-address", "over-several-steps"],
)
def test_one_host_under_several_names_and_addresses_shares_nothing(same: list[HostInspection]) -> None:
    for this in same:
        assert beside(this, *same) == {}
        assert beside(this, others=tuple(same)) == {}


def test_a_copied_host_key_is_a_hint_within_a_organisation_and_probable_across_organisations() -> None:
    assert beside(ssh("a.example.cn"), ssh("b.example.cn"))["SSH-SAMEKEY"].severity is Severity.INFO
    across = beside(ssh("a.example.cn"), others=(ssh("b.example.org"),))["SSH-SAMEKEY"]
    assert (across.severity, across.confidence) == (Severity.MEDIUM, Confidence.PROBABLE)
    assert beside(ssh("a.example.cn", "one"), ssh("b.example.cn", "two")) == {}


def test_a_key_that_serves_ssl2_elsewhere_endangers_every_other_place() -> None:
    found = beside(site("a.example.cn"), ssl2("mail.example.cn"))["TLS-DROWN-X"]
    assert (found.severity, dict(found.params)["own"]) == (Severity.HIGH, "mail.example.cn:465")
    theirs = beside(site("a.example.cn"), others=(ssl2("mail.example.cn"),))["TLS-DROWN-X"]
    assert (dict(theirs.params)["own"], dict(theirs.params)["others"]) == ("", "1")
    assert theirs.confidence is Confidence.PROBABLE, "a stranger may show anyone's certificate"
    assert "TLS-DROWN-X" not in beside(site("a.example.cn"), ssl2("mail.example.cn", ONE_NAME))
    assert "TLS-DROWN-X" not in beside(ssl2("mail.example.cn"), site("a.example.cn"))


def test_another_port_of_the_same_host_is_endangered_by_ssl2_as_well() -> None:
    web = site("a.example.cn", address="192.0.2.210")
    assert set(beside(web, ssl2("a.example.cn", address="192.0.2.210"))) == {"TLS-DROWN-X"}
    assert beside(web, ssl2("a.example.cn", address="192.0.2.211", port=443)) == {}, "TLS-SSLV2 is found there itself"


def test_facts_that_did_not_keep_the_certificate_of_ssl2_leave_every_rsa_key() -> None:
    older = site("mail.example.cn", RENEWED)
    [service] = older.services
    assert service.tls_facts is not None
    facts = replace(service.tls_facts, versions=((TlsVersion.SSL2, Answer.YES),))
    older = replace(older, services=(replace(service, tls_facts=facts),))
    assert "TLS-DROWN-X" in beside(site("a.example.cn"), older)


def test_every_text_can_be_filled_from_the_params_of_its_finding() -> None:
    web, mail = site("a.example.cn"), ssl2("mail.example.cn")
    found = beside(web, mail) | beside(ssh("a.example.cn"), ssh("b.example.cn"))
    assert set(found) == set(CHECKS)
    for finding in found.values():
        check = catalogue()[finding.check]
        for template in (*(text.evidence for text in check.texts.values()), check.verify):
            wanted = {name for _, name, _, _ in string.Formatter().parse(template) if name}
            assert wanted <= dict(finding.params).keys() | {"address", "port", "hostport"}, finding.check


def test_a_host_alone_is_judged_as_if_there_were_no_others() -> None:
    assert not {finding.check for finding in judge(site("a.example.cn"))} & set(CHECKS)


def test_many_hosts_are_counted_after_the_first_few() -> None:
    found = beside(site("a.example.cn"), *(site(f"h{number}.example.cn") for number in range(9)))["CERT-WILDCARD"]
    assert dict(found.params)["own"].endswith("h5.example.cn (+3)")


places = st.lists(
    st.builds(
        Place,
        organisation=st.sampled_from(["water", "power"]),
        name=st.sampled_from(["", "a.example.cn", "b.example.cn", "c.example.cn"]),
        address=st.sampled_from([f"192.0.2.{number}" for number in range(1, 6)]),
        port=st.sampled_from([443, 8443]),
        ssl2=st.booleans(),
        named=st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


@given(places, st.randoms(use_true_random=False))
def test_the_order_in_which_hosts_are_seen_makes_no_difference(seen: list[Place], random: Random) -> None:
    shuffled = [*seen, *seen[:2]]
    random.shuffle(shuffled)
    one, other = KnownKeys((KEY, place) for place in seen), KnownKeys((KEY, place) for place in shuffled)
    for place in seen:
        target = Target("", place.address, place.name or None)
        assert one.sharing(KEY, place.organisation, target, place.port) == other.sharing(
            KEY, place.organisation, target, place.port
        )


@given(places)
def test_sharing_is_mutual_and_tells_nothing_of_other_organisations(seen: list[Place]) -> None:
    known = KnownKeys((KEY, place) for place in seen)
    own_words = {place.host for place in seen if place.organisation == "water"}
    alone = set()
    for place in seen:
        sharing = known.sharing(KEY, place.organisation, Target("", place.address, place.name or None), place.port)
        alone.add(sharing.own_count == sharing.others == 0)
        if place.organisation == "water":
            assert own_words.issuperset(sharing.own)
            assert own_words.issuperset(text.rpartition(":")[0] for text in sharing.ssl2)
    assert len(alone) == 1, "either every place shares the key with another host, or none does"
