"""Several services behind one port, as sslh and the like make them share the one that firewalls let through."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.lab.case import LabCase, Start, process, program
from tests.lab.http_answers import answers, page, text, together
from tests.lab.ssh_cases import sshd
from tests.lab.web_servers import nginx

_TLS, _HTTP, _SSH = 44300, 8000, 2222
"""Where the services behind the multiplexer listen; these ports are not inspected."""

_SOUND = {"X_Frame_Options": "DENY", "Strict_Transport_Security": "max-age=63072000"}
_SOUND_SITE = answers(_TLS, {"GET /": page("Portal", **_SOUND)}, text("none", 404, **_SOUND), tls=True)
_LOGIN = '<form action="/in"><input type="password" name="p"></form>'
_CLEAR_SITE = answers(_HTTP, {"GET /": page("Panel", _LOGIN, X_Frame_Options="DENY")}, text("none", 404))
_SHORT_KEY = sshd("RequiredRSASize=1024", "MACs=hmac-sha2-256", key=("-t", "rsa", "-b", "1024"), port=_SSH)
_SOUND_SSH = sshd("MACs=hmac-sha2-256", port=_SSH)


def _sslh(port: int, *kinds: tuple[str, int]) -> Start:
    """Run sslh, which hands each kind of client (its options' names) to the port beside it."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        command = [program("sslh"), "-f", "-t", "1", "-p", f"{address}:{port}"]
        for kind, there in kinds:
            command += [f"--{kind}", f"{address}:{there}"]
        with process(command, folder=folder, wait_for=(address, port)):
            yield

    return start


_OWN_CERTIFICATE = frozenset({"CERT-SELFSIGNED", "CERT-UNTRUSTED"})

_SENDS_ON = """
server {
  listen @address@:443 ssl; ssl_protocols TLSv1.2 TLSv1.3; error_page 497 =301 https://$host/;
  add_header X-Frame-Options DENY always; add_header Strict-Transport-Security max-age=63072000 always;
}
"""


def _page(www: Path) -> None:
    (www / "index.html").write_text("<!doctype html><title>Portal</title>")


CASES = (
    LabCase(
        name="services-that-share-a-port",
        address="127.10.90.20",
        ports="443,9443",
        start=together(
            _SOUND_SITE,
            _CLEAR_SITE,
            _SHORT_KEY,
            _sslh(443, ("ssh", _SSH), ("tls", _TLS)),
            _sslh(9443, ("tls", _TLS), ("http", _HTTP), ("ssh", _SSH)),
        ),
        expected=frozenset(
            {
                *((port, check) for port in (443, 9443) for check in ("SSH-HOSTKEY-WEAK", "CERT-SELFSIGNED")),
                (9443, "CLR-HTTP-LOGIN"),
                (9443, "WEB-NO-REDIRECT"),
            }
        ),
        silent=frozenset({"SSH-KEX-WEAK", "SSH-MAC-WEAK", "WEB-HTTP-ONLY"}),
        tolerated=_OWN_CERTIFICATE | {"WEB-CSP"},
        services=frozenset((port, protocol) for port in (443, 9443) for protocol in ("http", "ssh")),
    ),
    LabCase(
        name="sound-services-that-share-a-port",
        address="127.10.90.21",
        ports="8444",
        start=together(_SOUND_SITE, _SOUND_SSH, _sslh(8444, ("tls", _TLS), ("ssh", _SSH))),
        expected=frozenset({(8444, "CERT-SELFSIGNED")}),
        silent=frozenset({"SSH-HOSTKEY-WEAK", "SSH-KEX-WEAK", "SSH-MAC-WEAK", "WEB-XFO", "CLR-HTTP-LOGIN"}),
        tolerated=_OWN_CERTIFICATE,
        services=frozenset({(8444, "http"), (8444, "ssh")}),
    ),
    LabCase(
        name="https-that-sends-clear-text-to-itself",
        address="127.10.90.22",
        ports="443",
        start=nginx(_SENDS_ON, port=443, fill=_page),
        expected=frozenset({(443, "CERT-SELFSIGNED")}),
        silent=frozenset({"WEB-NO-REDIRECT", "WEB-HTTP-ONLY", "WEB-XFO", "CLR-HTTP-LOGIN", "SSH-HOSTKEY-WEAK"}),
        tolerated=_OWN_CERTIFICATE,
        services=frozenset({(443, "http")}),
    ),
)
