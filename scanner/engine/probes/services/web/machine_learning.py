"""Notebooks and model servers."""

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


def _may_be_jupyter(root: HttpReply) -> bool:
    tornado = (root.header("server") or "").startswith("TornadoServer/")
    # Without a front end and without a password the first page is the server's own.
    own_page = title(root) == "Jupyter Server"
    to_login = location(root).endswith("/login") and (tornado or _FROM_A_NOTEBOOK.search(root.header("location") or ""))
    return (tornado and own_page) or bool(to_login) or location(root).rstrip("/").endswith(("/tree", "/lab"))


_FROM_A_NOTEBOOK = re.compile(r"[?&]next=(?:%2F|/)[^&]{0,60}(?:tree|lab)\b")
"""How the way to the log-in page names the page that was asked for; a proxy leaves it as it is."""


async def _look_at_jupyter(session: HttpSession, level: Level) -> ServiceFacts | None:
    """The version is public; the server's status is not where a token or password is set."""
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    api = await dialogue.ask("/api")
    tornado = (api.header("server") or "").startswith("TornadoServer/")
    if api.status != 200 or json_object(api).keys() != {"version"}:
        return None
    status = await dialogue.ask("/api/status", keep_body=False)
    access = judge_access(status, proven=begins_json(status, "kernels", "last_activity"))
    if not tornado and access is not Access.OPEN and json_object(status).keys() != {"message", "reason"}:
        return None  # a proxy may have put its own name in the server's place; then the kernels tell, or the refusal
    return dialogue.facts("JUPYTER", access, "Jupyter Server", json_text(api, "version"))


def _is_ollama(root: HttpReply) -> bool:
    return root.status == 200 and root.body.strip() == "Ollama is running"


async def _look_at_ollama(session: HttpSession, level: Level) -> ServiceFacts | None:
    dialogue = Dialogue(session)
    if not _is_ollama(await dialogue.ask("/")):
        return None
    access, version = Access.UNKNOWN, ""
    if level.at_least(Level.READ):
        version = json_text(await dialogue.ask("/api/version"), "version")
        access = await dialogue.access("/api/tags", lambda r: begins_json(r, "models"))
    return dialogue.facts("OLLAMA", access, "Ollama", version)


async def _look_at_vllm(session: HttpSession, level: Level) -> ServiceFacts | None:
    """Many servers list models in this form; only vLLM signs them as their owner.

    An API key guards the models, but not the metrics, which carry vLLM's name (vLLM documentation, "Security").
    """
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    models = await dialogue.ask("/v1/models", keep_body=False)
    if models.status == 401 and "# HELP vllm:" in (await dialogue.ask("/metrics", keep_body=False)).body:
        return dialogue.facts("VLLM", Access.RESTRICTED, "vLLM")
    if models.status != 200 or json_text(models, "owned_by") != "vllm":
        return None
    version = json_text(await dialogue.ask("/version"), "version")
    return dialogue.facts("VLLM", Access.OPEN, "vLLM", version)


def _may_be_vllm(root: HttpReply) -> bool:
    return root.status == 404 and json_object(root) == {"detail": "Not Found"}


def _is_llama_cpp(reply: HttpReply) -> bool:
    return reply.header("server") == "llama.cpp" or "llama.cpp" in title(reply)


async def _look_at_llama_cpp(session: HttpSession, level: Level) -> ServiceFacts | None:
    """Its page, health and list of models are public by design; its settings are not where a key is set."""
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    settings = await dialogue.ask("/props", keep_body=False)
    opened = settings.status == 200 and begins_json(settings, "default_generation_settings")
    refused = settings.status == 401 and any(map(_is_llama_cpp, (settings, await dialogue.ask("/", keep_body=False))))
    if not opened and not refused:
        return None
    return dialogue.facts("LLAMA-CPP", Access.OPEN if opened else Access.RESTRICTED, "llama.cpp")


