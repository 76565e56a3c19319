"""Databases that speak HTTP."""

from __future__ import annotations

import re

from scanner.engine.facts.http import HttpReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.http_session import HttpSession
from scanner.engine.probes.services.web.base import WebServiceProbe
from scanner.engine.probes.services.web.dialogue import (
    Dialogue,
    begins_json,
    json_object,
    json_text,
    judge_access,
    location,
    not_found_in_plain_text,
    title,
)


def _is_couchdb(root: HttpReply) -> bool:
    return json_text(root, "couchdb") == "Welcome" or (root.header("server") or "").startswith("CouchDB/")


async def _look_at_couchdb(session: HttpSession, level: Level) -> ServiceFacts | None:
    """``/`` welcomes everyone; a stranger with the role ``_admin``, or who may list the databases, is too much."""
    dialogue = Dialogue(session)
    root = await dialogue.ask("/")
    if not _is_couchdb(root):
        return None
    access = Access.UNKNOWN
    if level.at_least(Level.READ):
        user = json_object(await dialogue.ask("/_session")).get("userCtx")
        if isinstance(user, dict) and user.get("name") is None and "_admin" in (user.get("roles") or ()):
            access = Access.OPEN
        else:
            access = await dialogue.access("/_all_dbs", lambda r: r.body.lstrip().startswith("["))
    return dialogue.facts("COUCHDB", access, "Apache CouchDB", json_text(root, "version"))


async def _look_at_clickhouse(session: HttpSession, level: Level) -> ServiceFacts | None:
    """``SELECT version()`` needs a user wherever the default one has a password; GET allows no writes."""
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    reply = await dialogue.ask("/?query=SELECT%20version()")
    if reply.status == 200 and (reply.header("x-clickhouse-format") or _CLICKHOUSE_VERSION.fullmatch(reply.body)):
        return dialogue.facts("CLICKHOUSE", Access.OPEN, "ClickHouse", reply.body)
    code = reply.header("x-clickhouse-exception-code") or ""
    if code or "DB::Exception" in reply.body:
        refused = reply.status in (401, 403) or code in _CLICKHOUSE_REFUSALS
        return dialogue.facts("CLICKHOUSE", Access.RESTRICTED if refused else Access.UNKNOWN, "ClickHouse")
    return None


# Nothing but the year, the month and two numbers more, for a query by that name; a proxy may leave headers out.
_CLICKHOUSE_VERSION = re.compile(r"[12]\d\.\d{1,2}\.\d{1,4}\.\d{1,6}\s?")
# REQUIRED_PASSWORD and AUTHENTICATION_FAILED (ClickHouse src/Common/ErrorCodes.cpp)
_CLICKHOUSE_REFUSALS = frozenset({"194", "516"})


async def _look_at_influx(session: HttpSession, level: Level) -> ServiceFacts | None:
    """Version 1 lists its databases when authentication is off; version 2 is open while nobody has set it up."""
    dialogue = Dialogue(session)
    ping = await dialogue.ask("/ping")
    version = ping.header("x-influxdb-version")
    if not version:
        return None
    access = Access.UNKNOWN
    if level.at_least(Level.READ):
        if version.lstrip("v").startswith("1."):
            access = await dialogue.access("/query?q=SHOW%20DATABASES", lambda r: begins_json(r, "results", "series"))
        else:
            allowed = json_object(await dialogue.ask("/api/v2/setup")).get("allowed")
            access = Access.OPEN if allowed is True else Access.RESTRICTED if allowed is False else Access.UNKNOWN
    return dialogue.facts("INFLUX", access, "InfluxDB", version)


async def _look_at_neo4j(session: HttpSession, level: Level) -> ServiceFacts | None:
    """The discovery document is public by design: it shows the version and proves no access.

    Releases before 4.0 have a root of their data, which needs credentials unless authentication is off; later ones
    answer nothing more without running a query.
    """
    dialogue = Dialogue(session)
    root = await dialogue.ask("/")
    if not _is_neo4j(root):
        return None
    access = Access.UNKNOWN
    if level.at_least(Level.READ) and "/db/data/" in root.body:
        access = await dialogue.access("/db/data/", lambda r: begins_json(r, "node", "relationship_types"))
    return dialogue.facts("NEO4J", access, "Neo4j", json_text(root, "neo4j_version"))


def _is_neo4j(root: HttpReply) -> bool:
    keys = json_object(root).keys()
    modern = "neo4j_version" in keys and not keys.isdisjoint({"bolt_routing", "bolt_direct", "bolt"})
    old = begins_json(root, "management", "data") and "/db/data/" in root.body
    return root.status == 200 and (modern or old)


