"""VPN gateways and telephony. IKE's refusals are those of strongSwan 5.9.8, the resets those of OpenVPN 2.6.14."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from pathlib import Path

from scanner.engine.plan import Profile
from scanner.engine.probes.services import vpn
from tests.lab.case import LabCase, Start, process, program
from tests.lab.http_answers import together
from tests.lab.scripted import Answer, hangs_up, scripted
from tests.lab.udp import scripted_udp, wait_until_bound


@contextlib.contextmanager
def _pptpd(address: str, folder: Path) -> Iterator[None]:
    (folder / "options").touch()
    (folder / "pptpd.conf").write_text(
        f"option {folder}/options\nlocalip 192.0.2.10\nremoteip 192.0.2.20-30\nlisten {address}\n"
    )
    command = [program("pptpd"), "-f", "-c", str(folder / "pptpd.conf"), "-p", str(folder / "pid")]
    with process(command, folder=folder, wait_for=(address, 1723)):
        yield


def _kamailio(port: int) -> Start:
    """Run a real SIP server that answers OPTIONS, over UDP and TCP."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        (folder / "kamailio.cfg").write_text(
            "#!KAMAILIO\nchildren=1\nlog_stderror=yes\n"
            'loadmodule "sl.so"\nloadmodule "pv.so"\nrequest_route { sl_send_reply("200", "OK"); }\n'
        )
        listen = [word for each in ("udp", "tcp") for word in ("-l", f"{each}:{address}:{port}")]
        command = [program("kamailio"), "-DD", "-E", "-m", "8", "-M", "4", "-f", str(folder / "kamailio.cfg"), *listen]
        with process([*command, "-P", str(folder / "pid"), "-w", str(folder)], folder=folder, wait_for=(address, port)):
            wait_until_bound(address, port)
            yield

    return start


def _reset(packet: bytes) -> bytes | None:
    """Acknowledge a client's reset with a session of the server's own."""
    if packet[:1] != b"\x38" or len(packet) != 14:
        return None
    return b"\x40\xcc\xac\xba\xab\x3c\xb5\xb8\x45\x01" + packet[10:14] + packet[1:9] + bytes(4)


def _reset_over_tcp(stream: bytes) -> bytes | None:
    reply = _reset(stream[2:])
    return struct.pack(">H", len(reply)) + reply if reply else None


def _refused(request: bytes) -> bytes | None:
    """Refuse every proposal, in the version in which it was made."""
    if request[17:19] == b"\x20\x22":
        return (
            request[:8] + b"\xca\xab\xd4\xc8\xff\x6b\x63\x5c\x29\x20\x22\x20" + bytes(7) + b"\x24\0\0\0\x08\0\0\0\x0e"
        )
    if request[17:19] == b"\x10\x02":
        return request[:8] + bytes.fromhex("8c63ac495ca42ec70b1005007402e8a1000000280000000c000000010100000e")
    return None


def _old_gateway(request: bytes) -> bytes | None:
    """Choose the first proposal of main mode (RFC 2409 section 5), and refuse version 2."""
    if request[17:19] != b"\x10\x02":
        return _refused(request)
    body = request[28:]
    return request[:8] + b"\x11" * 8 + request[16:24] + struct.pack(">I", 28 + len(body)) + body


def _behind_nat(answer: Answer) -> Answer:
    return lambda request: bytes(4) + (answer(request[4:]) or b"")


CASES = (
    LabCase(
        name="pptp-gateway",
        address="127.10.43.1",
        ports="T:1723",
        start=_pptpd,
        expected=frozenset({(1723, "SVC-PPTP-EXPOSED")}),
        services=frozenset({(1723, "pptp")}),
        needs=("pptpd",),
    ),
    LabCase(
        name="vpn-gateways",
        address="127.10.43.2",
        ports="T:1194,U:500,1194,4500",
        start=together(
            scripted(1194, _reset_over_tcp),
            scripted_udp(1194, _reset),
            scripted_udp(500, _refused),
            scripted_udp(4500, _behind_nat(_refused)),
        ),
        expected=frozenset(
            {
                (1194, "SVC-OPENVPN-EXPOSED"),
                ("1194/udp", "SVC-OPENVPN-EXPOSED"),
                ("500/udp", "SVC-IKE-EXPOSED"),
                ("4500/udp", "SVC-IKE-EXPOSED"),
            }
        ),
        silent=frozenset({"IKE-V1"}),
        services=frozenset({(1194, "openvpn"), (500, "ike"), (4500, "ike")}),
    ),
    LabCase(
        name="ipsec-gateway-of-old",
        address="127.10.43.3",
        ports="U:500",
        start=scripted_udp(500, _old_gateway),
        expected=frozenset({("500/udp", "SVC-IKE-EXPOSED"), ("500/udp", "IKE-V1")}),
    ),
    LabCase(
        name="sip-server",
        address="127.10.43.4",
        ports="T:5060,U:5060",
        start=_kamailio(5060),
        expected=frozenset({(5060, "SVC-SIP-EXPOSED"), ("5060/udp", "SVC-SIP-EXPOSED")}),
        services=frozenset({(5060, "sip")}),
        needs=("kamailio",),
    ),
    LabCase(
        name="other-things-on-the-ports-of-gateways",
        address="127.10.43.5",
        ports="T:1194,1723,5060,U:500,1194,4500,5060",
        start=together(
            scripted(1194, lambda request: request),
            scripted(1723, hangs_up, banner=vpn.PPTP_START),
            scripted(5060, lambda _: b"SIP/2.0 200 OK\r\nCall-ID: another@lab.example\r\n\r\n"),
            *(scripted_udp(port, lambda request: request) for port in (500, 1194, 4500, 5060)),
        ),
        silent=frozenset({"SVC-OPENVPN-EXPOSED", "SVC-PPTP-EXPOSED", "SVC-SIP-EXPOSED", "SVC-IKE-EXPOSED", "IKE-V1"}),
        profile=Profile.QUICK,
        outcome="partial",
    ),
)
