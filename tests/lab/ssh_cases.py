"""SSH servers: as Debian installs them, hardened, and as old devices speak."""

from __future__ import annotations

import contextlib
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

from tests.lab.case import LabCase, Start, process, program
from tests.lab.http_answers import together
from tests.lab.scripted import Answer, scripted


def _ssh_lists(cipher: str, kex: str = "curve25519-sha256", host_keys: str = "ssh-ed25519") -> Answer:
    """The algorithm lists of an SSH server that offers one cipher and no countermeasure to CVE-2023-48795.

    Debian's servers all have it by now, so the lists are written out (RFC 4253 section 7.1); no key is exchanged.
    """
    lists = [
        kex,
        host_keys,
        cipher,
        cipher,
        "hmac-sha2-256",
        "hmac-sha2-256",
        "none",
        "none",
        "",
        "",
    ]
    payload = b"\x14" + bytes(16) + b"".join(len(one).to_bytes(4, "big") + one.encode() for one in lists) + bytes(5)
    padding = 8 - (5 + len(payload)) % 8 + 8
    packet = (1 + len(payload) + padding).to_bytes(4, "big") + bytes([padding]) + payload + bytes(padding)

    def answer(request: bytes) -> bytes | None:
        return packet if request.startswith(b"SSH-2.0-") else None

    return answer


