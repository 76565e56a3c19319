"""The hello sweep against servers that fail, lie, or hide something behind something else."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from scanner.engine.errors import ProbeError
from scanner.engine.facts.tls import Answer, TlsVersion
from scanner.engine.probes.tls_flight import FlightReader
from tests import lab
from tests.lab.broken_tls import alert, offered
from tests.lab.case import process, program
from tests.lab.lab_ca import INTERMEDIATE, issue, rsa_key
from tests.lab.odd_tls import relay_unless, running, server, sweep
from tests.lab.tls_servers import modern_nginx, nginx_server, run_nginx, write_pair

INTERNAL_ERROR = 80
DHE_RSA_AES_GCM = (0x009E, 0x009F)
TLSLITE = str(Path(lab.__file__).with_name("tlslite_server.py"))
OLD_NGINX = "tls-nginx-old-versions"


@contextlib.contextmanager
def gnutls(port: int, priority: str, folder: Path) -> Iterator[None]:
    """Run gnutls-serv, on all addresses as it always does."""
    write_pair(folder, issue("s.lab", INTERMEDIATE, names=["s.lab"], key=rsa_key(2048)))
    command = [program("gnutls-serv"), "--quiet", "--http", "--port", str(port), "--priority", priority]
    command += ["--x509certfile", "server.pem", "--x509keyfile", "server.key", "--disable-client-cert"]
    with process(command, folder=folder, wait_for=("127.10.4.1", port)):
        yield


@pytest.mark.lab
@pytest.mark.parametrize("reply", [alert(INTERNAL_ERROR), b""], ids=["internal_error", "closed"])
def test_suites_behind_one_that_makes_the_server_fail_are_found(reply: bytes) -> None:
    def fails_on_dhe(hello: bytes) -> bytes | None:
        return reply if hello[:1] == b"\x16" and set(offered(hello[5:])[1]) & {*DHE_RSA_AES_GCM} else None

    with running(OLD_NGINX) as (address, port), server(relay_unless(fails_on_dhe, address, port)) as failing:
        facts = sweep(failing)
        again = sweep(failing, again=facts)
    assert facts.complete, facts.ended
    assert facts.accepts(TlsVersion.TLS12) is Answer.YES
    exchanges = {suite.suite.partition("_WITH_")[0] for suite in facts.suites if suite.version is TlsVersion.TLS12}
    assert {"TLS_RSA", "TLS_ECDHE_RSA"} <= exchanges
    assert facts.compression is Answer.NO
    assert again.complete, again.ended
    assert {suite.suite for suite in again.suites} <= {suite.suite for suite in facts.suites}
    assert again.accepts(TlsVersion.TLS12) is Answer.YES


@pytest.mark.lab
def test_a_server_that_fails_on_newer_signatures_is_asked_without_them(tmp_path: Path) -> None:
    """tlslite-ng picks RSA-PSS with SHA-512, which a key of 1024 bits has no room for, and breaks off."""
    settings = '{"minVersion": [3, 3], "maxVersion": [3, 3], "versions": [[3, 3]], "keyExchangeNames": ["ecdhe_rsa"]}'
    write_pair(tmp_path, issue("s.lab", INTERMEDIATE, names=["s.lab"], key=rsa_key(1024)))
    command = [sys.executable, TLSLITE, "127.10.4.2", "4465", str(tmp_path), settings]
    with process(command, folder=tmp_path, wait_for=("127.10.4.2", 4465)):
        facts = sweep(4465, "127.10.4.2")
        again = sweep(4465, "127.10.4.2", again=facts)
    assert facts.accepts(TlsVersion.TLS12) is again.accepts(TlsVersion.TLS12) is Answer.YES
    assert len(facts.suites) > 3
    assert again.chains == facts.chains


@pytest.mark.lab
def test_a_weak_curve_under_tls_1_3_is_found_and_confirmed(tmp_path: Path) -> None:
    priority = "NONE:+VERS-TLS1.3:+AES-128-GCM:+AEAD:+ECDHE-RSA:+SIGN-ALL:+CTYPE-X509:+COMP-NULL"
    with gnutls(4466, f"{priority}:+GROUP-SECP256R1:+GROUP-SECP192R1", tmp_path):
        facts = sweep(4466)
        again = sweep(4466, again=facts)
    assert {"secp256r1", "secp192r1"} <= {*facts.groups}
    assert "secp192r1" in again.groups


@pytest.mark.lab
def test_gnutls_without_diffie_hellman_parameters_is_seen_whole(tmp_path: Path) -> None:
    priority = "NONE:+VERS-TLS1.2:+AES-128-GCM:+AEAD:+DHE-RSA:+ECDHE-RSA:+RSA:+GROUP-SECP256R1:+SIGN-ALL:+CTYPE-X509"
    with gnutls(4461, f"{priority}:+COMP-NULL:%SERVER_PRECEDENCE", tmp_path):
        facts = sweep(4461)
    assert facts.complete, facts.ended
    assert {suite.suite for suite in facts.suites} == {
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_RSA_WITH_AES_128_GCM_SHA256",
    }


@pytest.mark.lab
def test_a_certificate_with_tickets_right_behind_it_is_read_under_tls_1_3(tmp_path: Path) -> None:
    priority = "NONE:+VERS-TLS1.3:+AES-256-GCM:+AEAD:+GROUP-SECP256R1:+SIGN-ALL:+ECDHE-RSA:+CTYPE-X509:+COMP-NULL"
    with gnutls(4462, priority, tmp_path):
        facts = [sweep(4462) for _ in range(3)]
    assert [each.ended for each in facts] == ["", "", ""]
    assert {len(each.chains) for each in facts} == {1}


@pytest.mark.lab
def test_a_leaf_that_only_tls_1_3_shows_is_seen_beside_that_of_tls_1_2(tmp_path: Path) -> None:
    both = issue("two.lab", INTERMEDIATE, names=["two.lab"], key=rsa_key(2048))
    write_pair(tmp_path, issue("two.lab", INTERMEDIATE, names=["two.lab"]), "second")
    second = "TLSv1.2 TLSv1.3; ssl_certificate second.pem; ssl_certificate_key second.key"
    start = modern_nginx(4463, both, protocols=second, ciphers="ECDHE-RSA-AES128-GCM-SHA256")
    with start("127.10.4.2", tmp_path):
        facts = sweep(4463, "127.10.4.2")
    assert facts.complete, facts.ended
    assert len(facts.chains) == 2


@pytest.mark.lab
def test_a_weak_curve_is_found_where_the_key_is_elliptic(tmp_path: Path) -> None:
    """nginx refuses a hello without the curve of its own key."""
    own = issue("ec.lab", INTERMEDIATE, names=["ec.lab"], key=ec.generate_private_key(ec.SECP256R1()))
    write_pair(tmp_path, own)
    directives = "ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers ECDHE+AESGCM:@SECLEVEL=0;"
    directives += " ssl_ecdh_curve secp224r1:prime256v1;"
    with run_nginx("127.10.4.2", 4464, tmp_path, nginx_server("127.10.4.2:4464 ssl", directives)):
        facts = sweep(4464, "127.10.4.2")
    assert "secp224r1" in facts.groups
    assert facts.complete, facts.ended


@pytest.mark.lab
@pytest.mark.parametrize("reply", [b"", alert(70), alert(47)], ids=["closed", "protocol_version", "illegal_parameter"])
def test_a_server_that_can_not_bear_newer_versions_is_swept_in_its_own(reply: bytes) -> None:
    def intolerant(hello: bytes) -> bytes | None:
        return reply if hello[:1] != b"\x16" or offered(hello[5:])[0] > 0x0301 else None

    with running(OLD_NGINX) as (address, port), server(relay_unless(intolerant, address, port)) as old:
        facts = sweep(old)
    assert facts.accepts(TlsVersion.TLS10) is Answer.YES
    assert facts.accepts(TlsVersion.TLS12) is facts.accepts(TlsVersion.TLS13) is Answer.NO
    assert facts.complete, facts.ended
    assert facts.connections < 200


@pytest.mark.lab
def test_a_warning_before_the_hello_is_no_refusal() -> None:
    """RFC 6066 section 3 lets a server warn of an unknown name and go on."""

    with running("tls-only-rsa-key-exchange") as (address, port):

        def warn(connection: socket.socket) -> None:
            connection.sendall(b"\x15\x03\x03\x00\x02\x01\x70")
            relay_unless(lambda _: None, address, port)(connection)

        with server(warn) as warning:
            facts = sweep(warning)
    assert facts.accepts(TlsVersion.TLS12) is Answer.YES
    assert facts.complete, facts.ended


def _hello_of(version: int, suite: int) -> bytes:
    body = version.to_bytes(2) + bytes(32) + b"\x00" + suite.to_bytes(2) + b"\x00"
    message = b"\x02" + len(body).to_bytes(3) + body + b"\x0e\x00\x00\x00"
    return b"\x16" + version.to_bytes(2) + len(message).to_bytes(2) + message


@pytest.mark.parametrize("suite", [0x1301, 0xABCD, 0x002F])
def test_a_server_that_gives_every_hello_the_same_answer_is_not_asked_for_ever(suite: int) -> None:
    def lie(connection: socket.socket) -> None:
        connection.recv(16_384)
        connection.sendall(_hello_of(0x0303, suite))

    with server(lie) as lying:
        facts = sweep(lying)
    assert facts.connections < 80
    assert facts.accepts(TlsVersion.TLS13) is not Answer.YES
    assert not facts.chains


def test_a_server_that_accepts_and_then_says_nothing_more_is_told_as_incomplete() -> None:
    asked = iter(range(1_000_000))

    def tire(connection: socket.socket) -> None:
        connection.recv(16_384)
        if next(asked) < 3:
            connection.sendall(_hello_of(0x0303, 0x002F))
        else:
            connection.recv(1)

    with server(tire) as tiring:
        facts = sweep(tiring)
    assert not facts.complete
    assert Answer.NO not in {answer for _, answer in facts.versions}


@pytest.mark.parametrize("size", [1, 3, 7, 512])
def test_a_message_cut_into_small_records_is_put_together(size: int) -> None:
    message = _hello_of(0x0303, 0x002F)[5:]
    pieces = [message[at : at + size] for at in range(0, len(message), size)]
    reader = FlightReader()
    for piece in pieces:
        reader.feed(b"\x16\x03\x03" + len(piece).to_bytes(2) + piece)
    assert reader.flight.done
    assert reader.flight.suite == 0x002F


def test_a_server_that_only_ever_warns_is_a_probe_error() -> None:
    def nag(connection: socket.socket) -> None:
        connection.recv(16_384)
        connection.sendall(b"\x15\x03\x03\x00\x02\x01\x70")

    with server(nag) as nagging, pytest.raises(ProbeError):
        sweep(nagging)
