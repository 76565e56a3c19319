"""What the rules about remote access, mail, directories and UDP services make of facts."""

from __future__ import annotations

import datetime as dt
import string

import pytest

from scanner.engine.catalogue.load import Language, catalogue
from scanner.engine.facts.service import Access, ServiceFacts
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
    Transport,
    Vantage,
)
from scanner.engine.rules import cleartext, exposure, mail, network
from scanner.engine.rules.base import Context

ADDRESS = "127.10.9.201"
NOW = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
RULES = (*cleartext.RULES, *mail.RULES, *network.RULES, *exposure.RULES)


def judged(
    code: str,
    *attributes: tuple[str, str],
    access: Access = Access.UNKNOWN,
    vantage: Vantage = Vantage.INTERNET,
    udp: bool = False,
) -> dict[str, Finding]:
    endpoint = Endpoint(ADDRESS, 1, Transport.UDP if udp else Transport.TCP)
    service = Service(endpoint, code.lower(), facts=ServiceFacts(code, access, attributes=attributes))
    host = HostInspection(Target("t", ADDRESS), Outcome.INSPECTED, NOW, NOW, vantage, Level.READ, services=(service,))
    context = Context(catalogue(), host, NOW)
    return {finding.check: finding for rule in RULES for finding in rule.judge(service, context)}


# --- recognition


def test_dovecots_default_is_fine() -> None:
    assert judged("IMAP", ("tls", "offered"), ("clear_login", "refused")) == {}


def test_cannot_verify_gives_no_address_away() -> None:
    for unknown in ("252", "554", "502"):
        assert "SMTP-VRFY" not in judged("SMTP", ("tls", "offered"), ("vrfy", "252"), ("vrfy_unknown", unknown))


def test_a_server_that_says_yes_to_every_name_confirms_none() -> None:
    assert "SMTP-VRFY" not in judged("SMTP", ("vrfy", "250"), ("vrfy_unknown", "250"))
    for unknown in ("252", "450", "550"):
        assert judged("SMTP", ("vrfy", "250"), ("vrfy_unknown", unknown))["SMTP-VRFY"].severity is Severity.LOW


def test_cannot_verify_gives_addresses_away_where_unknown_ones_are_refused() -> None:
    hint = judged("SMTP", ("tls", "offered"), ("vrfy", "252"), ("vrfy_unknown", "550"))["SMTP-VRFY"]
    assert hint.severity is Severity.INFO


def test_challenge_response_before_tls_is_low_and_a_plain_password_high() -> None:
    assert judged("SMTP", ("auth_clear", "CRAM-MD5"))["SMTP-AUTH-CLEAR"].severity is Severity.LOW
    assert judged("SMTP", ("auth_clear", "CRAM-MD5 LOGIN"))["SMTP-AUTH-CLEAR"].severity is Severity.HIGH
    assert judged("SMTP", ("auth_clear", "GSSAPI EXTERNAL")) == {}


def test_missing_starttls_weighs_more_where_mail_is_handed_in() -> None:
    assert judged("SMTP", ("tls", "refused"))["SMTP-NOSTARTTLS"].severity is Severity.LOW
    handed_in = judged("SMTP", ("tls", "refused"), ("submission", "yes"))
    assert handed_in["SMTP-NOSTARTTLS"].severity is Severity.MEDIUM


def test_an_accepted_recipient_makes_relaying_probable() -> None:
    assert judged("SMTP", ("relay", "accepted"))["SMTP-OPENRELAY"].confidence is Confidence.PROBABLE
    assert "SMTP-OPENRELAY" not in judged("SMTP", ("relay", "deferred"))


def test_an_anonymous_bind_alone_is_a_hint() -> None:
    assert judged("LDAP", ("bind", "accepted"), ("read", "rootDSE"))["LDAP-ANON"].severity is Severity.INFO
    assert judged("LDAP", ("bind", "accepted"), ("read", "entry"))["LDAP-ANON"].severity is Severity.MEDIUM


def test_recursion_that_resolves_nothing_is_not_open() -> None:
    assert "DNS-RECURSION" not in judged("DNS", ("recursion", "unproven"), udp=True)
    assert "DNS-RECURSION" in judged("DNS", ("recursion", "open"), access=Access.OPEN, udp=True)


@pytest.mark.parametrize(("text", "told"), [("9.18.49", True), ("none", False), ("go away", False), ("", False)])
def test_a_text_in_place_of_the_version_tells_no_version(text: str, told: bool) -> None:
    assert ("DNS-VERSION" in judged("DNS", ("version", text), udp=True)) is told


def test_telnet_without_a_prompt_is_only_possible() -> None:
    assert judged("TELNET", ("prompt", "no"))["CLR-TELNET"].confidence is Confidence.POSSIBLE


def test_an_amplifier_is_high_from_a_factor_of_fifty_on_and_none_below_one() -> None:
    assert judged("CHARGEN-UDP", ("bytes_in", "1"), ("bytes_out", "148"))["AMP-CHARGEN"].severity is Severity.HIGH
    assert judged("SSDP", ("bytes_in", "100"), ("bytes_out", "300"))["AMP-SSDP"].severity is Severity.MEDIUM
    assert judged("SSDP", ("bytes_in", "100"), ("bytes_out", "90")) == {}


def test_every_evidence_text_is_filled_by_what_its_rule_hands_over() -> None:
    findings = {
        **judged("TELNET", ("prompt", "yes")),
        **judged("RSH"),
        **judged("TFTP"),
        **judged("FTP", ("tls", "refused"), ("clear_login", "accepted"), ("anonymous", "accepted")),
        **judged("VNC", ("types", "None"), ("encrypted", "no"), access=Access.OPEN),
        **judged("X11", access=Access.OPEN),
        **judged("RPCBIND", ("programs", "nfs"), ("exports", "/ (*)"), ("everyone", "yes"), access=Access.OPEN),
        **judged("RSYNC", ("modules", "data")),
        **judged("SMB", ("smb1", "accepted"), ("signing", "optional")),
        **judged("RDP", ("nla", "absent"), ("weakest", "tls")),
        **judged("LDAP", ("tls", "refused"), ("bind", "accepted")),
        **judged("SMTP", ("tls", "refused"), ("auth_clear", "PLAIN"), ("vrfy", "250"), ("relay", "accepted")),
        **judged("IMAP", ("clear_login", "accepted")),
        **judged("POP3", ("clear_login", "accepted")),
        **judged("SNMP", ("community", "public")),
        **judged("NTP", ("mode6", "answered"), ("monlist", "answered"), ("bytes_in", "8"), ("bytes_out", "440")),
        **judged("DNS", ("recursion", "open"), ("version", "9"), ("transfer", "lab.example"), udp=True),
        **judged("MEMCACHED-UDP", ("bytes_in", "15"), ("bytes_out", "1400")),
    }
    assert len(findings) >= 30
    for check, finding in findings.items():
        given_params = {name for name, _ in finding.params}
        known = given_params | {"address", "port", "host", "hostport", "name"}
        for text in (catalogue()[check].verify, *(catalogue()[check].texts[lang].evidence for lang in Language)):
            wanted = {field for _, field, _, _ in string.Formatter().parse(text) if field}
            assert wanted <= known, (check, wanted - known)
