"""Storage, backup and printing: iSCSI, NDMP, AFP, LPD and raw printer ports, beside what looks like them."""

from __future__ import annotations

import contextlib
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

from scanner.engine.plan import Profile
from tests.lab.access import NOT_ABOUT_ACCESS, exposed, unauth
from tests.lab.case import LabCase, Start, process, program
from tests.lab.http_answers import Reply, answers, together
from tests.lab.network_cases import snmpd
from tests.lab.scripted import hangs_up, scripted


def _tgtd(port: int, *settings: tuple[str, ...]) -> Start:
    """tgt's iSCSI daemon with one target, open to every initiator but for ``settings`` (tgtadm's arguments)."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        where = {"TGT_IPC_SOCKET": str(folder / "control")}
        command = [program("tgtd"), "--foreground", "--iscsi", f"portal={address}:{port}"]
        with process(command, folder=folder, wait_for=(address, port), env=where):
            for arguments in (
                ("--op", "new", *_TARGET, "--targetname", "iqn.2026-01.example.lab:disk"),
                ("--op", "bind", *_TARGET, "--initiator-address", "ALL"),
                *settings,
            ):
                _tgtadm(where, *arguments)
            yield
            # It doesn't end by a signal before every session is gone.
            _tgtadm(where, "--op", "delete", *_TARGET, "--force")
            _tgtadm(where, "--op", "delete", "--mode", "system")

    return start


def _tgtadm(where: dict[str, str], *arguments: str) -> None:
    command = [program("tgtadm"), "--lld", "iscsi", *arguments]
    subprocess.run(command, check=True, capture_output=True, env=where)


_TARGET = ("--mode", "target", "--tid", "1")
_ACCOUNT = ("--mode", "account", "--user", "lab")
_CHAP = (("--op", "new", *_ACCOUNT, "--password", "only-for-the-lab"), ("--op", "bind", *_ACCOUNT))


def _ndmp(reason: int, text: bytes) -> bytes:
    """The notice of a server of version 4 (NDMP 4, section 3.3.1.3), padded as XDR pads texts."""
    words = struct.pack(">IIIIII", 1, 0x6925F000, 0, 0x502, 0, 0) + struct.pack(">III", reason, 4, len(text))
    record = words + text + bytes(-len(text) % 4)
    return struct.pack(">I", 0x80000000 | len(record)) + record


def _names(*names: bytes) -> bytes:
    return bytes([len(names)]) + b"".join(bytes([len(name)]) + name for name in names)


def _afp(request: bytes) -> bytes | None:
    """DSIGetStatus as Netatalk 3.1 answers it: machine type, versions, log-in methods (Apple, FPGetSrvrInfo)."""
    if len(request) != 18 or request[:2] != b"\x00\x03":
        return None
    name, machine = b"\x03lab", b"\x0dNetatalk3.1.1"
    versions, methods = _names(b"AFP2.2", b"AFP3.4"), _names(b"DHX2", b"No User Authent")
    start = 10 + len(name) + len(name) % 2
    offsets = (start, start + len(machine), start + len(machine) + len(versions), 0)
    status = struct.pack(">HHHHH", *offsets, 0x8FFB) + name.ljust(start - 10, b"\0") + machine + versions + methods
    return b"\x01\x03" + request[2:4] + struct.pack(">III", 0, len(status), 0) + status


def _lprng(request: bytes) -> bytes | None:
    """LPRng 3.8.B of Debian 12, as recorded; it takes the port of the whole machine and /etc/lprng for itself."""
    if request[:1] != b"\x03" or not request.endswith(b"\n"):
        return None
    queue = request[1:-1]
    return (
        b"Printer: %s@lab - ERROR: spool queue for '%s' does not exist on server lab\n"
        b"check for correct printer name or you may need to run\n'checkpc -f' to create queue" % (queue, queue)
    )


def _bsd(_: bytes) -> bytes:
    """BSD's lpd to a client whose port is not privileged (lpd.c, chkhost)."""
    return b"lab: lpd: Malformed from address\n"


def _ipp(model: bytes) -> Reply:
    """Get-Printer-Attributes answered with the attribute that was asked for (RFC 8011 section 4.2.5.2)."""
    language = b"G\0\x12attributes-charset\0\x05utf-8" + b"H\0\x1battributes-natural-language\0\x02en"
    asked = b"A\0\x16printer-make-and-model\0" + bytes([len(model)]) + model
    return Reply(200, b"\1\1\0\0\0\0\0\1\1" + language + b"\4" + asked + b"\3", (("Content-Type", "application/ipp"),))


_PRINTER = {"GET /": Reply(200, b"<title>Lab printer</title>"), "POST /ipp/print": _ipp(b"Lab LaserPrint 400")}
_WEB_PAGE_FOR_ALL = Reply(200, b"<title>printer-make-and-model</title>")


