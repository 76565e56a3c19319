"""Container engines, registries and their consoles."""

from __future__ import annotations

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
    title,
)


async def _look_at_docker(session: HttpSession, level: Level) -> ServiceFacts | None:
    """Who may ask the engine for its version may ask it for anything, unless an authorisation plugin says no."""
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    version = await dialogue.ask("/version")
    told = version.status == 200 and begins_json(version, "ApiVersion", "Version")
    if told and (begins_json(version, "Os") or dialogue.port in DOCKER.ports):
        product = "Podman" if "Podman Engine" in version.body else "Docker"
        return dialogue.facts("DOCKER", Access.OPEN, product, str(json_object(version).get("Version", "")))
    ping = await dialogue.ask("/_ping")
    if ping.header("api-version") and (ping.header("docker-experimental") or ping.header("ostype")):
        return dialogue.facts("DOCKER", judge_access(version, proven=False), "Docker")
    if version.status == 403 and json_text(version, "message").startswith("authorization denied by plugin"):
        return dialogue.facts("DOCKER", Access.RESTRICTED, "Docker")
    return None


def _may_be_docker(root: HttpReply) -> bool:
    message = json_text(root, "message")
    unknown_path = root.status == 404 and message == "page not found"
    denied = root.status == 403 and message.startswith("authorization denied by plugin")
    return unknown_path or denied or (root.header("server") or "").startswith(("Docker/", "Libpod/"))


async def _look_at_registry(session: HttpSession, level: Level) -> ServiceFacts | None:
    """The API's base path answers 200 only where no credentials are needed to pull (OCI distribution, end-1)."""
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    base = await dialogue.ask("/v2/")
    if base.header("docker-distribution-api-version") != "registry/2.0":
        return None
    return dialogue.facts("REGISTRY", judge_access(base, proven=True), "Docker Registry")


def _may_be_registry(root: HttpReply) -> bool:
    empty = root.status == 200 and root.body == "" and root.header("cache-control") == "no-cache"
    return empty or root.header("docker-distribution-api-version") is not None


async def _look_at_portainer(session: HttpSession, level: Level) -> ServiceFacts | None:
    """No administrator yet: whoever comes first becomes one."""
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    status = await dialogue.ask("/api/status")
    if not begins_json(status, "Version", "InstanceID"):
        status = await dialogue.ask("/api/system/status")
        if not begins_json(status, "Version", "InstanceID"):
            return None
    check = await dialogue.ask("/api/users/admin/check")
    access = {404: Access.OPEN, 204: Access.RESTRICTED, 303: Access.RESTRICTED}.get(check.status, Access.UNKNOWN)
    return dialogue.facts("PORTAINER", access, "Portainer", json_text(status, "Version"))


async def _look_at_argo_cd(session: HttpSession, level: Level) -> ServiceFacts | None:
    """The version is public by design."""
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    named = title(await dialogue.ask("/", keep_body=False)) == "Argo CD"
    version = json_text(await dialogue.ask("/api/version"), "Version") if named else ""
    return dialogue.facts("ARGOCD", Access.UNKNOWN, "Argo CD", version) if version else None


async def _look_at_harbor(session: HttpSession, level: Level) -> ServiceFacts | None:
    """What it tells about itself before the log-in is public by design."""
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    about = await dialogue.ask("/api/v2.0/systeminfo")
    if about.status != 200 or not begins_json(about, "auth_mode", "self_registration"):
        return None
    return dialogue.facts("HARBOR", Access.UNKNOWN, "Harbor", json_text(about, "harbor_version"))


DOCKER = WebServiceProbe("DOCKER", frozenset({2375, 2376, 4243}), suspects=_may_be_docker, look=_look_at_docker)
REGISTRY = WebServiceProbe("REGISTRY", frozenset({5000}), suspects=_may_be_registry, look=_look_at_registry)
PORTAINER = WebServiceProbe(
    "PORTAINER", frozenset({9443}), suspects=lambda r: title(r) == "Portainer", look=_look_at_portainer
)
ARGOCD = WebServiceProbe("ARGOCD", frozenset(), suspects=lambda r: title(r) == "Argo CD", look=_look_at_argo_cd)
HARBOR = WebServiceProbe("HARBOR", frozenset(), suspects=lambda r: title(r) == "Harbor", look=_look_at_harbor)
