"""Servers that start with the lines of a remedy, beside those that other cases have already.

Each ``make(lines)`` gives a server that listens where its lines say: on the case's address, which they name as
``@address@`` or leave open, or on 127.0.0.1, where the snippets put what is for this machine alone. It has started
when it answers there.
"""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.lab.case import Start, process, program
from tests.lab.certificate import self_signed
from tests.lab.data_cases import give_to, run_as
from tests.lab.mail_cases import dovecot, postfix
from tests.lab.network_cases import named
from tests.lab.tls_cases import DH_1024
from tests.lab.udp import wait_until_bound

Make = Callable[[str], Start]
"""Gives a server with these lines of configuration."""


def listens_at(lines: str, address: str) -> str:
    """Return where a server with these lines listens."""
    return "127.0.0.1" if "127.0.0.1" in lines or "localhost" in lines else address


def with_certificate(make: Make) -> Make:
    """A server whose lines name a certificate as ``@crt@`` and its key as ``@key@``."""

    def with_files(lines: str) -> Start:
        @contextlib.contextmanager
        def start(address: str, folder: Path) -> Iterator[None]:
            certificate, key = self_signed(folder, address)
            with make(lines.replace("@crt@", str(certificate)).replace("@key@", str(key)))(address, folder):
                yield

        return start

    return with_files


def rsa_files(folder: Path) -> None:
    """Write ``rsa/server.crt``, ``rsa/server.key`` and ``dh.pem``, which make every weak suite possible."""
    (folder / "rsa").mkdir()
    certificate, _ = self_signed(folder / "rsa", "127.0.0.1", rsa=True)
    (folder / "dh.pem").write_bytes(DH_1024)
    (folder / "rsa" / "dh.crt").write_bytes(certificate.read_bytes() + DH_1024)


def memcached(lines: str) -> Start:
    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        folder.chmod(0o755)
        sasl = folder / "sasl.conf"
        sasl.write_text("mech_list: plain\n")
        command = [program("memcached"), "-p", "11211", "-u", "memcache", *lines.split()]
        where = (listens_at(lines, address), 11211)
        with process(command, folder=folder, wait_for=where, env={"SASL_CONF_PATH": str(sasl)}):
            yield

    return start


def redis(lines: str) -> Start:
    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        configuration = folder / "redis.conf"
        configuration.write_text(f'bind {address}\nsave ""\ndir {folder}\n{lines}\n')
        where = (listens_at(lines, address), 6379)
        with process([program("redis-server"), str(configuration)], folder=folder, wait_for=where):
            yield

    return start


def postfix_with_log_in(lines: str) -> Start:
    """Postfix with a certificate, whose users log in with Dovecot's help."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        logins = folder / "logins"
        logins.mkdir()
        configuration = logins / "dovecot.conf"
        configuration.write_text(
            f"base_dir = {logins}/run\nstate_dir = {logins}/state\nprotocols =\nssl = no\nlog_path = /dev/stderr\n"
            "disable_plaintext_auth = no\npassdb {\n driver = static\n args = password=only-for-the-lab\n}\n"
            f"service auth {{\n unix_listener {logins}/auth {{\n mode = 0666\n }}\n}}\n"
        )
        rsa_files(folder)
        mail = postfix(
            25,
            "smtpd_sasl_type = dovecot",
            f"smtpd_sasl_path = {logins}/auth",
            "smtpd_sasl_auth_enable = yes",
            "smtpd_tls_security_level = may",
            f"smtpd_tls_cert_file = {folder}/rsa/server.crt",
            f"smtpd_tls_key_file = {folder}/rsa/server.key",
            lines,
        )
        with process([program("dovecot"), "-F", "-c", str(configuration)], folder=logins), mail(address, folder):
            yield

    return start


def dovecot_with_rsa(lines: str) -> Start:
    """Dovecot with a certificate for RSA."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        rsa_files(folder)
        files = f"ssl_cert = <{folder}/rsa/server.crt\nssl_key = <{folder}/rsa/server.key"
        with dovecot(files, lines.replace("@folder@", str(folder)), tls=True)(address, folder):
            yield

    return start


def _tells_its_name(lines: str) -> None:
    """Ask an agent that has a user of version 3 at 127.0.0.1, as that user."""
    for line in lines.splitlines():
        if line.startswith("createUser"):
            _, user, hashing, passphrase, cipher, secret = shlex.split(line)
            who = ["-u", user, "-a", hashing, "-A", passphrase, "-x", cipher, "-X", secret]
            ask = [program("snmpget"), "-v3", "-l", "authPriv", *who, "127.0.0.1", "1.3.6.1.2.1.1.5.0"]
            subprocess.run(ask, check=True, capture_output=True)


