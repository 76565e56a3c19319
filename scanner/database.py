"""Where the database is: one SQLite file in the data directory, or PostgreSQL, as ``ROUNDSMAN_DATABASE`` says."""

from __future__ import annotations

import ssl
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import certifi

SCHEMES = ("postgresql://", "postgres://")

FILE = "roundsman.sqlite3"
"""The SQLite database's name in the data directory."""

WAITS = 20
"""Seconds that a write may wait for another writer, in either database."""

_STATEMENTS = 1024
"""Statements of a connection to SQLite that stay prepared. A round has some hundreds; of Python's usual 128, nearly
none was still there when it was needed again."""

_CACHE = 8_000
"""KiB of the SQLite file that a connection may hold; there is one for each thread that asks."""

_IDLE = 120
"""Seconds after which PostgreSQL ends a transaction in which nothing happens: a process that was stopped or cut off in
the middle of one would otherwise keep others from the rows that it locked."""

_SERVER_SETTINGS = (
    f"-c lock_timeout={WAITS}s -c idle_in_transaction_session_timeout={_IDLE}s "
    "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"
)

_CONNECTION = {
    "application_name": "roundsman",
    "connect_timeout": 10,
    # A peer that is gone without a word is found out within half a minute.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}

_KEPT = 600
"""Seconds for which a thread keeps its connection."""


def parts(url: str) -> dict[str, str]:
    """Return what a connection URI of PostgreSQL says (libpq, section 34.1.1.2), ``dbname`` always among it.

    Raises ``ValueError`` that quotes nothing of it, as there may be a password in it.
    """
    # Imported here, as the many commands that use SQLite have no need of it.
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    if not url.startswith(SCHEMES):
        raise ValueError("it must begin with postgresql://, as in postgresql://roundsman@db.example.org/roundsman")
    try:
        found = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    except ProgrammingError as error:
        raise ValueError("it is no connection URI; write postgresql://USER@HOST:PORT/DATABASE") from error
    if not found.get("dbname"):
        raise ValueError("it names no database; write postgresql://USER@HOST:PORT/DATABASE")
    return found


def configured(url: str, password: str, data_dir: Path) -> dict[str, Any]:
    """Return Django's settings of the database: PostgreSQL at ``url``, or the SQLite file when that is empty.

    Over a network it is spoken to by TLS with a certificate that is checked, unless ``url`` has an ``sslmode``.
    """
    if not url:
        return {
            "ENGINE": "scanner.sqlite3",
            "NAME": data_dir / FILE,
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": WAITS,
                "cached_statements": _STATEMENTS,
                "init_command": (
                    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON; "
                    f"PRAGMA cache_size=-{_CACHE};"
                ),
            },
        }
    said = parts(url)
    host = said.pop("host", "")
    options = f"{_SERVER_SETTINGS} {said.pop('options', '')}".strip()
    tls = {} if "sslmode" in said or _is_here(host) else {"sslmode": "verify-full"}
    if (tls or said.get("sslmode") == "verify-full") and "sslrootcert" not in said:
        tls["sslrootcert"] = _trusted_roots()
    return {
        "ENGINE": "scanner.postgresql",
        "NAME": said.pop("dbname"),
        "USER": said.pop("user", ""),
        "PASSWORD": password or said.pop("password", ""),
        "HOST": host,
        "PORT": said.pop("port", ""),
        "CONN_MAX_AGE": _KEPT,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {**_CONNECTION, **tls, **said, "options": options},
    }


def place(settings: dict[str, Any]) -> str:
    """Return where Django's settings of a database lead to, as people write it; never its password."""
    if settings["ENGINE"].endswith("sqlite3"):
        return str(settings["NAME"])
    at = settings["HOST"] or "this machine"
    port = f", port {settings['PORT']}" if settings["PORT"] else ""
    return f"{settings['NAME']} on {at}{port}"


def _trusted_roots() -> str:
    """Return the file of the authorities that this machine trusts; libpq's "system" looks where its build was made."""
    return ssl.get_default_verify_paths().cafile or certifi.where()


def _is_here(hosts: str) -> bool:
    """Tell whether all of the hosts are reached without a network."""
    return all(_is_local(host) for host in hosts.split(","))


def _is_local(host: str) -> bool:
    try:
        return host in ("", "localhost") or host.startswith(("/", "@")) or ip_address(host).is_loopback
    except ValueError:
        return False
