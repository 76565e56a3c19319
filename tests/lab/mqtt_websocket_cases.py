"""MQTT brokers behind web ports: what browsers reach by WebSocket, strangers reach too."""

from __future__ import annotations

import contextlib
import hashlib
import socket
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

from tests.lab.case import LabCase, Start, process, program
from tests.lab.http_answers import together
from tests.lab.scripted import speaks
from tests.lab.web_servers import nginx

_BROKER = """
per_listener_settings true
persistence false
listener {spare} {address}
listener {port} 127.0.0.1
protocol websockets
allow_anonymous {anonymous}
"""
"""Mosquitto binds WebSockets to addresses of interfaces alone, and wants a listener of another kind besides."""


def _mosquitto(port: int, *, anonymous: bool) -> Start:
    """Run Mosquitto with WebSockets on this port of 127.0.0.1, for a proxy before it."""

    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        text = _BROKER.format(spare=port + 100, address=address, port=port, anonymous=str(anonymous).lower())
        configuration = folder / f"mosquitto-{port}.conf"
        configuration.write_text(text)
        command = [program("mosquitto"), "-c", str(configuration)]
        with process(command, folder=folder, wait_for=("127.0.0.1", port)):
            yield

    return start


def _proxied(path: str, port: int, more: str = "") -> str:
    return (
        f"location {path} {{ {more} proxy_pass http://127.0.0.1:{port}; proxy_http_version 1.1; "
        "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; }"
    )


_FOR_WEBSOCKETS_ALONE = 'if ($http_upgrade = "") { return 404; }'
_SOUND = "add_header X-Frame-Options DENY always; add_header Strict-Transport-Security max-age=63072000 always;"
_SITE = "listen @address@:443 ssl; ssl_protocols TLSv1.2 TLSv1.3;"


def _page(www: Path) -> None:
    (www / "index.html").write_text("<!doctype html><title>Portal</title>")


def _other_protocol(connection: socket.socket) -> None:
    """Open any WebSocket that is asked for, as a server of another protocol, and say nothing of MQTT."""
    while request := connection.recv(4096):
        head = dict(line.split(b": ", 1) for line in request.split(b"\r\n")[1:] if b": " in line)
        if key := head.get(b"Sec-WebSocket-Key"):
            proof = b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
            connection.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: %s\r\n\r\n\x81\x02hi" % proof
            )
            return
        body = b"<!doctype html><title>Chat</title>"
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nX-Frame-Options: DENY\r\nContent-Length: %d\r\n\r\n%s"
            % (len(body), body)
        )


_OWN_CERTIFICATE = frozenset({"CERT-SELFSIGNED", "CERT-UNTRUSTED"})

CASES = (
    LabCase(
        name="mqtt-broker-for-anyone-behind-web-ports",
        address="127.10.90.40",
        ports="443,9001",
        start=together(
            _mosquitto(19_040, anonymous=True),
            nginx(
                f"server {{ {_SITE} {_SOUND} {_proxied('/mqtt', 19_040)} }}"
                f"server {{ listen @address@:9001; {_proxied('/', 19_040, _FOR_WEBSOCKETS_ALONE)} }}",
                port=443,
                fill=_page,
            ),
        ),
        expected=frozenset(
            {(443, "SVC-MQTT-UNAUTH"), (9001, "SVC-MQTT-UNAUTH"), (9001, "DB-CLEARTEXT"), (443, "CERT-SELFSIGNED")}
        ),
        silent=frozenset({"SVC-MQTT-EXPOSED", "WEB-XFO"}),
        tolerated=_OWN_CERTIFICATE,
        services=frozenset({(443, "http"), (443, "mqtt-websocket"), (9001, "http"), (9001, "mqtt-websocket")}),
    ),
    LabCase(
        name="mqtt-broker-with-passwords-behind-a-site",
        address="127.10.90.41",
        ports="443",
        start=together(
            _mosquitto(19_041, anonymous=False),
            nginx(f"server {{ {_SITE} {_SOUND} {_proxied('/mqtt', 19_041)} }}", port=443, fill=_page),
        ),
        expected=frozenset({(443, "SVC-MQTT-EXPOSED"), (443, "CERT-SELFSIGNED")}),
        silent=frozenset({"SVC-MQTT-UNAUTH", "DB-CLEARTEXT", "WEB-XFO"}),
        tolerated=_OWN_CERTIFICATE,
        services=frozenset({(443, "http"), (443, "mqtt-websocket")}),
    ),
    LabCase(
        name="websocket-of-another-protocol",
        address="127.10.90.42",
        ports="8083",
        start=speaks(8083, _other_protocol),
        silent=frozenset({"SVC-MQTT-UNAUTH", "SVC-MQTT-EXPOSED", "DB-CLEARTEXT", "WEB-XFO"}),
        tolerated=frozenset({"WEB-HTTP-ONLY", "WEB-NO-REDIRECT"}),
        services=frozenset({(8083, "http")}),
    ),
)
