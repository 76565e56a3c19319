"""Mail: Postfix and Dovecot, closed and careless."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.lab.case import LabCase, Start, process, program
from tests.lab.certificate import self_signed
from tests.lab.scripted import scripted

_OWN_CERTIFICATE = frozenset({"CERT-SELFSIGNED", "CERT-UNTRUSTED"})
_OPPORTUNISTIC = frozenset({"TLS-ANON", "TLS-CBC", "TLS-RSA-KX", "TLS-SCSV", "TLS-PREF", "TLS-RENEG-DOS"})
_POSTFIX_DEFAULT = frozenset({"TLS-V10", "TLS-V11", "TLS-DH-WEAK", "TLS-SIGHASH"})

OWN_USERS = ("mydestination = lab.example, mail.lab.example", "local_recipient_maps = unix:passwd.byname")
"""Postfix's default: mail is for the users of the machine."""


def postfix(port: int, *lines: str, tls: bool = False) -> Start:
    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        folder.chmod(0o755)
        configuration, queue, data = folder / "etc", folder / "queue", folder / "data"
        for part in (configuration, queue, data):
            part.mkdir()
        shutil.chown(data, "postfix")
        settings = [
            f"queue_directory = {queue}\ndata_directory = {data}\nmail_owner = postfix\nsetgid_group = postdrop",
            "compatibility_level = 3.6\nmyhostname = mail.lab.example\nmydestination = lab.example",
            "inet_protocols = ipv4\nmaillog_file = /dev/stdout\nalias_maps =\nlocal_recipient_maps =",
            "inet_interfaces = 127.0.0.1\ndaemon_directory = /usr/lib/postfix/sbin\ncommand_directory = /usr/sbin",
            *lines,
        ]
        if tls:
            certificate, key = self_signed(folder, address)
            settings.append(f"smtpd_tls_security_level = may\nsmtpd_tls_cert_file = {certificate}")
            settings.append(f"smtpd_tls_key_file = {key}")
        (configuration / "main.cf").write_text("\n".join(settings) + "\n")
        (configuration / "master.cf").write_text(
            f"{address}:{port} inet n - n - - smtpd\n"
            "cleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\nrewrite unix - - n - - trivial-rewrite\n"
            "tlsmgr unix - - n 1000? 1 tlsmgr\nanvil unix - - n - 1 anvil\nproxymap unix - - n - - proxymap\n"
            "error unix - - n - - error\nlocal unix - n n - - local\npostlog unix-dgram n - n - 1 postlogd\n"
        )
        command = [program("postfix"), "-c", str(configuration), "start-fg"]
        with process(command, folder=folder, wait_for=(address, port)):
            try:
                yield
            finally:  # its children have process groups of their own
                subprocess.run([program("postfix"), "-c", str(configuration), "abort"], check=True, capture_output=True)

    return start


def dovecot(*lines: str, tls: bool = False) -> Start:
    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        folder.chmod(0o755)
        settings = [
            f"base_dir = {folder}/run\nstate_dir = {folder}/state\nprotocols = imap pop3\nlisten = {address}",
            "log_path = /dev/stderr\npassdb {\n driver = static\n args = password=only-for-the-lab\n}",
            "userdb {\n driver = static\n args = uid=mail gid=mail home=/nonexistent\n}",
            "service imap-login {\n inet_listener imaps {\n port = 0\n }\n}",
            "service pop3-login {\n inet_listener pop3s {\n port = 0\n }\n}",
        ]
        if tls:
            certificate, key = self_signed(folder, address)
            settings.append(f"ssl = yes\nssl_cert = <{certificate}\nssl_key = <{key}")
        else:
            settings.append("ssl = no")
        settings += lines
        configuration = folder / "dovecot.conf"
        configuration.write_text("\n".join(settings) + "\n")
        command = [program("dovecot"), "-F", "-c", str(configuration)]
        with process(command, folder=folder, wait_for=(address, 143)):
            yield

    return start


def _smtp_that_knows_its_own(request: bytes) -> bytes | None:
    """A server that confirms addresses and takes passwords in clear, as old ones did."""
    verb = request[:4].upper()
    if verb == b"VRFY" and b"postmaster" not in request:
        return b"550 5.1.1 User unknown\r\n"
    answers = {
        b"EHLO": b"250-old.lab.example\r\n250-STARTTLSX\r\n250-AUTH PLAIN LOGIN\r\n250 VRFY\r\n",
        b"VRFY": b"250 Postmaster <postmaster@lab.example>\r\n",
        b"QUIT": None,
    }
    return answers.get(verb, b"502 Command not implemented\r\n")


