"""What a person writes as a target is understood in one canonical form, or refused with what would be right."""

from __future__ import annotations

import subprocess
import sys
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.addresses import AddressError, Kind, display_name, parse_address, parse_network, parse_target


@pytest.mark.parametrize(
    ("written", "kind", "value"),
    [
        ("WWW.Example.ORG.", Kind.HOSTNAME, "www.example.org"),
        ("例子.测试", Kind.HOSTNAME, "xn--fsqu00a.xn--0zwm56d"),
        ("例子。测试", Kind.HOSTNAME, "xn--fsqu00a.xn--0zwm56d"),
        ("my_host.example.org", Kind.HOSTNAME, "my_host.example.org"),
        (" 192.0.2.1 ", Kind.IPV4, "192.0.2.1"),
        ("192.0.2.1/32", Kind.IPV4, "192.0.2.1"),
        ("2001:DB8:0::1", Kind.IPV6, "2001:db8::1"),
        ("[2001:db8::1]", Kind.IPV6, "2001:db8::1"),
        ("::ffff:192.0.2.1", Kind.IPV4, "192.0.2.1"),
        ("::ffff:192.0.2.0/120", Kind.CIDR, "192.0.2.0/24"),
        ("192.0.2.0/24", Kind.CIDR, "192.0.2.0/24"),
        ("HTTP://Example.org:80", Kind.URL, "http://example.org/"),
        ("https://例子.测试:8443/a?b=c#d", Kind.URL, "https://xn--fsqu00a.xn--0zwm56d:8443/a?b=c"),
        ("http://[2001:db8::1]:8080/", Kind.URL, "http://[2001:db8::1]:8080/"),
    ],
)
def test_targets_have_one_canonical_form(written: str, kind: Kind, value: str) -> None:
    parsed = parse_target(written)
    assert (parsed.kind, parsed.value) == (kind, value)
    assert parse_target(parsed.value).value == value
    assert parse_target(parsed.display).value == value


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "empty"),
        ("-oN", "looks like an option"),
        ("-oN x", "looks like an option"),
        ("192.0.2.1 192.0.2.2", "one target at a time"),
        ("192.0.2.1\x1b[2J", "unprintable"),
        ("010.0.0.1", "write 10.0.0.1"),
        ("256.0.0.1", "0 to 255"),
        ("127.1", "all four numbers"),
        ("2130706433", "all four numbers"),
        ("0x7f.0.0.1", "all four numbers"),
        ("127。0。0。1", "full-width"),
        ("１２７.0.0.1", "full-width"),
        ("192.0.2.7/24", "the network is 192.0.2.0/24"),
        ("192.0.2.0/33", "use /0 to /32"),
        ("192.0.2.0/255.255.255.0", "write 192.0.2.0/24"),
        ("192.0.2.1-20", "CIDR form"),
        ("fe80::1%eth0", "write fe80::1"),
        ("fe80::/64%eth0", "CIDR form"),
        ("::1::2", "no IPv6 address"),
        ("*.example.org", "wildcard"),
        ("example.org:22", "give the port 22"),
        ("[::1]:443", "give the port 443"),
        ("someone@example.org", "e-mail"),
        ("a..example.org", "1 to 63"),
        ("-a.example.org", "looks like an option"),
        ("a-.example.org", "hyphen"),
        ("a" * 64 + ".org", "1 to 63"),
        (".".join(["a" * 60] * 5), "at most 253"),
        ("😀.example.org", "no valid host name"),
        ("xn--a.example.org", "no valid host name"),
        ("ftp://example.org/", "http:// or https://"),
        ("https:///path", "no valid URL"),
        ("http://example.org:99999/", "no valid URL"),
        ("http://example.org:0/", "no valid URL"),
        ("http://010.0.0.1/", "leading zeros"),
    ],
)
def test_what_can_not_be_a_target_is_refused_with_what_would_be_right(written: str, said: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse_target(written)
    assert said in str(caught.value)


@pytest.mark.parametrize("url", ["https://user:hunter2@example.org/x", "https://user:hunter2@example.org:99999/"])
def test_a_password_in_a_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse_target(url)
    assert "hunter2" not in str(caught.value)
    assert "write https://example.org" in str(caught.value)


@given(st.ip_addresses())
def test_every_address_reads_back_as_itself(address: object) -> None:
    expected = getattr(address, "ipv4_mapped", None) or address
    assert parse_address(str(address)) == expected


@given(st.text(max_size=60))
def test_any_text_is_a_target_or_a_clear_error(text: str) -> None:
    try:
        parsed = parse_target(text)
    except AddressError:
        return
    assert parsed.value.isascii()
    assert not parsed.value.startswith("-")
    assert (parsed.hostname is None) != (parsed.network is None)
    assert parse_target(parsed.value) == parsed


def test_a_name_is_shown_in_unicode() -> None:
    assert display_name("xn--fsqu00a.example.org") == "例子.example.org"
    assert display_name("www.example.org") == "www.example.org"


def test_networks_of_mapped_addresses_are_ipv4_networks() -> None:
    assert parse_network("::ffff:10.0.0.0/104") == ip_network("10.0.0.0/8")
    assert parse_address("::ffff:10.0.0.1") == ip_address("10.0.0.1")


def test_addresses_and_scope_need_no_django() -> None:
    code = "import sys, targets.addresses, targets.scope, targets.registry.plan; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
