"""Services whose first answer misleads: they refuse one question and serve all the others, or put everyone off."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

from tests.lab.access_cases import vsftpd
from tests.lab.case import LabCase, Start, process, program
from tests.lab.data_cases import give_to, run_as
from tests.lab.data_fake_cases import mongodb_secondary
from tests.lab.greeting_cases import connection_start
from tests.lab.http_answers import together
from tests.lab.scripted import Speak, scripted, speaks
from tests.lab.sharing_cases import rsyncd, slapd
from tests.lab.ssh_cases import sshd
from tests.lab.udp import scripted_udp

_EVERYTHING_BUT_DANGEROUS = "user default on nopass ~* &* +@all -@dangerous\n"
"""INFO is one of the dangerous commands; GET, SET and the scripts are not."""


@contextlib.contextmanager
def _redis(address: str, folder: Path) -> Iterator[None]:
    configuration = folder / "redis.conf"
    configuration.write_text(f'bind {address}\nsave ""\n{_EVERYTHING_BUT_DANGEROUS}')
    with process([program("redis-server"), str(configuration)], folder=folder, wait_for=(address, 6379)):
        yield


@contextlib.contextmanager
def _pgbouncer(address: str, folder: Path) -> Iterator[None]:
    """A pooler that lets in whoever names its one database, which is not ``postgres``."""
    give_to("postgres", folder)
    configuration = folder / "pgbouncer.ini"
    configuration.write_text(
        f"[databases]\nrecords = host=127.0.0.1 port=1\n"
        f"[pgbouncer]\nlisten_addr={address}\nlisten_port=6432\nauth_type=any\nunix_socket_dir=\n"
    )
    command = [*run_as("postgres"), program("pgbouncer"), str(configuration)]
    with process(command, folder=folder, wait_for=(address, 6432)):
        yield


def _ftp_to_nowhere(request: bytes) -> bytes | None:
    """Let everyone in, and find no folder to show."""
    answers = {b"FEAT": b"211 End\r\n", b"AUTH": b"502 No\r\n", b"USER": b"331 Go on\r\n", b"PASS": b"230 Welcome\r\n"}
    return answers.get(request[:4], b"550 Can't change directory to /srv/ftp: no such file or directory\r\n")


@contextlib.contextmanager
def _vsftpd_for_listed_users(address: str, folder: Path) -> Iterator[None]:
    """It turns away whoever is not on its list before it asks for a password, inside TLS as outside."""
    (folder / "users").write_text("alice\n")
    listed = (f"userlist_file={folder}/users", "userlist_enable=YES", "userlist_deny=NO", "anonymous_enable=NO")
    with vsftpd(21, *listed, "force_local_logins_ssl=NO", tls=True)(address, folder):
        yield


def _parrot(saying: bytes) -> Speak:
    """Say one thing, whatever is asked: what spoofs open ports has a banner for each and no more."""

    def speak(connection: socket.socket) -> None:
        connection.sendall(saying)
        while connection.recv(4096):
            connection.sendall(saying)

    return speak


def _memcached_router(request: bytes) -> bytes | None:
    """Statistics of its own, which don't begin with the process number."""
    answers = {b"version\r\n": b"VERSION 1.6.18\r\n", b"stats\r\n": b"STAT uptime 5\r\nSTAT pid 7\r\nEND\r\n"}
    return answers.get(request, b"ERROR\r\n")


def _greylisting(request: bytes) -> bytes | None:
    answers = {b"EHLO": b"250-mx\r\n250 SIZE 1000\r\n", b"VRFY": b"502 No\r\n", b"QUIT": None}
    later = b"450 4.2.0 <relay-test@example.net>: Recipient address rejected: Greylisted, come back in 300 seconds\r\n"
    return later if request.startswith(b"RCPT") else answers.get(request[:4], b"250 OK\r\n")


