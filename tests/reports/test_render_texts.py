"""Catalogue texts are filled with what hosts said, and commands stay the commands that we wrote."""

from __future__ import annotations

import subprocess
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.engine.catalogue.load import Language, catalogue
from scanner.engine.hostile import line
from scanner.reports import texts
from scanner.reports.texts import Place
from scanner.reports.words import MISSING
from tests.reports.sample import HOSTILE

V4, V6 = Place("192.0.2.1", 443, "www.example.org", tls=True), Place("2001:db8::1", 8443)

FRAGMENTS = st.sampled_from(
    ["'", '"', "\\", "$(id)", "`id`", ";", "\n", "-", "!", "|", "&", "{x}", "%s", "*", "隐患", "<<E"]
)
VALUES = st.one_of(st.text(max_size=30), st.lists(FRAGMENTS, max_size=8).map("".join))


def shell_prints(command: str) -> str:
    """What a real shell prints for the command; it has no programs to start, only its built-in printf."""
    done = subprocess.run(["/bin/sh", "-c", command], env={"PATH": ""}, capture_output=True, text=True, timeout=10)
    assert done.stderr == ""
    return done.stdout


def test_an_ipv6_address_is_bracketed_where_a_port_follows() -> None:
    assert V6.hostport == "[2001:db8::1]:8443"
    assert texts.command("nc {address} {port}", {}, V6) == "nc 2001:db8::1 8443"
    assert texts.command("openssl s_client -connect {hostport}", {}, V6) == (
        "openssl s_client -connect '[2001:db8::1]:8443'"
    )


def test_the_url_has_the_name_and_leaves_out_the_default_port() -> None:
    assert V4.url == "https://www.example.org/"
    assert V6.url == "http://[2001:db8::1]:8443/"
    assert texts.command("curl -I {url}", {"url": "https://other.example.org/"}, V4) == (
        "curl -I https://other.example.org/"
    )


def test_params_cannot_move_a_command_to_another_host() -> None:
    assert texts.command("nc {address} {port}", {"address": "203.0.113.9", "port": "1"}, V4) == "nc 192.0.2.1 443"


@pytest.mark.parametrize(
    "template", ["printf '%s\\n' {x}", "printf '%s\\n' '{x}'", 'printf "%s\\n" "{x}"', "printf '%s\\n' a{x}"]
)
@settings(max_examples=60, deadline=None)
@given(value=VALUES)
def test_a_real_shell_takes_any_value_as_one_word(template: str, value: str) -> None:
    shown = line(value, texts.TEXT_LIMIT)
    prefix = "a" if template.endswith("a{x}") else ""

    printed = shell_prints(texts.command(template, {"x": value}, V4))

    assert printed in (f"{prefix}{shown}\n", f"{prefix}{MISSING}\n")


@pytest.mark.parametrize("template", ['printf %s "$(printf %s {x})"', "printf %s `printf %s {x}`"])
def test_no_value_that_needs_quoting_enters_a_command_substitution(template: str) -> None:
    assert MISSING in texts.command(template, {"x": HOSTILE}, V4)
    assert "plain-1.2" in texts.command(template, {"x": "plain-1.2"}, V4)


def test_a_value_that_looks_like_an_option_is_left_out() -> None:
    assert texts.command("curl {x} {url}", {"x": "-oevil"}, V4) == f"curl {MISSING} https://www.example.org/"
    assert texts.command("curl '{x}'", {"x": "-oevil"}, V4) == f"curl '{MISSING}'"
    assert texts.command("dig {x} A", {"x": "@evil.example"}, V4) == f"dig {MISSING} A"
    assert texts.command("dig {x} A", {"x": "+trace"}, V4) == f"dig {MISSING} A"


def test_the_options_of_a_rule_stay_separate_words() -> None:
    template = "openssl s_client -connect {hostport} {options} -tls1"

    with_options = texts.command(template, {"options": "-servername www.example.org -starttls smtp"}, V4)
    hostile = texts.command(template, {"options": "-servername $(id);x"}, V4)

    assert with_options.endswith("192.0.2.1:443 -servername www.example.org -starttls smtp -tls1")
    assert hostile.endswith("-servername '$(id);x' -tls1")
    assert MISSING not in texts.command(template, {}, V4)


