"""Tools of software teams: Jenkins, SonarQube, GitLab, Gitea, and debuggers left listening."""

from __future__ import annotations

from scanner.engine.facts.http import HttpReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.http_session import HttpSession
from scanner.engine.probes.services.web.base import WebServiceProbe
from scanner.engine.probes.services.web.dialogue import (
    Dialogue,
    begins_json,
    clean_version,
    json_text,
    location,
    sets_cookie,
    title,
)


def _is_jenkins_console(reply: HttpReply) -> bool:
    """Jenkins gives this page to administrators only; its heading may come after what is read of it."""
    return reply.header("x-jenkins") is not None and "j_spring_security_check" not in reply.body


async def _look_at_jenkins(session: HttpSession, level: Level) -> ServiceFacts | None:
    """Only the script console gives strangers the host; anonymous reading is noted, some projects want it."""
    dialogue = Dialogue(session)
    root = await dialogue.ask("/", keep_body=False)
    version = root.header("x-jenkins")
    if version is None:
        return None
    access, anonymous = Access.UNKNOWN, "unknown"
    if level.at_least(Level.READ):
        access = await dialogue.access("/script", _is_jenkins_console)
        read = await dialogue.access("/api/json?tree=mode", lambda r: begins_json(r, "mode"))
        anonymous = {Access.OPEN: "read", Access.RESTRICTED: "nothing"}.get(read, "unknown")
    return dialogue.facts("JENKINS", access, "Jenkins", version, anonymous=anonymous)


async def _look_at_sonar(session: HttpSession, level: Level) -> ServiceFacts | None:
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    status = await dialogue.ask("/api/system/status")
    if not begins_json(status, "id", "version", "status") or json_text(status, "status") not in _SONAR_STATES:
        return None
    projects = "/api/components/search_projects?ps=1"
    access = await dialogue.access(projects, lambda r: begins_json(r, "paging", "components"))
    return dialogue.facts("SONAR", access, "SonarQube", json_text(status, "version"))


# The states that SonarQube's web API documents for api/system/status.
_SONAR_STATES = frozenset({"STARTING", "UP", "DOWN", "RESTARTING", "DB_MIGRATION_NEEDED", "DB_MIGRATION_RUNNING"})


def _is_gitlab(root: HttpReply) -> bool:
    return sets_cookie(root, "_gitlab_session") or root.header("x-gitlab-meta") is not None


async def _look_at_gitlab(session: HttpSession, _level: Level) -> ServiceFacts | None:
    """Public projects may be intended, so that no page of it proves a fault."""
    dialogue = Dialogue(session)
    root = await dialogue.ask("/", keep_body=False)
    if not _is_gitlab(root):
        return None
    access = Access.RESTRICTED if location(root).endswith("/users/sign_in") else Access.UNKNOWN
    return dialogue.facts("GITLAB", access, "GitLab")


async def _look_at_gitea(session: HttpSession, level: Level) -> ServiceFacts | None:
    dialogue = Dialogue(session)
    if not sets_cookie(await dialogue.ask("/", keep_body=False), "i_like_gitea"):
        return None
    version = ""
    if level.at_least(Level.READ):
        version = json_text(await dialogue.ask("/api/v1/version"), "version")
    return dialogue.facts("GITEA", Access.UNKNOWN, "Gitea", version)


async def _look_at_debugger(session: HttpSession, _level: Level) -> ServiceFacts | None:
    """The DevTools protocol has no authentication: who reaches it runs code in the program.

    It is asked by address, because it refuses other names (protection against DNS rebinding).
    """
    dialogue = Dialogue(session)
    endpoint = session.contact.endpoint
    host = f"[{endpoint.address}]" if ":" in endpoint.address else endpoint.address
    version = await dialogue.ask("/json/version", headers={"Host": f"{host}:{endpoint.port}"})
    browser = json_text(version, "Browser")
    if version.status != 200 or not browser or not begins_json(version, "Protocol-Version"):
        return None
    name, _, number = browser.partition("/")
    product = "Node.js inspector" if name == "node.js" else "DevTools remote debugging"
    return dialogue.facts("DEBUG", Access.OPEN, product, clean_version(number))


def _may_be_debugger(root: HttpReply) -> bool:
    return root.body.strip() == "WebSockets request was expected"


JENKINS = WebServiceProbe(
    "JENKINS", frozenset(), suspects=lambda r: r.header("x-jenkins") is not None, look=_look_at_jenkins
)
SONAR = WebServiceProbe("SONAR", frozenset(), suspects=lambda r: title(r).startswith("SonarQube"), look=_look_at_sonar)
GITLAB = WebServiceProbe("GITLAB", frozenset(), suspects=_is_gitlab, look=_look_at_gitlab)
GITEA = WebServiceProbe("GITEA", frozenset(), suspects=lambda r: sets_cookie(r, "i_like_gitea"), look=_look_at_gitea)
DEBUG = WebServiceProbe("DEBUG", frozenset({9229, 9222}), suspects=_may_be_debugger, look=_look_at_debugger)
