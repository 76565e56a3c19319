"""Serves the pages: waitress, in threads of the process that calls it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from threading import Thread
from typing import Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from waitress.server import create_server
from waitress.wasyncore import close_all

from scanner.console.bounds import LARGEST, Channel
from scanner.engine.errors import InputError

THREADS = 4
"""Requests that are answered at a time; the others wait."""

BACKLOG = 1024
"""Connections that wait to be taken, as while the process that takes them begins anew."""

ENDS_WITHIN = 5
"""Seconds that requests in work get when the server ends."""


def listening() -> socket.socket:
    """Return a socket at the address of the settings, at which connections wait from now on.

    Raises ``InputError`` when it can't be listened at.
    """
    installation = settings.INSTALLATION
    family = socket.AF_INET6 if installation.web_bind.version == 6 else socket.AF_INET
    at = (str(installation.web_bind), installation.web_port)
    try:
        return socket.create_server(at, family=family, backlog=BACKLOG)
    except OSError as error:
        raise InputError(
            f"{installation.web_bind}, port {installation.web_port}, can't be listened at: {error.strerror}. Set "
            "ROUNDSMAN_WEB_PORT to another one, or ROUNDSMAN_WEB=off to run without pages."
        ) from error


@contextmanager
def serving(listener: socket.socket) -> Iterator[None]:
    """Answer what connects to ``listener`` until the block ends.

    What a proxy says of its client is believed of the proxy alone that the settings name.
    """
    installation = settings.INSTALLATION
    behind_proxy: dict[str, Any] = {"clear_untrusted_proxy_headers": True}
    if installation.web_url:
        behind_proxy |= {
            "trusted_proxy": str(installation.web_proxy),
            "trusted_proxy_headers": "x-forwarded-for x-forwarded-proto",
            "log_untrusted_proxy_headers": True,
        }
    import_module(settings.ROOT_URLCONF)  # takes a second, for which the first reader would wait
    sockets: dict[int, Any] = {}
    server = create_server(
        get_wsgi_application(),
        map=sockets,
        sockets=[listener],
        threads=THREADS,
        backlog=BACKLOG,
        ident="",
        max_request_body_size=LARGEST,
        max_request_header_size=32 * 1024,
        channel_timeout=60,
        connection_limit=200,
        **behind_proxy,
    )
    setattr(server, "channel_class", Channel)  # noqa: B010 - its type is not known to the stubs
    trigger: Any = getattr(server, "trigger")  # noqa: B009 - its type is not known to the stubs
    thread = Thread(target=server.run, name="web", daemon=True)
    thread.start()
    try:
        yield
    finally:
        # In its own thread, which then has nothing left to wait for.
        trigger.pull_trigger(lambda: close_all(sockets))
        thread.join(ENDS_WITHIN)
        server.task_dispatcher.shutdown(timeout=ENDS_WITHIN)
