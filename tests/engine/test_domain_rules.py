"""What the rules make of a domain's answers, and what they leave open when an answer is missing."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from scanner.engine.facts.domain import (
    BOGUS,
    Answers,
    DnsAnswer,
    DomainFacts,
    Question,
    Reply,
    is_registry,
    tags,
    versioned,
    within_owner,
)
from scanner.engine.facts.spf import SpfProblem, SpfReading, read_spf
from scanner.engine.judge import judge
from scanner.engine.model import (
    Confidence,
    Finding,
    HostInspection,
    Level,
    Outcome,
    Service,
    Severity,
    Target,
    Vantage,
    domain_endpoint,
)
from scanner.engine.rules.domain import untested_domain_checks
from scanner.engine.rules.domain_mail import DmarcPolicy, dmarc_policy
from scanner.engine.rules.domain_read import Reader

NAME = "example.org"
AT = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)

SOUND = {
    f"{NAME} SOA": ("ns.nic.example. root.nic.example. 1 2 3 4 5",),
    f"{NAME} NS": ("ns1.nic.example", "ns2.nic.example"),
    "ns1.nic.example A": ("192.0.2.53",),
    "ns2.nic.example A": ("198.51.100.53",),
    f"{NAME} A": ("192.0.2.10",),
    f"{NAME} TXT": ("v=spf1 mx -all",),
    f"{NAME} MX": (f"10 mx.{NAME}",),
    f"mx.{NAME} A": ("192.0.2.25",),
    f"_dmarc.{NAME} TXT": ("v=DMARC1; p=reject; rua=mailto:dmarc@example.org",),
    f"_mta-sts.{NAME} TXT": ("v=STSv1; id=1",),
    f"mta-sts.{NAME} A": ("192.0.2.10",),
    f"_smtp._tls.{NAME} TXT": ("v=TLSRPTv1; rua=mailto:tls@example.org",),
    f"{NAME} CAA": ('0 issue "ca.example"',),
}
NO_RECORDS = (
    f"{NAME} DS", f"{NAME} AAAA", f"www.{NAME} A", f"www.{NAME} AAAA", f"mx.{NAME} AAAA", f"_25._tcp.mx.{NAME} TLSA",
    f"mta-sts.{NAME} AAAA", f"nobody.{NAME} A", f"nobody.{NAME} AAAA", "ns1.nic.example AAAA", "ns2.nic.example AAAA",
)  # fmt: skip


def question(text: str) -> Question:
    return Question(*text.split())


def domain(
    changed: dict[str, tuple[str, ...]] | None = None,
    *,
    failed: tuple[str, ...] = (),
    unknown: tuple[str, ...] = (),
    names: tuple[str, ...] = (),
) -> DomainFacts:
    """A domain in good order but for what is given: records, questions without answer, and names nobody has."""
    records = {**dict.fromkeys(NO_RECORDS, ()), **SOUND, **(changed or {})}
    answers = {
        text: DnsAnswer(question(text), Reply.ANSWERED if found else Reply.NO_DATA, found)
        for text, found in records.items()
    }
    answers[f"{NAME} SOA"] = DnsAnswer(question(f"{NAME} SOA"), Reply.ANSWERED, records[f"{NAME} SOA"], zone=NAME)
    answers |= {text: DnsAnswer(question(text), Reply.NO_NAME) for text in unknown}
    answers |= {text: DnsAnswer(question(text), Reply.FAILED, why="servfail") for text in failed}
    return DomainFacts(NAME, names, f"nobody.{NAME}", tuple(answers.values()))


def found(facts: DomainFacts) -> dict[str, Finding]:
    service = Service(domain_endpoint(NAME), "domain", domain=facts)
    host = HostInspection(
        Target(NAME, NAME), Outcome.INSPECTED, AT, AT, Vantage.INTERNET, Level.GREETING, (service,), (service,)
    )
    return {finding.check: finding for finding in judge(host)}


def with_answer(facts: DomainFacts, answer: DnsAnswer) -> DomainFacts:
    others = (each for each in facts.answers if each.question != answer.question)
    return DomainFacts(NAME, facts.names, facts.stranger, (*others, answer))


def spf(record: str, **others: tuple[str, ...]) -> SpfReading:
    records = {f"{NAME} TXT": (record,), **{f"{name.replace('__', '.')} TXT": text for name, text in others.items()}}
    answers = (
        DnsAnswer(question(text), Reply.ANSWERED if each else Reply.NO_DATA, each) for text, each in records.items()
    )
    reading = read_spf(NAME, Answers(answers))
    assert reading is not None
    return reading


def test_a_domain_in_good_order_has_nothing_but_the_hint_that_it_is_unsigned() -> None:
    assert set(found(domain())) == {"DOM-DNSSEC-UNSIGNED"}
    assert untested_domain_checks(domain()) == frozenset()


@pytest.mark.parametrize(
    ("failed", "checks"),
    [
        (f"{NAME} TXT", {"DOM-SPF-NONE", "DOM-SPF-BROKEN", "DOM-SPF-OPEN", "DOM-SPF-WEAK"}),
        (f"_dmarc.{NAME} TXT", {"DOM-DMARC-NONE", "DOM-DMARC-BROKEN", "DOM-DMARC-WEAK", "DOM-DMARC-REPORTS"}),
        (f"{NAME} CAA", {"DOM-CAA"}),
        (f"{NAME} DS", {"DOM-DNSSEC-BOGUS", "DOM-DNSSEC-UNSIGNED"}),
        (f"nobody.{NAME} A", {"DOM-WILDCARD"}),
        ("ns2.nic.example AAAA", {"DOM-NS-SINGLE", "DOM-NS-LAME", "DOM-NS-SAME-NET"}),
        (f"_smtp._tls.{NAME} TXT", {"DOM-TLSRPT"}),
    ],
)
def test_a_question_without_an_answer_is_neither_a_finding_nor_a_sign_of_health(failed: str, checks: set[str]) -> None:
    facts = domain(failed=(failed,))
    assert checks - {"DOM-NS-LAME"} <= untested_domain_checks(facts)
    assert checks.isdisjoint(found(facts))


@pytest.mark.parametrize(
    ("records", "anyone_may"),
    [
        (('0 issue "ca.example"', '0 iodef "mailto:a@example.org"'), False),
        (('0 issue ";"',), False),
        (('0 iodef "mailto:a@example.org"',), True),
        (('0 issuewild "ca.example"',), True),
        (('128 future "x"',), False),
        (('0 future "x"',), True),
    ],
)
def test_only_records_that_name_who_may_issue_restrict_the_authorities(
    records: tuple[str, ...], anyone_may: bool
) -> None:
    assert ("DOM-CAA" in found(domain({f"{NAME} CAA": records}))) is anyone_may


def test_a_zone_that_was_not_told_says_nothing_about_its_signatures() -> None:
    facts = domain()
    untold = tuple(replace(answer, zone="") for answer in facts.answers)
    assert {"DOM-DNSSEC-UNSIGNED", "DOM-NS-SINGLE"} <= untested_domain_checks(replace(facts, answers=untold))


def test_without_an_answer_about_dane_nobody_is_told_that_mail_lacks_a_policy() -> None:
    signed = tuple(replace(each, authentic=each.question.kind == "MX") for each in domain().answers)
    absent = DnsAnswer(question(f"_mta-sts.{NAME} TXT"), Reply.NO_DATA)
    silent = DnsAnswer(question(f"_25._tcp.mx.{NAME} TLSA"), Reply.FAILED, why="timed-out")
    others = tuple(each for each in signed if each.question not in (absent.question, silent.question))
    facts = DomainFacts(NAME, (), f"nobody.{NAME}", (*others, absent, silent))
    assert "DOM-MTA-STS" not in found(facts)
    assert "DOM-MTA-STS" in untested_domain_checks(facts)


def test_an_unknown_domain_proves_nothing_at_all() -> None:
    nothing = DomainFacts(NAME, (), f"nobody.{NAME}", ())
    assert found(nothing) == {}
    assert {"DOM-SPF-NONE", "DOM-DANGLING", "DOM-DNSSEC-BOGUS", "DOM-MX"} <= untested_domain_checks(nothing)


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        ("v=spf1 ip4:192.0.2.0/33 -all", SpfProblem.SYNTAX),
        ("v=spf1 ip4:2001:db8::/32 -all", SpfProblem.SYNTAX),
        ("v=spf1 include: -all", SpfProblem.SYNTAX),
        ("v=spf1 include:a..example -all", SpfProblem.SYNTAX),
        ("v=spf1 servers -all", SpfProblem.SYNTAX),
        ("v=spf1 a:192.0.2.7 -all", SpfProblem.SYNTAX),
        ("v=spf1 include:senders -all", SpfProblem.SYNTAX),
        ("v=spf1 ip4:192.0.2.0/255.255.255.0 -all", SpfProblem.SYNTAX),
        ("v=spf1 ip4:192.0.2.0/024 -all", SpfProblem.SYNTAX),
        ("v=spf1 a/33 -all", SpfProblem.SYNTAX),
        ("v=spf1 mx/24/64 -all", SpfProblem.SYNTAX),
        ("v=spf1 exists:%{x}.example -all", SpfProblem.SYNTAX),
        ("v=spf1 exists:100%.example -all", SpfProblem.SYNTAX),
        ("v=spf1 -all mail", SpfProblem.SYNTAX),
        ("v=spf1 -all;", SpfProblem.SYNTAX),
        ("v=spf1 redirect=a.example redirect=b.example", SpfProblem.SYNTAX),
        ("v=spf1 a/24//64 mx:b.example/28 a:%{d}/32 a:c.example. -all", None),
        ("v=spf1 exists:%{ir}.%{v}._spf.%{d2} exists:%{l1r-}.%{d} exp=why.%{o} -all", None),
        ("v=spf1 a:%{i}_%{h/} include:_spf.%{d} -all", None),
        ("v=spf1 ip4:192.0.2.7 ip6:2001:db8::7 ip6:::ffff:192.0.2.7/128 -all", None),
        (f"v=spf1 {'a:%{i}.example ' * 11}-all", SpfProblem.LOOKUPS),
        (f"v=spf1 {'exists:%{i}.example ' * 10}-all", None),
        (f"v=spf1 -all {'a:%{i}.example ' * 11}", None),
        ("v=spf1 moo=cow ip6:2001:db8::/32 ?all", None),
        ("V=SPF1 A:%{d} -ALL", None),
    ],
)
def test_a_policy_is_void_when_a_receiver_could_not_evaluate_it(record: str, problem: SpfProblem | None) -> None:
    assert spf(record).problem is problem


def test_macros_for_the_domain_are_filled_in_and_those_for_the_sender_are_not() -> None:
    assert spf("v=spf1 redirect=_spf.%{d}").missing == {question(f"_spf.{NAME} TXT")}
    inner = spf("v=spf1 include:b.example -all", b__example=("v=spf1 include:%{d2r}.%{o} a:%{i}.%{d} -all",))
    assert inner.missing == {question(f"example.b.{NAME} TXT")}


def test_a_wide_range_around_hosts_lets_everyone_send_where_there_are_hosts() -> None:
    assert "DOM-SPF-OPEN" in found(domain({f"{NAME} TXT": ("v=spf1 a/0 -all",)}))
    assert "DOM-SPF-OPEN" not in found(domain({f"{NAME} TXT": ("v=spf1 a/0 -all",), f"{NAME} A": ()}))


def test_policies_that_refer_to_each_other_end() -> None:
    assert spf("v=spf1 include:b.example -all", b__example=(f"v=spf1 redirect={NAME}",)).problem is SpfProblem.LOOKUPS


def test_a_policy_that_refers_to_none_is_void_and_one_that_was_not_seen_is_asked_for() -> None:
    assert spf("v=spf1 include:b.example -all", b__example=()).problem is SpfProblem.EMPTY_INCLUDE
    asked = spf("v=spf1 include:b.example -all")
    assert asked.problem is None
    assert asked.missing == {Question("b.example", "TXT")}


def test_look_ups_that_find_nothing_are_counted() -> None:
    gone = tuple(f"gone{number}.example" for number in range(3))
    void: dict[str, tuple[str, ...]] = {f"{name} {kind}": () for name in gone for kind in ("A", "AAAA")}
    two, three = (
        {f"{NAME} TXT": (f"v=spf1 {' '.join(f'a:{name}' for name in gone[:count])} -all",)} for count in (2, 3)
    )
    assert "DOM-SPF-BROKEN" not in found(domain(void | two))
    assert dict(found(domain(void | three))["DOM-SPF-BROKEN"].params)["spf_problem"] == "void"


@pytest.mark.parametrize(
    ("record", "opener"),
    [
        ("v=spf1 +all", "+all"),
        ("v=spf1 all", "all"),
        ("v=spf1 ip4:0.0.0.0/1 ip4:128.0.0.0/1 -all", "ip4:0.0.0.0/1"),
        ("v=spf1 include:b.example -all", "include:b.example"),
        ("v=spf1 -include:b.example -all", ""),
        ("v=spf1 redirect=b.example", "all"),
        ("v=spf1 ip4:10.0.0.0/8 -all", ""),
        ("v=spf1 redirect=%{d1}.%{o}", ""),
        ("v=spf1 include:b.%{d1r} include:b.example -all", "include:b.%{d1r}"),
    ],
)
def test_it_is_known_which_term_lets_everyone_send(record: str, opener: str) -> None:
    assert spf(record, b__example=("v=spf1 all",)).opened_by == opener


def test_a_domain_without_mail_that_does_not_say_so_is_a_hint_only() -> None:
    facts = domain({f"{NAME} MX": (), f"{NAME} TXT": (), f"_dmarc.{NAME} TXT": ()})
    assert found(facts)["DOM-SPF-NONE"].severity is Severity.INFO
    assert found(facts)["DOM-DMARC-NONE"].severity is Severity.LOW
    assert found(domain({f"{NAME} TXT": ()}))["DOM-SPF-NONE"].severity is Severity.MEDIUM


@pytest.mark.parametrize(
    ("record", "check"),
    [
        ("v=DMARC1; p=none; rua=mailto:a@b.example", "DOM-DMARC-WEAK"),
        ("v=DMARC1; p=reject; sp=none; rua=mailto:a@b.example", "DOM-DMARC-WEAK"),
        ("v=DMARC1; p=reject; pct=20; rua=mailto:a@b.example", "DOM-DMARC-WEAK"),
        ("v=DMARC1; p=quarantine", "DOM-DMARC-REPORTS"),
        ("v=DMARC1; rua=mailto:a@b.example", "DOM-DMARC-BROKEN"),
        ("v=DMARC1; p=monitor", "DOM-DMARC-BROKEN"),
        ("v=DMARC1; p=reject rua=mailto:a@b.example", "DOM-DMARC-BROKEN"),
        ("v=DMARC1; p=reject; sp=all; rua=mailto:a@b.example", "DOM-DMARC-BROKEN"),
        ("v=DMARC1; p=reject; t=y; rua=mailto:a@b.example", "DOM-DMARC-WEAK"),
        ("v=DMARC1; p=reject; rua=a@b.example", "DOM-DMARC-REPORTS"),
        ("v=DMARC1; p=reject; rua=mailto:", "DOM-DMARC-REPORTS"),
        ("v=dmarc1; p=reject", "DOM-DMARC-NONE"),
    ],
)
def test_a_dmarc_policy_is_read_as_receivers_read_it(record: str, check: str) -> None:
    assert check in found(domain({f"_dmarc.{NAME} TXT": (record,)}))


@pytest.mark.parametrize(
    "record",
    [
        "V=DMARC1; P=Reject; PCT=100; RUA=MAILTO:a@b.example",
        "v=DMARC1;p=quarantine;pct=all;rua=mailto:a@b.example!10m,mailto:c@d.example;ruf=mailto:e@f.example;fo=1;aspf=s;",
        "v=DMARC1 ; p = reject ; sp = quarantine ; np=reject ; t=n ; rua = ftp:x , mailto:a@b.example ;",
    ],
)
def test_a_dmarc_policy_written_in_another_way_is_as_sound(record: str) -> None:
    facts = domain({f"_dmarc.{NAME} TXT": (record,), f"{NAME} TXT": ("v=spf1 mx ~all",)})
    assert set(found(facts)) == {"DOM-DNSSEC-UNSIGNED"}


@pytest.mark.parametrize(
    ("rua", "wrong"), [("mailto:a@b.example", False), ("https://b.example/tls", False), ("a@b.example", True)]
)
def test_reports_on_tls_go_where_a_uri_leads(rua: str, wrong: bool) -> None:
    facts = domain({f"_smtp._tls.{NAME} TXT": (f"v=TLSRPTv1;rua={rua}",)})
    assert ("DOM-TLSRPT" in found(facts)) is wrong


def test_an_alias_or_server_that_leads_to_nobody_is_possible_and_worse_when_strangers_can_get_the_name() -> None:
    lost = DnsAnswer(question(f"www.{NAME} A"), Reply.NO_NAME, aliases=("portal.cloud.example",))
    facts = domain()
    others = tuple(answer for answer in facts.answers if answer.question != lost.question)
    dangling = found(DomainFacts(NAME, (), facts.stranger, (*others, lost)))["DOM-DANGLING"]
    assert (dangling.severity, dangling.confidence) == (Severity.HIGH, Confidence.POSSIBLE)
    server = found(domain(unknown=("ns2.nic.example A", "ns2.nic.example AAAA")))["DOM-DANGLING"]
    assert dict(server.params)["places"] == f"{NAME} NS → ns2.nic.example"
    inside = DnsAnswer(question(f"www.{NAME} A"), Reply.NO_NAME, aliases=(f"old.{NAME}",))
    assert found(DomainFacts(NAME, (), facts.stranger, (*others, inside)))["DOM-DANGLING"].severity is Severity.LOW


def test_a_name_server_that_is_an_alias_has_no_address_of_its_own() -> None:
    told = DnsAnswer(question("ns2.nic.example A"), Reply.ANSWERED, ("198.51.100.53",), aliases=("ns.host.example",))
    assert "DOM-NS-LAME" in found(with_answer(domain(), told))
    gone = DnsAnswer(question("ns2.nic.example A"), Reply.NO_NAME, aliases=("ns.host.example",))
    assert "DOM-NS-LAME" not in found(with_answer(domain(), gone))


def test_a_policy_behind_a_lost_alias_is_lost_to_whoever_gets_the_name() -> None:
    lost = DnsAnswer(question(f"_dmarc.{NAME} TXT"), Reply.NO_NAME, aliases=("example-org.reports.example",))
    facts = domain()
    others = tuple(answer for answer in facts.answers if answer.question != lost.question)
    checks = found(DomainFacts(NAME, (), facts.stranger, (*others, lost)))
    assert "DOM-DMARC-NONE" in checks
    assert dict(checks["DOM-DANGLING"].params)["record"] == f"_dmarc.{NAME}"


@pytest.mark.parametrize(
    ("signed", "tlsa", "problem"),
    [
        ((f"{NAME} SOA", f"{NAME} MX", "TLSA"), ("3 1 1 ab",), ""),
        ((f"{NAME} SOA", f"{NAME} MX", "TLSA"), ("1 1 1 ab",), "usage"),
        ((f"{NAME} SOA", f"{NAME} MX"), ("3 1 1 ab",), "insecure"),
        (("TLSA",), ("3 1 1 ab",), "insecure"),
        ((f"{NAME} SOA", f"{NAME} MX", "TLSA"), (), "absent"),
        (("TLSA",), (), ""),
        ((), ("3 1 1 ab",), ""),
    ],
)
def test_tlsa_records_count_only_when_they_and_the_mail_exchanges_are_signed(
    signed: tuple[str, ...], tlsa: tuple[str, ...], problem: str
) -> None:
    facts = domain({f"_25._tcp.mx.{NAME} TLSA": tlsa})
    signatures = {f"_25._tcp.mx.{NAME} TLSA" if name == "TLSA" else name for name in signed}
    answers = tuple(replace(answer, authentic=str(answer.question) in signatures) for answer in facts.answers)
    verdict = found(replace(facts, answers=answers)).get("DOM-DANE")
    assert (dict(verdict.params)["dane_problem"] if verdict else "") == problem


def test_signed_tlsa_records_of_a_provider_are_not_held_against_an_unsigned_domain() -> None:
    pinned = DnsAnswer(question("_25._tcp.mx.provider.example TLSA"), Reply.ANSWERED, ("3 1 1 ab",), authentic=True)
    hosted = domain({f"{NAME} MX": ("10 mx.provider.example",), "mx.provider.example A": ("192.0.2.25",)})
    assert "DOM-DANE" not in found(with_answers(hosted, pinned))
    assert "DOM-DANE" in found(
        with_answers(hosted, replace(pinned, authentic=False), replace(hosted.answers[0], authentic=True))
    )


def test_an_address_in_place_of_a_mail_host_is_no_dangling_record() -> None:
    facts = domain({f"{NAME} MX": ("10 192.0.2.25",)}, unknown=("192.0.2.25 A", "192.0.2.25 AAAA"))
    assert dict(found(facts)["DOM-MX"].params)["mx_problem"] == "address"
    assert "DOM-DANGLING" not in found(facts)


def test_a_resolver_that_does_not_validate_says_nothing_about_a_domain_with_keys() -> None:
    facts = domain({f"{NAME} DS": ("1 13 2 ab",)})
    assert not {"DOM-DNSSEC-UNSIGNED", "DOM-DNSSEC-BOGUS"} & found(facts).keys()
    assert {"DOM-DNSSEC-UNSIGNED", "DOM-DNSSEC-BOGUS"} <= untested_domain_checks(facts)


def test_a_policy_of_the_registry_above_is_not_the_owners() -> None:
    assert within_owner("mail.city.gov.cn") == ("mail.city.gov.cn", "city.gov.cn")
    assert within_owner("gov.cn") == ("gov.cn",)
    assert within_owner("city.example.org") == ("city.example.org", "example.org")
    assert all(is_registry(name) for name in ("org", "gov.cn", "sh.cn", "co.uk"))
    assert not any(is_registry(name) for name in ("go.com", "beijing.cn", "city.gov.cn", "example.org"))


def test_a_policy_that_leads_elsewhere_for_each_sender_can_not_be_told() -> None:
    facts = domain({f"{NAME} TXT": ("v=spf1 redirect=%{l}.policy.example",)})
    assert not {check for check in found(facts) if check.startswith("DOM-SPF")}
    assert "DOM-SPF-WEAK" in untested_domain_checks(facts)


def test_policies_are_told_from_other_texts_by_their_version_alone() -> None:
    records = ("v=DMARC1;p=none", "v = DMARC1 ; p=none", "v=DMARC12; p=none", "xv=DMARC1; p=none", "v=DMARC1")
    assert versioned(records, "DMARC1") == ("v=DMARC1;p=none", "v = DMARC1 ; p=none", "v=DMARC1")
    assert tags("v=DMARC1; P = Reject ;p=none; rua=mailto:a@b?c=d; ;x") == {
        "v": "DMARC1",
        "p": "Reject",
        "rua": "mailto:a@b?c=d",
    }


def dmarc_of(name: str, **records: str) -> DmarcPolicy | None:
    """The policy that applies to ``name``, given the records below ``_dmarc``; every other name has none."""
    texts = {each.replace("__", "."): text for each, text in records.items()}
    answers = [
        DnsAnswer(question(f"_dmarc.{each} TXT"), Reply.ANSWERED if each in texts else Reply.NO_NAME, (texts[each],))
        if each in texts
        else DnsAnswer(question(f"_dmarc.{each} TXT"), Reply.NO_NAME)
        for each in within_owner(name)
    ]
    return dmarc_policy(Reader(DomainFacts(name, (), f"nobody.{name}", tuple(answers))))


def test_a_domains_own_policy_applies_or_else_that_of_its_organisation_at_the_top() -> None:
    team, city = "v=DMARC1; p=none", "v=DMARC1; p=reject; sp=quarantine"
    both = dmarc_of("web.team.city.example", team__city__example=team, city__example=city)
    assert both is not None
    assert (both.action, both.inherited) == ("quarantine", True)
    own = dmarc_of("team.city.example", team__city__example=team, city__example=city)
    assert own is not None
    assert (own.action, own.inherited) == ("none", False)
    apart = dmarc_of("web.team.city.example", team__city__example=f"{team}; psd=n", city__example=city)
    assert apart is not None
    assert apart.action == "none"
    below_a_registry = dmarc_of("team.city.example", city__example=f"{city}; psd=y")
    assert below_a_registry is None


def with_answers(facts: DomainFacts, *changed: DnsAnswer) -> DomainFacts:
    questions = {answer.question for answer in changed}
    others = tuple(answer for answer in facts.answers if answer.question not in questions)
    return replace(facts, answers=(*others, *changed))


@pytest.mark.parametrize(
    ("name", "aliases", "is_reported"),
    [
        (f"www.{NAME}", (), True),
        (f"_dmarc.{NAME}", (), True),
        (f"www.{NAME}", (f"web.{NAME}",), True),
        (f"www.{NAME}", ("cdn.example",), False),
        ("ns1.nic.example", (), False),
        (f"nobody.{NAME}", (), False),
    ],
)
def test_signatures_of_any_name_in_the_domain_count_and_those_of_others_do_not(
    name: str, aliases: tuple[str, ...], is_reported: bool
) -> None:
    kind = "TXT" if name.startswith("_") else "A"
    bogus = DnsAnswer(question(f"{name} {kind}"), Reply.FAILED, aliases=aliases, why=BOGUS)
    verdict = found(with_answers(domain(), bogus)).get("DOM-DNSSEC-BOGUS")
    assert (verdict is not None) is is_reported
    if verdict is not None:
        assert dict(verdict.params)["name"] == name


def test_a_made_up_name_that_a_lost_wildcard_leads_away_is_told_by_the_wildcard() -> None:
    lost = DnsAnswer(question(f"nobody.{NAME} A"), Reply.NO_NAME, aliases=("gone.example",))
    dangling = found(with_answers(domain(), lost))["DOM-DANGLING"]
    assert dict(dangling.params)["places"] == f"*.{NAME} CNAME → gone.example"


def test_mail_and_name_servers_with_private_addresses_are_told() -> None:
    assert "DOM-PRIVATE-A" in found(domain({f"mx.{NAME} A": ("192.168.7.25",)}))
    own = domain({f"{NAME} NS": (f"ns1.{NAME}", "ns2.nic.example"), f"ns1.{NAME} A": ("10.0.0.53",)})
    assert "DOM-PRIVATE-A" in found(with_answers(own, DnsAnswer(question(f"ns1.{NAME} AAAA"), Reply.NO_DATA)))
    assert "DOM-PRIVATE-A" not in found(domain({"ns1.nic.example A": ("10.0.0.53",)}))


def test_a_wildcard_on_ipv6_alone_is_one() -> None:
    six = DnsAnswer(question(f"nobody.{NAME} AAAA"), Reply.ANSWERED, ("2001:db8::9",))
    assert "DOM-WILDCARD" in found(with_answers(domain(), six))
