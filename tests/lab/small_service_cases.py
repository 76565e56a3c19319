"""Small services from before firewalls, routing, Kerberos and monitoring agents; most of them are the real programs."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from scanner.engine.plan import Profile
from tests.lab.case import LabCase, Start, process, program
from tests.lab.http_answers import together
from tests.lab.inetd import inetd
from tests.lab.scripted import hangs_up, scripted
from tests.lab.udp import scripted_udp, wait_until_bound


def _daemon(port: int, configuration: str, *command: str) -> Start:
    """Run a daemon in the foreground; ``{address}`` and ``{folder}`` are filled in, the configuration in ``{file}``."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        folder.chmod(0o777)
        file = folder / "configuration"
        file.write_text(configuration.replace("ADDRESS", address).replace("FOLDER", str(folder)))
        words = [word.format(address=address, folder=folder, file=file) for word in command]
        with process([program(words[0]), *words[1:]], folder=folder, wait_for=(address, port)):
            yield

    return start


def _nrpe(allowed: str) -> Start:
    lines = (
        "server_address=ADDRESS",
        "server_port=5666",
        "pid_file=FOLDER/nrpe.pid",
        "log_file=FOLDER/nrpe.log",
        "nrpe_user=nobody",
        "nrpe_group=nogroup",
        f"allowed_hosts={allowed}",
    )
    return _daemon(5666, "\n".join(lines) + "\n", "nrpe", "-c", "{file}", "-f")


def _munin(allowed: str) -> Start:
    lines = (
        "log_file FOLDER/munin.log",
        "pid_file FOLDER/munin.pid",
        "background 0",
        "setsid 0",
        "user root",
        "group root",
        "host_name lab.example",
        f"cidr_allow {allowed}",
        "host ADDRESS",
        "port 4949",
    )
    return _daemon(4949, "\n".join(lines) + "\n", "munin-node", "--config", "{file}")


_GMOND = """\
globals {{ daemonize = no  setuid = no  mute = no  deaf = no  host_dmax = 86400 }}
cluster {{ name = "lab" owner = "lab" latlong = "N0" url = "http://lab.example" }}
host {{ location = "lab" }}
udp_recv_channel {{ port = 8649 bind = ADDRESS }}
tcp_accept_channel {{ port = 8649 bind = ADDRESS {acl} }}
"""
_ACL = 'acl { default = "deny" access { ip = 192.0.2.1 mask = 32 action = "allow" } }'


_BIRD = """\
router id 192.0.2.1;
log "FOLDER/bird.log" all;
protocol device {}
protocol bgp lab {
  local ADDRESS as 64512;
  neighbor range 127.0.0.0/8 as 64513;
  multihop;
  ipv4 { import none; export none; };
}
"""


@contextlib.contextmanager
def _key_centre(address: str, folder: Path) -> Iterator[None]:
    """MIT's key distribution centre for the realm LAB.EXAMPLE, over UDP and TCP."""
    (folder / "krb5.conf").write_text("[libdefaults]\n  default_realm = LAB.EXAMPLE\n  dns_lookup_kdc = false\n")
    (folder / "kdc.conf").write_text(
        f"[kdcdefaults]\n  kdc_listen = {address}:88\n  kdc_tcp_listen = {address}:88\n"
        f"[realms]\n  LAB.EXAMPLE = {{\n    database_name = {folder}/principal\n    key_stash_file = {folder}/stash\n"
        f"    acl_file = {folder}/acl\n  }}\n[logging]\n  kdc = FILE:{folder}/kdc.log\n"
    )
    where = {"KRB5_CONFIG": str(folder / "krb5.conf"), "KRB5_KDC_PROFILE": str(folder / "kdc.conf")}
    make = [program("kdb5_util"), "create", "-s", "-r", "LAB.EXAMPLE", "-P", "lab"]
    subprocess.run(make, env=where, check=True, capture_output=True)
    with process([program("krb5kdc"), "-n"], folder=folder, env=where, wait_for=(address, 88)):
        wait_until_bound(address, 88)
        yield


_PS = (
    b"USER       PID %CPU %MEM    VSZ   RSS TTY      STAT START   TIME COMMAND\nroot         1  0.0  0.0   2384  ...\n"
)
_CONNECTIONS = b"Active Internet connections (servers and established)\nProto Recv-Q Send-Q Local Address  State\n"
_CEASE = b"\xff" * 16 + b"\x00\x15\x03\x06\x05"
"""A notification: Cease, Connection Rejected (RFC 4486 section 3)."""

