"""Where clusters keep their configuration, members and secrets: etcd, Nacos, Eureka, Consul, Nomad, Vault."""

from __future__ import annotations

import re

from scanner.engine.facts.http import HttpReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.http_session import HttpSession
from scanner.engine.probes.services.web.base import WebServiceProbe
from scanner.engine.probes.services.web.dialogue import (
    TOMCATS_NOT_FOUND,
    Dialogue,
    begins_json,
    json_object,
    json_text,
    judge_access,
    location,
    not_found_in_plain_text,
    title,
)

# An RPC that reads: it counts the keys equal to one zero byte. Older releases serve it under other names
# (etcd documentation, "gRPC gateway").
_ETCD_RANGES = ("/v3/kv/range", "/v3beta/kv/range", "/v3alpha/kv/range")
_ETCD_COUNT = b'{"key":"AA==","range_end":"AA==","count_only":true}'


async def _look_at_etcd(session: HttpSession, level: Level) -> ServiceFacts | None:
    """``/version``, ``/health`` and ``/metrics`` are public by design; only an answered range proves access."""
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    version = await dialogue.ask("/version")
    if not begins_json(version, "etcdserver", "etcdcluster"):
        return None
    access = await _etcd_access(dialogue)
    return dialogue.facts("ETCD", access, "etcd", json_text(version, "etcdserver"))


async def _etcd_access(dialogue: Dialogue) -> Access:
    access = Access.UNKNOWN
    for path in _ETCD_RANGES:
        reply = await dialogue.ask(path, method="POST", content=_ETCD_COUNT)
        if reply.status == 404:
            continue
        if reply.status == 200 and begins_json(reply, "header"):
            return Access.OPEN
        if "user name is empty" in reply.body or reply.status in (401, 403):
            access = Access.RESTRICTED
        break
    keys = await dialogue.access("/v2/keys/", lambda r: json_text(r, "action") == "get" and begins_json(r, "node"))
    return keys if keys is Access.OPEN or access is Access.UNKNOWN else access


# Where releases 1 and 2, the server of release 3 and its console, on a port of its own, tell their state and list the
# services (Nacos documentation, "Console API", "Admin API").
_NACOS_PLACES = (
    ("/nacos/v1/console/server/state", "/nacos/v1/ns/catalog/services?pageNo=1&pageSize=1"),
    ("/nacos/v3/admin/core/state", "/nacos/v3/admin/ns/service/list?pageNo=1&pageSize=1"),
    ("/v3/console/server/state", "/v3/console/ns/service/list?pageNo=1&pageSize=1"),
)


async def _look_at_nacos(session: HttpSession, level: Level) -> ServiceFacts | None:
    """The state with the version is public by design; the list of services is not."""
    dialogue = Dialogue(session)
    for state_path, services_path in _NACOS_PLACES:
        state = await dialogue.ask(state_path)
        if state.status != 200 or not begins_json(state, "version") or not _names_its_mode(state):
            continue
        access = Access.UNKNOWN
        if level.at_least(Level.READ):
            access = await dialogue.access(services_path, _lists_services)
        return dialogue.facts("NACOS", access, "Nacos", json_text(state, "version"))
    return None


def _names_its_mode(state: HttpReply) -> bool:
    """Tell whether a state says how the server was started, under the key of old releases or that of new ones."""
    return begins_json(state, "standalone_mode") or begins_json(state, "startup_mode")


def _lists_services(reply: HttpReply) -> bool:
    listed = reply.body.lstrip().startswith("[") or begins_json(reply, "serviceList", "count")
    return listed or begins_json(reply, "totalCount", "pageItems")


def _may_be_nacos(root: HttpReply) -> bool:
    """Tell whether the first page leads to Nacos or is its console; its server has none, so Tomcat answers for it."""
    leads_there = location(root).startswith("/nacos") or "url=/nacos" in root.body.lower()
    return leads_there or title(root) == "Nacos" or re.search(TOMCATS_NOT_FOUND, title(root)) is not None


