"""Monitoring: Prometheus and its exporters, Grafana, Loki, Netdata."""

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
    location,
    not_found_in_plain_text,
    title,
)

# The ports that Prometheus's wiki hands out, and those of HAProxy's and RabbitMQ's own exporters.
_EXPORTER_PORTS = frozenset(
    {8404, 9100, 9104, 9113, 9114, 9115, 9117, 9121, 9127, 9150, 9182, 9187, 9216, 9256, 9308, 9400, 9419, 15692}
)


async def _look_at_prometheus(session: HttpSession, level: Level) -> ServiceFacts | None:
    """Its relatives answer the build information too; only Prometheus itself has the admin API's flag.

    Where the flags are not told, its page must tell it.
    """
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    build = await dialogue.ask("/api/v1/status/buildinfo")
    if build.status != 200 or not begins_json(build, "status", "version"):
        return None
    flags = await dialogue.ask("/api/v1/status/flags", keep_body=False)
    admin = json_text(flags, "web.enable-admin-api")
    if not admin and (flags.status == 200 or not any(map(_is_prometheus_page, await dialogue.first_page()))):
        return None
    attributes = {"admin-api": "enabled"} if admin == "true" else {}
    return dialogue.facts("PROMETHEUS", Access.OPEN, "Prometheus", json_text(build, "version"), **attributes)


def _may_be_prometheus(root: HttpReply) -> bool:
    return location(root).endswith(("/graph", "/query")) or _is_prometheus_page(root)


def _is_prometheus_page(reply: HttpReply) -> bool:
    return reply.status == 200 and title(reply).startswith("Prometheus Time Series")


async def _look_at_exporter(session: HttpSession, level: Level) -> ServiceFacts | None:
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    metrics = await dialogue.ask("/metrics")
    if metrics.status != 200 or not _EXPOSITION.match(metrics.body):
        return None
    build = re.search(r'^(\w{1,40})_build_info\{[^}]*version="([^"]{1,40})"', metrics.body, re.MULTILINE)
    name = build[1].replace("_", " ") if build else ""
    return dialogue.facts("EXPORTER", Access.OPEN, name, build[2] if build else "")


# The text format that Prometheus documents: a comment with the metric's name comes first, or, as VictoriaMetrics and
# its relatives have it, nothing but metrics.
_EXPOSITION = re.compile(
    r"# (?:HELP|TYPE) [A-Za-z_:][A-Za-z0-9_:]*[ \n]|"
    r"(?:[a-z_:][a-z0-9_:]{1,100}(?:\{[^{}\n]{0,400}\})? -?\d[\d.e+-]{0,30}\n){3}"
)


def _may_be_exporter(root: HttpReply) -> bool:
    """Landing pages of exporters consist of a link to their metrics; some programs answer with these to every path."""
    links = re.search(r"""href=["']?(?:\./|/)?metrics["'\s>]""", root.body) is not None
    told = root.status == 200 and (links or _EXPOSITION.match(root.body) is not None)
    return told or not_found_in_plain_text(root)


async def _look_at_grafana(session: HttpSession, level: Level) -> ServiceFacts | None:
    """Health is public by design; the organisation is shown to strangers only where anonymous access is on.

    With ``hide_version`` it tells of the database alone.
    """
    dialogue = Dialogue(session)
    health = await dialogue.ask("/api/health")
    told = json_object(health)
    if health.status not in (200, 503) or told.get("database") not in ("ok", "failing") or told.keys() - _GRAFANA_TELLS:
        return None
    access = Access.UNKNOWN
    if level.at_least(Level.READ):
        access = await dialogue.access("/api/org", lambda r: begins_json(r, "id", "name"))
    return dialogue.facts("GRAFANA", access, "Grafana", json_text(health, "version"))


_GRAFANA_TELLS = {"database", "version", "commit", "enterpriseCommit"}


def _may_be_grafana(root: HttpReply) -> bool:
    to_login = location(root) == "/login" and '<a href="/login' in root.body  # the body that Go's router gives
    return to_login or title(root) == "Grafana"


async def _look_at_loki(session: HttpSession, level: Level) -> ServiceFacts | None:
    """With ``auth_enabled`` off it names the labels of everyone's logs; with it on, it wants an organisation's id."""
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    labels = await dialogue.ask("/loki/api/v1/labels", keep_body=False)
    opened = labels.status == 200 and json_text(labels, "status") == "success"
    refused = labels.status == 401 and "no org id" in labels.body
    if not opened and not refused:
        return None
    version = json_text(await dialogue.ask("/loki/api/v1/status/buildinfo"), "version")
    return dialogue.facts("LOKI", Access.OPEN if opened else Access.RESTRICTED, "Grafana Loki", version)


async def _look_at_netdata(session: HttpSession, level: Level) -> ServiceFacts | None:
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    info = await dialogue.ask("/api/v1/info", keep_body=False)
    if info.status == 200 and begins_json(info, "version", "uid", "mirrored_hosts"):
        return dialogue.facts("NETDATA", Access.OPEN, "Netdata", json_text(info, "version"))
    named = (info.header("server") or "").startswith("Netdata Embedded HTTP Server")
    if named or any(map(_is_netdata_page, await dialogue.first_page())):
        access = Access.RESTRICTED if info.status in (401, 403) else Access.UNKNOWN
        return dialogue.facts("NETDATA", access, "Netdata")
    return None


def _is_netdata_page(reply: HttpReply) -> bool:
    """Its own page, from which a script begins; where a proxy put its own Server header nothing else tells it."""
    return reply.status == 200 and title(reply) == "Netdata Agent Console" and "spaces|nodes|overview|" in reply.body


def _may_be_netdata(root: HttpReply) -> bool:
    return (root.header("server") or "").startswith("Netdata Embedded HTTP Server") or "netdata" in title(root).lower()


async def _look_at_nats(session: HttpSession, level: Level) -> ServiceFacts | None:
    """The monitoring port of a NATS server has no authentication of its own (NATS documentation, "Monitoring")."""
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    state = await dialogue.ask("/varz", keep_body=False)
    if state.status != 200 or not begins_json(state, "server_id", "max_payload"):
        return None
    return dialogue.facts("NATS-MONITOR", Access.OPEN, "NATS", json_text(state, "version"))


def _may_be_nats(root: HttpReply) -> bool:
    return re.search(r"""href=["']?(?:\./|/)?varz["'\s>]""", root.body) is not None


PROMETHEUS = WebServiceProbe("PROMETHEUS", frozenset({9090}), suspects=_may_be_prometheus, look=_look_at_prometheus)
EXPORTER = WebServiceProbe("EXPORTER", _EXPORTER_PORTS, suspects=_may_be_exporter, look=_look_at_exporter)
GRAFANA = WebServiceProbe("GRAFANA", frozenset(), suspects=_may_be_grafana, look=_look_at_grafana)
LOKI = WebServiceProbe("LOKI", frozenset({3100}), suspects=not_found_in_plain_text, look=_look_at_loki)
NATS = WebServiceProbe("NATS-MONITOR", frozenset({8222}), suspects=_may_be_nats, look=_look_at_nats)
NETDATA = WebServiceProbe("NETDATA", frozenset({19999}), suspects=_may_be_netdata, look=_look_at_netdata)
