"""Reads the few things that rules need from a hostile HTML page, in linear time.

The standard library's parser is not used on purpose: 128 KiB of ``<a <a <a …`` keep it busy for minutes. Here a tag
never holds a ``<``, which costs attributes with that character and nothing else.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from scanner.engine.facts.http import TEXT_OF_A_PAGE, Page, ScriptLibrary
from scanner.engine.hostile import line
from scanner.engine.probes import http_page_loads as loads
from scanner.engine.probes import http_page_marks as marks
from scanner.engine.probes.http_listings import is_named_after_files

PAGE_LIMIT = 256 * 1024
"""Characters of a page that are read: all of a body, whose pictures often stand in it."""

_MANY = 10
"""Things of one kind that are kept."""

_URL_LIMIT = 300

_POLICY_LIMIT = 4000
"""Characters of a page's policies that are kept: what asks for an upgrade of links often stands at the end."""

_HIDDEN_LINKS = 30

_DEPTH = 200
"""Nested elements that are kept in mind; deeper ones count as seen."""

_CLOSES_WITHIN = 20
"""Open elements that an end tag may close at once, as browsers do for forgotten ones."""

_END = {name: re.compile(f"(?i)</{name}") for name in ("title", "script", "style", "textarea")}
# A ``>`` within quotes belongs to the attribute, unless the quotes don't close before the next tag.
_TAG = re.compile(
    r"""<(/?[a-zA-Z][a-zA-Z0-9]{0,15})(?=[\s/>])((?:[^<>"']|"[^"<]*+"|'[^'<]*+'){0,2000}+(?=>)|[^<>]{0,2000})>|<!--"""
)
_ATTRIBUTE = re.compile(r"""([a-zA-Z][-\w:]{0,40})(?:\s{0,5}=\s{0,5}(?:"([^"]*)"|'([^']*)'|([^\s"']+)))?""")
_SCRIPT_MOVE = re.compile(r"""location(?:\.href|\.replace\(|\.assign\()?\s{0,3}=?\s{0,3}["']([^"'\s]{1,300})["']""")
_SCRIPT_TO_HTTPS = re.compile(r"""["']https:(?://)?["']|`https:(?://)?\$\{""")
# Scripts that count visits compare the location's scheme to fetch their own parts; only a new location moves anyone.
_SCRIPT_SETS_LOCATION = re.compile(
    r"(?<![\w$])location(?:\.(?:href|protocol))?\s{0,3}=(?!=)|(?<![\w$])location\.(?:replace|assign)\s{0,3}\("
)
_DELAY = re.compile(r"\s{0,5}(\d{0,3})(?:\.\d{0,3})?\s{0,5}[;,]?\s{0,5}(?:url\s{0,5}=\s{0,5})?(.*)", re.IGNORECASE)
_AT_ONCE = 10
"""Seconds up to which a meta refresh to another page is a redirect, rather than a page that renews itself."""

_UNREADABLE = 20
"""Characters that could not be decoded from which a page's text counts as not read."""
_PLAIN_FOLDER = re.compile(r"/(?:[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,40}/){1,3}")

# W3C Mixed Content, section 3: what a browser upgrades or shows with a warning is passive, the rest is blocked.
_ACTIVE = {"script": "src", "iframe": "src", "frame": "src", "embed": "src", "object": "data", "form": "action"}
_PASSIVE = {"img": "src", "audio": "src", "video": "src", "source": "src"}
_LINKED = {"a": "href", "link": "href", **_ACTIVE, **_PASSIVE}
_BLOCKS = frozenset(
    {"div", "span", "p", "ul", "ol", "li", "dl", "dd", "font", "marquee", "section", "table", "td", "tr"}
)
_TRUSTWORTHY = {"localhost", "127.0.0.1", "[::1]"}


@dataclass(slots=True)
class _Reading:
    page: str
    """The URL of the page; ``base`` is what its relative links are relative to, until a base element says otherwise."""
    base: str
    has_base: bool = False
    title: str = ""
    generator: str = ""
    policy: str = ""
    referrer: str = ""
    refresh: str = ""
    moved: str = ""
    form: str | None = None
    password_actions: list[str] = field(default_factory=list)
    plain_active: list[str] = field(default_factory=list)
    plain_passive: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    asset_folders: list[str] = field(default_factory=list)
    libraries: list[ScriptLibrary] = field(default_factory=list)
    keywords: list[str] = field(default_factory=list)
    hidden_links: list[str] = field(default_factory=list)
    internal_urls: list[str] = field(default_factory=list)
    text_length: int = 0
    open: list[tuple[str, bool]] = field(default_factory=list)
    hidden_by_script: bool = False

    @property
    def hidden(self) -> bool:
        """Whether what comes next is kept from being seen."""
        return self.hidden_by_script or (bool(self.open) and self.open[-1][1])


