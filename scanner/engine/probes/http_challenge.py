"""Pages that a firewall shows in the place of a site, until a browser has run their script and asked again.

Scripts of that kind are set into a site's own pages too, so that a page counts only when it has no text.
"""

from __future__ import annotations

import re

from scanner.engine.facts.http import TEXT_OF_A_PAGE, HttpReply
from scanner.engine.hostile import line
from scanner.engine.probes.http_page import tags_of
from scanner.engine.probes.http_signatures import is_html

_MARKS = re.compile(
    r"""\bvar\s{1,3}arg1\s{0,3}=\s{0,3}["'][0-9A-F]{40}["']|"""
    r"""\bacw_sc__v[23]\b|"""
    r"""\$_ts\s{0,3}=\s{0,3}window\[["']\$_ts["']\]|window\[["']\$_ts["']\]\s{0,3}=|"""
    r"""\bwindow\._cf_chl_opt\b"""
)
"""Alibaba Cloud's firewall, River Security's (瑞数), Cloudflare's."""


def challenge(reply: HttpReply) -> str:
    """Return the mark of a firewall's script, where that is all that a page holds; empty for any other reply."""
    mark = _MARKS.search(reply.body) if is_html(reply) else None
    if mark is None or sum(before for *_, before in tags_of(reply.body)) >= TEXT_OF_A_PAGE:
        return ""
    return line(mark[0], 40)
