"""File sharing, directories, proxies and media: rsync, NFS lists, LDAP, SOCKS, RTSP, NBD."""

from __future__ import annotations

import contextlib
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.lab.case import LabCase, Start, process, program
from tests.lab.certificate import self_signed
from tests.lab.scripted import scripted

_OWN_CERTIFICATE = frozenset({"CERT-SELFSIGNED", "CERT-UNTRUSTED"})


def rsyncd(port: int, modules: str, *, message: str = "") -> Start:
    """Run an rsync daemon with these modules and this message of the day."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        (folder / "data").mkdir()
        secrets = folder / "secrets"
        secrets.write_text("lab:only-for-the-lab\n")
        secrets.chmod(0o600)
        configuration = folder / "rsyncd.conf"
        configuration.write_text(
            f"use chroot = no\nlog file = {folder}/rsyncd.log\nmotd file = {folder}/message\n"
            + modules.format(folder=folder)
        )
        (folder / "message").write_text(message)
        command = [program("rsync"), "--daemon", "--no-detach", "--config", str(configuration)]
        with process([*command, "--address", address, "--port", str(port)], folder=folder, wait_for=(address, port)):
            yield

    return start


_OPEN_MODULE = "[data]\npath = {folder}/data\nread only = yes\ncomment = reports\n"
_CLOSED_MODULE = "[secret]\npath = {folder}/data\nauth users = lab\nsecrets file = {folder}/secrets\n"
_HIDDEN_MODULE = "[secret]\npath = {folder}/data\nauth users = lab\nsecrets file = {folder}/secrets\nlist = no\n"

_DIRECTORY = """\
include /etc/ldap/schema/core.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/slapd.pid
{settings}
database mdb
suffix "dc=lab,dc=example"
rootdn "cn=admin,dc=lab,dc=example"
rootpw only-for-the-lab
directory {folder}/db
{access}
"""
_ENTRY = "dn: dc=lab,dc=example\nobjectClass: dcObject\nobjectClass: organization\ndc: lab\no: Lab\n"


def slapd(*, access: str = "", settings: str = "", tls: bool = False) -> Start:
    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        (folder / "db").mkdir()
        more = settings
        if tls:
            certificate, key = self_signed(folder, address)
            more += f"\nTLSCertificateFile {certificate}\nTLSCertificateKeyFile {key}"
        configuration = folder / "slapd.conf"
        configuration.write_text(_DIRECTORY.format(folder=folder, access=access, settings=more))
        add = [program("slapadd"), "-f", str(configuration)]
        subprocess.run(add, input=_ENTRY.encode(), check=True, capture_output=True)
        command = [program("slapd"), "-f", str(configuration), "-h", f"ldap://{address}:389", "-d", "0"]
        with process(command, folder=folder, wait_for=(address, 389)):
            yield

    return start


def _socks(method: bytes, reply: int) -> Start:
    """A SOCKS 5 server that chooses ``method`` and answers CONNECT with ``reply`` (RFC 1928 sections 3 and 6)."""

    def answer(request: bytes) -> bytes | None:
        if request[:2] == b"\x05\x01" and len(request) == 3:
            return b"\x05" + method
        if request[:4] == b"\x05\x01\x00\x01" and len(request) == 10:
            return bytes([5, reply, 0, 1]) + bytes(6)
        return None

    return scripted(1080, answer)


def _rtsp(description_status: str) -> Start:
    """A camera's two answers (RFC 2326 sections 10.1 and 10.2)."""

    def answer(request: bytes) -> bytes | None:
        if request.startswith(b"OPTIONS "):
            return b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nServer: LabCam/1.0\r\nPublic: OPTIONS, DESCRIBE, SETUP, PLAY\r\n\r\n"
        if request.startswith(b"DESCRIBE "):
            return f"RTSP/1.0 {description_status}\r\nCSeq: 2\r\nServer: LabCam/1.0\r\n\r\n".encode()
        return b"RTSP/1.0 400 Bad Request\r\n\r\n"

    return scripted(8554, answer)


def _accepted(xid: bytes, result: bytes, most: int = 9000) -> bytes:
    """A reply in fragments of so many bytes at most, as TI-RPC sends a long one (RFC 5531 section 11)."""
    message = xid + struct.pack(">IIIII", 1, 0, 0, 0, 0) + result
    pieces = [message[at : at + most] for at in range(0, len(message), most)]
    marks = [len(piece) for piece in pieces[:-1]] + [0x80000000 | len(pieces[-1])]
    return b"".join(struct.pack(">I", mark) + piece for mark, piece in zip(marks, pieces, strict=True))