def test_an_upgrade_that_openssl_does_not_know_is_shown_by_another_program_or_not_at_all() -> None:
    shown = {
        protocol: texts.verify("CERT-EXPIRED", {"options": f"-noservername -starttls {protocol}"}, V4)
        for protocol in ("smtp", "mssql", "nats", "rdp")
    }
    assert shown["smtp"].startswith("openssl s_client -connect 192.0.2.1:443 -noservername -starttls smtp")
    assert shown["mssql"] == "nmap -Pn -sV -p 443 --script ssl-cert,ssl-enum-ciphers 192.0.2.1"
    assert shown["nats"] == ""
    assert shown["rdp"] == "sslscan --rdp 192.0.2.1:443"


def test_a_missing_param_becomes_a_dash() -> None:
    assert texts.evidence("SVC-REDIS-EXPOSED", {}, Language.EN) == f"Answered as {MISSING}."
    assert texts.command("dig {zone}", {}, V4) == f"dig {MISSING}"


def test_a_clause_about_what_a_rule_found_nothing_for_is_left_out() -> None:
    params = {"paths": "/.git/HEAD", "details": "-"}
    assert texts.evidence("WEB-GIT", params, Language.ZH_HANS) == "/.git/HEAD 返回了 Git 仓库内容。"
    params = {"protocol": "rdp", "product": "", "access": "restricted"}
    assert texts.evidence("SVC-RDP-EXPOSED", params, Language.EN) == "Answered as rdp; access: restricted."


@pytest.mark.parametrize("language", Language)
def test_no_evidence_breaks_off_where_nothing_was_seen(language: Language) -> None:
    for check in catalogue().values():
        told = texts.evidence(check.id, {}, language)
        assert told[-1] in (MISSING, check.texts[language].evidence[-1]), check.id
        assert all(told.count(a) == told.count(b) for a, b in ("()", "（）")), check.id


def test_our_own_words_among_the_params_are_translated() -> None:
    assert "任何人均可访问" in texts.evidence("SVC-REDIS-EXPOSED", {"access": "open"}, Language.ZH_HANS)


@pytest.mark.parametrize(
    ("check", "params", "said"),
    [
        ("CLR-TELNET", {"prompt": "yes"}, "服务端进行 Telnet 选项协商；是否出现登录提示：是。"),
        ("NFS-EXPORT", {"exports": "/srv *", "everyone": "no"}, "共享列表：/srv *。面向所有主机：否。"),
        ("IMAP-CLEAR", {"login": "accepted", "tls": "offered"}, "明文登录：接受；STARTTLS：支持。"),
        ("POP-CLEAR", {"login": "accepted", "tls": "refused"}, "明文登录：接受；STLS：不支持。"),
        (
            "RDP-NLA-OFF",
            {"weakest": "rdp", "nla": "absent"},
            "服务端接受的最低安全方式：RDP 自带加密；网络级身份验证：不支持。",
        ),
        ("LDAP-ANON", {"read": "entry"}, "未登录即可读取：root DSE 以外的条目。"),
        ("TLS-ROBOT", {"oracle": "strong"}, "服务器对错误填充的应答存在差异（预言强度：强）。"),
    ],
)
def test_chinese_evidence_holds_no_english_word_of_ours(check: str, params: dict[str, str], said: str) -> None:
    assert texts.evidence(check, params, Language.ZH_HANS) == said


def test_a_check_that_left_the_catalogue_keeps_its_id_as_title() -> None:
    assert texts.text("OLD-CHECK", Language.EN).title == "OLD-CHECK"
    assert texts.evidence("OLD-CHECK", {"x": "y"}, Language.EN) == MISSING
    assert texts.verify("OLD-CHECK", {}, V4) == ""


@pytest.mark.parametrize("language", Language)
def test_no_catalogue_text_breaks_on_hostile_params(language: Language) -> None:
    names = ("access", "protocol", "version", "suites", "name", "path", "subject")
    params = dict.fromkeys(names, HOSTILE)
    for check in catalogue():
        for filled in (texts.evidence(check, params, language), texts.verify(check, params, V6)):
            assert not any(unicodedata.category(char) in ("Cc", "Cf") for char in filled), check