def snmp(lines: str) -> Start:
    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        configuration = folder / "snmpd.conf"
        configuration.write_text(lines + "\n")
        command = [program("snmpd"), "-f", "-Lo", "-C", "-c", str(configuration), "-p", str(folder / "pid")]
        environment = {"SNMP_PERSISTENT_DIR": str(folder), "SNMPCONFPATH": str(folder)}
        with process(command, folder=folder, env=environment):
            wait_until_bound(listens_at(lines, address), 161)
            _tells_its_name(lines)
            yield

    return start


@contextlib.contextmanager
def _internet(address: str, folder: Path) -> Iterator[str]:
    """A server that plays the Internet, on an address that belongs to the case's; yields that address."""
    upstream, beyond = folder / "upstream", address.replace("127.10.", "127.11.")
    upstream.mkdir()
    with named("recursion no;", zones=("example.org",))(beyond, upstream):
        yield beyond


def bind(lines: str) -> Start:
    """A resolver for whom the lines allow."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        with _internet(address, folder) as beyond:
            options = f"recursion yes; forward only; forwarders {{ {beyond}; }}; {lines}"
            with named(options, zones=("lab.example",))(address, folder):
                yield

    return start


def unbound(lines: str) -> Start:
    """A resolver for whom the lines allow."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        configuration = folder / "unbound.conf"
        with _internet(address, folder) as beyond:
            configuration.write_text(
                f'server:\n directory: "{folder}"\n chroot: ""\n username: ""\n pidfile: "{folder}/pid"\n'
                f" interface: {address}\n use-syslog: no\n do-not-query-localhost: no\n module-config: iterator\n"
                f"{lines}\n"
                f'remote-control:\n control-enable: no\nforward-zone:\n name: "."\n forward-addr: {beyond}\n'
            )
            command = [program("unbound"), "-d", "-c", str(configuration)]
            with process(command, folder=folder, wait_for=(address, 53)):
                yield

    return start


def postgresql(lines: str) -> Start:
    """A new cluster. Lines that begin as host-based rules do go to pg_hba.conf."""
    rules = [line for line in lines.splitlines() if line.startswith(("host", "local "))]
    settings = [line for line in lines.splitlines() if line not in rules]
    closes = any(line.startswith("listen_addresses") for line in settings)

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        data = folder / "data"
        give_to("postgres", folder)
        create = [program("initdb"), "-D", str(data), "-U", "postgres", "--no-sync", "--locale=C.UTF-8"]
        subprocess.run([*run_as("postgres"), *create], check=True, capture_output=True, cwd=folder)
        (data / "pg_hba.conf").write_text("\n".join(rules or ["local all all peer"]) + "\n")
        with (data / "postgresql.conf").open("a") as file:
            file.write(f"listen_addresses = '{address}'\nunix_socket_directories = '{folder}'\nfsync = off\n")
            file.write("\n".join(settings) + "\n")
        command = [*run_as("postgres"), program("postgres"), "-D", str(data)]
        where = "127.0.0.1" if closes else address
        with process(command, folder=folder, wait_for=(where, 5432)):
            yield

    return start


def mosquitto(lines: str) -> Start:
    """A broker for whom a user called device is made where the lines name a file of passwords."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        passwords, configuration = folder / "passwd", folder / "mosquitto.conf"
        subprocess.run(
            [program("mosquitto_passwd"), "-b", "-c", str(passwords), "device", "only-for-the-lab"], check=True
        )
        listener = "" if "listener" in lines else f"listener 1883 {address}\n"
        configuration.write_text(f"user root\n{listener}{lines.replace('/etc/mosquitto/passwd', str(passwords))}\n")
        where = (listens_at(lines, address), 1883)
        with process([program("mosquitto"), "-c", str(configuration)], folder=folder, wait_for=where):
            yield

    return start


def mariadb(lines: str) -> Start:
    """A server without accounts, which are not what is tried, as making them takes seconds."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        data, configuration = folder / "data", folder / "my.cnf"
        data.mkdir()
        configuration.write_text(
            f"[mysqld]\ndatadir = {data}\nsocket = {folder}/socket\nbind-address = {address}\nskip-grant-tables\n"
            f"skip-innodb\ndefault-storage-engine = Aria\nskip-name-resolve\n{lines}\n"
        )
        give_to("mysql", folder)
        command = [*run_as("mysql"), program("mariadbd"), f"--defaults-file={configuration}"]
        with process(command, folder=folder, wait_for=(listens_at(lines, address), 3306)):
            yield

    return start


