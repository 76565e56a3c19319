"""Every rule about web sites."""

from __future__ import annotations

from scanner.engine.rules import (
    web_behaviour,
    web_content,
    web_cookies,
    web_headers,
    web_libraries,
    web_page,
    web_transport,
)
from scanner.engine.rules.base import needing

RULES = (
    *needing("http", web_headers.RULES),
    *needing("http", web_cookies.RULES),
    *needing("http", web_transport.RULES),
    *needing("http", web_behaviour.RULES),
    *needing("exposed", web_content.RULES),
    *needing("http", web_libraries.RULES),
    *needing("http", web_page.RULES),
)
