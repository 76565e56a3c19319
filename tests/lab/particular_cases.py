"""Mail, file and desktop servers that mean well in a way of their own: TLS first, terms of use, certified keys."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.lab.case import LabCase, program
from tests.lab.certificate import self_signed
from tests.lab.http_answers import together
from tests.lab.scripted import Answer, listening, scripted
from tests.lab.ssh_cases import sshd

_TERMS = b"".join(
    b"220-Paragraph %d: use without permission is prohibited and will be prosecuted.\r\n" % n for n in range(300)
)


def _file_server(request: bytes) -> bytes | None:
    """Hang up on who speaks as to a mail server, as ProFTPD does against attacks across protocols (ALPACA)."""
    verb = request[:4].upper()
    answers: dict[bytes, bytes | None] = {
        b"EHLO": None,
        b"LHLO": None,
        b"FEAT": b"211-Features:\r\n UTF8\r\n211 End\r\n",
    }
    return answers.get(verb, b"500 not understood\r\n")


def _mailbox(request: bytes) -> bytes | None:
    """LMTP as Dovecot speaks it: it knows no EHLO, and neither name of the protocol is in its greeting."""
    answers = {b"LHLO": b"250-mail.lab.example\r\n250 PIPELINING\r\n", b"QUIT": b"221 Bye\r\n"}
    return answers.get(request[:4].upper(), b"500 5.5.1 Unknown command\r\n")


def _submission(request: bytes) -> bytes | None:
    """Mail is taken from those who log in, and a log-in inside TLS only; nobody is offered any here."""
    answers = {b"EHLO": b"250-mail.lab.example\r\n250 8BITMIME\r\n", b"MAIL": b"530 5.7.0 Authentication required.\r\n"}
    return answers.get(request[:4].upper(), b"502 5.5.1 No\r\n")


def _work_queue(request: bytes) -> bytes:
    """beanstalkd refuses every line that is no command of its own."""
    return b"UNKNOWN_COMMAND\r\n" * max(1, request.count(b"\r\n"))


def _within_tls(request: bytes) -> bytes | None:
    """A mail server that relays for everyone who has come as far as TLS."""
    answers = {b"EHLO": b"250 mx.lab.example\r\n", b"QUIT": None}
    return answers.get(request[:4].upper(), b"250 2.1.5 Ok\r\n")


def _before_tls(request: bytes) -> bytes | None:
    """What it says until then (RFC 3207 section 4)."""
    answers = {
        b"EHLO": b"250-mx.lab.example\r\n250 STARTTLS\r\n",
        b"STAR": b"220 2.0.0 Ready to start TLS\r\n",
        b"VRFY": b"530 5.7.0 Must issue a STARTTLS command first\r\n",
        b"MAIL": b"530 5.7.0 Must issue a STARTTLS command first\r\n",
        b"QUIT": None,
    }
    return answers.get(request[:4].upper(), b"502 5.5.2 What?\r\n")


def _converse(connection: socket.socket, answer: Answer) -> bytes:
    """Answer until there is no answer left; return the request that was last answered."""
    last = b""
    while not last.startswith(b"STARTTLS") and (request := connection.recv(4096)):
        reply = answer(request)
        if reply is None:
            break
        connection.sendall(reply)
        last = request
    return last


@contextlib.contextmanager
def _relay_inside_tls(address: str, folder: Path) -> Iterator[None]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*self_signed(folder, address))

    def speak(connection: socket.socket) -> None:
        connection.sendall(b"220 mx.lab.example ESMTP\r\n")
        if _converse(connection, _before_tls).startswith(b"STARTTLS"):
            with contextlib.suppress(ssl.SSLError), context.wrap_socket(connection, server_side=True) as inside:
                _converse(inside, _within_tls)

    with listening(address, 25, speak):
        yield


def _desktop(*sub_types: int) -> Answer:
    """RFB 3.8 with VeNCrypt alone (the rfbproto document, section "VeNCrypt"), of these sub-types."""
    listed = b"\x00" + bytes([len(sub_types)]) + b"".join(number.to_bytes(4, "big") for number in sub_types)
    answers = {b"RFB ": b"\x01\x13", b"\x13": b"\x00\x02", b"\x00\x02": listed}
    return lambda request: answers.get(request[:4])


@contextlib.contextmanager
def _ssh_with_certified_key(address: str, folder: Path) -> Iterator[None]:
    """OpenSSH that shows its host key in a certificate alone, of RSA, short and signed with SHA-1."""
    keygen = program("ssh-keygen")
    subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", folder / "authority"], check=True)
    subprocess.run([keygen, "-q", "-t", "rsa", "-b", "1024", "-N", "", "-f", folder / "key"], check=True)
    sign = [keygen, "-q", "-s", str(folder / "authority"), "-I", "lab", "-h", "-n", address, str(folder / "key.pub")]
    subprocess.run(sign, check=True)
    certificate = f"HostCertificate={folder / 'key-cert.pub'}"
    only = "HostKeyAlgorithms=ssh-rsa-cert-v01@openssh.com"
    options = ("RequiredRSASize=1024", certificate, only, "MACs=hmac-sha2-256")
    with sshd(*options, known=(folder / "key").read_bytes())(address, folder):
        yield


CASES = (
    LabCase(
        name="mail-relay-that-wants-tls-first",
        address="127.10.91.1",
        ports="25",
        start=_relay_inside_tls,
        expected=frozenset({(25, "SMTP-OPENRELAY")}),
        tolerated=frozenset({"CERT-SELFSIGNED"}),
        silent=frozenset({"SMTP-NOSTARTTLS", "SMTP-VRFY", "SMTP-AUTH-CLEAR"}),
        services=frozenset({(25, "smtp")}),
        level=2,
    ),
    LabCase(
        name="services-of-few-words",
        address="127.10.91.2",
        ports="24,2100,2526,11300",
        start=together(
            scripted(24, _mailbox, banner=b"220 mail.lab.example Dovecot ready.\r\n"),
            scripted(2100, _file_server, banner=_TERMS + b"220 Welcome\r\n"),
            scripted(2526, _submission, banner=b"220 mail.lab.example ESMTP\r\n"),
            scripted(11300, _work_queue),
        ),
        expected=frozenset({(2100, "CLR-FTP"), (2526, "SMTP-NOSTARTTLS")}),
        silent=frozenset({"SMTP-OPENRELAY", "FTP-ANON", "FTP-TLS-OPTIONAL"}),
        services=frozenset({(24, "lmtp"), (2100, "ftp"), (2526, "smtp"), (11300, "beanstalkd")}),
        level=2,
    ),
    LabCase(
        name="desktops-inside-vencrypt",
        address="127.10.91.3",
        ports="5901,5902",
        start=together(
            scripted(5901, _desktop(256), banner=b"RFB 003.008\n"),
            scripted(5902, _desktop(256, 259), banner=b"RFB 003.008\n"),
        ),
        expected=frozenset({(5901, "CLR-VNC")}),
        silent=frozenset({"SVC-VNC-UNAUTH"}),
        services=frozenset({(5901, "vnc"), (5902, "vnc")}),
    ),
    LabCase(
        name="desktops-of-ultravnc",
        address="127.10.160.14",
        ports="5901,5902",
        start=together(
            scripted(5901, lambda _: b"\x01\x71", banner=b"RFB 003.008\n"),
            scripted(5902, lambda _: b"\x02\x72\x73", banner=b"RFB 003.008\n"),
        ),
        expected=frozenset({(5901, "CLR-VNC")}),
        silent=frozenset({"SVC-VNC-UNAUTH"}),
        services=frozenset({(5901, "vnc"), (5902, "vnc")}),
    ),
    LabCase(
        name="ssh-key-in-a-certificate-alone",
        address="127.10.91.4",
        ports="22",
        start=_ssh_with_certified_key,
        expected=frozenset({(22, "SSH-HOSTKEY-WEAK"), (22, "SSH-PASSWORD")}),
        silent=frozenset({"SSH-KEX-WEAK", "SSH-MAC-WEAK", "SSH-TERRAPIN"}),
        services=frozenset({(22, "ssh")}),
        level=2,
    ),
)
