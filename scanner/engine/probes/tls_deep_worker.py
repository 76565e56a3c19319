"""The child process in which sslyze runs: one request as JSON on standard input, its answers on standard output.

Printed is a dot for each connection as it is opened, so that they are counted whatever happens later; then booleans (is
it there?) by sslyze's command name, and ``none``, ``weak`` or ``strong`` for ROBOT. A test that sslyze did not complete
is left out.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable
from typing import Any

from nassl.ssl_client import BaseSslClient
from sslyze.connection_helpers.opportunistic_tls_helpers import ProtocolWithOpportunisticTlsEnum
from sslyze.plugins.scan_commands import ScanCommand
from sslyze.plugins.session_renegotiation_plugin import SessionRenegotiationExtraArgument
from sslyze.scanner.models import ScanCommandsExtraArguments, ServerScanRequest
from sslyze.scanner.scan_command_attempt import ScanCommandAttemptStatusEnum
from sslyze.scanner.scanner import Scanner
from sslyze.server_setting import ServerNetworkConfiguration, ServerNetworkLocation

from scanner.engine.probes import tls_deep_robot

RENEGOTIATIONS = 4
"""Renegotiations asked for: one more than Node.js lets pass, and too few to be a burden; each takes sslyze a second."""

_ROBOT = {
    "VULNERABLE_WEAK_ORACLE": "weak",
    "VULNERABLE_STRONG_ORACLE": "strong",
    "NOT_VULNERABLE_NO_ORACLE": "none",
}
"""Whoever is asked for ROBOT has accepted such suites, so that sslyze got none is no answer: it lost a handshake, or
tried another version."""

_READ: dict[str, Callable[[Any], bool | str | None]] = {
    "heartbleed": lambda result: bool(result.is_vulnerable_to_heartbleed),
    "openssl_ccs_injection": lambda result: bool(result.is_vulnerable_to_ccs_injection),
    "session_renegotiation": lambda result: result.client_renegotiations_success_count >= RENEGOTIATIONS,
    "tls_1_3_early_data": lambda result: bool(result.supports_early_data),
    "robot": lambda result: _ROBOT.get(result.robot_result.name),
}


def main() -> None:
    """Carry out the request on standard input."""
    request = json.load(sys.stdin)
    _count_connections()
    tls_deep_robot.mend()
    if not request["server_name"]:
        _name_no_server()
    name = request["server_name"] or request["address"]
    starttls = request["starttls"]
    scan = ServerScanRequest(
        server_location=ServerNetworkLocation(hostname=name, port=request["port"], ip_address=request["address"]),
        network_configuration=ServerNetworkConfiguration(
            tls_server_name_indication=name,
            tls_opportunistic_encryption=ProtocolWithOpportunisticTlsEnum(starttls) if starttls else None,
            network_timeout=5,
            network_max_retries=1,
        ),
        scan_commands={ScanCommand(command) for command in request["commands"]},
        scan_commands_extra_arguments=ScanCommandsExtraArguments(
            # sslyze refuses an argument for a command that is not asked
            session_renegotiation=SessionRenegotiationExtraArgument(client_renegotiation_attempts=RENEGOTIATIONS)
            if "session_renegotiation" in request["commands"]
            else None
        ),
    )
    scanner = Scanner(per_server_concurrent_connections_limit=2)
    scanner.queue_scans([scan])
    answers: dict[str, bool | str] = {}
    for result in scanner.get_results():
        for command in request["commands"] if result.scan_result else ():
            attempt = getattr(result.scan_result, command)
            if attempt.status is ScanCommandAttemptStatusEnum.COMPLETED:
                answer = _READ[command](attempt.result)
                if answer is not None:
                    answers[command] = answer
    print(json.dumps(answers))


def _count_connections() -> None:
    connect = socket.create_connection

    def counted(*arguments: Any, **options: Any) -> socket.socket:
        print(".", end="", flush=True)
        return connect(*arguments, **options)

    socket.create_connection = counted


def _name_no_server() -> None:
    """Keep sslyze from sending the address as a server name, which RFC 6066 forbids and strict servers refuse."""

    def leave_out(client: BaseSslClient, name: str) -> None:
        del client, name

    BaseSslClient.set_tlsext_host_name = leave_out  # type: ignore[method-assign, assignment]  # it has no setting


if __name__ == "__main__":
    main()
