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

RULES = (
    *web_headers.RULES,
    *web_cookies.RULES,
    *web_transport.RULES,
    *web_behaviour.RULES,
    *web_content.RULES,
    *web_libraries.RULES,
    *web_page.RULES,
)