def read_page(whole: str, base: str, *, cut: bool = False) -> Page:
    """Return what the page at the URL ``base`` says. Never raises; what is malformed is passed over.

    ``cut`` tells that the page goes on behind ``whole``.
    """
    text = whole[:PAGE_LIMIT]
    seen = _Reading(base, base)
    for name, attributes, content, before in tags_of(text):
        seen.text_length += before
        if name == "title" and not seen.title:
            seen.title = line(html.unescape(content), 120)
        elif name == "script":
            _read_script(content, seen)
        elif name == "style":
            _read_styles(content, seen)
        if attributes or name in ("form", "/form") or name.removeprefix("/") in _BLOCKS:
            _read_tag(name, attributes_of(attributes), content, seen)
    return Page(
        title=seen.title,
        generator=seen.generator,
        policy=seen.policy,
        referrer=seen.referrer,
        refresh=seen.refresh or _moved(seen, base),
        password_actions=_few(seen.password_actions),
        plain_active=_few(seen.plain_active),
        plain_passive=_few(seen.plain_passive),
        folders=_few([*seen.folders, *seen.asset_folders]),  # what visitors are led to is looked into first
        libraries=tuple(dict.fromkeys(seen.libraries))[:_MANY],
        keywords=line(" ".join(seen.keywords), 400),
        hidden_links=tuple(dict.fromkeys(seen.hidden_links))[:_HIDDEN_LINKS],
        internal_urls=_few(seen.internal_urls),
        registration=_registration(whole, cut=cut),
        text_length=seen.text_length,
    )


def _registration(whole: str, *, cut: bool) -> str | None:
    """Return the registration number, which stands at a page's foot; None where that, or its script, can't be read."""
    number = marks.registration_number(whole)
    unreadable = cut or whole.count("\ufffd") > _UNREADABLE
    return None if not number and unreadable else number


def tags_of(text: str) -> Iterator[tuple[str, str, str, int]]:
    """Yield (lower-case name, attributes, the text inside or right behind, characters of text before it).

    Comments are left out. The text inside is that of titles, scripts and styles; other tags have what follows them.
    """
    at = 0
    while found := _TAG.search(text, at):
        before, at = len(text[at : found.start()].strip()), found.end()
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
        elif name == "a":
            content = text[at : at + 80].partition("<")[0]
        yield name, found[2], content, before


def attributes_of(text: str) -> dict[str, str]:
    """Return a tag's attributes by their lower-case names."""
    pairs = ((m[1].lower(), html.unescape(m[2] or m[3] or m[4] or "").strip()) for m in _ATTRIBUTE.finditer(text))
    return dict(reversed(list(pairs)))  # the first of a name counts


def _read_script(content: str, seen: _Reading) -> None:
    if not seen.moved:
        seen.moved = _script_move(content, seen.base)
    seen.internal_urls.extend(marks.internal_urls(content))
    if library := marks.library_in(content):
        seen.libraries.append(library)
    if "document.write" in content:
        seen.hidden_by_script = marks.writes_hiding(content)


def _nest(name: str, attributes: dict[str, str], seen: _Reading) -> None:
    """Keep in mind which elements are open, and whether any of them hides what is in it."""
    if name.startswith("/"):
        opened = [each for each, _ in seen.open[-_CLOSES_WITHIN:]]
        if name[1:] in opened:
            del seen.open[len(seen.open) - 1 - opened[::-1].index(name[1:]) :]
    elif len(seen.open) < _DEPTH:
        seen.open.append((name, seen.hidden or marks.hides(name, attributes)))


def _read_tag(name: str, attributes: dict[str, str], content: str, seen: _Reading) -> None:
    if name.removeprefix("/") in _BLOCKS:
        _nest(name, attributes, seen)
    if name == "meta":
        _read_meta(attributes, seen)
    elif name == "body" and not seen.moved:
        seen.moved = _script_move(attributes.get("onload", ""), seen.base)
    elif name == "base" and not seen.has_base and attributes.get("href"):
        there = _absolute(attributes["href"], seen.base)
        seen.base, seen.has_base = (there, True) if there.startswith(("http:", "https:")) else (seen.base, True)
    elif name == "form":
        seen.form = _form_action(attributes.get("action", ""), seen)
    elif name == "/form":
        seen.form = None
    elif name == "input" and attributes.get("type", "").lower() == "password":
        seen.password_actions.append(seen.form or _absolute("", seen.base))
    if name in _LINKED:
        _read_link(name, attributes, seen)
    _read_further_loads(name, attributes, seen)
    if name == "a" and (seen.hidden or marks.hides(name, attributes)):
        _read_hidden_link(attributes.get("href", ""), content, seen)


