"""Remote administration: Telnet, FTP, VNC, X11, Remote Desktop and SMB, weak and sound."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.lab.case import LabCase, Start, process, program
from tests.lab.certificate import self_signed
from tests.lab.inetd import inetd
from tests.lab.scripted import scripted

_OWN_CERTIFICATE = frozenset({"CERT-SELFSIGNED", "CERT-UNTRUSTED"})


def vsftpd(port: int, *lines: str, tls: bool = False) -> Start:
    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        folder.chmod(0o755)
        root, empty = folder / "public", folder / "empty"
        root.mkdir()
        empty.mkdir()
        configuration = folder / "vsftpd.conf"
        settings = [
            f"listen=YES\nlisten_address={address}\nlisten_port={port}\nbackground=NO\nseccomp_sandbox=NO",
            f"anon_root={root}\nsecure_chroot_dir={empty}\nlocal_enable=YES",
            *lines,
        ]
        if tls:
            certificate, key = self_signed(folder, address)
            settings.append(
                f"ssl_enable=YES\nrsa_cert_file={certificate}\nrsa_private_key_file={key}\nssl_ciphers=HIGH"
            )
        configuration.write_text("\n".join(settings) + "\n")
        with process([program("vsftpd"), str(configuration)], folder=folder, wait_for=(address, port)):
            yield

    return start


def _nameless_ftp(request: bytes) -> bytes | None:
    """An FTP server that doesn't say what it is, nor knows FEAT or AUTH (RFC 959 section 4.2)."""
    if request[:4].upper() == b"QUIT":
        return None
    return b"331 Password please.\r\n" if request[:5].upper() == b"USER " else b"500 What?\r\n"


_FTP_CASES = (
    LabCase(
        name="ftp-without-a-name",
        address="127.10.9.16",
        ports="2100",
        start=scripted(2100, _nameless_ftp, banner=b"220 Welcome to the archive.\r\n"),
        expected=frozenset({(2100, "CLR-FTP")}),
        services=frozenset({(2100, "ftp")}),
    ),
    LabCase(
        name="telnet-login",
        address="127.10.9.10",
        ports="23",
        start=inetd("{address}:23 stream tcp nowait root /usr/sbin/in.telnetd in.telnetd", 23),
        expected=frozenset({(23, "CLR-TELNET")}),
        services=frozenset({(23, "telnet")}),
        needs=("in.telnetd", "inetd"),
    ),
    LabCase(
        name="inetd-daytime",
        address="127.10.9.17",
        ports="T:13",
        start=inetd("{address}:daytime stream tcp nowait root internal", 13),
        expected=frozenset({(13, "SVC-DAYTIME-EXPOSED")}),
        services=frozenset({(13, "daytime")}),
        needs=("inetd",),
    ),
    LabCase(
        name="inetd-chargen",
        address="127.10.9.18",
        ports="T:19",
        start=inetd("{address}:chargen stream tcp nowait root internal", 19),
        expected=frozenset({(19, "SVC-CHARGEN-EXPOSED")}),
        silent=frozenset({"AMP-CHARGEN"}),
        needs=("inetd",),
    ),
    LabCase(
        name="ftp-anonymous",
        address="127.10.9.11",
        ports="21",
        start=vsftpd(21, "anonymous_enable=YES"),
        expected=frozenset({(21, "CLR-FTP"), (21, "FTP-ANON")}),
        silent=frozenset({"FTP-TLS-OPTIONAL"}),
        services=frozenset({(21, "ftp")}),
        level=2,
    ),
    LabCase(
        name="ftp-anonymous-refused-odd-port",
        address="127.10.9.12",
        ports="7021",
        start=vsftpd(7021, "anonymous_enable=NO"),
        expected=frozenset({(7021, "CLR-FTP")}),
        silent=frozenset({"FTP-ANON"}),
        services=frozenset({(7021, "ftp")}),
        level=2,
    ),
    LabCase(
        name="ftp-anonymous-not-asked",
        address="127.10.9.13",
        ports="21",
        start=vsftpd(21, "anonymous_enable=YES"),
        expected=frozenset({(21, "CLR-FTP")}),
        silent=frozenset({"FTP-ANON"}),
    ),
    LabCase(
        name="ftp-tls-optional",
        address="127.10.9.14",
        ports="21",
        start=vsftpd(21, "anonymous_enable=NO", "force_local_logins_ssl=NO", tls=True),
        expected=frozenset({(21, "FTP-TLS-OPTIONAL"), (21, "CERT-SELFSIGNED")}),
        tolerated=_OWN_CERTIFICATE | {"TLS-RENEG-DOS"},
        silent=frozenset({"CLR-FTP", "FTP-ANON"}),
    ),
    LabCase(
        name="ftp-tls-required",
        address="127.10.9.15",
        ports="21",
        start=vsftpd(21, "anonymous_enable=NO", "force_local_logins_ssl=YES", tls=True),
        expected=frozenset({(21, "CERT-SELFSIGNED")}),
        tolerated=_OWN_CERTIFICATE | {"TLS-RENEG-DOS"},
        silent=frozenset({"CLR-FTP", "FTP-TLS-OPTIONAL", "FTP-ANON"}),
    ),
)


