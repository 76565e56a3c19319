"""Every snippet that is called tested: the server starts weak and is found so, and with the snippet it is not any more.

What a snippet leaves to its reader (a certificate, an internal address, the own network) is put in here: the lab looks
from 127.0.0.1, which is nobody's own network, and listens at an address of the case.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from scanner.reports.remedy import Remedy, remedies
from tests.lab import web_sites as sites
from tests.lab.access_cases import vsftpd
from tests.lab.case import LabCase, Start, process, program
from tests.lab.certificate import self_signed
from tests.lab.check import Verdict, run_case
from tests.lab.mail_cases import OWN_USERS, dovecot, postfix
from tests.lab.network_cases import named, snmpd
from tests.lab.redis_cases import redis_server
from tests.lab.sharing_cases import rsyncd
from tests.lab.ssh_cases import sshd
from tests.lab.web_servers import apache, nginx

OWN_NETWORK = "192.0.2.0/24"

Make = Callable[[str], Start]
"""Starts a server with these lines of configuration."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One remedy on one server: ``make(weak)`` is found weak, ``make(snippet)`` is not.

    ``filled`` says what takes the place of what the snippet leaves to its reader.
    """

    product: str
    checks: tuple[str, ...]
    ports: str
    make: Make
    weak: str = ""
    filled: tuple[tuple[str, str], ...] = ()
    level: int = 1
    hostname: str | None = None

    @property
    def snippet(self) -> str:
        chosen = [
            each
            for each in remedies()
            if each.name == self.product and not self._is_about(each).isdisjoint(each.checks)
        ]
        text = "\n".join(each.snippet for each in chosen)
        for ours, theirs in self.filled:
            assert ours in text
            text = text.replace(ours, theirs)
        return text

    def _is_about(self, remedy: Remedy) -> set[str]:
        return set(self.checks) & set(remedy.tested)


def _nginx(lines: str) -> str:
    """A TLS server and a plain one; what returns something goes to the plain one."""
    redirect = [line for line in lines.splitlines() if line.startswith("return")]
    others = [line for line in lines.splitlines() if line not in redirect]
    plain = [*redirect, *(line for line in others if line.startswith("server_tokens"))]
    server = "server { listen @address@:443 ssl; " + "\n".join(others) + " }"
    return "server { listen @address@:80; " + "\n".join(plain) + " }" + server


def _everything(root: Path) -> None:
    sites.repository(root)
    sites.other_repositories(root)
    (root / "index.html").write_text(sites.html("Portal", '<a href="/files/report.pdf">report</a>'))


_WEAK_NGINX = "ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3; ssl_ciphers ALL:@SECLEVEL=0;"
_OLD = ("TLS-V10", "TLS-V11", "TLS-CBC")
_HEADERS = ("WEB-XFO", "WEB-XCTO", "WEB-REFERRER", "WEB-PERMISSIONS")
_HIDDEN = ("WEB-GIT", "WEB-ENV", "WEB-SVN", "WEB-HG", "WEB-BZR", "WEB-DS_STORE")


def _apache(lines: str) -> Start:
    inner = apache(
        443,
        f"SSLEngine on\nSSLCertificateFile @folder@/server.crt\nSSLCertificateKeyFile @folder@/server.key\n{lines}",
        modules=("ssl", "headers", "autoindex"),
        fill=_everything,
    )

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        self_signed(folder, address)
        with inner(address, folder):
            yield

    return start


def _with_certificate(make: Make) -> Make:
    """A server whose lines name a certificate as ``@crt@`` and its key as ``@key@``."""

    def with_files(lines: str) -> Start:
        @contextlib.contextmanager
        def start(address: str, folder: Path) -> Iterator[None]:
            certificate, key = self_signed(folder, address)
            with make(lines.replace("@crt@", str(certificate)).replace("@key@", str(key)))(address, folder):
                yield

        return start

    return with_files


def _memcached(lines: str) -> Start:
    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        folder.chmod(0o755)
        command = [program("memcached"), "-p", "11211", "-u", "memcache", *lines.split()]
        with process(command, folder=folder, wait_for=(address, 11211)):
            yield

    return start


def _bind(lines: str) -> Start:
    """A resolver for whom the lines allow, and behind it, on another address, a server that plays the Internet."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        upstream = folder / "upstream"
        upstream.mkdir()
        resolver = named(
            f"recursion yes; forward only; forwarders {{ 127.10.250.2; }}; {lines}", zones=("lab.example",)
        )
        with named("recursion no;", zones=("example.org",))("127.10.250.2", upstream), resolver(address, folder):
            yield

    return start


