"""Redis in every state of openness."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.lab.case import LabCase, Start, process, program
from tests.lab.certificate import self_signed

_UNAUTH = "SVC-REDIS-UNAUTH"
_EXPOSED = "SVC-REDIS-EXPOSED"
_CLEAR = "DB-CLEARTEXT"


def redis_server(port: int, *options: str) -> Start:
    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        command = [program("redis-server"), "--bind", address, "--port", str(port), "--save", "", *options]
        with process(command, folder=folder, wait_for=(address, port)):
            yield

    return start


def _redis_inside_tls(port: int) -> Start:
    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        certificate, key = self_signed(folder, address)
        command = [
            *(program("redis-server"), "--bind", address, "--port", "0", "--save", "", "--protected-mode", "no"),
            *("--tls-port", str(port), "--tls-cert-file", str(certificate), "--tls-key-file", str(key)),
            *("--tls-auth-clients", "no", "--tls-protocols", "TLSv1.2 TLSv1.3"),
        ]
        with process(command, folder=folder, wait_for=(address, port)):
            yield

    return start


CASES = (
    LabCase(
        name="redis-open",
        address="127.10.1.1",
        ports="6379",
        start=redis_server(6379, "--protected-mode", "no"),
        expected=frozenset({(6379, _UNAUTH), (6379, _CLEAR)}),
        silent=frozenset({_EXPOSED}),
        services=frozenset({(6379, "redis")}),
        needs=("redis-server",),
    ),
    LabCase(
        name="redis-open-with-info-renamed",
        address="127.10.1.9",
        ports="6379",
        start=redis_server(6379, "--protected-mode", "no", "--rename-command", "INFO", ""),
        expected=frozenset({(6379, _UNAUTH), (6379, _CLEAR)}),
        silent=frozenset({_EXPOSED}),
        needs=("redis-server",),
    ),
    LabCase(
        name="redis-password-and-info-renamed",
        address="127.10.1.10",
        ports="6379",
        start=redis_server(6379, "--requirepass", "only-for-the-lab", "--rename-command", "INFO", ""),
        expected=frozenset({(6379, _EXPOSED), (6379, _CLEAR)}),
        silent=frozenset({_UNAUTH}),
        needs=("redis-server",),
    ),
    LabCase(
        name="redis-password-odd-port",
        address="127.10.1.2",
        ports="7777",
        start=redis_server(7777, "--requirepass", "only-for-the-lab"),
        expected=frozenset({(7777, _EXPOSED), (7777, _CLEAR)}),
        silent=frozenset({_UNAUTH}),
        services=frozenset({(7777, "redis")}),
        needs=("redis-server",),
    ),
    LabCase(
        name="redis-acl-ping-only",
        address="127.10.1.3",
        ports="6379",
        start=redis_server(6379, "--protected-mode", "no", "--user", "default", "on", "nopass", "-@all", "+ping"),
        expected=frozenset({(6379, _EXPOSED), (6379, _CLEAR)}),
        silent=frozenset({_UNAUTH}),
        services=frozenset({(6379, "redis")}),
        needs=("redis-server",),
    ),
    LabCase(
        name="redis-inside-tls",
        address="127.10.1.5",
        ports="6380",
        start=_redis_inside_tls(6380),
        expected=frozenset({(6380, _UNAUTH), (6380, "CERT-SELFSIGNED")}),
        silent=frozenset({_CLEAR, _EXPOSED}),
        services=frozenset({(6380, "redis")}),
        needs=("redis-server", "openssl"),
    ),
    LabCase(
        name="redis-that-has-lost-its-master",
        address="127.10.1.11",
        ports="6379",
        start=redis_server(
            *(6379, "--protected-mode", "no", "--replicaof", "127.10.1.11 1", "--replica-serve-stale-data", "no")
        ),
        expected=frozenset({(6379, _UNAUTH), (6379, _CLEAR)}),
        silent=frozenset({_EXPOSED}),
        services=frozenset({(6379, "redis")}),
        needs=("redis-server",),
    ),
)
