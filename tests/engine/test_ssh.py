"""SSH: what is read from a real server, and how the lists are judged."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from scanner.engine.catalogue.load import catalogue
from scanner.engine.errors import ProbeError, UnexpectedReply
from scanner.engine.facts.ssh import SshFacts, SshHostKey
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
from scanner.engine.probes import ssh
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.dial import Dialer
from scanner.engine.probes.ssh_kex import GroupExchange
from scanner.engine.rules.base import Context
from scanner.engine.rules.ssh import RULES
from tests.lab.scripted import scripted
from tests.lab.ssh_cases import CASES, key_of_version_1, sshd

ADDRESS = "127.10.9.200"
NOW = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
SOUND = SshFacts(
    banner="SSH-2.0-OpenSSH_9.9",
    kex=("sntrup761x25519-sha512", "curve25519-sha256", "ext-info-s", "kex-strict-s-v00@openssh.com"),
    host_key_algorithms=("ssh-ed25519", "rsa-sha2-512"),
    ciphers=("chacha20-poly1305@openssh.com", "aes128-gcm@openssh.com"),
    macs=("hmac-sha2-256-etm@openssh.com",),
    host_keys=(SshHostKey("ssh-rsa", 3072, "x"),),
)


def contact(address: str, port: int, level: Level = Level.CREDENTIAL) -> Contact:
    return Contact(Dialer(lambda _: None), Target(address, address), Endpoint(address, port), level)


def judged(facts: SshFacts, vantage: Vantage = Vantage.INTERNET) -> dict[str, Finding]:
    service = Service(Endpoint(ADDRESS, 22), "ssh", ssh=facts)
    host = HostInspection(
        Target("t", ADDRESS), Outcome.INSPECTED, NOW, NOW, vantage, Level.CREDENTIAL, services=(service,)
    )
    context = Context(catalogue(), host, NOW)
    return {finding.check: finding for rule in RULES for finding in rule.judge(service, context)}


@pytest.mark.lab
@pytest.mark.parametrize(
    ("kex", "cipher", "mac"),
    [
        ("curve25519-sha256", "aes128-ctr", "hmac-sha2-256"),
        ("ecdh-sha2-nistp256", "aes192-ctr", "hmac-sha2-512"),
        ("diffie-hellman-group14-sha256", "aes256-ctr", "hmac-sha1"),
        ("diffie-hellman-group14-sha1", "aes128-ctr", "hmac-sha2-256"),
        ("diffie-hellman-group1-sha1", "aes128-gcm@openssh.com", "hmac-sha2-256-etm@openssh.com"),
        ("curve25519-sha256", "aes256-gcm@openssh.com", "umac-128-etm@openssh.com"),
        ("ecdh-sha2-nistp384", "chacha20-poly1305@openssh.com", "umac-64@openssh.com"),
        ("ecdh-sha2-nistp521", "aes256-ctr", "hmac-sha2-512-etm@openssh.com"),
        ("diffie-hellman-group16-sha512", "aes256-cbc", "hmac-md5"),
        ("diffie-hellman-group18-sha512", "aes128-cbc", "hmac-sha2-256-etm@openssh.com"),
        ("diffie-hellman-group-exchange-sha256", "3des-cbc", "hmac-sha1-etm@openssh.com"),
        ("diffie-hellman-group-exchange-sha1", "3des-cbc", "hmac-sha1"),
        ("sntrup761x25519-sha512@openssh.com", "aes128-ctr", "hmac-sha2-256"),
    ],
)
def test_log_in_methods_are_told_over_every_key_exchange_we_know(
    tmp_path: Path, kex: str, cipher: str, mac: str
) -> None:
    with sshd(f"KexAlgorithms={kex}", f"Ciphers={cipher}", f"MACs={mac}")(ADDRESS, tmp_path):
        facts = asyncio.run(ssh.look(contact(ADDRESS, 22)))
    assert facts.auth_methods == ("publickey", "password", "keyboard-interactive")
    assert facts.host_keys[0].algorithm == "ssh-ed25519"


@pytest.mark.lab
def test_a_1024_bit_host_key_is_measured(tmp_path: Path) -> None:
    case = next(case for case in CASES if case.name == "ssh-weak-odd-port")
    with case.start(ADDRESS, tmp_path):
        facts = asyncio.run(ssh.look(contact(ADDRESS, 2022, Level.GREETING)))
    assert [(key.algorithm, key.bits) for key in facts.host_keys] == [("ssh-rsa", 1024)]
    assert facts.auth_methods is None


def _lists(kex: str, cipher: str, host_key: str = "ssh-rsa") -> bytes:
    """The packet of a KEXINIT with one algorithm of each kind."""
    names = (kex, host_key, cipher, cipher, "hmac-sha1", "hmac-sha1", "none", "none")
    lists = b"".join(len(name).to_bytes(4, "big") + name.encode() for name in (*names, "", ""))
    payload = b"\x14" + bytes(16) + lists + bytes(5)
    padding = 8 - (len(payload) + 5) % 8 + 8
    return (len(payload) + padding + 1).to_bytes(4, "big") + bytes([padding]) + payload + bytes(padding)


def test_a_server_that_shares_no_key_exchange_still_shows_its_lists(tmp_path: Path) -> None:
    packet = _lists("sm2kep-sha2-nistp256", "3des-cbc")
    with scripted(22, lambda _: packet, banner=b"SSH-2.0-Old\r\n")(ADDRESS, tmp_path):
        facts = asyncio.run(ssh.look(contact(ADDRESS, 22)))
    assert (facts.kex, facts.ciphers) == (("sm2kep-sha2-nistp256",), ("3des-cbc",))
    assert (facts.host_keys, facts.auth_methods, facts.ended) == ((), None, "")


def test_a_server_that_hangs_up_on_the_key_exchange_still_shows_its_lists(tmp_path: Path) -> None:
    packet = _lists("diffie-hellman-group1-sha1", "aes128-ctr")
    with scripted(22, lambda _: packet, banner=b"SSH-2.0-Old\r\n", once=True)(ADDRESS, tmp_path):
        facts = asyncio.run(ssh.look(contact(ADDRESS, 22)))
    assert facts.kex == ("diffie-hellman-group1-sha1",)
    assert (facts.host_keys, facts.auth_methods) == ((), None)
    assert facts.ended


def test_a_server_that_offers_a_key_it_has_not_is_asked_for_another(tmp_path: Path) -> None:
    """As Dropbear 2022.83 with an Ed25519 key only: it hangs up when RSA is chosen."""
    packet = _lists("curve25519-sha256", "aes128-ctr", "rsa-sha2-256,ssh-ed25519")
    chosen: list[str] = []

    def answer(request: bytes) -> bytes | None:
        if b"ssh-ed25519" in request or b"rsa-sha2-256" in request:
            chosen.append("ssh-ed25519" if b"ssh-ed25519" in request else "rsa-sha2-256")
            return None
        return packet

    with scripted(22, answer, banner=b"SSH-2.0-dropbear_2022.83\r\n")(ADDRESS, tmp_path):
        facts = asyncio.run(ssh.look(contact(ADDRESS, 22)))
    assert chosen == ["rsa-sha2-256", "ssh-ed25519"]
    assert facts.kex == ("curve25519-sha256",)


@pytest.mark.parametrize(("third", "shown"), [("", "ssh-ed25519"), ("ssh-rsa", "ssh-rsa")])
def test_another_key_counts_only_when_the_first_choice_breaks_off_twice(
    third: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = iter(["", "ssh-ed25519", third])

    async def one(contact: Contact, algorithms: tuple[str, ...]) -> SshFacts:
        algorithm = next(keys)
        found = (SshHostKey(algorithm, 256, "x"),) if algorithm else ()
        return SshFacts("SSH-2.0-x", host_keys=found, ended="" if algorithm else "broken")

    monkeypatch.setattr(ssh, "_look", one)
    facts = asyncio.run(ssh.look(contact(ADDRESS, 22)))
    assert [key.algorithm for key in facts.host_keys] == [shown]


@pytest.mark.lab
def test_a_host_key_is_seen_though_no_cipher_is_shared(tmp_path: Path) -> None:
    with sshd("KexAlgorithms=diffie-hellman-group1-sha1", "Ciphers=aes128-ctr", "MACs=umac-64@openssh.com")(
        ADDRESS, tmp_path
    ):
        facts = asyncio.run(ssh.look(contact(ADDRESS, 22)))
    assert [key.algorithm for key in facts.host_keys] == ["ssh-ed25519"]
    assert (facts.auth_methods, facts.ended) == (None, "")


@pytest.mark.parametrize("prime", [b"\x0d", b"\xff" * 64 + b"\xfe", b"\xff" * 1025, b""])
def test_a_group_that_is_none_is_not_worked_with(prime: bytes) -> None:
    with pytest.raises(UnexpectedReply):
        GroupExchange().within(prime, b"\x02")


@pytest.mark.parametrize(
    "packet",
    [b"\xff\xff\xff\xff" + bytes(60), b"\0\0\0\x0c\x04" + b"\x14" * 20, b"\0\0\0\x05\xff" + bytes(20), b"HTTP/1.1 "],
)
def test_a_broken_packet_ends_the_look_instead_of_the_inspection(tmp_path: Path, packet: bytes) -> None:
    with (
        scripted(22, lambda _: packet, banner=b"SSH-2.0-Broken\r\n", once=True)(ADDRESS, tmp_path),
        pytest.raises(ProbeError),
    ):
        asyncio.run(ssh.look(contact(ADDRESS, 22)))


def test_lines_before_the_identification_are_skipped() -> None:
    assert ssh.recognises_ssh(b"Line of the terms of use\r\n" * 40 + b"SSH-2.0-x\r\n")
    assert ssh.recognises_ssh(b"Authorised use only\r\nSSH-2.0-x\r\n")
    assert not ssh.recognises_ssh(b"220 SSH-2.0 gateway\r\n")


def test_a_sound_server_has_nothing_to_report() -> None:
    assert judged(SOUND) == {}


def test_strict_key_exchange_decides_on_terrapin_whatever_the_version_is() -> None:
    old_banner = dataclasses.replace(SOUND, banner="SSH-2.0-OpenSSH_7.4")
    without = dataclasses.replace(SOUND, kex=("curve25519-sha256",))
    assert "SSH-TERRAPIN" not in judged(old_banner)
    assert judged(without)["SSH-TERRAPIN"].severity is Severity.MEDIUM


def test_cbc_is_open_to_terrapin_only_together_with_encrypt_then_mac() -> None:
    plain = dataclasses.replace(SOUND, kex=("curve25519-sha256",), ciphers=("aes128-cbc",), macs=("hmac-sha2-256",))
    assert "SSH-TERRAPIN" not in judged(plain)
    assert "SSH-TERRAPIN" in judged(dataclasses.replace(plain, macs=("hmac-sha2-256-etm@openssh.com",)))


@pytest.mark.parametrize(
    ("field", "name", "check", "severity"),
    [
        ("kex", "diffie-hellman-group1-sha1", "SSH-KEX-WEAK", Severity.MEDIUM),
        ("kex", "gss-gex-sha1-toWM5Slw5Ew8Mqkay+al2g==", "SSH-KEX-WEAK", Severity.MEDIUM),
        ("kex", "diffie-hellman-group14-sha1", "SSH-KEX-WEAK", Severity.LOW),
        ("ciphers", "arcfour256", "SSH-CIPHER-WEAK", Severity.HIGH),
        ("ciphers", "none", "SSH-CIPHER-WEAK", Severity.HIGH),
        ("ciphers", "3des-cbc", "SSH-CIPHER-WEAK", Severity.MEDIUM),
        ("ciphers", "aes256-cbc", "SSH-CIPHER-WEAK", Severity.LOW),
        ("macs", "hmac-md5", "SSH-MAC-WEAK", Severity.LOW),
        ("macs", "hmac-sha1-96", "SSH-MAC-WEAK", Severity.LOW),
        ("macs", "hmac-sha1", "SSH-MAC-WEAK", Severity.INFO),
        ("macs", "umac-64@openssh.com", "SSH-MAC-WEAK", Severity.INFO),
        ("host_key_algorithms", "ssh-dss", "SSH-HOSTKEY-WEAK", Severity.MEDIUM),
        ("host_key_algorithms", "x509v3-ssh-dss", "SSH-HOSTKEY-WEAK", Severity.MEDIUM),
    ],
)
def test_an_algorithm_weighs_what_it_is_worth(field: str, name: str, check: str, severity: Severity) -> None:
    changed: dict[str, Any] = {field: (*getattr(SOUND, field), name)}
    facts = dataclasses.replace(SOUND, **changed)
    assert judged(facts)[check].severity is severity


def test_sha1_signatures_alone_are_low_and_beside_better_ones_nothing() -> None:
    only = dataclasses.replace(SOUND, host_key_algorithms=("ssh-rsa",))
    beside = dataclasses.replace(SOUND, host_key_algorithms=("ssh-rsa", "rsa-sha2-256"))
    assert judged(only)["SSH-HOSTKEY-WEAK"].severity is Severity.LOW
    assert "SSH-HOSTKEY-WEAK" not in judged(beside)


def test_an_algorithm_weighs_the_same_when_its_key_comes_in_a_certificate() -> None:
    sha1 = dataclasses.replace(SOUND, host_key_algorithms=("ssh-rsa-cert-v01@openssh.com", "ssh-rsa"))
    assert judged(sha1)["SSH-HOSTKEY-WEAK"].severity is Severity.LOW
    both = dataclasses.replace(sha1, host_key_algorithms=("ssh-rsa-cert-v01@openssh.com", "rsa-sha2-512"))
    assert "SSH-HOSTKEY-WEAK" not in judged(both)


@pytest.mark.parametrize(
    ("algorithms", "is_weak"),
    [
        (("x509v3-ssh-rsa", "ssh-rsa"), True),
        (("x509v3-ssh-rsa",), True),
        (("x509v3-ssh-rsa", "rsa-sha2-256", "ssh-rsa"), False),
        (("x509v3-ssh-rsa", "x509v3-rsa2048-sha256"), False),
    ],
)
def test_an_rsa_key_in_an_x509_certificate_signs_with_sha1_unless_it_says_otherwise(
    algorithms: tuple[str, ...], is_weak: bool
) -> None:
    found = judged(dataclasses.replace(SOUND, host_key_algorithms=algorithms))
    assert ("SSH-HOSTKEY-WEAK" in found) is is_weak
    assert not is_weak or found["SSH-HOSTKEY-WEAK"].severity is Severity.LOW


def test_keyboard_interactive_alone_may_be_a_second_factor() -> None:
    facts = dataclasses.replace(SOUND, auth_methods=("publickey", "keyboard-interactive"))
    assert judged(facts)["SSH-PASSWORD"].confidence is Confidence.POSSIBLE
    assert "SSH-PASSWORD" not in judged(dataclasses.replace(SOUND, auth_methods=("publickey",)))


@pytest.mark.parametrize(("spoilt", "methods"), [(False, ("publickey", "password")), (True, None)])
def test_what_version_1_says_counts_only_with_its_checksum(
    spoilt: bool, methods: tuple[str, ...] | None, tmp_path: Path
) -> None:
    message = key_of_version_1(1024, (2, 3))
    message = message[:-1] + bytes([message[-1] ^ spoilt])
    with scripted(2230, lambda _: message, banner=b"SSH-1.5-1.2.27\n")(ADDRESS, tmp_path):
        facts = asyncio.run(ssh.look(contact(ADDRESS, 2230, Level.GREETING)))
    assert facts.auth_methods == methods
    assert [(key.algorithm, key.bits) for key in facts.host_keys] == ([] if spoilt else [("rsa1", 1024)])


def test_version_1_99_offers_version_1() -> None:
    assert judged(dataclasses.replace(SOUND, banner="SSH-1.99-Cisco-1.25"))["SSH-V1"].severity is Severity.HIGH
