"""A way to the database that can be cut: packets are swallowed, and nobody hears that."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.postgres import OWNER, Server


@dataclass
class Relay:
    """Forwards from a port on loopback to a server's socket, while ``whole`` is set."""

    server: Server
    listener: socket.socket
    whole: threading.Event = field(default_factory=threading.Event)

    def url(self, database: str) -> str:
        """Return the URI of a database that is reached by it."""
        return f"postgresql://{OWNER}@127.0.0.1:{self.listener.getsockname()[1]}/{database}"

    def serve(self) -> None:
        """Take connections until the listener is closed."""
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(f"{self.server.folder}/.s.PGSQL.5432")
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source: socket.socket, to: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.whole.wait()
                to.sendall(data)
        for each in (source, to):
            each.close()


@contextmanager
def relay(server: Server) -> Iterator[Relay]:
    """Yield a whole way to the server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        way = Relay(server, listener)
        way.whole.set()
        threading.Thread(target=way.serve, daemon=True).start()
        yield way
        way.whole.set()
        listener.shutdown(socket.SHUT_RDWR)
