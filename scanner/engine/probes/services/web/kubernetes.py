"""Kubernetes: the API server and the node agents."""

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
    not_found_in_plain_text,
)

_KUBELET_PORT = 10250
_READ_ONLY_PORT = 10255
_ANONYMOUS_REFUSED = "Forbidden (user=system:anonymous"


async def _look_at_kubelet(session: HttpSession, level: Level) -> ServiceFacts | None:
    """The list of pods holds secrets in environment variables: it is recognised and thrown away."""
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    pods = await dialogue.ask("/pods", keep_body=False)
    if pods.status == 200 and json_text(pods, "kind") == "PodList":
        attributes = {"port": "read-only"} if dialogue.port == _READ_ONLY_PORT else {}
        return dialogue.facts("KUBELET", Access.OPEN, "kubelet", **attributes)
    if pods.status == 403 and pods.body.startswith(_ANONYMOUS_REFUSED):
        return dialogue.facts("KUBELET", Access.RESTRICTED, "kubelet")
    if dialogue.port == _KUBELET_PORT and session.scheme == "https" and _is_bare_refusal(pods):
        return dialogue.facts("KUBELET", Access.RESTRICTED, "kubelet")
    return None


def _is_bare_refusal(reply: HttpReply) -> bool:
    """A kubelet without anonymous access says one word, unsigned; on its own port inside TLS that is enough."""
    unsigned = reply.header("server") is None and reply.header("www-authenticate") is None
    return reply.status == 401 and reply.body.strip() == "Unauthorized" and unsigned


def _may_be_kubelet(root: HttpReply) -> bool:
    return not_found_in_plain_text(root) or root.body.startswith(_ANONYMOUS_REFUSED)


def _is_api_status(reply: HttpReply) -> bool:
    return (
        json_text(reply, "kind") == "Status" and json_text(reply, "apiVersion") == "v1" and reply.status in (401, 403)
    )


def _may_be_api(root: HttpReply) -> bool:
    paths = json_object(root).get("paths")
    return _is_api_status(root) or (begins_json(root, "paths") and ('"/apis"' in root.body or paths == ["/api"]))


async def _look_at_api(session: HttpSession, level: Level) -> ServiceFacts | None:
    """Anonymous requests may see the version by default; that they list namespaces is nobody's default."""
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    version = await dialogue.ask("/version")
    if not (begins_json(version, "gitVersion", "major") or _is_api_status(version)):
        return None
    access = await dialogue.access("/api/v1/namespaces?limit=1", lambda r: json_text(r, "kind") == "NamespaceList")
    return dialogue.facts("K8S-API", access, "Kubernetes", json_text(version, "gitVersion"))


KUBELET = WebServiceProbe(
    "KUBELET", frozenset({_KUBELET_PORT, _READ_ONLY_PORT}), suspects=_may_be_kubelet, look=_look_at_kubelet
)
K8S_API = WebServiceProbe("K8S-API", frozenset({6443}), suspects=_may_be_api, look=_look_at_api)
