"""Reads the few things that rules need from a hostile HTML page, in linear time.

The standard library's parser is not used on purpose: 128 KiB of ``<a <a <a …`` keep it busy for minutes. Here a tag
ends at the first ``>`` and never holds a ``<``, which costs attributes with such characters and nothing else.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from scanner.engine.facts.http import Page
from scanner.engine.hostile import line

PAGE_LIMIT = 128 * 1024
"""Characters of a page that are read."""

_MANY = 10
"""Things of one kind that are kept."""

_URL_LIMIT = 300

_END = {name: re.compile(f"(?i)</{name}") for name in ("title", "script", "style", "textarea")}
_TAG = re.compile(r"<(/?[a-zA-Z][a-zA-Z0-9]{0,15})(?=[\s/>])([^<>]{0,2000})>|<!--")
_ATTRIBUTE = re.compile(r"""([a-zA-Z][-\w:]{0,40})(?:\s{0,5}=\s{0,5}(?:"([^"]*)"|'([^']*)'|([^\s"']+)))?""")
_SCRIPT_MOVE = re.compile(r"""location(?:\.href|\.replace\(|\.assign\()?\s{0,3}=?\s{0,3}["']([^"'\s]{1,300})["']""")
_SCRIPT_TO_HTTPS = re.compile(r"""["']https:(?://)?["']""")
_PLAIN_FOLDER = re.compile(r"/(?:[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,40}/){1,3}")

# W3C Mixed Content, section 3: what a browser upgrades or shows with a warning is passive, the rest is blocked.
_ACTIVE = {"script": "src", "iframe": "src", "frame": "src", "embed": "src", "object": "data", "form": "action"}
_PASSIVE = {"img": "src", "audio": "src", "video": "src", "source": "src"}
_LINKED = {"a": "href", "link": "href", **_ACTIVE, **_PASSIVE}
_TRUSTWORTHY = {"localhost", "127.0.0.1", "[::1]"}


@dataclass(slots=True)
class _Reading:
    base: str
    title: str = ""
    generator: str = ""
    policy: str = ""
    referrer: str = ""
    refresh: str = ""
    form: str | None = None
    password_actions: list[str] = field(default_factory=list)
    plain_active: list[str] = field(default_factory=list)
    plain_passive: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)


def read_page(text: str, base: str) -> Page:
    """Return what the page at the URL ``base`` says. Never raises; what is malformed is passed over."""
    text = text[:PAGE_LIMIT]
    seen = _Reading(base)
    for name, attributes, content in _tags(text):
        if name == "title" and not seen.title:
            seen.title = line(html.unescape(content), 120)
        elif name == "script" and not seen.refresh:
            seen.refresh = _script_move(content, base)
        if attributes or name in ("form", "/form"):
            _read_tag(name, _attributes(attributes), seen)
    return Page(
        title=seen.title,
        generator=seen.generator,
        policy=seen.policy,
        referrer=seen.referrer,
        refresh=seen.refresh,
        password_actions=_few(seen.password_actions),
        plain_active=_few(seen.plain_active),
        plain_passive=_few(seen.plain_passive),
        folders=_few(seen.folders),
    )


def _tags(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield (lower-case name, attributes, the text inside for title and script); comments are left out."""
    at = 0
    while found := _TAG.search(text, at):
        at = found.end()
        if found[1] is None:
            at = text.find("-->", at)
            if at < 0:
                return
            continue
        name, content = found[1].lower(), ""
        if name in _END:
            end = _END[name].search(text, at)
            if end is None:
                return
            content, at = text[at : end.start()], end.start()
        yield name, found[2], content


def _attributes(text: str) -> dict[str, str]:
    pairs = ((m[1].lower(), html.unescape(m[2] or m[3] or m[4] or "").strip()) for m in _ATTRIBUTE.finditer(text))
    return dict(reversed(list(pairs)))  # the first of a name counts


def _read_tag(name: str, attributes: dict[str, str], seen: _Reading) -> None:
    if name == "meta":
        _read_meta(attributes, seen)
    elif name == "form":
        seen.form = _absolute(attributes.get("action", ""), seen.base)
    elif name == "/form":
        seen.form = None
    elif name == "input" and attributes.get("type", "").lower() == "password":
        seen.password_actions.append(seen.form or _absolute("", seen.base))
    if name in _LINKED:
        _read_link(name, attributes, seen)


def _read_meta(attributes: dict[str, str], seen: _Reading) -> None:
    content = attributes.get("content", "")
    match attributes.get("name", "").lower(), attributes.get("http-equiv", "").lower():
        case "generator", _:
            seen.generator = line(content, 120)
        case "referrer", _:
            seen.referrer = line(content, 60)
        case _, "content-security-policy":
            seen.policy = line(content, 1000)
        case _, "refresh":
            _, _, target = content.partition(";")
            target = re.sub(r"(?i)^\s{0,5}url\s{0,5}=\s{0,5}", "", target).strip("'\" ")
            seen.refresh = _absolute(target, seen.base)


def _read_link(name: str, attributes: dict[str, str], seen: _Reading) -> None:
    value = attributes.get(_LINKED[name], "")
    if not value:
        return
    url = _absolute(value, seen.base)
    stylesheet = name == "link" and "stylesheet" in attributes.get("rel", "").lower()
    if url.startswith("http:") and urlsplit(url).netloc.partition(":")[0] not in _TRUSTWORTHY:
        if name in _ACTIVE or stylesheet:
            seen.plain_active.append(url)
        elif name in _PASSIVE:
            seen.plain_passive.append(url)
    here = urlsplit(seen.base)
    there = urlsplit(url)
    folder = there.path.rpartition("/")[0] + "/"
    if there.netloc == here.netloc and _PLAIN_FOLDER.fullmatch(folder):
        seen.folders.append(folder)


def _script_move(content: str, base: str) -> str:
    """Return where a script sends the browser; a script that puts ``https:`` before the location counts too."""
    if "location" not in content:
        return ""
    if moved := _SCRIPT_MOVE.search(content[:4000]):
        return _absolute(moved[1], base)
    return base.replace("http:", "https:", 1) if _SCRIPT_TO_HTTPS.search(content[:4000]) else ""


def _absolute(target: str, base: str) -> str:
    try:
        url = urljoin(base, target)
        urlsplit(url)
    except ValueError:
        return ""
    return line(url.partition("?")[0].partition("#")[0], _URL_LIMIT)


def _few(values: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))[:_MANY]