_MAIL_FILES = (
    ("/etc/ssl/certs/mail.example.org.pem", "@crt@"),
    ("/etc/ssl/private/mail.example.org.key", "@key@"),
)
_FTP_FILES = (("/etc/ssl/certs/ftp.example.org.pem", "@crt@"), ("/etc/ssl/private/ftp.example.org.key", "@key@"))
_RSA_3072 = ("-t", "rsa", "-b", "3072")
_WEAK_SSH = (
    "KexAlgorithms +diffie-hellman-group1-sha1,diffie-hellman-group14-sha1\nCiphers +3des-cbc\nMACs +hmac-md5\n"
    "HostKeyAlgorithms ssh-rsa"
)
_WEAK_POSTFIX = (
    "smtpd_tls_protocols = >=TLSv1\nsmtpd_tls_ciphers = low\nsmtpd_tls_exclude_ciphers =\n"
    "tls_low_cipherlist = ALL:@SECLEVEL=0\ntls_medium_cipherlist = ALL:@SECLEVEL=0"
)

TRIALS = (
    Trial(
        "nginx",
        (*_OLD, "WEB-HSTS", *_HEADERS, "WEB-DIRLIST", "WEB-VERSION", *_HIDDEN, "WEB-NO-REDIRECT"),
        "80,443",
        lambda lines: nginx(_nginx(lines), port=443, fill=_everything),
        weak=f"{_WEAK_NGINX} autoindex on;",
        hostname="portal.lab.test",
    ),
    Trial(
        "Apache",
        (*_OLD, "WEB-HSTS", *_HEADERS, "WEB-DIRLIST", "WEB-VERSION", "WEB-TRACE", *_HIDDEN),
        "443",
        _apache,
        weak="SSLProtocol all +TLSv1 +TLSv1.1\nSSLCipherSuite ALL:@SECLEVEL=0\nOptions +Indexes\nServerTokens Full\n"
        "TraceEnable On",
        hostname="portal.lab.test",
    ),
    Trial(
        "Postfix",
        ("TLS-V10", "TLS-V11", "TLS-ANON"),
        "25",
        lambda lines: postfix(25, lines, tls=True),
        weak=_WEAK_POSTFIX,
    ),
    Trial(
        "Postfix", ("SMTP-NOSTARTTLS",), "25", _with_certificate(lambda lines: postfix(25, lines)), filled=_MAIL_FILES
    ),
    Trial(
        "Postfix",
        ("SMTP-OPENRELAY", "SMTP-VRFY"),
        "25",
        lambda lines: postfix(25, *OWN_USERS, lines),
        weak="mynetworks = 0.0.0.0/0\nsmtpd_relay_restrictions = permit_mynetworks, reject",
        filled=(("127.0.0.0/8 [::1]/128", OWN_NETWORK),),
        level=2,
    ),
    Trial(
        "Dovecot",
        _OLD,
        "143",
        lambda lines: dovecot(lines, tls=True),
        weak="ssl_min_protocol = TLSv1\nssl_cipher_list = ALL:@SECLEVEL=0",
    ),
    Trial(
        "Dovecot",
        ("IMAP-CLEAR", "POP-CLEAR"),
        "110,143",
        lambda lines: dovecot(lines, tls="required" in lines),
        weak="disable_plaintext_auth = no",
    ),
    Trial(
        "OpenSSH",
        ("SSH-KEX-WEAK", "SSH-CIPHER-WEAK", "SSH-MAC-WEAK", "SSH-HOSTKEY-WEAK", "SSH-PASSWORD"),
        "22",
        lambda lines: sshd(*("=".join(line.split(" ", 1)) for line in lines.splitlines()), key=_RSA_3072),
        weak=_WEAK_SSH,
        level=2,
    ),
    Trial(
        "Redis",
        ("SVC-REDIS-UNAUTH",),
        "6379",
        lambda lines: redis_server(6379, *_redis_options(lines)),
        weak="protected-mode no",
        filled=(("bind 127.0.0.1 -::1\n", ""),),
    ),
    Trial(
        "Memcached",
        ("AMP-MEMCACHED",),
        "U:11211",
        _memcached,
        weak="-l @address@ -U 11211",
        filled=(("-l 127.0.0.1", "-l @address@"),),
    ),
    Trial(
        "vsftpd",
        ("FTP-ANON", "CLR-FTP"),
        "21",
        _with_certificate(lambda lines: vsftpd(21, lines)),
        weak="anonymous_enable=YES",
        filled=_FTP_FILES,
        level=2,
    ),
    Trial(
        "vsftpd",
        ("FTP-TLS-OPTIONAL",),
        "21",
        _with_certificate(lambda lines: vsftpd(21, "anonymous_enable=NO", lines)),
        weak="ssl_enable=YES\nrsa_cert_file=@crt@\nrsa_private_key_file=@key@\nforce_local_logins_ssl=NO",
        filled=_FTP_FILES,
    ),
    Trial(
        "net-snmp (snmpd)",
        ("CLR-SNMP12-PUBLIC",),
        "U:161",
        lambda lines: snmpd(161, lines),
        weak="rocommunity public",
        level=2,
    ),
    Trial(
        "BIND",
        ("DNS-RECURSION", "DNS-AXFR", "DNS-VERSION"),
        "53",
        _bind,
        weak="allow-recursion { any; }; allow-transfer { any; };",
        filled=(("localhost; localnets;", f"{OWN_NETWORK};"),),
        level=2,
        hostname="www.lab.example",
    ),
    Trial(
        "rsync",
        ("RSYNC-OPEN",),
        "873",
        lambda lines: rsyncd(873, f"[data]\npath = {{folder}}/data\n{lines}\n"),
        filled=(("/etc/rsyncd.secrets", "{folder}/secrets"),),
    ),
)