async def _look_at_comfyui(session: HttpSession, level: Level) -> ServiceFacts | None:
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    stats = await dialogue.ask("/system_stats", keep_body=False)
    if stats.status != 200 or not begins_json(stats, "system", "python_version", "devices"):
        return None
    return dialogue.facts("COMFYUI", Access.OPEN, "ComfyUI", json_text(stats, "comfyui_version"))


async def _look_at_open_webui(session: HttpSession, level: Level) -> ServiceFacts | None:
    """Its public configuration says whether it asks anyone to log in."""
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    config = await dialogue.ask("/api/config")
    if "Open WebUI" not in json_text(config, "name") or not begins_json(config, "features"):
        return None
    asks = re.search(r'"auth"\s*:\s*(true|false)', config.body)
    access = Access.UNKNOWN if asks is None else Access.RESTRICTED if asks[1] == "true" else Access.OPEN
    return dialogue.facts("OPENWEBUI", access, "Open WebUI", json_text(config, "version"))


async def _look_at_langflow(session: HttpSession, level: Level) -> ServiceFacts | None:
    """The version is public by design; what more a stranger may do can't be asked without logging in."""
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    version = await dialogue.ask("/api/v1/version")
    if not json_text(version, "package").startswith("Langflow"):
        return None
    return dialogue.facts("LANGFLOW", Access.UNKNOWN, "Langflow", json_text(version, "version"))


def _may_be_dify(root: HttpReply) -> bool:
    return location(root) == "/apps" or title(root) == "Dify"


async def _look_at_dify(session: HttpSession, level: Level) -> ServiceFacts | None:
    """A Dify that nobody has set up belongs to whoever comes first; what is set up asks for a log-in."""
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    setup = json_object(await dialogue.ask("/console/api/setup"))
    access = {"not_started": Access.OPEN, "finished": Access.RESTRICTED}.get(str(setup.get("step")))
    if access is None or not setup.keys() <= {"step", "setup_at"}:
        return None
    return dialogue.facts("DIFY", access, "Dify")


def _is_gradio(root: HttpReply) -> bool:
    return "__gradio_mode__" in root.body or "window.gradio_config" in root.body


async def _look_at_gradio(session: HttpSession, level: Level) -> ServiceFacts | None:
    """Its configuration lists what the application can be asked to do; with ``auth`` set it is refused."""
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    config = await dialogue.ask("/config", keep_body=False)
    opened = config.status == 200 and begins_json(config, "version", "mode")
    refused = config.status == 401 and json_text(config, "detail") == "Not authenticated"
    if not opened and not refused:
        return None
    return dialogue.facts(
        "GRADIO", Access.OPEN if opened else Access.RESTRICTED, "Gradio", json_text(config, "version")
    )


JUPYTER = WebServiceProbe("JUPYTER", frozenset({8888, 8889, 8890}), suspects=_may_be_jupyter, look=_look_at_jupyter)
OLLAMA = WebServiceProbe("OLLAMA", frozenset({11434}), suspects=_is_ollama, look=_look_at_ollama)
VLLM = WebServiceProbe("VLLM", frozenset(), suspects=_may_be_vllm, look=_look_at_vllm)
LLAMA_CPP = WebServiceProbe("LLAMA-CPP", frozenset(), suspects=_is_llama_cpp, look=_look_at_llama_cpp)
COMFYUI = WebServiceProbe("COMFYUI", frozenset({8188}), suspects=lambda r: title(r) == "ComfyUI", look=_look_at_comfyui)
OPENWEBUI = WebServiceProbe(
    "OPENWEBUI", frozenset(), suspects=lambda r: "Open WebUI" in title(r), look=_look_at_open_webui
)
LANGFLOW = WebServiceProbe("LANGFLOW", frozenset(), suspects=lambda r: title(r) == "Langflow", look=_look_at_langflow)
DIFY = WebServiceProbe("DIFY", frozenset(), suspects=_may_be_dify, look=_look_at_dify)
GRADIO = WebServiceProbe("GRADIO", frozenset(), suspects=_is_gradio, look=_look_at_gradio)