def _defers_relaying(request: bytes) -> bytes | None:
    """As Postfix of the last decade by default (``defer_unauth_destination``)."""
    later = b"454 4.7.1 <relay-test@example.net>: Relay access denied\r\n"
    return later if request.startswith(b"RCPT") else _greylisting(request)


def _imap(request: bytes) -> bytes | None:
    """An IMAP server whose greeting says nothing of IMAP, as its administrator wished."""
    tag, _, command = request.strip().partition(b" ")
    listed = b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n" if command.upper() == b"CAPABILITY" else b""
    return listed + tag + (b" OK\r\n" if listed else b" BAD\r\n")


def _rabbitmq_4(request: bytes) -> bytes | None:
    """List the anonymous mechanism to everyone, and keep its user to the broker's own machine."""
    if request == b"AMQP\x00\x00\x09\x01":
        return connection_start(b"ANONYMOUS AMQPLAIN PLAIN")
    text = b"ACCESS_REFUSED - Login was refused using authentication mechanism ANONYMOUS."
    close = b"\x00\x0a\x00\x32" + struct.pack(">HB", 403, len(text)) + text + bytes(4)
    return (
        b"\x01\x00\x00" + struct.pack(">I", len(close)) + close + b"\xce" if request[7:11] == b"\0\x0a\0\x0b" else None
    )


def _resolver_without_a_version(request: bytes) -> bytes | None:
    """Resolve for everyone, and ignore every class but IN, as dnscache does."""
    question = request[12:]
    if len(request) < 17 or question[-2:] != b"\x00\x01":
        return None
    address = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x0e\x10\x00\x04\xcb\x00\x71\x05"
    asks_for_address = question[-4:-2] == b"\x00\x01"
    counts = struct.pack(">4H", 1, asks_for_address, 0, 0)
    return request[:2] + b"\x81\x80" + counts + question + (address if asks_for_address else b"")


def _after(seconds: float, port: int, behind: tuple[str, int]) -> Start:
    """Stand before another server, and look up the client's name before any of it is heard."""

    def speak(connection: socket.socket) -> None:
        time.sleep(seconds)
        with socket.create_connection(behind) as server:
            pair = (connection, server)
            for one in pair:
                one.settimeout(0.05)
            while True:
                for source, sink in (pair, pair[::-1]):
                    with contextlib.suppress(TimeoutError):
                        if not (data := source.recv(65536)):
                            return
                        sink.sendall(data)

    return speaks(port, speak)


def _late_ssh(address: str, folder: Path) -> contextlib.AbstractContextManager[None]:
    behind = sshd(port=2200)
    return together(behind, _after(2.5, 22, (address, 2200)))(address, folder)