def _iscsi_refusal_of_another_task(request: bytes) -> bytes | None:
    return b"\x23\x80" + bytes(46) if request[:1] == b"\x43" else None


def _dsi_error(request: bytes) -> bytes | None:
    return b"\x01" + request[1:4] + struct.pack(">iII", -5019, 0, 0) if request[:2] == b"\x00\x03" else None


def _shell(request: bytes) -> bytes:
    return b"unknown command: " + request.strip()[:40] + b"\n"


CASES = (
    LabCase(
        name="iscsi-portal-that-lists-its-targets",
        address="127.10.88.1",
        ports="T:3260",
        start=_tgtd(3260),
        expected=unauth(ISCSI=3260),
        silent=frozenset({"SVC-ISCSI-EXPOSED"}),
        services=frozenset({(3260, "iscsi")}),
        needs=("tgtd", "tgtadm"),
    ),
    LabCase(
        name="iscsi-portal-that-asks-for-chap-on-an-odd-port",
        address="127.10.88.2",
        ports="T:13260",
        start=_tgtd(13260, *_CHAP),
        expected=exposed(ISCSI=13260),
        silent=frozenset({"SVC-ISCSI-UNAUTH"}),
        services=frozenset({(13260, "iscsi")}),
        needs=("tgtd", "tgtadm"),
    ),
    LabCase(
        name="storage-and-print-servers",
        address="127.10.88.3",
        ports="T:515,T:548,T:10000",
        start=together(
            scripted(10000, hangs_up, banner=_ndmp(0, b"Connection successful")),
            scripted(548, _afp, once=True),
            scripted(515, _lprng, once=True),
        ),
        expected=exposed(NDMP=10000, AFP=548, LPD=515),
        services=frozenset({(10000, "ndmp"), (548, "afp"), (515, "printer")}),
    ),
    LabCase(
        name="storage-and-print-servers-that-turn-us-away",
        address="127.10.88.4",
        ports="T:515,T:10000",
        start=together(
            scripted(10000, hangs_up, banner=_ndmp(2, b"Connection refused")), scripted(515, _bsd, once=True)
        ),
        expected=exposed(NDMP=10000, LPD=515),
        services=frozenset({(10000, "ndmp"), (515, "printer")}),
    ),
    LabCase(
        name="what-is-no-storage-and-no-printer",
        address="127.10.88.5",
        ports="T:515,T:548,T:3260,T:10000",
        start=together(
            scripted(515, _shell),
            scripted(548, _dsi_error),
            scripted(3260, _iscsi_refusal_of_another_task),
            scripted(10000, hangs_up, banner=_ndmp(0, b"ok")[:-4] + b"ok"),
        ),
        silent=frozenset({"SVC-LPD-EXPOSED", "SVC-AFP-EXPOSED", "SVC-ISCSI-EXPOSED", "SVC-NDMP-EXPOSED"}),
        outcome="partial",
        profile=Profile.QUICK,
    ),
    LabCase(
        name="raw-port-of-a-printer",
        address="127.10.88.6",
        ports="T:515,T:9100,U:161",
        start=together(
            snmpd(161, "rocommunity public", "sysdescr HP ETHERNET MULTI-ENVIRONMENT,ROM none,JETDIRECT"),
            scripted(515, _lprng, once=True),
            scripted(9100, hangs_up),
        ),
        expected=exposed(LPD=515, JETDIRECT=9100) | {("161/udp", "CLR-SNMP12-PUBLIC")},
        services=frozenset({(515, "printer"), (9100, "unknown")}),
        level=2,
        needs=("snmpd",),
    ),
    LabCase(
        name="raw-port-beside-a-print-queue-that-may-be-anything",
        address="127.10.88.7",
        ports="T:515,T:9100",
        start=together(scripted(515, _lprng, once=True), scripted(9100, hangs_up)),
        expected=exposed(LPD=515),
        silent=frozenset({"SVC-JETDIRECT-EXPOSED"}),
        level=2,
    ),
    LabCase(
        name="network-printer",
        address="127.10.88.8",
        ports="T:631,T:9100",
        start=together(answers(631, _PRINTER, Reply(404)), scripted(9100, hangs_up)),
        expected=exposed(IPP=631, JETDIRECT=9100),
        tolerated=NOT_ABOUT_ACCESS,
        services=frozenset({(631, "ipp"), (9100, "unknown")}),
    ),
    LabCase(
        name="raw-port-beside-a-web-page-about-printers",
        address="127.10.88.9",
        ports="T:631,T:9100",
        start=together(answers(631, {}, _WEB_PAGE_FOR_ALL), scripted(9100, hangs_up)),
        silent=frozenset({"SVC-IPP-EXPOSED", "SVC-JETDIRECT-EXPOSED"}),
        tolerated=NOT_ABOUT_ACCESS,
    ),
)