async def _look_at_qdrant(session: HttpSession, level: Level) -> ServiceFacts | None:
    dialogue = Dialogue(session)
    root = await dialogue.ask("/")
    if not _is_qdrant(root):
        return None
    access = Access.UNKNOWN
    if level.at_least(Level.READ):
        access = await dialogue.access("/collections", lambda r: begins_json(r, "result", "collections"))
    return dialogue.facts("QDRANT", access, "Qdrant", json_text(root, "version"))


def _is_qdrant(root: HttpReply) -> bool:
    return json_text(root, "title").startswith("qdrant - ")


async def _look_at_chroma(session: HttpSession, level: Level) -> ServiceFacts | None:
    """The heartbeat is public; the default tenant is not where authentication is on."""
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    for api in ("/api/v2", "/api/v1"):
        if "nanosecond heartbeat" in json_object(await dialogue.ask(f"{api}/heartbeat")):
            access = await dialogue.access(
                f"{api}/tenants/default_tenant", lambda r: json_text(r, "name") == "default_tenant"
            )
            return dialogue.facts("CHROMA", access, "Chroma")
    return None


def _may_be_chroma(root: HttpReply) -> bool:
    return root.status == 404 and (root.body.strip() == "" or json_object(root) == {"detail": "Not Found"})


async def _look_at_weaviate(session: HttpSession, level: Level) -> ServiceFacts | None:
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    meta = await dialogue.ask("/v1/meta")
    if not (begins_json(meta, "hostname", "version", "modules") or "anonymous access not enabled" in meta.body):
        return None
    access = judge_access(meta, proven=True)
    return dialogue.facts("WEAVIATE", access, "Weaviate", json_text(meta, "version"))


def _may_be_weaviate(root: HttpReply) -> bool:
    """Tell whether the root leads to the interface, as in all releases but the first, which know no such path."""
    return location(root) == "/v1" or (root.status == 404 and "path / was not found" in root.body)


async def _look_at_tidb(session: HttpSession, level: Level) -> ServiceFacts | None:
    """The status port has no authentication at all."""
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    status = await dialogue.ask("/status")
    _, is_tidb, version = json_text(status, "version").partition("-TiDB-")
    if status.status != 200 or not is_tidb or not begins_json(status, "connections", "git_hash"):
        return None
    return dialogue.facts("TIDB", Access.OPEN, "TiDB", version)


def _may_be_tidb(root: HttpReply) -> bool:
    """Tell whether the first page is the list of what the status port can tell."""
    return title(root) == "TiDB Status and Metrics Report" or not_found_in_plain_text(root)


async def _look_at_milvus(session: HttpSession, level: Level) -> ServiceFacts | None:
    """Its first HTTP interface lists collections by GET, and says so in its own words where users are set up.

    The list's form is a common one, so a path beside it must be unknown.
    """
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    listed = await dialogue.ask("/v1/vector/collections", keep_body=False)
    if "user hasn't authenticated" in listed.body:
        return dialogue.facts("MILVUS", Access.RESTRICTED, "Milvus")
    reply = json_object(listed)
    if reply.get("code") != 200 or not isinstance(reply.get("data"), list):
        return None
    beside = await dialogue.ask("/v1/vector/roundsman-no-such-call")
    return dialogue.facts("MILVUS", Access.OPEN, "Milvus") if beside.status == 404 else None


def _may_be_influx(root: HttpReply) -> bool:
    named = root.header("x-influxdb-version") is not None or title(root) == "InfluxDB"
    return named or not_found_in_plain_text(root)


COUCHDB = WebServiceProbe("COUCHDB", frozenset({5984, 6984}), suspects=_is_couchdb, look=_look_at_couchdb)
CLICKHOUSE = WebServiceProbe(
    "CLICKHOUSE", frozenset({8123}), suspects=lambda r: r.body.strip() == "Ok.", look=_look_at_clickhouse
)
INFLUX = WebServiceProbe("INFLUX", frozenset({8086}), suspects=_may_be_influx, look=_look_at_influx)
NEO4J = WebServiceProbe("NEO4J", frozenset({7474}), suspects=_is_neo4j, look=_look_at_neo4j)
QDRANT = WebServiceProbe("QDRANT", frozenset({6333}), suspects=_is_qdrant, look=_look_at_qdrant)
CHROMA = WebServiceProbe("CHROMA", frozenset(), suspects=_may_be_chroma, look=_look_at_chroma)
WEAVIATE = WebServiceProbe("WEAVIATE", frozenset(), suspects=_may_be_weaviate, look=_look_at_weaviate)
MILVUS = WebServiceProbe("MILVUS", frozenset({19530}), suspects=not_found_in_plain_text, look=_look_at_milvus)
TIDB = WebServiceProbe("TIDB", frozenset({10080}), suspects=_may_be_tidb, look=_look_at_tidb)
