"""Products whose first page names them beyond doubt, and of which no safe request can tell more."""

from __future__ import annotations

import re
from collections.abc import Callable

from scanner.engine.facts.http import HttpReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.http_session import HttpSession
from scanner.engine.probes.services.web.base import WebServiceProbe
from scanner.engine.probes.services.web.dialogue import Dialogue, clean_version, sets_cookie, title


def _probe(service: str, product: str, is_it: Callable[[HttpReply], bool]) -> WebServiceProbe:
    async def look(session: HttpSession, _level: Level) -> ServiceFacts | None:
        dialogue = Dialogue(session)
        root = await dialogue.ask("/", keep_body=False)
        if not is_it(root):
            return None
        server_product, _, version = (root.header("server") or "").partition("/")
        known = clean_version(version) if server_product in product.split() else ""
        told = _SPLUNK_FEED.search(root.body)
        version = known or root.header("x-rancher-version") or (told[1] if told else "")
        return dialogue.facts(service, Access.UNKNOWN, product, version)

    return WebServiceProbe(service, frozenset(), suspects=is_it, look=look)


def _is_nexus(root: HttpReply) -> bool:
    named = title(root) in ("Nexus Repository Manager", "Sonatype Nexus Repository")
    parts = re.search(r"static/(?:rapture|nexus-[a-z]{2,20}-bundle)", root.body) is not None
    return (root.header("server") or "").startswith("Nexus/") or (named and parts)


def _is_gogs(root: HttpReply) -> bool:
    return sets_cookie(root, "i_like_gogs")


def _is_rancher(root: HttpReply) -> bool:
    return root.header("x-rancher-version") is not None or root.header("x-api-cattle-auth") is not None


def _is_kubernetes_dashboard(root: HttpReply) -> bool:
    return title(root) == "Kubernetes Dashboard" and "<kd-root" in root.body


_SPLUNK_FEED = re.compile(r'<title>splunkd</title>[^"]{1,300}<generator build="[^"]{0,40}" version="([\d.]{1,20})"')
"""What its interface for programs begins with, whoever asks and whatever proxy stands before it."""


def _is_splunk(root: HttpReply) -> bool:
    in_its_words = '"http://dev.splunk.com/ns/rest"' in root.body and "<title>splunkd</title>" in root.body
    return root.header("server") == "Splunkd" or in_its_words


def _is_graylog(root: HttpReply) -> bool:
    return root.header("x-graylog-node-id") is not None or title(root) == "Graylog Web Interface"


def _is_pgadmin(root: HttpReply) -> bool:
    return sets_cookie(root, "pga4_session") or sets_cookie(root, "PGADMIN_LANGUAGE")


PROBES = (
    _probe("NEXUS", "Sonatype Nexus Repository", _is_nexus),
    _probe("GOGS", "Gogs", _is_gogs),
    _probe("RANCHER", "Rancher", _is_rancher),
    _probe("K8S-DASH", "Kubernetes Dashboard", _is_kubernetes_dashboard),
    _probe("SPLUNK", "Splunk", _is_splunk),
    _probe("GRAYLOG", "Graylog", _is_graylog),
    _probe("PGADMIN", "pgAdmin", _is_pgadmin),
)
