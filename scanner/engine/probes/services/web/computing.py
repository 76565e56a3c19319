"""Platforms that run jobs for whoever asks: Spark, Flink, Ray, Airflow, XXL-JOB, Druid, Zeppelin, Superset."""

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
    title,
)

_SPARK_VERSION = re.compile(r'class="version"[^>]*>\s*(\d[\w.-]{0,30})')


def _is_spark(root: HttpReply) -> bool:
    """Tell whether this is the page of a master, of a worker, or of an application, which has a logo in common."""
    named = re.match(r"Spark (?:Master|Worker) at ", title(root)) is not None
    of_an_application = title(root).endswith(" - Spark Jobs") and "static/spark-logo" in root.body
    return root.status == 200 and (named or of_an_application)


async def _look_at_spark(session: HttpSession, _level: Level) -> ServiceFacts | None:
    """The master's page lists workers and applications, and a master that shows it takes applications."""
    dialogue = Dialogue(session)
    root = (await dialogue.first_page())[-1]
    if not _is_spark(root):
        return None
    access = Access.OPEN if title(root).startswith("Spark Master at ") else Access.UNKNOWN
    version = _SPARK_VERSION.search(root.body)
    return dialogue.facts("SPARK", access, "Apache Spark", version[1] if version else "")


async def _look_at_flink(session: HttpSession, level: Level) -> ServiceFacts | None:
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    config = await dialogue.ask("/config")
    version = json_text(config, "flink-version")
    if config.status == 200 and version:
        return dialogue.facts("FLINK", Access.OPEN, "Apache Flink", version)
    return None


def _is_ray(root: HttpReply) -> bool:
    return title(root) == "Ray Dashboard"


async def _look_at_ray(session: HttpSession, level: Level) -> ServiceFacts | None:
    """With token authentication only the empty page of the dashboard is served to strangers."""
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    version = await dialogue.ask("/api/version")
    if not begins_json(version, "ray_version"):
        guarded = version.status in (401, 403) and _is_ray(await dialogue.ask("/", keep_body=False))
        return dialogue.facts("RAY", Access.RESTRICTED, "Ray") if guarded else None
    access = await dialogue.access("/api/jobs/", lambda r: r.body.lstrip().startswith("["))
    return dialogue.facts("RAY", access, "Ray", json_text(version, "ray_version"))


async def _look_at_airflow(session: HttpSession, level: Level) -> ServiceFacts | None:
    """The health page is public; the home page shows the workflows only where no log-in is asked."""
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    for path in _AIRFLOW_HEALTH:
        if {"metadatabase", "scheduler"} <= json_object(await dialogue.ask(path)).keys():
            break
    else:
        return None
    access = await dialogue.access("/home", lambda r: title(r).startswith("DAGs - "))
    return dialogue.facts("AIRFLOW", access, "Apache Airflow")


_AIRFLOW_HEALTH = ("/health", "/api/v1/health", "/api/v2/monitor/health")


def _may_be_airflow(root: HttpReply) -> bool:
    return location(root) == "/home" or "Airflow" in title(root)


_XXL_JOB_REPLY = {"code": 500, "msg": "invalid request, HttpMethod not support."}


def _is_xxl_job(root: HttpReply) -> bool:
    reply = json_object(root)
    return {name: reply.get(name) for name in _XXL_JOB_REPLY} == _XXL_JOB_REPLY


async def _look_at_xxl_job(session: HttpSession, _level: Level) -> ServiceFacts | None:
    """An executor answers GET alike with and without an access token: it is reachable, and no more is proven."""
    dialogue = Dialogue(session)
    if not _is_xxl_job(await dialogue.ask("/")):
        return None
    return dialogue.facts("XXL-JOB", Access.UNKNOWN, "XXL-JOB")


_DRUID_CONSOLE = "/unified-console.html"


async def _look_at_druid(session: HttpSession, level: Level) -> ServiceFacts | None:
    """The console's empty page is served before any log-in; the status is not where an authenticator is set."""
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    status = await dialogue.ask("/status", keep_body=False)
    if status.status == 200 and begins_json(status, "version", "modules"):
        return dialogue.facts("DRUID", Access.OPEN, "Apache Druid", json_text(status, "version"))
    if status.status in (401, 403) and title(await dialogue.ask(_DRUID_CONSOLE)).startswith("Apache Druid"):
        return dialogue.facts("DRUID", Access.RESTRICTED, "Apache Druid")
    return None


async def _look_at_zeppelin(session: HttpSession, level: Level) -> ServiceFacts | None:
    """The version is public; a ticket made out to ``anonymous`` shows that no log-in is set up."""
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    version = await dialogue.ask("/api/version")
    if json_text(version, "message") != "Zeppelin version":
        return None
    ticket = await dialogue.ask("/api/security/ticket", keep_body=False)
    access = judge_access(ticket, proven=json_text(ticket, "principal") == "anonymous")
    return dialogue.facts("ZEPPELIN", access, "Apache Zeppelin", json_text(version, "version"))


def _may_be_superset(root: HttpReply) -> bool:
    return location(root).startswith("/superset/welcome")


async def _look_at_superset(session: HttpSession, level: Level) -> ServiceFacts | None:
    """Strangers may list dashboards only where a role was given to them (``PUBLIC_ROLE_LIKE``)."""
    dialogue = Dialogue(session)
    if not _may_be_superset(await dialogue.ask("/")):
        return None
    access = Access.UNKNOWN
    if level.at_least(Level.READ):
        access = await dialogue.access("/api/v1/dashboard/?q=(page_size:1)", lambda r: begins_json(r, "count"))
        if access is Access.UNKNOWN:
            return None
    return dialogue.facts("SUPERSET", access, "Apache Superset")


SPARK = WebServiceProbe("SPARK", frozenset(), suspects=_is_spark, look=_look_at_spark)
FLINK = WebServiceProbe(
    "FLINK", frozenset({8081}), suspects=lambda r: title(r) == "Apache Flink Web Dashboard", look=_look_at_flink
)
RAY = WebServiceProbe("RAY", frozenset({8265}), suspects=_is_ray, look=_look_at_ray)
AIRFLOW = WebServiceProbe("AIRFLOW", frozenset(), suspects=_may_be_airflow, look=_look_at_airflow)
XXL_JOB = WebServiceProbe("XXL-JOB", frozenset({9999}), suspects=_is_xxl_job, look=_look_at_xxl_job)
DRUID = WebServiceProbe(
    "DRUID",
    frozenset(),
    suspects=lambda r: location(r).endswith(_DRUID_CONSOLE) or title(r).startswith("Apache Druid"),
    look=_look_at_druid,
)
ZEPPELIN = WebServiceProbe("ZEPPELIN", frozenset(), suspects=lambda r: title(r) == "Zeppelin", look=_look_at_zeppelin)
SUPERSET = WebServiceProbe("SUPERSET", frozenset(), suspects=_may_be_superset, look=_look_at_superset)