CASES = (
    LabCase(
        name="small-services-of-old",
        address="127.10.41.1",
        ports="T:7,11,15,179,U:7",
        start=together(
            scripted(7, lambda request: request),
            scripted_udp(7, lambda request: request),
            scripted(11, hangs_up, banner=_PS),
            scripted(15, hangs_up, banner=_CONNECTIONS),
            scripted(179, hangs_up, banner=_CEASE),
        ),
        expected=frozenset(
            {
                (7, "SVC-ECHO-EXPOSED"),
                ("7/udp", "SVC-ECHO-EXPOSED"),
                (11, "SVC-SYSTAT-EXPOSED"),
                (15, "SVC-NETSTAT-EXPOSED"),
                (179, "SVC-BGP-EXPOSED"),
            }
        ),
        services=frozenset({(7, "echo"), (11, "systat"), (15, "netstat"), (179, "bgp")}),
    ),
    LabCase(
        name="other-things-on-the-ports-of-small-services",
        address="127.10.41.2",
        ports="T:7,11,15,79,88,113,179,7777,U:7,88",
        start=together(
            scripted(7, lambda request: request[::-1]),
            scripted_udp(7, lambda request: request[:8]),
            scripted(11, hangs_up, banner=b"systat is not available here\n"),
            scripted(15, hangs_up, banner=b"netstat: permission denied\n"),
            scripted(79, lambda request: b"you said: " + request),
            scripted(88, lambda request: request),
            scripted_udp(88, lambda request: request),
            scripted(113, lambda request: request),
            scripted(179, hangs_up, banner=b"\xff" * 16 + b"\x00\x1d\x01\x04"),
            scripted(7777, lambda request: request),
        ),
        silent=frozenset(
            f"SVC-{code}-EXPOSED" for code in ("ECHO", "SYSTAT", "NETSTAT", "FINGER", "KERBEROS", "IDENT", "BGP")
        ),
        outcome="partial",
        profile=Profile.QUICK,
    ),
    LabCase(
        name="finger-daemon",
        address="127.10.41.3",
        ports="T:79",
        start=inetd("{address}:79 stream tcp nowait root /usr/sbin/in.fingerd in.fingerd", 79),
        expected=frozenset({(79, "SVC-FINGER-EXPOSED")}),
        services=frozenset({(79, "finger")}),
        needs=("in.fingerd", "inetd"),
    ),
    LabCase(
        name="ident-daemon",
        address="127.10.41.4",
        ports="T:113",
        start=_daemon(113, "", "oidentd", "-i", "-S", "-q", "-a", "{address}", "-C", "{file}"),
        expected=frozenset({(113, "SVC-IDENT-EXPOSED")}),
        services=frozenset({(113, "ident")}),
        needs=("oidentd",),
    ),
    LabCase(
        name="bgp-router-for-any-neighbour",
        address="127.10.41.5",
        ports="T:179",
        start=_daemon(179, _BIRD, "bird", "-f", "-c", "{file}", "-s", "{folder}/s", "-P", "{folder}/p"),
        expected=frozenset({(179, "SVC-BGP-EXPOSED")}),
        services=frozenset({(179, "bgp")}),
        needs=("bird",),
    ),
    LabCase(
        name="kerberos-key-centre",
        address="127.10.41.6",
        ports="88",
        start=_key_centre,
        expected=frozenset({(88, "SVC-KERBEROS-EXPOSED"), ("88/udp", "SVC-KERBEROS-EXPOSED")}),
        services=frozenset({(88, "kerberos")}),
        needs=("krb5kdc", "kdb5_util"),
    ),
    LabCase(
        name="monitoring-agents-for-anyone",
        address="127.10.41.7",
        ports="T:4949,5666,8649",
        start=together(
            _nrpe("127.0.0.0/8"),
            _munin("127.0.0.0/8"),
            _daemon(8649, _GMOND.format(acl=""), "gmond", "-f", "-c", "{file}"),
        ),
        expected=frozenset({(4949, "SVC-MUNIN-UNAUTH"), (5666, "SVC-NRPE-UNAUTH"), (8649, "SVC-GANGLIA-UNAUTH")}),
        silent=frozenset({"SVC-MUNIN-EXPOSED"}),
        tolerated=frozenset({"TLS-ANON", "TLS-V10", "TLS-V11"}),
        services=frozenset({(4949, "munin"), (5666, "nrpe"), (8649, "ganglia")}),
        needs=("nrpe", "munin-node", "gmond"),
    ),
    LabCase(
        name="monitoring-agents-for-their-server-only",
        address="127.10.41.8",
        ports="T:4949,5666,8649",
        start=together(
            _nrpe("192.0.2.1"),
            _munin("192.0.2.1/32"),
            _daemon(8649, _GMOND.format(acl=_ACL), "gmond", "-f", "-c", "{file}"),
        ),
        silent=frozenset({"SVC-MUNIN-UNAUTH", "SVC-MUNIN-EXPOSED", "SVC-NRPE-UNAUTH", "SVC-GANGLIA-UNAUTH"}),
        outcome="partial",
        profile=Profile.QUICK,
        needs=("nrpe", "munin-node", "gmond"),
    ),
    LabCase(
        name="munin-node-at-the-level-of-greetings",
        address="127.10.41.9",
        ports="T:4949",
        start=_munin("127.0.0.0/8"),
        expected=frozenset({(4949, "SVC-MUNIN-EXPOSED")}),
        silent=frozenset({"SVC-MUNIN-UNAUTH"}),
        level=0,
        needs=("munin-node",),
    ),
)