def _smtp_that_says_yes(request: bytes) -> bytes | None:
    """A server that answers every name alike, as gateways do that know no mailbox."""
    answers = {b"EHLO": b"250-mx.lab.example\r\n250 VRFY\r\n", b"VRFY": b"250 2.1.5 OK\r\n", b"QUIT": None}
    return answers.get(request[:4].upper(), b"502 What?\r\n")


def _nameless_smtp(request: bytes) -> bytes | None:
    """A mail server whose greeting names no protocol."""
    answers = {b"EHLO": b"250-mx.lab.example\r\n250 SIZE 1000000\r\n", b"VRFY": b"252 Try it\r\n", b"QUIT": None}
    return answers.get(request[:4].upper(), b"502 What?\r\n")


CASES = (
    LabCase(
        name="smtp-that-confirms-every-name",
        address="127.10.10.108",
        ports="25",
        start=scripted(25, _smtp_that_says_yes, banner=b"220 mx.lab.example ESMTP\r\n"),
        expected=frozenset({(25, "SMTP-NOSTARTTLS")}),
        silent=frozenset({"SMTP-VRFY"}),
    ),
    LabCase(
        name="smtp-without-a-name",
        address="127.10.10.106",
        ports="2500",
        start=scripted(2500, _nameless_smtp, banner=b"220 mx.lab.example ready\r\n"),
        expected=frozenset({(2500, "SMTP-NOSTARTTLS")}),
        services=frozenset({(2500, "smtp")}),
        silent=frozenset({"CLR-FTP", "SMTP-VRFY"}),
    ),
    LabCase(
        name="postfix-closed",
        address="127.10.10.101",
        ports="25",
        start=postfix(25, "mynetworks =", "smtpd_relay_restrictions = reject_unauth_destination", tls=True),
        tolerated=_OWN_CERTIFICATE | _OPPORTUNISTIC | _POSTFIX_DEFAULT,
        silent=frozenset({"SMTP-OPENRELAY", "SMTP-NOSTARTTLS", "SMTP-VRFY", "SMTP-AUTH-CLEAR", "DB-CLEARTEXT"}),
        services=frozenset({(25, "smtp")}),
        level=2,
        needs=("postfix",),
    ),
    LabCase(
        name="postfix-open-relay-odd-port",
        address="127.10.10.102",
        ports="2526",
        start=postfix(
            2526, "mynetworks = 0.0.0.0/0", "smtpd_relay_restrictions = permit_mynetworks, reject", *OWN_USERS
        ),
        expected=frozenset({(2526, "SMTP-OPENRELAY"), (2526, "SMTP-NOSTARTTLS"), (2526, "SMTP-VRFY")}),
        silent=frozenset({"DB-CLEARTEXT"}),
        services=frozenset({(2526, "smtp")}),
        level=2,
        needs=("postfix",),
    ),
    LabCase(
        name="postfix-open-relay-that-checks-senders",
        address="127.10.10.107",
        ports="25",
        start=postfix(
            25,
            "mynetworks = 0.0.0.0/0",
            "smtpd_sender_restrictions = reject_unknown_sender_domain",
            "smtpd_relay_restrictions = permit_mynetworks, reject",
            tls=True,
        ),
        expected=frozenset({(25, "SMTP-OPENRELAY")}),
        tolerated=_OWN_CERTIFICATE | _OPPORTUNISTIC | _POSTFIX_DEFAULT,
        silent=frozenset({"SMTP-NOSTARTTLS", "SMTP-AUTH-CLEAR"}),
        services=frozenset({(25, "smtp")}),
        level=2,
        needs=("postfix",),
    ),
    LabCase(
        name="smtp-passwords-in-clear",
        address="127.10.10.103",
        ports="587",
        start=scripted(587, _smtp_that_knows_its_own, banner=b"220 old.lab.example ESMTP ready\r\n"),
        expected=frozenset({(587, "SMTP-AUTH-CLEAR"), (587, "SMTP-NOSTARTTLS"), (587, "SMTP-VRFY")}),
        silent=frozenset({"SMTP-OPENRELAY"}),
    ),
    LabCase(
        name="dovecot-tls-required",
        address="127.10.10.104",
        ports="110,143",
        start=dovecot("disable_plaintext_auth = yes", tls=True),
        tolerated=_OWN_CERTIFICATE | _OPPORTUNISTIC,
        silent=frozenset({"IMAP-CLEAR", "POP-CLEAR", "DB-CLEARTEXT"}),
        services=frozenset({(110, "pop3"), (143, "imap")}),
        needs=("dovecot",),
    ),
    LabCase(
        name="dovecot-passwords-in-clear",
        address="127.10.10.105",
        ports="110,143",
        start=dovecot("disable_plaintext_auth = no"),
        expected=frozenset({(110, "POP-CLEAR"), (143, "IMAP-CLEAR")}),
        silent=frozenset({"DB-CLEARTEXT"}),
        needs=("dovecot",),
    ),
)