CASES = (
    LabCase(
        name="redis-open-but-for-dangerous-commands",
        address="127.10.47.1",
        ports="6379",
        start=_redis,
        expected=frozenset({(6379, "SVC-REDIS-UNAUTH"), (6379, "DB-CLEARTEXT")}),
        silent=frozenset({"SVC-REDIS-EXPOSED"}),
        tolerated=frozenset({"SW-EOL-APP"}),
        needs=("redis-server",),
    ),
    LabCase(
        name="mongodb-open-secondary",
        address="127.10.47.2",
        ports="27017",
        start=scripted(27017, mongodb_secondary),
        expected=frozenset({(27017, "SVC-MONGODB-UNAUTH"), (27017, "DB-CLEARTEXT")}),
        silent=frozenset({"SVC-MONGODB-EXPOSED"}),
        tolerated=frozenset({"SW-EOL-APP"}),
    ),
    LabCase(
        name="pgbouncer-without-our-database",
        address="127.10.47.3",
        ports="6432",
        start=_pgbouncer,
        expected=frozenset({(6432, "SVC-POSTGRES-EXPOSED"), (6432, "DB-CLEARTEXT")}),
        silent=frozenset({"SVC-POSTGRES-UNAUTH"}),
        services=frozenset({(6432, "postgresql")}),
        outcome="partial",
        needs=("pgbouncer",),
    ),
    LabCase(
        name="ssh-of-nist-curves-with-a-short-key",
        address="127.10.47.4",
        ports="22",
        start=sshd(
            *("KexAlgorithms=ecdh-sha2-nistp384", "Ciphers=chacha20-poly1305@openssh.com", "RequiredRSASize=1024"),
            "MACs=hmac-sha2-512-etm@openssh.com",
            key=("-t", "rsa", "-b", "1024"),
        ),
        expected=frozenset({(22, "SSH-HOSTKEY-WEAK"), (22, "SSH-PASSWORD")}),
        silent=frozenset({"SSH-KEX-WEAK", "SSH-CIPHER-WEAK", "SSH-MAC-WEAK", "SSH-TERRAPIN"}),
        level=2,
    ),
    LabCase(
        name="ssh-of-chosen-groups-and-cbc",
        address="127.10.47.5",
        ports="22",
        start=sshd(
            *("KexAlgorithms=diffie-hellman-group-exchange-sha256", "Ciphers=aes256-cbc", "MACs=hmac-sha2-512"),
            "PasswordAuthentication=no",
            "KbdInteractiveAuthentication=no",
        ),
        expected=frozenset({(22, "SSH-CIPHER-WEAK")}),
        silent=frozenset({"SSH-PASSWORD", "SSH-KEX-WEAK", "SSH-HOSTKEY-WEAK"}),
        level=2,
    ),
    LabCase(
        name="ssh-that-looks-the-client-up-first",
        address="127.10.47.6",
        ports="22",
        start=_late_ssh,
        expected=frozenset({(22, "SSH-PASSWORD"), (22, "SSH-MAC-WEAK")}),
        services=frozenset({(22, "ssh")}),
        level=2,
    ),
    LabCase(
        name="servers-that-take-one-connection-of-an-address",
        address="127.10.47.16",
        ports="21,22",
        start=together(sshd("PerSourceMaxStartups=1"), vsftpd(21, "anonymous_enable=YES", "max_per_ip=1")),
        expected=frozenset({(22, "SSH-PASSWORD"), (22, "SSH-MAC-WEAK"), (21, "CLR-FTP"), (21, "FTP-ANON")}),
        services=frozenset({(22, "ssh"), (21, "ftp")}),
        level=2,
        needs=("vsftpd",),
    ),
    LabCase(
        name="ftp-anonymous-inside-tls-only",
        address="127.10.47.7",
        ports="21",
        start=vsftpd(21, "anonymous_enable=YES", "allow_anon_ssl=YES", "force_anon_logins_ssl=YES", tls=True),
        expected=frozenset({(21, "FTP-ANON"), (21, "CERT-SELFSIGNED")}),
        silent=frozenset({"CLR-FTP", "FTP-TLS-OPTIONAL"}),
        tolerated=frozenset({"CERT-UNTRUSTED", "TLS-CBC", "TLS-MTLS"}),
        level=2,
        needs=("vsftpd",),
    ),
    LabCase(
        name="servers-that-let-in-to-nowhere-and-put-off",
        address="127.10.47.8",
        ports="21,25",
        start=together(
            scripted(21, _ftp_to_nowhere, banner=b"220 FTP server ready\r\n"),
            scripted(25, _greylisting, banner=b"220 mx ESMTP\r\n"),
        ),
        expected=frozenset({(21, "CLR-FTP"), (25, "SMTP-NOSTARTTLS")}),
        silent=frozenset({"FTP-ANON", "SMTP-OPENRELAY"}),
        level=2,
        outcome="partial",
    ),
    LabCase(
        name="ftp-that-refuses-unlisted-users-by-name",
        address="127.10.47.14",
        ports="21",
        start=_vsftpd_for_listed_users,
        expected=frozenset({(21, "CERT-SELFSIGNED")}),
        silent=frozenset({"CLR-FTP", "FTP-TLS-OPTIONAL", "FTP-ANON"}),
        tolerated=frozenset({"CERT-UNTRUSTED", "TLS-CBC", "TLS-MTLS"}),
        outcome="partial",
        needs=("vsftpd",),
    ),
    LabCase(
        name="parrots-and-a-server-that-dislikes-our-name",
        address="127.10.47.15",
        ports="21,25,2525,11211",
        start=together(
            speaks(21, _parrot(b"220 FTP server ready\r\n")),
            speaks(25, _parrot(b"220 mx ESMTP\r\n")),
            scripted(
                2525, lambda _: b"550 5.7.1 Helo command rejected: Host not found\r\n", banner=b"220 mx ESMTP\r\n"
            ),
            scripted(11211, _memcached_router),
        ),
        expected=frozenset({(11211, "SVC-MEMCACHED-UNAUTH")}),
        silent=frozenset({"CLR-FTP", "FTP-ANON", "SMTP-NOSTARTTLS", "SMTP-OPENRELAY"}),
        tolerated=frozenset({"SW-EOL-APP"}),
        level=2,
        outcome="partial",
    ),
    LabCase(
        name="servers-in-chinese-and-with-a-polite-refusal",
        address="127.10.47.9",
        ports="23,25,143,2323,5672",
        start=together(
            scripted(23, lambda _: b"", banner="\r\n用户名：".encode()),
            scripted(2323, lambda _: b"", banner=b"\xff\xfd\x01\xff\xfb\x01\r\n" + "密码:".encode("gb18030")),
            scripted(25, _defers_relaying, banner=b"220 mx ESMTP\r\n"),
            scripted(143, _imap, banner="* OK 欢迎\r\n".encode()),
            scripted(5672, _rabbitmq_4),
        ),
        expected=frozenset(
            {
                *((23, "CLR-TELNET"), (2323, "CLR-TELNET"), (25, "SMTP-NOSTARTTLS")),
                *((5672, "SVC-AMQP-EXPOSED"), (5672, "DB-CLEARTEXT"), (143, "IMAP-CLEAR")),
            }
        ),
        silent=frozenset({"SVC-AMQP-UNAUTH", "SMTP-OPENRELAY"}),
        level=2,
    ),
    LabCase(
        name="ldap-that-refuses-the-bind-alone",
        address="127.10.47.10",
        ports="389",
        start=slapd(settings="disallow bind_anon"),
        expected=frozenset({(389, "SVC-LDAP-UNAUTH"), (389, "LDAP-CLEAR"), (389, "LDAP-ANON")}),
        silent=frozenset({"SVC-LDAP-EXPOSED"}),
        level=2,
        needs=("slapd",),
    ),
    LabCase(
        name="ldap-that-wants-a-log-in",
        address="127.10.47.11",
        ports="389",
        start=slapd(settings="disallow bind_anon\nrequire authc"),
        expected=frozenset({(389, "SVC-LDAP-EXPOSED"), (389, "LDAP-CLEAR")}),
        silent=frozenset({"SVC-LDAP-UNAUTH", "LDAP-ANON"}),
        level=2,
        needs=("slapd",),
    ),
    LabCase(
        name="rsync-with-a-message-that-looks-like-a-module",
        address="127.10.47.12",
        ports="873",
        start=rsyncd(873, "[secret]\npath = {folder}/data\nlist = no\n", message="Contact:\troot@lab.example\n"),
        silent=frozenset({"RSYNC-OPEN"}),
        services=frozenset({(873, "rsync")}),
        needs=("rsync",),
    ),
    LabCase(
        name="dns-that-ignores-the-question-for-its-version",
        address="127.10.47.13",
        ports="U:53",
        start=scripted_udp(53, _resolver_without_a_version),
        expected=frozenset({("53/udp", "DNS-RECURSION")}),
        silent=frozenset({"DNS-VERSION", "DNS-AMP-ANY"}),
    ),
)
