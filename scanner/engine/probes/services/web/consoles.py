"""Consoles for databases and brokers that are recognised by their first page."""

from __future__ import annotations

from scanner.engine.facts.http import HttpReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.http_session import HttpSession
from scanner.engine.probes.services.web.base import WebServiceProbe
from scanner.engine.probes.services.web.dialogue import Dialogue, begins_json, sets_cookie, title


def _is_mongo_express(root: HttpReply) -> bool:
    return root.status == 200 and title(root).endswith("Mongo Express")


async def _look_at_mongo_express(session: HttpSession, _level: Level) -> ServiceFacts | None:
    """Its first page is the list of databases; whoever sees it may edit them."""
    dialogue = Dialogue(session)
    root = await dialogue.ask("/", keep_body=False)
    if not _is_mongo_express(root):
        return None
    return dialogue.facts("MONGO-EXPRESS", Access.OPEN, "mongo-express")


def _is_rabbit(root: HttpReply) -> bool:
    return title(root) == "RabbitMQ Management"


async def _look_at_rabbit(session: HttpSession, level: Level) -> ServiceFacts | None:
    dialogue = Dialogue(session)
    if not _is_rabbit(await dialogue.ask("/", keep_body=False)):
        return None
    access = Access.UNKNOWN
    if level.at_least(Level.READ):
        access = await dialogue.access("/api/overview", lambda r: begins_json(r, "management_version"))
    return dialogue.facts("RABBIT-MANAGEMENT", access, "RabbitMQ")


def _is_phpmyadmin(root: HttpReply) -> bool:
    return "phpMyAdmin" in title(root) or sets_cookie(root, "phpMyAdmin") or sets_cookie(root, "pma_lang")


async def _look_at_phpmyadmin(session: HttpSession, _level: Level) -> ServiceFacts | None:
    """With the account in its settings (``auth_type = 'config'``) the first page is that account's own."""
    dialogue = Dialogue(session)
    shown = (await dialogue.first_page())[-1]
    if 'name="pma_username"' in shown.body:
        return dialogue.facts("PHPMYADMIN", Access.RESTRICTED, "phpMyAdmin")
    if shown.status == 200 and "phpMyAdmin" in title(shown) and 'id="pma_navigation"' in shown.body:
        return dialogue.facts("PHPMYADMIN", Access.OPEN, "phpMyAdmin")
    return None


MONGO_EXPRESS = WebServiceProbe("MONGO-EXPRESS", frozenset(), suspects=_is_mongo_express, look=_look_at_mongo_express)
RABBIT_MANAGEMENT = WebServiceProbe("RABBIT-MANAGEMENT", frozenset(), suspects=_is_rabbit, look=_look_at_rabbit)
PHPMYADMIN = WebServiceProbe("PHPMYADMIN", frozenset(), suspects=_is_phpmyadmin, look=_look_at_phpmyadmin)
