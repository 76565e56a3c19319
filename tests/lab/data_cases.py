"""Databases, caches and brokers that Debian ships, each open, closed, in clear or inside TLS."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.lab.case import LabCase, Start, process, program
from tests.lab.certificate import self_signed
from tests.lab.scripted import scripted

_CLEAR = "DB-CLEARTEXT"


def memcached(port: int, *options: str, users: str = "", sasl: str = "") -> Start:
    """``users`` is the file of the text protocol's own log-in, ``sasl`` the configuration of SASL."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        folder.chmod(0o755)
        command = [
            program("memcached"),
            "-l",
            address,
            "-p",
            str(port),
            "-U",
            "0",
            *_as_user("-u", "memcache"),
            *options,
        ]
        configuration = folder / "memcached.conf"
        if users:
            configuration.write_text(users)
            command += ["-Y", str(configuration)]
        if sasl:
            configuration.write_text(sasl)
            command.append("-S")
        environment = {"SASL_CONF_PATH": str(configuration)}
        with process(command, folder=folder, wait_for=(address, port), env=environment):
            yield

    return start


def _mosquitto(port: int, *lines: str) -> Start:
    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        configuration = folder / "mosquitto.conf"
        configuration.write_text("\n".join([f"listener {port} {address}", "user root", *lines]) + "\n")
        with process([program("mosquitto"), "-c", str(configuration)], folder=folder, wait_for=(address, port)):
            yield

    return start


def _postgresql(port: int, *rules: str, tls: bool = False) -> Start:
    """A new cluster whose pg_hba.conf holds ``rules``."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        data = folder / "data"
        options = [f"listen_addresses={address}", f"port={port}", f"unix_socket_directories={folder}", "fsync=off"]
        if tls:
            certificate, key = self_signed(folder, address)
            options += ["ssl=on", f"ssl_cert_file={certificate}", f"ssl_key_file={key}"]
        give_to("postgres", folder)
        initdb = [
            program("initdb"),
            "-D",
            str(data),
            "-U",
            "postgres",
            "--no-sync",
            "--auth=reject",
            "--locale=C.UTF-8",
        ]
        subprocess.run([*run_as("postgres"), *initdb], check=True, capture_output=True, cwd=folder)
        (data / "pg_hba.conf").write_text("\n".join(rules) + "\n")
        settings = [word for option in options for word in ("-c", option)]
        command = [*run_as("postgres"), program("postgres"), "-D", str(data), *settings]
        with process(command, folder=folder, wait_for=(address, port)):
            yield

    return start


def _mariadb(port: int, *options: str, accounts: str = "", tls: bool = False) -> Start:
    """A new MariaDB that asks no resolver, so that an account for ``localhost`` is none for 127.0.0.1."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        data, first_lines = folder / "data", folder / "accounts.sql"
        first_lines.write_text(accounts)
        security: list[str] = []
        if tls:
            certificate, key = self_signed(folder, address)
            security = [f"--ssl-cert={certificate}", f"--ssl-key={key}"]
        give_to("mysql", folder)
        install = [program("mariadb-install-db"), "--no-defaults", f"--datadir={data}", "--skip-test-db"]
        subprocess.run([*run_as("mysql"), *install], check=True, capture_output=True, cwd=folder)
        command = [
            *(
                *run_as("mysql"),
                program("mariadbd"),
                "--no-defaults",
                f"--datadir={data}",
                f"--init-file={first_lines}",
            ),
            *(f"--bind-address={address}", f"--port={port}", f"--socket={folder}/socket", "--skip-name-resolve"),
            *("--innodb-buffer-pool-size=8M", "--innodb-flush-log-at-trx-commit=0", *security, *options),
        ]
        with process(command, folder=folder, wait_for=(address, port)):
            yield

    return start


def _nats(port: int, *options: str) -> Start:
    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        command = [program("nats-server"), "--addr", address, "--port", str(port), *options]
        with process(command, folder=folder, wait_for=(address, port)):
            yield

    return start


def _zabbix_server(request: bytes) -> bytes | None:
    """What a Zabbix server says to anything that is not one of its requests (Zabbix protocol, server data exchange)."""
    body = b'{"response":"failed","info":"cannot parse as JSON object"}'
    return b"ZBXD\x01" + len(body).to_bytes(8, "little") + body if request.startswith(b"ZBXD\x01") else None


def _zabbix_agent(port: int, *, servers: str) -> Start:
    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        configuration = folder / "agent.conf"
        configuration.write_text(
            f"ListenIP={address}\nListenPort={port}\nServer={servers}\nLogType=console\nAllowRoot=1\n"
            f"PidFile={folder}/agent.pid\nStartAgents=2\n"
        )
        folder.chmod(0o777)
        command = [program("zabbix_agentd"), "-f", "-c", str(configuration)]
        with process(command, folder=folder, wait_for=(address, port)):
            yield

    return start


