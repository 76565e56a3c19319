"""Message brokers' interfaces over HTTP: NSQ, Apache Pulsar, the dashboard of Apache RocketMQ."""

from __future__ import annotations

from scanner.engine.facts.http import HttpReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.http_session import HttpSession
from scanner.engine.probes.services.web.base import WebServiceProbe
from scanner.engine.probes.services.web.dialogue import Dialogue, begins_json, json_object, json_text, title


async def _look_at_nsq(session: HttpSession, level: Level) -> ServiceFacts | None:
    """None of NSQ's programs has a log-in of its own: who is told the version may publish and delete topics."""
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    info = await dialogue.ask("/info")
    if info.status == 200 and begins_json(info, "version", "broadcast_address", "tcp_port"):
        return dialogue.facts("NSQ", Access.OPEN, "NSQ", json_text(info, "version"))
    topics = json_object(await dialogue.ask("/api/topics", keep_body=False)) if await _is_nsqadmin(dialogue) else {}
    if {"topics", "message"} <= topics.keys():
        return dialogue.facts("NSQ", Access.OPEN, "nsqadmin")
    return None


async def _is_nsqadmin(dialogue: Dialogue) -> bool:
    return title(await dialogue.ask("/", keep_body=False)) == "nsqadmin"


def _may_be_nsq(root: HttpReply) -> bool:
    unknown_path = root.status == 404 and json_object(root) == {"message": "NOT_FOUND"}
    return unknown_path or title(root) == "nsqadmin"


def _is_pulsar(reply: HttpReply) -> bool:
    """Pulsar's brokers name themselves in every reply (ResponseHandlerFilter)."""
    return reply.header("broker-address") is not None


async def _look_at_pulsar(session: HttpSession, level: Level) -> ServiceFacts | None:
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    clusters = await dialogue.ask("/admin/v2/clusters")
    if not _is_pulsar(clusters):
        return None
    return dialogue.facts("PULSAR", await dialogue.access("/admin/v2/tenants", _is_list), "Apache Pulsar")


def _is_list(reply: HttpReply) -> bool:
    return reply.body.lstrip().startswith("[")


def _is_rocketmq_dashboard(root: HttpReply) -> bool:
    return title(root).lower() in ("rocketmq-dashboard", "rocketmq dashboard", "rocketmq-console-ng")


async def _look_at_rocketmq_dashboard(session: HttpSession, level: Level) -> ServiceFacts | None:
    """The dashboard may create and delete topics; with ``rocketmq.config.loginRequired`` it asks who one is."""
    dialogue = Dialogue(session)
    if not _is_rocketmq_dashboard(await dialogue.ask("/", keep_body=False)):
        return None
    access = Access.UNKNOWN
    if level.at_least(Level.READ):
        access = await dialogue.access("/cluster/list.query", lambda r: begins_json(r, "status", "clusterInfo"))
        if access is Access.UNKNOWN:
            return None
    return dialogue.facts("ROCKETMQ", access, "RocketMQ Dashboard")


NSQ = WebServiceProbe("NSQ", frozenset({4151, 4161, 4171}), suspects=_may_be_nsq, look=_look_at_nsq)
PULSAR = WebServiceProbe("PULSAR", frozenset(), suspects=_is_pulsar, look=_look_at_pulsar)
ROCKETMQ = WebServiceProbe("ROCKETMQ", frozenset(), suspects=_is_rocketmq_dashboard, look=_look_at_rocketmq_dashboard)