def key_of_version_1(bits: int, methods: tuple[int, ...]) -> bytes:
    """The first message of a server of version 1: its keys, of which the second has so many bits, and its masks.

    ``methods`` are bits of the last one: 2 for RSA, 3 for passwords (draft-ylonen-ssh-protocol-00).
    """

    def number(value: int) -> bytes:
        size = value.bit_length()
        return size.to_bytes(2, "big") + value.to_bytes((size + 7) // 8, "big")

    def key(size: int) -> bytes:
        return size.to_bytes(4, "big") + number(35) + number((1 << size) - 1)

    triple_des, flags = 1 << 3, 0
    masks = (flags, triple_des, sum(1 << bit for bit in methods))
    content = b"\x02" + bytes(8) + key(768) + key(bits) + b"".join(mask.to_bytes(4, "big") for mask in masks)
    length = len(content) + 4
    padded = bytes(8 - length % 8) + content
    checksum = zlib.crc32(padded, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return length.to_bytes(4, "big") + padded + checksum.to_bytes(4, "big")


def _speaks_version_1(bits: int, *methods: int, beside: Answer = lambda _: None) -> Answer:
    message = key_of_version_1(bits, methods)

    def answer(request: bytes) -> bytes | None:
        return message if request.startswith(b"SSH-1.5-") else beside(request)

    return answer


def sshd(*options: str, key: tuple[str, ...] = ("-t", "ed25519"), known: bytes = b"", port: int = 22) -> Start:
    """Run OpenSSH with its compiled-in defaults, one host key (a new one, or ``known``) and these options."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        Path("/run/sshd").mkdir(exist_ok=True)
        host_key = folder / "host_key"
        if known:
            host_key.touch(0o600)
            host_key.write_bytes(known)
        else:
            subprocess.run([program("ssh-keygen"), "-q", *key, "-N", "", "-f", str(host_key)], check=True)
        command = [program("sshd"), "-D", "-e", "-f", "/dev/null", "-h", str(host_key), "-o", f"Port={port}"]
        for option in (f"ListenAddress={address}", "PidFile=none", *options):
            command += ["-o", option]
        with process(command, folder=folder, wait_for=(address, port)):
            yield

    return start


_RSA_1024 = ("-t", "rsa", "-b", "1024")
_WEAK_SSH = (
    "KexAlgorithms=+diffie-hellman-group1-sha1,diffie-hellman-group14-sha1",
    "Ciphers=+3des-cbc",
    "MACs=+hmac-md5",
    "HostKeyAlgorithms=ssh-rsa",
    "RequiredRSASize=1024",
)
_QUANTUM_SAFE = ("KexAlgorithms=sntrup761x25519-sha512@openssh.com", "MACs=hmac-sha2-256")
_MODERN = _ssh_lists("aes256-gcm@openssh.com")
_WEAK_CHECKS = ("SSH-KEX-WEAK", "SSH-CIPHER-WEAK", "SSH-MAC-WEAK", "SSH-HOSTKEY-WEAK")

CASES = (
    LabCase(
        name="ssh-debian-default",
        address="127.10.9.1",
        ports="22",
        start=sshd(),
        expected=frozenset({(22, "SSH-MAC-WEAK")}),
        silent=frozenset({"SSH-TERRAPIN", "SSH-KEX-WEAK", "SSH-CIPHER-WEAK", "SSH-HOSTKEY-WEAK", "SSH-PASSWORD"}),
        services=frozenset({(22, "ssh")}),
    ),
    LabCase(
        name="ssh-weak-odd-port",
        address="127.10.9.2",
        ports="2022",
        start=sshd(*_WEAK_SSH, key=_RSA_1024, port=2022),
        expected=frozenset((2022, check) for check in _WEAK_CHECKS),
        silent=frozenset({"SSH-TERRAPIN", "SSH-PASSWORD", "SSH-V1"}),
        services=frozenset({(2022, "ssh")}),
    ),
    LabCase(
        name="ssh-keys-only",
        address="127.10.9.3",
        ports="22",
        start=sshd("PasswordAuthentication=no", "KbdInteractiveAuthentication=no", "MACs=hmac-sha2-256"),
        silent=frozenset({"SSH-PASSWORD", "SSH-MAC-WEAK", "SSH-TERRAPIN"}),
        level=2,
    ),
    LabCase(
        name="ssh-passwords",
        address="127.10.9.4",
        ports="22",
        start=sshd("KexAlgorithms=ecdh-sha2-nistp256"),
        expected=frozenset({(22, "SSH-PASSWORD"), (22, "SSH-MAC-WEAK")}),
        silent=frozenset({"SSH-KEX-WEAK"}),
        level=2,
    ),
    LabCase(
        name="ssh-version-1",
        address="127.10.9.5",
        ports="22",
        start=scripted(22, lambda _: None, banner=b"SSH-1.5-1.2.27\r\n"),
        expected=frozenset({(22, "SSH-V1")}),
        silent=frozenset({"SSH-KEX-WEAK"}),
    ),
    LabCase(
        name="ssh-version-1-with-a-short-key-and-passwords",
        address="127.10.141.13",
        ports="22",
        start=scripted(22, _speaks_version_1(1024, 2, 3), banner=b"SSH-1.5-Cisco-1.25\n"),
        expected=frozenset({(22, "SSH-V1"), (22, "SSH-HOSTKEY-WEAK"), (22, "SSH-PASSWORD")}),
        silent=frozenset({"SSH-KEX-WEAK", "SSH-CIPHER-WEAK"}),
        services=frozenset({(22, "ssh")}),
        level=2,
    ),
    LabCase(
        name="ssh-of-both-versions",
        address="127.10.141.14",
        ports="22,2222",
        start=together(
            scripted(22, _speaks_version_1(1024, 2, beside=_MODERN), banner=b"SSH-1.99-Cisco-1.25\n"),
            scripted(2222, _speaks_version_1(2048, 2, 3, beside=_MODERN), banner=b"SSH-1.99-Cisco-1.25\n"),
        ),
        expected=frozenset({(22, "SSH-V1"), (2222, "SSH-V1"), (2222, "SSH-PASSWORD")}),
        silent=frozenset({"SSH-KEX-WEAK", "SSH-CIPHER-WEAK", "SSH-HOSTKEY-WEAK", "SSH-TERRAPIN"}),
        services=frozenset({(22, "ssh"), (2222, "ssh")}),
    ),
    LabCase(
        name="ssh-of-a-router-that-signs-with-sha-1",
        address="127.10.160.2",
        ports="22,2222",
        start=together(
            scripted(22, _ssh_lists("aes128-ctr", host_keys="x509v3-ssh-rsa,ssh-rsa"), banner=b"SSH-2.0-Cisco-1.25\n"),
            scripted(2222, _ssh_lists("aes128-ctr", host_keys="x509v3-ssh-rsa,rsa-sha2-512"), banner=b"SSH-2.0-lab\n"),
        ),
        expected=frozenset({(22, "SSH-HOSTKEY-WEAK")}),
        silent=frozenset({"SSH-TERRAPIN", "SSH-KEX-WEAK", "SSH-CIPHER-WEAK", "SSH-MAC-WEAK"}),
    ),
    LabCase(
        name="ssh-terrapin",
        address="127.10.9.6",
        ports="22",
        start=scripted(22, _ssh_lists("chacha20-poly1305@openssh.com"), banner=b"SSH-2.0-lab_1.0\r\n"),
        expected=frozenset({(22, "SSH-TERRAPIN")}),
        silent=frozenset({"SSH-KEX-WEAK", "SSH-CIPHER-WEAK", "SSH-MAC-WEAK", "SSH-HOSTKEY-WEAK"}),
    ),
    LabCase(
        name="ssh-modes-that-cannot-be-truncated",
        address="127.10.9.7",
        ports="22",
        start=scripted(22, _ssh_lists("aes256-gcm@openssh.com"), banner=b"SSH-2.0-lab_1.0\r\n"),
        silent=frozenset({"SSH-TERRAPIN", "SSH-KEX-WEAK", "SSH-CIPHER-WEAK"}),
    ),
    LabCase(
        name="ssh-quantum-safe-exchange-alone-and-a-short-key",
        address="127.10.90.1",
        ports="22",
        start=sshd(*_QUANTUM_SAFE, "RequiredRSASize=1024", key=_RSA_1024),
        expected=frozenset({(22, "SSH-HOSTKEY-WEAK"), (22, "SSH-PASSWORD")}),
        silent=frozenset({"SSH-TERRAPIN", "SSH-KEX-WEAK", "SSH-CIPHER-WEAK", "SSH-MAC-WEAK"}),
        level=2,
    ),
    LabCase(
        name="ssh-quantum-safe-exchange-alone",
        address="127.10.90.2",
        ports="2222",
        start=sshd(*_QUANTUM_SAFE, "PasswordAuthentication=no", "KbdInteractiveAuthentication=no", port=2222),
        silent=frozenset({"SSH-HOSTKEY-WEAK", "SSH-PASSWORD", "SSH-KEX-WEAK", "SSH-MAC-WEAK"}),
        services=frozenset({(2222, "ssh")}),
        level=2,
    ),
    LabCase(
        name="ssh-exchange-that-nobody-knows",
        address="127.10.90.3",
        ports="22",
        start=scripted(22, _ssh_lists("aes256-gcm@openssh.com", "sm2kep-sha2-nistp256"), banner=b"SSH-2.0-lab\r\n"),
        silent=frozenset({"SSH-HOSTKEY-WEAK", "SSH-PASSWORD", "SSH-KEX-WEAK"}),
        outcome="partial",
        level=2,
    ),
    LabCase(
        name="ssh-codes-cut-short-alone",
        address="127.10.141.11",
        ports="22",
        start=sshd("Ciphers=3des-cbc", "MACs=hmac-sha1-96", "KexAlgorithms=diffie-hellman-group-exchange-sha256"),
        expected=frozenset({(22, "SSH-CIPHER-WEAK"), (22, "SSH-MAC-WEAK"), (22, "SSH-PASSWORD")}),
        silent=frozenset({"SSH-TERRAPIN", "SSH-KEX-WEAK", "SSH-HOSTKEY-WEAK"}),
        level=2,
    ),
    LabCase(
        name="ssh-code-that-nobody-knows",
        address="127.10.141.12",
        ports="22",
        start=sshd("Ciphers=aes256-ctr", "MACs=umac-128@openssh.com"),
        silent=frozenset({"SSH-TERRAPIN", "SSH-KEX-WEAK", "SSH-MAC-WEAK", "SSH-CIPHER-WEAK", "SSH-PASSWORD"}),
        outcome="partial",
        level=2,
    ),
)