def _text(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value + bytes(-len(value) % 4)


def portmap_and_mountd(export: bytes) -> Start:
    """A port mapper that is the mount daemon too, so that both answer on one port (RFC 1833, RFC 1813)."""

    def answer(request: bytes) -> bytes | None:
        if len(request) < 28 or request[:1] != b"\x80":
            return None
        program_number, _, procedure = struct.unpack(">III", request[16:28])
        mapping = b"".join(
            struct.pack(">IIIII", 1, *entry)
            for entry in ((100000, 2, 6, 111), (100003, 3, 6, 2049), (100005, 3, 6, 111))
        )
        results = {(100000, 0): b"", (100000, 4): mapping + bytes(4), (100005, 5): export}
        result = results.get((program_number, procedure))
        return None if result is None else _accepted(request[4:8], result)

    return scripted(111, answer)


_FOR_EVERYONE = struct.pack(">I", 1) + _text(b"/srv/share") + struct.pack(">I", 1) + _text(b"*") + bytes(8)
_FOR_ONE_HOST = struct.pack(">I", 1) + _text(b"/srv") + struct.pack(">I", 1) + _text(b"10.0.0.5") + bytes(8)

CASES = (
    LabCase(
        name="rsync-open-module",
        address="127.10.10.1",
        ports="873",
        start=rsyncd(873, _OPEN_MODULE + _CLOSED_MODULE),
        expected=frozenset({(873, "RSYNC-OPEN")}),
        services=frozenset({(873, "rsync")}),
        needs=("rsync",),
    ),
    LabCase(
        name="rsync-nothing-listed-odd-port",
        address="127.10.10.2",
        ports="8730",
        start=rsyncd(8730, _HIDDEN_MODULE),
        silent=frozenset({"RSYNC-OPEN"}),
        services=frozenset({(8730, "rsync")}),
        needs=("rsync",),
    ),
    LabCase(
        name="nfs-for-everyone",
        address="127.10.10.3",
        ports="T:111",
        start=portmap_and_mountd(_FOR_EVERYONE),
        expected=frozenset({(111, "CLR-RPCBIND"), (111, "NFS-EXPORT")}),
        services=frozenset({(111, "rpcbind")}),
    ),
    LabCase(
        name="nfs-for-one-host",
        address="127.10.10.4",
        ports="T:111",
        start=portmap_and_mountd(_FOR_ONE_HOST),
        expected=frozenset({(111, "CLR-RPCBIND"), (111, "NFS-EXPORT")}),
    ),
    LabCase(
        name="ldap-default",
        address="127.10.10.5",
        ports="389",
        start=slapd(),
        expected=frozenset({(389, "SVC-LDAP-EXPOSED"), (389, "LDAP-CLEAR"), (389, "LDAP-ANON")}),
        silent=frozenset({"SVC-LDAP-UNAUTH", "DB-CLEARTEXT"}),
        services=frozenset({(389, "ldap")}),
        needs=("slapd",),
    ),
    LabCase(
        name="ldap-anonymous-reads",
        address="127.10.10.6",
        ports="389",
        start=slapd(),
        expected=frozenset({(389, "SVC-LDAP-UNAUTH"), (389, "LDAP-CLEAR"), (389, "LDAP-ANON")}),
        level=2,
        needs=("slapd",),
    ),
    LabCase(
        name="ldap-anonymous-reads-nothing",
        address="127.10.10.7",
        ports="389",
        start=slapd(access="access to * by anonymous auth by users read", tls=True),
        expected=frozenset({(389, check) for check in ("SVC-LDAP-EXPOSED", "LDAP-ANON", "TLS-V10", "TLS-V11")}),
        tolerated=_OWN_CERTIFICATE | {"TLS-CBC", "TLS-RENEG-DOS", "TLS-SIGHASH"},
        silent=frozenset({"SVC-LDAP-UNAUTH", "LDAP-CLEAR"}),
        level=2,
        needs=("slapd",),
    ),
    LabCase(
        name="socks-open",
        address="127.10.10.10",
        ports="1080",
        start=_socks(b"\x00", reply=4),
        expected=frozenset({(1080, "SVC-SOCKS-UNAUTH")}),
        services=frozenset({(1080, "socks")}),
    ),
    LabCase(
        name="socks-ruleset",
        address="127.10.10.11",
        ports="1080",
        start=_socks(b"\x00", reply=2),
        expected=frozenset({(1080, "SVC-SOCKS-EXPOSED")}),
        silent=frozenset({"SVC-SOCKS-UNAUTH"}),
    ),
    LabCase(
        name="socks-password",
        address="127.10.10.12",
        ports="1080",
        start=_socks(b"\xff", reply=1),
        expected=frozenset({(1080, "SVC-SOCKS-EXPOSED")}),
        silent=frozenset({"SVC-SOCKS-UNAUTH"}),
    ),
    LabCase(
        name="rtsp-open",
        address="127.10.10.13",
        ports="8554",
        start=_rtsp("200 OK"),
        expected=frozenset({(8554, "SVC-RTSP-UNAUTH")}),
        services=frozenset({(8554, "rtsp")}),
    ),
    LabCase(
        name="rtsp-closed",
        address="127.10.10.14",
        ports="8554",
        start=_rtsp('401 Unauthorized\r\nWWW-Authenticate: Digest realm="lab", nonce="1"'),
        expected=frozenset({(8554, "SVC-RTSP-EXPOSED")}),
        silent=frozenset({"SVC-RTSP-UNAUTH"}),
    ),
    LabCase(
        name="nbd",
        address="127.10.10.15",
        ports="10809",
        start=scripted(10809, lambda _: None, banner=b"NBDMAGICIHAVEOPT\x00\x03"),
        expected=frozenset({(10809, "SVC-NBD-EXPOSED")}),
        services=frozenset({(10809, "nbd")}),
    ),
)
