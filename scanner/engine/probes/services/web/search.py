"""Search engines and their dashboards."""

from __future__ import annotations

from scanner.engine.facts.http import HttpReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.http_session import HttpSession
from scanner.engine.probes.services.web.base import WebServiceProbe
from scanner.engine.probes.services.web.dialogue import (
    Dialogue,
    begins_json,
    is_html,
    json_text,
    location,
)

_ELASTIC_TAGLINES = {
    "You Know, for Search": "Elasticsearch",
    "The OpenSearch Project: https://opensearch.org/": "OpenSearch",
    "You Know, For Easy Search!": "Easysearch",
}


def _elastic_product(root: HttpReply) -> str:
    """Name the product by its tagline, or by the error its security layer gives to strangers."""
    if (tagline := json_text(root, "tagline")) in _ELASTIC_TAGLINES:
        return _ELASTIC_TAGLINES[tagline]
    challenges = " ".join(root.all_headers("www-authenticate"))
    if root.status == 401 and 'realm="OpenSearch Security"' in challenges:
        return "OpenSearch"
    refused = root.status in (401, 403) and json_text(root, "type") == "security_exception"
    return "Elasticsearch" if refused and begins_json(root, "error") else ""


def _may_be_elastic(root: HttpReply) -> bool:
    return bool(_elastic_product(root)) or begins_json(root, "cluster_name", "cluster_uuid")


async def _look_at_elastic(session: HttpSession, level: Level) -> ServiceFacts | None:
    """``/`` names it; the cluster's health needs credentials wherever any are set."""
    dialogue = Dialogue(session)
    root = await dialogue.ask("/")
    product = _elastic_product(root)
    if not product:
        return None
    access = Access.RESTRICTED if root.status in (401, 403) else Access.UNKNOWN
    if level.at_least(Level.READ) and access is Access.UNKNOWN:
        access = await dialogue.access("/_cluster/health", lambda r: begins_json(r, "cluster_name", "status"))
    return dialogue.facts("ELASTIC", access, product, json_text(root, "number"))


def _is_kibana(reply: HttpReply) -> bool:
    return bool(_kibana_product(reply))


def _kibana_product(reply: HttpReply) -> str:
    names = {name for name, _ in reply.headers}
    if "osd-name" in names or "osd-version" in names:
        return "OpenSearch Dashboards"
    return "Kibana" if "kbn-name" in names or "kbn-version" in names else ""


async def _look_at_kibana(session: HttpSession, level: Level) -> ServiceFacts | None:
    """The status page may be public on purpose: it is open only when the start page needs no log-in either."""
    dialogue = Dialogue(session)
    root = await dialogue.ask("/", keep_body=False)
    product = _kibana_product(root)
    # A proxy may leave its own headers out; the port's first page then leads into an application of Kibana's.
    if not product and not (dialogue.port in KIBANA.ports and location(root).startswith(_KIBANA_PLACES)):
        return None
    access = Access.RESTRICTED if root.status == 401 or "/login" in location(root) else Access.UNKNOWN
    version = root.header("kbn-version") or root.header("osd-version") or ""
    if level.at_least(Level.READ):
        status = await dialogue.ask("/api/status", keep_body=False)
        version = version or json_text(status, "number")
        if not product and json_text(status, "number") and begins_json(status, "version", "status"):
            product = "Kibana"
        if access is Access.UNKNOWN:
            access = await dialogue.access("/app/home", is_html)
        if access is Access.OPEN and not (status.status == 200 and json_text(status, "number")):
            access = Access.UNKNOWN
    return dialogue.facts("KIBANA", access, product, version) if product else None


_KIBANA_PLACES = ("/app/", "/spaces/", "/login")


async def _look_at_solr(session: HttpSession, level: Level) -> ServiceFacts | None:
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    system = await dialogue.ask("/solr/admin/info/system?wt=json")
    version = json_text(system, "solr-spec-version")
    if system.status == 200 and version:
        return dialogue.facts("SOLR", Access.OPEN, "Apache Solr", version)
    if system.status in (401, 403):
        page = await dialogue.ask("/solr/", keep_body=False)
        if "solrAdminApp" in page.body:
            return dialogue.facts("SOLR", Access.RESTRICTED, "Apache Solr")
    return None


ELASTIC = WebServiceProbe("ELASTIC", frozenset({9200, 9201}), suspects=_may_be_elastic, look=_look_at_elastic)
KIBANA = WebServiceProbe("KIBANA", frozenset({5601}), suspects=_is_kibana, look=_look_at_kibana)
SOLR = WebServiceProbe(
    "SOLR", frozenset({8983}), suspects=lambda r: location(r).startswith("/solr"), look=_look_at_solr
)