def squid(lines: str) -> Start:
    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        folder.chmod(0o777)
        configuration = folder / "squid.conf"
        configuration.write_text(
            f"pid_filename {folder}/squid.pid\ncache_log {folder}/cache.log\naccess_log none\ncoredump_dir {folder}\n"
            f"shutdown_lifetime 0 seconds\nconnect_timeout 2 seconds\npinger_enable off\nvisible_hostname lab\n"
            f"{lines}\n"
        )
        command = [program("squid"), "-N", "-f", str(configuration), "-n", f"lab{address.replace('.', '')}"]
        with process(command, folder=folder, wait_for=(listens_at(lines, address), 3128)):
            yield

    return start


_SLAPD = """\
include /etc/ldap/schema/core.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/slapd.pid
database config
database mdb
suffix "dc=lab,dc=example"
directory {folder}/db
"""
_ENTRY = "dn: dc=lab,dc=example\nobjectClass: dcObject\nobjectClass: organization\ndc: lab\no: Lab\n"


def slapd(changes: str) -> Start:
    """A directory whose own configuration gets these changes, written as LDIF."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        (folder / "db").mkdir()
        (folder / "config").mkdir()
        old = folder / "slapd.conf"
        old.write_text(_SLAPD.format(folder=folder))
        own = ["-F", str(folder / "config")]
        steps = [(["slapadd", "-f", str(old)], _ENTRY), (["slaptest", "-f", str(old), *own], "")]
        if changes:
            steps.append((["slapmodify", "-b", "cn=config", *own], changes))
        for (name, *words), text in steps:
            subprocess.run([program(name), *words], input=text.encode(), check=True, capture_output=True)
        command = [program("slapd"), *own, "-h", f"ldap://{address}:389", "-d", "0"]
        with process(command, folder=folder, wait_for=(address, 389)):
            yield

    return start


_ONE_NFS = threading.Lock()
"""The mount daemon listens on every address, so that two would share a port."""

_NFS = """\
mount --bind {folder}/exports /etc/exports
mount --bind {folder}/nfs.conf /etc/nfs.conf
mount -t tmpfs none /run
mount --bind {folder}/state /var/lib/nfs
rpcbind -f -h {address} &
exportfs -ra
for turn in $(seq 100); do [ -S /run/rpcbind.sock ] && break; sleep 0.05; done
exec rpc.mountd --foreground
"""


@contextlib.contextmanager
def _firewall(rules: str) -> Iterator[None]:
    """Let a table of rules hold in the test's network, and take it away again."""
    if not rules:
        yield
        return
    nft = [program("nft"), "-f", "-"]
    subprocess.run(nft, input=rules.encode(), check=True)
    try:
        yield
    finally:
        subprocess.run(nft, input=b"delete table inet nfs", check=True)


def _lists_exports(address: str) -> bool:
    show = [program("showmount"), "--no-headers", "--exports", address]
    return subprocess.run(show, capture_output=True, check=False, timeout=10).returncode == 0


def _wait_until(holds: Callable[[], bool]) -> None:
    """Wait until it holds, 5 s at most."""
    deadline = time.monotonic() + 5
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)


def nfs(lines: str) -> Start:
    """The port mapper, the export table and the mount daemon; the kernel's part of NFS is not needed to be asked."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        (folder / "state").mkdir()
        (folder / "srv").mkdir()
        exports, firewall = lines.partition("\n")[0], "".join(lines.partition("table ")[1:])
        (folder / "exports").write_text(exports.replace("/srv/share", f"{folder}/srv") + "\n")
        (folder / "nfs.conf").write_text("[mountd]\nport = 20048\n")
        command = [program("unshare"), "--mount", "sh", "-ec", _NFS.format(folder=folder, address=address)]
        with _ONE_NFS:
            with process(command, folder=folder, wait_for=(address, 20048)):
                _wait_until(lambda: _lists_exports(address))
                with _firewall(firewall):
                    yield
            _wait_until(lambda: not _lists_exports(address))  # the port mapper ends by itself

    return start
