"""Squid as a proxy, for everyone and for nobody, and before servers of its own: as such it turns every tunnel away."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.lab.case import LabCase, Start, process, program

_PROXY = frozenset({"SVC-HTTP-PROXY-UNAUTH", "SVC-HTTP-PROXY-EXPOSED"})


def _squid(mode: str, *lines: str) -> Start:
    """Run it on port 3128; ``mode`` are the options of the port."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        folder.chmod(0o777)
        configuration = folder / "squid.conf"
        configuration.write_text(
            f"http_port {address}:3128 {mode}\npid_filename {folder}/squid.pid\ncache_log {folder}/cache.log\n"
            f"access_log none\ncoredump_dir {folder}\nshutdown_lifetime 0 seconds\nconnect_timeout 2 seconds\n"
            "pinger_enable off\nvisible_hostname lab\n" + "\n".join(lines).replace("@address@", address) + "\n"
        )
        command = [program("squid"), "-N", "-f", str(configuration), "-n", f"lab{address.replace('.', '')}"]
        with process(command, folder=folder, wait_for=(address, 3128)):
            yield

    return start


def _case(name: str, last: int, start: Start, *found: str, outcome: str = "inspected") -> LabCase:
    return LabCase(
        name=f"squid-{name}",
        address=f"127.10.10.{last}",
        ports="3128",
        start=start,
        expected=frozenset((3128, check) for check in found),
        silent=_PROXY - set(found),
        tolerated=frozenset({"WEB-HTTP-ONLY", "WEB-VERSION", "WEB-XFO"}),
        services=frozenset() if found else frozenset({(3128, "http")}),
        outcome=outcome,
        needs=("squid",),
    )


_ONE_SITE = "accel defaultsite=www.lab.example no-vhost"
_BY_NAME = "accel defaultsite=www.lab.example vhost"
_DEAD_SERVER = "cache_peer @address@ parent 9 0 no-query no-digest originserver name=origin"
_OF_THE_SITE = (
    "acl site dstdomain -n www.lab.example",
    "http_access allow site",
    "http_access deny all",
    "cache_peer_access origin allow site",
)

CASES = (
    _case("open", 8, _squid("", "http_access allow all"), "SVC-HTTP-PROXY-UNAUTH"),
    _case("closed", 9, _squid("", "http_access deny all"), "SVC-HTTP-PROXY-EXPOSED"),
    _case("before-a-dead-server", 16, _squid(_ONE_SITE, _DEAD_SERVER, "http_access allow all"), outcome="partial"),
    _case(
        "before-a-dead-server-of-any-name",
        17,
        _squid(_BY_NAME, _DEAD_SERVER, "http_access allow all"),
        outcome="partial",
    ),
    _case("before-a-site-of-another-name", 18, _squid(_BY_NAME, _DEAD_SERVER, *_OF_THE_SITE), outcome="partial"),
)