def _xvfb(display: int, *options: str, cookie: bool = False) -> Start:
    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        command = [program("Xvfb"), f":{display}", "-screen", "0", "320x240x8", "-listen", "tcp", *options]
        command.append("-noreset")  # else it begins anew, and breaks connections off, whenever its last client leaves
        if cookie:
            authority = folder / "authority"
            authority.touch()
            subprocess.run([program("xauth"), "-f", str(authority), "add", f":{display}", ".", "0" * 32], check=True)
            command += ["-auth", str(authority)]
        with process(command, folder=folder, wait_for=(address, 6000 + display)):
            yield

    return start


def _vnc(port: int, *options: str) -> Start:
    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        passwords = folder / "passwd"
        passwords.write_bytes(os.urandom(8))  # an enciphered password that nobody knows
        command = [program("Xtigervnc"), f":{port - 5800}", "-rfbport", str(port), "-interface", address]
        command += [
            "-geometry",
            "320x240",
            "-depth",
            "16",
            "-nolisten",
            "tcp",
            "-PasswordFile",
            str(passwords),
            *options,
        ]
        with process(command, folder=folder, wait_for=(address, port), env={"HOME": str(folder)}):
            yield

    return start


_DESKTOP_CASES = (
    LabCase(
        name="vnc-without-password",
        address="127.10.9.20",
        ports="5905",
        start=_vnc(5905, "-SecurityTypes", "None"),
        expected=frozenset({(5905, "SVC-VNC-UNAUTH"), (5905, "CLR-VNC")}),
        services=frozenset({(5905, "vnc")}),
        needs=("Xtigervnc",),
    ),
    LabCase(
        name="vnc-password-only-odd-port",
        address="127.10.9.21",
        ports="7906",
        start=_vnc(7906, "-SecurityTypes", "VncAuth"),
        expected=frozenset({(7906, "CLR-VNC")}),
        silent=frozenset({"SVC-VNC-UNAUTH"}),
        services=frozenset({(7906, "vnc")}),
        needs=("Xtigervnc",),
    ),
    LabCase(
        name="vnc-inside-tls",
        address="127.10.9.22",
        ports="5907",
        start=_vnc(5907, "-SecurityTypes", "TLSVnc"),
        silent=frozenset({"SVC-VNC-UNAUTH", "CLR-VNC"}),
        services=frozenset({(5907, "vnc")}),
        needs=("Xtigervnc",),
    ),
    LabCase(
        name="vnc-inside-tls-without-password",
        address="127.10.9.23",
        ports="5908",
        start=_vnc(5908, "-SecurityTypes", "TLSNone"),
        expected=frozenset({(5908, "SVC-VNC-UNAUTH")}),
        silent=frozenset({"CLR-VNC"}),
        needs=("Xtigervnc",),
    ),
    LabCase(
        name="x11-for-everyone",
        address="127.10.9.24",
        ports="6041",
        start=_xvfb(41, "-ac"),
        expected=frozenset({(6041, "SVC-X11-UNAUTH"), (6041, "CLR-X11")}),
        services=frozenset({(6041, "x11")}),
        needs=("Xvfb",),
    ),
    LabCase(
        name="x11-with-cookie",
        address="127.10.9.25",
        ports="6042",
        start=_xvfb(42, cookie=True),
        expected=frozenset({(6042, "CLR-X11")}),
        silent=frozenset({"SVC-X11-UNAUTH"}),
        services=frozenset({(6042, "x11")}),
        needs=("Xvfb", "xauth"),
    ),
)


@contextlib.contextmanager
def _xrdp(address: str, folder: Path) -> Iterator[None]:
    certificate, key = self_signed(folder, address)
    configuration = folder / "xrdp.ini"
    configuration.write_text(
        f"[Globals]\nini_version=1\nfork=true\nport=tcp://{address}:3389\ntcp_nodelay=true\nsecurity_layer=negotiate\n"
        f"crypt_level=high\ncertificate={certificate}\nkey_file={key}\nssl_protocols=TLSv1.2, TLSv1.3\n"
        "[Logging]\nLogFile=xrdp.log\nLogLevel=INFO\n[Xorg]\nname=Xorg\nlib=libxup.so\nusername=ask\npassword=ask\n"
    )
    command = [program("xrdp"), "--nodaemon", "--config", str(configuration)]
    with process(command, folder=folder, wait_for=(address, 3389)):
        yield