async def _look_at_eureka(session: HttpSession, level: Level) -> ServiceFacts | None:
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    apps = await dialogue.ask("/eureka/apps", keep_body=False)
    if apps.status == 200 and ("<apps__hashcode>" in apps.body or "<versions__delta>" in apps.body or _is_eureka(apps)):
        return dialogue.facts("EUREKA", Access.OPEN, "Eureka")
    if apps.status in (401, 403) and title(await dialogue.ask("/", keep_body=False)) == "Eureka":
        return dialogue.facts("EUREKA", Access.RESTRICTED, "Eureka")
    return None


def _is_eureka(apps: HttpReply) -> bool:
    return begins_json(apps, "applications", "versions__delta") or begins_json(apps, "apps__hashcode")


async def _look_at_consul(session: HttpSession, level: Level) -> ServiceFacts | None:
    """The leader's address is public by design; the agent's own description is not."""
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    agent = await dialogue.ask("/v1/agent/self", keep_body=False)
    if agent.status == 200 and begins_json(agent, "Config", "Datacenter"):
        scripts = re.search(r'"Enable(?:Remote)?ScriptChecks"\s*:\s*true', agent.body)
        attributes = {"script-checks": "enabled"} if scripts else {}
        return dialogue.facts("CONSUL", Access.OPEN, "Consul", json_text(agent, "Version"), **attributes)
    if agent.status == 403 and "ermission denied" in agent.body:
        leader = await dialogue.ask("/v1/status/leader")
        if leader.status == 200 and re.fullmatch(r'"[^"\s]{0,80}:\d{1,5}"', leader.body.strip()):
            return dialogue.facts("CONSUL", Access.RESTRICTED, "Consul")
    return None


async def _look_at_nomad(session: HttpSession, level: Level) -> ServiceFacts | None:
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    jobs = await dialogue.ask("/v1/jobs", keep_body=False)
    named = jobs.header("x-nomad-index") is not None or jobs.header("x-nomad-knownleader") is not None
    if not named and not (jobs.status == 403 and title(await dialogue.ask("/ui/", keep_body=False)) == "Nomad"):
        return None
    return dialogue.facts("NOMAD", judge_access(jobs, proven=jobs.body.lstrip().startswith("[")), "Nomad")


async def _look_at_vault(session: HttpSession, _level: Level) -> ServiceFacts | None:
    """The seal's status is public by design; a vault that nobody has initialised belongs to whoever comes first."""
    dialogue = Dialogue(session)
    status = await dialogue.ask("/v1/sys/seal-status")
    seal = json_object(status)
    if not {"initialized", "sealed", "type"} <= seal.keys():
        return None
    access = Access.OPEN if seal["initialized"] is False else Access.RESTRICTED
    return dialogue.facts("VAULT", access, "Vault", json_text(status, "version"))


def _redirects_to_ui(root: HttpReply) -> bool:
    return location(root) in ("/ui", "/ui/")


def _may_be_consul(root: HttpReply) -> bool:
    """Tell whether there is a user interface, which agents have switched off by default, or an agent that says so."""
    return _redirects_to_ui(root) or root.body.startswith("Consul Agent")


ETCD = WebServiceProbe("ETCD", frozenset({2379, 2380, 4001}), suspects=not_found_in_plain_text, look=_look_at_etcd)
NACOS = WebServiceProbe("NACOS", frozenset({8848}), suspects=_may_be_nacos, look=_look_at_nacos)
EUREKA = WebServiceProbe("EUREKA", frozenset({8761}), suspects=lambda r: title(r) == "Eureka", look=_look_at_eureka)
CONSUL = WebServiceProbe("CONSUL", frozenset({8500, 8501}), suspects=_may_be_consul, look=_look_at_consul)
NOMAD = WebServiceProbe("NOMAD", frozenset({4646}), suspects=_redirects_to_ui, look=_look_at_nomad)
VAULT = WebServiceProbe("VAULT", frozenset({8200}), suspects=_redirects_to_ui, look=_look_at_vault)
