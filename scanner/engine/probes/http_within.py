"""Which pages belong to what a first page shows: those in its frames, and the log-in page that it leads to."""

from __future__ import annotations

import re

from scanner.engine.probes.http_page import attributes_of, resolved, tags_of

FRAME_LIMIT = 2
"""Frames that are looked into: the menu and the content of sites that are made of them."""

_FRAMES = frozenset({"frame", "iframe"})
_TO_LOG_IN = re.compile(r"(?i)(?:^|[^a-z])(?:user|admin|member)?(?:log-?in|log-?on|sign-?in|denglu)(?![a-z])")
_SAYS_LOG_IN = re.compile(
    r"(?i)^\W{0,5}(?:"
    r"(?:(?!退出|注销|取消|已|未|免|登)\w){0,8}登[\s\u3000]{0,4}[录陆](?:系统|平台|入口)?(?:\W{0,5}注册)?|"
    r"(?:[a-z]{2,12}\s)?(?:log|sign)[\s-]?in(?:\s{0,2}[/|]\s{0,2}(?:sign[\s-]?up|register|join))?"
    r")\W{0,5}$"
)
"""What such links say, of whomever they are for; none that logs somebody out."""
_TELLS_MORE = re.compile(r"(?i)pass|pwd|token|ticket|demo|guest|code=")
"""A link with such words may itself log somebody in."""


def pages_within(text: str, base: str) -> tuple[str, ...]:
    """Return the URLs of at most two frames of a page, and of the first page for logging in that it links to.

    Whether they are on the same site is not looked at.
    """
    frames: list[str] = []
    logins: list[str] = []
    for name, attributes, content, _ in tags_of(text):
        if name in _FRAMES and len(frames) < FRAME_LIMIT:
            frames.append(attributes_of(attributes).get("src", ""))
        elif name == "a" and not logins:
            target = attributes_of(attributes).get("href", "")
            path, _, query = target.partition("#")[0].partition("?")
            named = _TO_LOG_IN.search(f"{path}?{query}") or _SAYS_LOG_IN.match(content)
            if target and named and not _TELLS_MORE.search(query):
                logins.append(target)
    urls = (resolved(target, base) for target in (*frames, *logins) if target)
    return tuple(dict.fromkeys(url for url in urls if url.startswith(("http:", "https:"))))