def _rdp_that_takes(*accepted: int, refusal: int) -> Start:
    """Answer the negotiation of [MS-RDPBCGR] as Windows does: the strongest protocol that both know, or a refusal."""

    def answer(request: bytes) -> bytes | None:
        if request[:2] != b"\x03\x00" or len(request) < 19:
            return None
        wanted = int.from_bytes(request[15:19], "little")
        common = [protocol for protocol in accepted if protocol == 0 or wanted & protocol]
        kind, value = (2, max(common)) if common else (3, refusal)
        return b"\x03\x00\x00\x13\x0e\xd0\x00\x00\x12\x34\x00" + bytes([kind, 0, 8, 0]) + value.to_bytes(4, "little")

    return scripted(3389, answer, once=True)


def smbd(port: int, *lines: str) -> Start:
    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        for name in ("private", "lock", "state", "cache", "pid", "ncalrpc"):
            (folder / name).mkdir()
        (folder / "ncalrpc").chmod(0o755)
        configuration = folder / "smb.conf"
        configuration.write_text(
            f"[global]\ninterfaces = {address}/8\nbind interfaces only = yes\nsmb ports = {port}\n"
            f"private dir = {folder}/private\nlock directory = {folder}/lock\nstate directory = {folder}/state\n"
            f"cache directory = {folder}/cache\npid directory = {folder}/pid\nncalrpc dir = {folder}/ncalrpc\n"
            "disable spoolss = yes\nload printers = no\nmap to guest = never\n" + "\n".join(lines) + "\n"
        )
        command = [program("smbd"), "--foreground", "--no-process-group", "--debug-stdout", "-s", str(configuration)]
        with process(command, folder=folder, wait_for=(address, port)):
            yield

    return start


_WINDOWS_CASES = (
    LabCase(
        name="rdp-xrdp",
        address="127.10.9.30",
        ports="3389",
        start=_xrdp,
        expected=frozenset({(3389, "SVC-RDP-EXPOSED"), (3389, "RDP-NLA-OFF")}),
        tolerated=_OWN_CERTIFICATE,
        services=frozenset({(3389, "rdp")}),
        needs=("xrdp",),
    ),
    LabCase(
        name="rdp-nla-required",
        address="127.10.9.31",
        ports="3389",
        start=_rdp_that_takes(2, refusal=5),
        expected=frozenset({(3389, "SVC-RDP-EXPOSED")}),
        silent=frozenset({"RDP-NLA-OFF"}),
        services=frozenset({(3389, "rdp")}),
        outcome="partial",
    ),
    LabCase(
        name="rdp-nla-optional",
        address="127.10.9.32",
        ports="3389",
        start=_rdp_that_takes(1, 2, refusal=1),
        expected=frozenset({(3389, "SVC-RDP-EXPOSED"), (3389, "RDP-NLA-OFF")}),
        outcome="partial",
    ),
    LabCase(
        name="rdp-own-encryption",
        address="127.10.9.33",
        ports="3389",
        start=_rdp_that_takes(0, refusal=2),
        expected=frozenset({(3389, "SVC-RDP-EXPOSED"), (3389, "RDP-NLA-OFF")}),
        silent=frozenset({"DB-CLEARTEXT"}),
    ),
    LabCase(
        name="smb-default",
        address="127.10.9.34",
        ports="445",
        start=smbd(445),
        expected=frozenset({(445, "SVC-SMB-EXPOSED"), (445, "SMB-SIGN")}),
        silent=frozenset({"SMBV1"}),
        services=frozenset({(445, "smb")}),
        needs=("smbd",),
    ),
    LabCase(
        name="smb-version-1",
        address="127.10.9.35",
        ports="445",
        start=smbd(445, "server min protocol = NT1"),
        expected=frozenset({(445, "SVC-SMB-EXPOSED"), (445, "SMB-SIGN"), (445, "SMBV1")}),
        needs=("smbd",),
    ),
    LabCase(
        name="smb-version-1-only",
        address="127.10.9.37",
        ports="445",
        start=smbd(445, "server min protocol = NT1", "server max protocol = NT1"),
        expected=frozenset({(445, "SVC-SMB-EXPOSED"), (445, "SMB-SIGN"), (445, "SMBV1")}),
        needs=("smbd",),
    ),
    LabCase(
        name="smb-version-3.1.1-only",
        address="127.10.9.38",
        ports="445",
        start=smbd(445, "server min protocol = SMB3_11", "server signing = mandatory"),
        expected=frozenset({(445, "SVC-SMB-EXPOSED")}),
        silent=frozenset({"SMB-SIGN", "SMBV1"}),
        needs=("smbd",),
    ),
    LabCase(
        name="smb-signing-required-odd-port",
        address="127.10.9.36",
        ports="4450",
        start=smbd(4450, "server signing = mandatory"),
        expected=frozenset({(4450, "SVC-SMB-EXPOSED")}),
        silent=frozenset({"SMB-SIGN", "SMBV1"}),
        services=frozenset({(4450, "smb")}),
        needs=("smbd",),
    ),
)

CASES = (*_FTP_CASES, *_DESKTOP_CASES, *_WINDOWS_CASES)