def _redis_options(lines: str) -> Iterator[str]:
    for line in lines.splitlines():
        name, _, value = line.partition(" ")
        yield from (f"--{name}", value)


def _look(trial: Trial, lines: str) -> Verdict:
    address = f"127.10.250.{10 + TRIALS.index(trial)}"  # its own, as several run at once
    start = trial.make(lines.replace("@address@", address))
    return run_case(LabCase("remedy", address, trial.ports, start, level=trial.level, hostname=trial.hostname))


@pytest.mark.lab
@pytest.mark.slow
@pytest.mark.parametrize("trial", TRIALS, ids=lambda each: f"{each.product.split()[0]}-{each.checks[0]}")
def test_what_was_found_is_gone_with_the_snippet(trial: Trial) -> None:
    weak = _look(trial, trial.weak)
    found = {check for _, check in weak.found}
    assert set(trial.checks) <= found, f"the weak server is not found weak: {weak.explain()}"

    mended = _look(trial, trial.snippet)
    assert mended.inspection.coverage.scans, mended.explain()
    left = {check for _, check in mended.found} & set(trial.checks)
    assert not left, mended.explain()


def test_every_snippet_that_is_called_tested_is() -> None:
    tried = {(trial.product, check) for trial in TRIALS for check in trial.checks}
    called = {(remedy.name, check) for remedy in remedies() for check in remedy.tested}
    assert tried == called
