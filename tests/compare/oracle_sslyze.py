"""Runs sslyze in a child process: servers as JSON on standard input, a line of JSON for each on standard output.

In a process of its own because it carries an OpenSSL of 2016 that may crash, and knows no deadline.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from nassl.ephemeral_key_info import DhEphemeralKeyInfo
from sslyze.__version__ import __version__ as version
from sslyze.plugins.scan_commands import ScanCommand
from sslyze.scanner.models import ServerScanRequest, ServerScanResult
from sslyze.scanner.scan_command_attempt import ScanCommandAttemptStatusEnum
from sslyze.scanner.scanner import Scanner
from sslyze.server_setting import ServerNetworkConfiguration, ServerNetworkLocation

SUITES = {
    "SSLv2": "ssl_2_0_cipher_suites",
    "SSLv3": "ssl_3_0_cipher_suites",
    "TLSv1.0": "tls_1_0_cipher_suites",
    "TLSv1.1": "tls_1_1_cipher_suites",
    "TLSv1.2": "tls_1_2_cipher_suites",
    "TLSv1.3": "tls_1_3_cipher_suites",
}
_READ: dict[str, tuple[str, Callable[[Any], object]]] = {
    "tls_compression": ("compression", lambda result: result.supports_compression),
    "session_renegotiation": ("secure_renegotiation", lambda result: result.supports_secure_renegotiation),
    "tls_fallback_scsv": ("fallback_scsv", lambda result: result.supports_fallback_scsv),
    "tls_extended_master_secret": ("extended_master_secret", lambda result: result.supports_ems_extension),
    "elliptic_curves": ("curves", lambda result: _curves(result)),
    "certificate_info": ("leaves", lambda result: _leaves(result)),
}
"""sslyze's commands, and under which name their answers are told."""
AT_ONCE = 5
"""Servers at a time."""


def main() -> None:
    """Scan the servers of standard input (address, port, name); the argument is how many connections each may get."""
    scanner = Scanner(per_server_concurrent_connections_limit=int(sys.argv[1]), concurrent_server_scans_limit=AT_ONCE)
    requests = [
        ServerScanRequest(
            server_location=ServerNetworkLocation(hostname=name, port=port, ip_address=address),
            network_configuration=ServerNetworkConfiguration(
                tls_server_name_indication=name, network_timeout=10, network_max_retries=1
            ),
            scan_commands={ScanCommand(command) for command in (*SUITES.values(), *_READ)},
        )
        for address, port, name in json.load(sys.stdin)
    ]
    scanner.queue_scans(requests)
    for result in scanner.get_results():
        location = result.server_location
        print(json.dumps([location.ip_address, location.port, _said(result)]), flush=True)


def _said(result: ServerScanResult) -> dict[str, object]:
    said: dict[str, object] = {"sslyze": version, "trouble": {}}
    if result.connectivity_result is None or result.scan_result is None:
        return {**said, "highest": None, "ended": result.connectivity_error_trace and _last(result)}
    said["highest"] = result.connectivity_result.highest_tls_version_supported.name
    said["suites"] = {}
    for command, answer in _attempts(result.scan_result, said):
        if command in _READ:
            name, read = _READ[command]
            said[name] = read(answer)
        else:
            spoken = next(spoken for spoken, each in SUITES.items() if each == command)
            said["suites"][spoken] = {  # type: ignore[index]  # a dictionary, as set above
                "accepted": {
                    each.cipher_suite.name: _bits(each.ephemeral_key) for each in answer.accepted_cipher_suites
                },
                "rejected": [each.cipher_suite.name for each in answer.rejected_cipher_suites],
            }
    return said


def _attempts(scan: Any, said: dict[str, object]) -> Iterator[tuple[str, Any]]:
    """Yield what was answered; what wasn't is told under ``trouble``, by command."""
    for command in (*SUITES.values(), *_READ):
        attempt = getattr(scan, command)
        if attempt.status is ScanCommandAttemptStatusEnum.COMPLETED:
            yield command, attempt.result
        else:
            reason = attempt.error_reason.name if attempt.error_reason else attempt.status.name
            trace = attempt.error_trace
            last = "".join(trace.format_exception_only()).strip() if trace else ""
            said["trouble"][command] = f"{reason}: {last}"[:300]  # type: ignore[index]  # a dictionary, as set above


def _last(result: ServerScanResult) -> str:
    trace = result.connectivity_error_trace
    return "".join(trace.format_exception_only()).strip() if trace else ""


def _bits(key: Any) -> int | None:
    """Return the size of a DH prime; None for curves, whose size sslyze tells wrongly (253 for X25519)."""
    return key.size if isinstance(key, DhEphemeralKeyInfo) else None


def _curves(result: Any) -> dict[str, list[str]] | None:
    if not result.supports_ecdh_key_exchange:
        return None
    return {
        "accepted": [curve.name for curve in result.supported_curves],
        "rejected": [curve.name for curve in result.rejected_curves],
    }


def _leaves(result: Any) -> list[str]:
    leaves = (deployment.received_certificate_chain[0] for deployment in result.certificate_deployments)
    return sorted({hashlib.sha256(leaf.public_bytes(Encoding.DER)).hexdigest() for leaf in leaves})


if __name__ == "__main__":
    main()