def give_to(user: str, folder: Path) -> None:
    """Hand a folder to the account under which a server that refuses to be root will run."""
    if os.geteuid() == 0:
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, user, user)


def run_as(user: str) -> list[str]:
    if os.geteuid() != 0:
        return []
    return [program("setpriv"), f"--reuid={user}", f"--regid={user}", "--clear-groups"]


def _as_user(option: str, user: str) -> list[str]:
    return [option, user] if os.geteuid() == 0 else []


_ACCOUNT = "CREATE USER lab@'%' IDENTIFIED BY 'only-for-the-lab';\n"

CASES = (
    LabCase(
        name="memcached-open",
        address="127.10.7.1",
        ports="11211",
        start=memcached(11211),
        expected=frozenset({(11211, "SVC-MEMCACHED-UNAUTH")}),
        silent=frozenset({"SVC-MEMCACHED-EXPOSED"}),
        services=frozenset({(11211, "memcached")}),
        needs=("memcached",),
    ),
    LabCase(
        name="memcached-open-odd-port",
        address="127.10.7.2",
        ports="18211",
        start=memcached(18211),
        expected=frozenset({(18211, "SVC-MEMCACHED-UNAUTH")}),
        services=frozenset({(18211, "memcached")}),
        needs=("memcached",),
    ),
    LabCase(
        name="memcached-password",
        address="127.10.7.3",
        ports="11211",
        start=memcached(11211, users="lab:only-for-the-lab\n"),
        expected=frozenset({(11211, "SVC-MEMCACHED-EXPOSED")}),
        silent=frozenset({"SVC-MEMCACHED-UNAUTH"}),
        services=frozenset({(11211, "memcached")}),
        needs=("memcached",),
    ),
    LabCase(
        name="memcached-sasl",
        address="127.10.7.4",
        ports="11211",
        start=memcached(11211, sasl="mech_list: plain\n"),
        expected=frozenset({(11211, "SVC-MEMCACHED-EXPOSED")}),
        silent=frozenset({"SVC-MEMCACHED-UNAUTH"}),
        services=frozenset({(11211, "memcached")}),
        needs=("memcached",),
    ),
    LabCase(
        name="mqtt-anonymous",
        address="127.10.7.11",
        ports="1883",
        start=_mosquitto(1883, "allow_anonymous true"),
        expected=frozenset({(1883, "SVC-MQTT-UNAUTH"), (1883, _CLEAR)}),
        silent=frozenset({"SVC-MQTT-EXPOSED"}),
        services=frozenset({(1883, "mqtt")}),
        needs=("mosquitto",),
    ),
    LabCase(
        name="mqtt-password",
        address="127.10.7.12",
        ports="1884",
        start=_mosquitto(1884, "allow_anonymous false"),
        expected=frozenset({(1884, "SVC-MQTT-EXPOSED"), (1884, _CLEAR)}),
        silent=frozenset({"SVC-MQTT-UNAUTH"}),
        services=frozenset({(1884, "mqtt")}),
        needs=("mosquitto",),
    ),
    LabCase(
        name="mqtt-anonymous-odd-port",
        address="127.10.7.13",
        ports="20183",
        start=_mosquitto(20183, "allow_anonymous true"),
        expected=frozenset({(20183, "SVC-MQTT-UNAUTH"), (20183, _CLEAR)}),
        services=frozenset({(20183, "mqtt")}),
        needs=("mosquitto",),
    ),
    LabCase(
        name="postgresql-trust-for-one-database",
        address="127.10.7.21",
        ports="5432",
        start=_postgresql(5432, "host postgres postgres all trust", "host all all all scram-sha-256"),
        expected=frozenset({(5432, "SVC-POSTGRES-UNAUTH"), (5432, _CLEAR)}),
        silent=frozenset({"SVC-POSTGRES-EXPOSED", "PG-CLEARTEXT-AUTH", "SW-EOL-APP"}),
        services=frozenset({(5432, "postgresql")}),
        needs=("postgres", "initdb"),
    ),
    LabCase(
        name="postgresql-tls-and-scram-odd-port",
        address="127.10.7.22",
        ports="15432",
        start=_postgresql(15432, "host all all all scram-sha-256", tls=True),
        expected=frozenset({(15432, "SVC-POSTGRES-EXPOSED"), (15432, "CERT-SELFSIGNED")}),
        silent=frozenset({"SVC-POSTGRES-UNAUTH", _CLEAR, "PG-CLEARTEXT-AUTH"}),
        services=frozenset({(15432, "postgresql")}),
        needs=("postgres", "initdb", "openssl"),
    ),
    LabCase(
        name="postgresql-password-in-clear",
        address="127.10.7.23",
        ports="5432",
        start=_postgresql(5432, "host all all all password"),
        expected=frozenset({(5432, "SVC-POSTGRES-EXPOSED"), (5432, _CLEAR), (5432, "PG-CLEARTEXT-AUTH")}),
        silent=frozenset({"SVC-POSTGRES-UNAUTH"}),
        services=frozenset({(5432, "postgresql")}),
        needs=("postgres", "initdb"),
    ),
    LabCase(
        name="postgresql-trust-inside-tls-only",
        address="127.10.7.24",
        ports="5432",
        start=_postgresql(5432, "hostssl all all all trust", tls=True),
        expected=frozenset({(5432, "SVC-POSTGRES-UNAUTH"), (5432, "CERT-SELFSIGNED")}),
        silent=frozenset({"SVC-POSTGRES-EXPOSED", _CLEAR, "PG-CLEARTEXT-AUTH"}),
        services=frozenset({(5432, "postgresql")}),
        needs=("postgres", "initdb", "openssl"),
    ),
    LabCase(
        name="postgresql-trust-for-those-inside-tls",
        address="127.10.7.25",
        ports="5432",
        start=_postgresql(5432, "hostssl all all all trust", "host all all all scram-sha-256", tls=True),
        expected=frozenset({(5432, "SVC-POSTGRES-UNAUTH")}),
        tolerated=frozenset({"CERT-SELFSIGNED"}),
        silent=frozenset({"SVC-POSTGRES-EXPOSED", _CLEAR}),
        services=frozenset({(5432, "postgresql")}),
        needs=("initdb", "postgres", "openssl"),
    ),
    LabCase(
        name="mariadb-host-not-allowed",
        address="127.10.7.31",
        ports="3306",
        start=_mariadb(3306),
        expected=frozenset({(3306, "SVC-MYSQL-EXPOSED")}),
        silent=frozenset({_CLEAR, "SW-EOL-APP"}),
        services=frozenset({(3306, "mysql")}),
        needs=("mariadbd", "mariadb-install-db"),
    ),
    LabCase(
        name="mariadb-in-clear-odd-port",
        address="127.10.7.32",
        ports="13306",
        start=_mariadb(13306, accounts=_ACCOUNT),
        expected=frozenset({(13306, "SVC-MYSQL-EXPOSED"), (13306, _CLEAR)}),
        services=frozenset({(13306, "mysql")}),
        needs=("mariadbd", "mariadb-install-db"),
    ),
    LabCase(
        name="mariadb-with-tls",
        address="127.10.7.33",
        ports="3306",
        start=_mariadb(3306, accounts=_ACCOUNT, tls=True),
        expected=frozenset({(3306, "SVC-MYSQL-EXPOSED")}),
        silent=frozenset({_CLEAR}),
        services=frozenset({(3306, "mysql")}),
        needs=("mariadbd", "mariadb-install-db", "openssl"),
    ),
    LabCase(
        name="nats-open",
        address="127.10.7.41",
        ports="4222",
        start=_nats(4222),
        expected=frozenset({(4222, "SVC-NATS-UNAUTH"), (4222, _CLEAR)}),
        silent=frozenset({"SVC-NATS-EXPOSED"}),
        services=frozenset({(4222, "nats")}),
        needs=("nats-server",),
    ),
    LabCase(
        name="nats-password",
        address="127.10.7.42",
        ports="4222",
        start=_nats(4222, "--user", "lab", "--pass", "only-for-the-lab"),
        expected=frozenset({(4222, "SVC-NATS-EXPOSED"), (4222, _CLEAR)}),
        silent=frozenset({"SVC-NATS-UNAUTH"}),
        services=frozenset({(4222, "nats")}),
        needs=("nats-server",),
    ),
    LabCase(
        name="zabbix-agent-for-anyone",
        address="127.10.7.51",
        ports="10050",
        start=_zabbix_agent(10050, servers="0.0.0.0/0"),
        expected=frozenset({(10050, "SVC-ZABBIX-UNAUTH")}),
        services=frozenset({(10050, "zabbix")}),
        needs=("zabbix_agentd",),
    ),
    LabCase(
        name="zabbix-agent-for-its-server",
        address="127.10.7.52",
        ports="10050",
        start=_zabbix_agent(10050, servers="192.0.2.1"),
        silent=frozenset({"SVC-ZABBIX-UNAUTH", "SVC-ZABBIX-EXPOSED"}),
        outcome="partial",
        needs=("zabbix_agentd",),
    ),
    LabCase(
        name="zabbix-server",
        address="127.10.7.53",
        ports="10051",
        start=scripted(10051, _zabbix_server),
        expected=frozenset({(10051, "SVC-ZABBIX-EXPOSED")}),
        silent=frozenset({"SVC-ZABBIX-UNAUTH"}),
        services=frozenset({(10051, "zabbix")}),
    ),
)
