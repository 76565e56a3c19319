"""sslyze's test for ROBOT (Bleichenbacher's oracle), made to hold where a server breaks off at bad padding.

The test sends key exchanges with good and bad padding and compares the replies. On a busy machine, or over a slow
network, the replies of a server that breaks off differ by chance, and sslyze gives up. It has no settings for this.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from sslyze.plugins.robot import _robot_tester, implementation
from sslyze.plugins.robot._robot_tester import RobotScanResultEnum
from tls_parser.change_cipher_spec_protocol import TlsChangeCipherSpecRecord
from tls_parser.tls_version import TlsVersionEnum


def mend() -> None:
    """Change sslyze's test in this process: it sends at once, and judges with ``Replies``."""
    vars(_robot_tester)["do_handshake_with_robot"] = _send_at_once
    vars(implementation)["RobotServerResponsesAnalyzer"] = Replies


class Replies(_robot_tester.RobotServerResponsesAnalyzer):
    """sslyze's judgement of the replies, which wants all replies to one padding to be the same.

    Whether a server that breaks off is seen to close or to reset is chance: it does both, and the network decides which
    comes first. So replies that differ in that alone are taken as the same where others tell the paddings apart.
    """

    def compute_result_enum(self) -> RobotScanResultEnum:
        """Return what the replies tell; ``UNKNOWN_INCONSISTENT_RESULTS`` where chance may have made the difference."""
        told = super().compute_result_enum()
        if told is not RobotScanResultEnum.UNKNOWN_INCONSISTENT_RESULTS:
            return told
        alike = {padding: [_how(reply) for reply in replies] for padding, replies in self._payload_responses.items()}
        retold = _robot_tester.RobotServerResponsesAnalyzer(alike, self._attempts_count).compute_result_enum()
        return told if retold is RobotScanResultEnum.NOT_VULNERABLE_NO_ORACLE else retold


def _how(reply: str) -> str:
    return "closed" if reply == "No data" or reply.startswith("socket.error") else reply


_shake_hands: Any = _robot_tester.do_handshake_with_robot


def _send_at_once(client: Any) -> None:
    """Send the three records after the server's in one write. sslyze takes three, and a server that breaks off at the
    first may be gone before the second: that write then fails, and with it the test."""
    version = TlsVersionEnum[client._ssl_version.name]  # noqa: SLF001 - no public name for this
    records = client._robot_cke_record.to_bytes()  # noqa: SLF001 - no public name for this
    records += TlsChangeCipherSpecRecord.from_parameters(tls_version=version).to_bytes()
    records += _robot_tester._RobotTlsRecordPayloads.get_finished_record_bytes(version)  # noqa: SLF001 - as above
    client._robot_cke_record = SimpleNamespace(to_bytes=lambda: records)  # noqa: SLF001 - as above
    client._robot_should_finish_handshake = False  # noqa: SLF001 - as above
    _shake_hands(client)
