"""The form of an administration panel that its first page, or the head of its reply, names beyond doubt.

A header that only the product sends is enough; a title is not, since anyone may write about a product, so it needs a
second mark of the product's own page. Where the page asks for a password, that is noted; none is ever tried.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from scanner.engine.facts.http import HttpReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.http_session import HttpSession
from scanner.engine.probes.services.web.base import WebServiceProbe
from scanner.engine.probes.services.web.dialogue import Dialogue, asks_for_password, clean_version, title

_TITLE = re.compile(r"(?i)(?<=<title>)[^<>]{0,300}(?=</title>)")
"""Left out when a mark is looked for: it would only repeat the title."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One product: ``header`` (name, expression) alone tells it, or ``in_title`` and ``mark``, which is in the page.

    Or else ``in_title`` and ``beside`` (path, expression), which is in what that path is answered with; nothing of this
    answer is kept but the version that the expression may catch.
    """

    product: str
    in_title: str = ""
    mark: str = ""
    header: tuple[str, str] = ("", "")
    beside: tuple[str, str] = ("", "")

    def header_match(self, reply: HttpReply) -> re.Match[str] | None:
        name, expression = self.header
        matches = (re.search(expression, value) for value in reply.all_headers(name)) if name else ()
        return next((match for match in matches if match), None)

    def suspects(self, reply: HttpReply) -> bool:
        named = bool(self.in_title) and re.search(self.in_title, title(reply)) is not None
        return named or self.header_match(reply) is not None

    def recognises(self, reply: HttpReply) -> bool:
        marked = bool(self.mark) and re.search(self.mark, _TITLE.sub("", reply.body)) is not None
        return self.header_match(reply) is not None or (self.suspects(reply) and marked)

    def version(self, reply: HttpReply) -> str:
        found = self.header_match(reply)
        return clean_version(found[1]) if found and found.groups() else ""


def panel_probe(service: str, panels: tuple[Panel, ...]) -> WebServiceProbe:
    async def look(session: HttpSession, level: Level) -> ServiceFacts | None:
        dialogue = Dialogue(session)
        for reply in reversed(await dialogue.first_page()):
            panel = next((panel for panel in panels if panel.recognises(reply)), None)
            if panel is not None:
                access = Access.RESTRICTED if asks_for_password(reply) else Access.UNKNOWN
                return dialogue.facts(service, access, panel.product, panel.version(reply))
            if level.at_least(Level.READ) and (found := await _told_beside(dialogue, reply)):
                return dialogue.facts(service, Access.UNKNOWN, *found)
        return None

    async def _told_beside(dialogue: Dialogue, reply: HttpReply) -> tuple[str, str] | None:
        """Return product and version of the panel that another path tells, of those that the page may be."""
        for panel in panels:
            path, expression = panel.beside
            if path and panel.suspects(reply):
                other = await dialogue.ask(path, keep_body=False)
                told = re.search(expression, other.body) if other.status == 200 else None
                if told is not None:
                    return panel.product, clean_version((told[1] if told.groups() else "") or "")
        return None

    return WebServiceProbe(
        service, frozenset(), suspects=lambda reply: any(panel.suspects(reply) for panel in panels), look=look
    )
