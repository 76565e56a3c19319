"""BIND as the whole DNS of one domain: root, the top level ``test.`` and the domain, and a resolver that validates.

The resolver listens on port 53 of the case's address and forwards to the authoritative server on port 5300, whose
zones are signed on the way where a case wants it.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.lab.case import Start, process, program

AUTHORITY_PORT = 5300

_APEX = "$TTL 60\n@ IN SOA ns.nic.test. hostmaster.nic.test. 1 3600 600 86400 60\n"
_SERVERS = "@ IN NS ns1.nic.test.\n@ IN NS ns2.nic.test.\n"

# The servers' addresses are never used: the resolver forwards. They lie in networks of their own.
_ABOVE = {
    ".": "@ IN NS ns1.nic.test.\ntest. IN NS ns1.nic.test.\n",
    "test.": f"{_SERVERS}ns1.nic IN A 192.0.2.53\nns2.nic IN A 198.51.100.53\n",
}


@dataclass(frozen=True, slots=True)
class Zone:
    """One zone: its records but for the SOA, and the NS of most; ``broken`` is a text that is changed after signing."""

    records: str
    servers: str = _SERVERS
    broken: tuple[str, str] | None = None


def dns_world(zones: Mapping[str, Zone], *, signed: bool = False, options: str = "") -> Start:
    """Return a DNS that knows these zones below ``test.`` and nothing else; ``options`` are of its authority."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        anchors = _write_zones(zones, folder, signed=signed)
        names = (*_ABOVE, *(f"{zone}." for zone in zones))
        statements = "".join(f'zone "{name}" {{ type primary; file "{_file(name)}"; }};\n' for name in names)
        authority = folder / "authority.conf"
        authority.write_text(f"{_options(address, AUTHORITY_PORT, folder, f'recursion no; {options}')}{statements}")
        validation = "yes" if signed else "no"
        resolver = folder / "resolver.conf"
        resolver.write_text(
            _options(
                address,
                53,
                folder,
                f"recursion yes; allow-recursion {{ any; }}; dnssec-validation {validation}; forward only; "
                f"forwarders {{ {address} port {AUTHORITY_PORT}; }}; empty-zones-enable no;",
            )
            + anchors
        )
        with (
            on_loopback(address),
            process(_command(authority), folder=folder, wait_for=(address, AUTHORITY_PORT)),
            process(_command(resolver), folder=folder, wait_for=(address, 53)),
        ):
            yield

    return start


@contextlib.contextmanager
def on_loopback(address: str) -> Iterator[None]:
    """Give the loopback interface this address: BIND listens only on addresses that an interface names."""
    ip = program("ip")
    subprocess.run([ip, "address", "add", f"{address}/32", "dev", "lo"], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run([ip, "address", "del", f"{address}/32", "dev", "lo"], check=False, capture_output=True)


def _command(configuration: Path) -> list[str]:
    return [program("named"), "-g", "-c", str(configuration), "-n", "1"]


def _options(address: str, port: int, folder: Path, more: str) -> str:
    return (
        "options {\n"
        f'directory "{folder}"; pid-file none; session-keyfile "{folder}/session-{port}.key"; lock-file none;\n'
        f"listen-on port {port} {{ {address}; }}; listen-on-v6 {{ none; }}; check-names primary ignore; {more}\n"
        "};\ncontrols { };\n"
    )


def _file(zone: str) -> str:
    return f"zone-{zone}signed"


def _write_zones(zones: Mapping[str, Zone], folder: Path, *, signed: bool) -> str:
    """Write the zone files, children first; return the resolver's trust anchor, if anything is signed."""
    delegations = "".join(f"{zone}. IN NS ns1.nic.test.\n{zone}. IN NS ns2.nic.test.\n" for zone in zones)
    key = ""
    texts = {f"{name}.": f"{zone.servers}{zone.records}\n" for name, zone in zones.items()}
    texts |= {"test.": _ABOVE["test."] + delegations, ".": _ABOVE["."]}
    children = {"test.": [f"{name}." for name in zones], ".": ["test."]}
    for name, text in texts.items():
        above = "".join((folder / f"dsset-{child}").read_text() for child in children.get(name, ()) if signed)
        written = folder / _file(name)
        written.write_text(_APEX + text + above)
        if signed:
            key = _sign(name, written, folder)
    for name, zone in zones.items():
        if zone.broken:
            _break(folder / _file(f"{name}."), *zone.broken)
    return f'trust-anchors {{ "." static-key {key}; }};\n' if signed else ""


def _sign(name: str, written: Path, folder: Path) -> str:
    """Sign one zone with one key; return the key as a trust anchor names it."""
    keygen = [program("dnssec-keygen"), "-q", "-K", str(folder), "-a", "ECDSAP256SHA256", "-f", "KSK", name]
    made = subprocess.run(keygen, check=True, capture_output=True, text=True).stdout.strip()
    key = (folder / f"{made}.key").read_text().splitlines()[-1]
    with written.open("a") as file:
        file.write(key + "\n")
    signing = [program("dnssec-signzone"), "-q", "-z", "-P", "-o", name, "-f", str(written), str(written)]
    subprocess.run([*signing, str(folder / made)], check=True, capture_output=True, cwd=folder)
    flags, protocol, algorithm, *data = key.partition("DNSKEY")[2].split()
    return f'{flags} {protocol} {algorithm} "{"".join(data)}"'


def _break(file: Path, old: str, new: str) -> None:
    """Change what was signed, so that its signature doesn't verify any more."""
    text = file.read_text()
    assert old in text, f"{old!r} is not in the signed zone."
    file.write_text(text.replace(old, new))