def _read_meta(attributes: dict[str, str], seen: _Reading) -> None:
    content = attributes.get("content", "")
    match attributes.get("name", "").lower(), attributes.get("http-equiv", "").lower():
        case "generator", _:
            seen.generator = line(content, 120)
        case "keywords" | "description", _:
            seen.keywords.append(line(content, 200))
        case "referrer", _:
            seen.referrer = line(content, 60)
        case _, "content-security-policy":
            seen.policy = ", ".join(filter(None, (seen.policy, line(content, _POLICY_LIMIT))))[:_POLICY_LIMIT]
        case _, "refresh":
            seen.refresh = refresh_target(content, seen.base) or seen.refresh


def _read_link(name: str, attributes: dict[str, str], seen: _Reading) -> None:
    value = attributes.get(_LINKED[name], "")
    if not value:
        return
    if name == "script" and (library := marks.library_of(value)):
        seen.libraries.append(library)
    url = _absolute(value, seen.base)
    if marks.is_internal(url):
        seen.internal_urls.append(url)
    stylesheet = name == "link" and "stylesheet" in attributes.get("rel", "").lower()
    if name in _ACTIVE or stylesheet:
        _note_plain(url, seen.plain_active)
    elif name in _PASSIVE:
        _note_plain(url, seen.plain_passive)
    here = urlsplit(seen.page)
    there = urlsplit(url)
    folder = there.path.rpartition("/")[0] + "/"
    kept = seen.folders if name == "a" else seen.asset_folders
    if there.netloc == here.netloc:
        # Links leave the last slash out; a server then sends to where it is.
        unslashed = f"{there.path}/" if name == "a" and is_named_after_files(there.path) else ""
        kept.extend(path for path in (folder, unslashed) if _PLAIN_FOLDER.fullmatch(path))


def _form_action(action: str, seen: _Reading) -> str:
    """Return where a form is sent: without an action, or with a script for one, to where it stands."""
    there = _absolute(action or seen.page, seen.base)
    return there if there.startswith(("http:", "https:")) else _absolute("", seen.page)


def _read_further_loads(name: str, attributes: dict[str, str], seen: _Reading) -> None:
    for url in loads.by_element(name, attributes):
        _note_plain(url, seen.plain_passive)
    if "style" in attributes:
        _read_styles(attributes["style"], seen)


def _read_styles(text: str, seen: _Reading) -> None:
    if "http:" in text.lower():
        imported, drawn = loads.by_styles(text)
        for url in imported:
            _note_plain(url, seen.plain_active)
        for url in drawn:
            _note_plain(url, seen.plain_passive)


def _note_plain(url: str, kept: list[str]) -> None:
    """Keep a URL if what is there would come in clear text, and not from the visitor's own machine."""
    plain = _absolute(url, url)
    if plain.startswith("http:") and urlsplit(plain).netloc.partition(":")[0] not in _TRUSTWORTHY:
        kept.append(plain)


def _read_hidden_link(href: str, text: str, seen: _Reading) -> None:
    host = urlsplit(_absolute(href, seen.base)).netloc
    if host and host != urlsplit(seen.page).netloc and len(seen.hidden_links) < _HIDDEN_LINKS:
        seen.hidden_links.append(f"{line(html.unescape(text), 40)} ({host})")


def refresh_target(content: str, base: str) -> str:
    """Return where a meta refresh, or the header of that name, sends visitors at once; empty for nowhere."""
    found = _DELAY.match(content)
    target = found[2].strip("'\" ") if found else ""
    return _absolute(target, base) if found and target and int(found[1] or 0) <= _AT_ONCE else ""


def _script_move(content: str, base: str) -> str:
    """Return where a script sends the browser; a script that puts ``https:`` before the location counts too."""
    if "location" not in content:
        return ""
    script = content[:4000]
    moved = _SCRIPT_MOVE.search(script)
    if moved and not moved[1].endswith((":", "://")):
        return _absolute(moved[1], base)
    to_https = _SCRIPT_SETS_LOCATION.search(script) and _SCRIPT_TO_HTTPS.search(script)
    return base.replace("http:", "https:", 1) if to_https else ""


def _moved(seen: _Reading, base: str) -> str:
    """Return where a script moves visitors at once: to the same host from any page, elsewhere only from an empty one.

    A page with text of its own names other sites in scripts that wait for a click.
    """
    same_host = urlsplit(seen.moved).hostname == urlsplit(base).hostname
    return seen.moved if same_host or seen.text_length < TEXT_OF_A_PAGE else ""


def _absolute(target: str, base: str) -> str:
    return line(resolved(target, base).partition("?")[0], _URL_LIMIT)


def resolved(target: str, base: str) -> str:
    """Return the URL that ``target`` means on the page at ``base``, without fragment; empty when it means none."""
    try:
        url = urljoin(base, target)
        urlsplit(url)
    except ValueError:
        return ""
    return url.partition("#")[0]


def _few(values: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))[:_MANY]
