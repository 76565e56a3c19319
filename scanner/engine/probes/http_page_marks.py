"""What a page's parts tell: script libraries with their versions, styles that hide, a registration number.

Every expression is bounded or possessive, so that no page keeps it busy.
"""

from __future__ import annotations

import html
import ipaddress
import re
from urllib.parse import urljoin, urlsplit

from scanner.engine.facts.http import ScriptLibrary
from scanner.engine.hostile import line

_NAMES = {
    "jquery": "jquery",
    "jquery-ui": "jquery-ui",
    "jquery.ui": "jquery-ui",
    "jqueryui": "jquery-ui",
    "angular": "angularjs",
    "angularjs": "angularjs",
    "angular.js": "angularjs",
    "bootstrap": "bootstrap",
    "twitter-bootstrap": "bootstrap",
    "vue": "vue",
    "lodash": "lodash",
    "lodash.js": "lodash",
    "moment": "moment",
    "moment.js": "moment",
    "handlebars": "handlebars",
    "handlebars.js": "handlebars",
    "underscore": "underscore",
    "underscore.js": "underscore",
    "axios": "axios",
    "dompurify": "dompurify",
    "ckeditor": "ckeditor",
    "swiper": "swiper",
}
"""How libraries are called in file names and by content networks, and what they are called here."""

_NAME = "|".join(re.escape(name) for name in sorted(_NAMES, key=len, reverse=True))
_VERSION = r"v?(\d{1,2}\.\d{1,3}(?:\.\d{1,3})?)"
_IN_FILE_NAME = re.compile(
    rf"(?i)(?:^|/)({_NAME})[-._]?{_VERSION}(?:[.-](?:min|slim|prod|full|bundle|all|custom|core|global)){{0,3}}\.js"
)
_IN_FOLDER = re.compile(rf"(?i)/({_NAME})[/@]{_VERSION}/")
_WITHOUT_VERSION = re.compile(
    r"(?i)/(?:jquery|jquery-ui|bootstrap|angular|vue)(?:\.bundle|\.global|\.prod)?(?:\.min)?\.js$"
)
_SCRIPT_SOURCE = re.compile(r"""(?i)<script\s[^<>]{0,200}?src\s{0,3}=\s{0,3}["']?([^\s"'<>]{1,200})""")
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9._~/-]{1,200}")
_IN_COMMENT = re.compile(
    r"(?i)/\*!?[\s*]{0,10}+(?:@license )?(jQuery UI|jQuery|AngularJS|Bootstrap|Vue|Lodash|Moment|Underscore|axios)"
    r"(?:\.js)?(?: JavaScript Library)?(?: -)? {0,2}v?(\d{1,2}\.\d{1,3}\.\d{1,3})"
)
_COMMENT_WITHIN = 400
_SCRIPTS_WITHIN = 128 * 1024
_READ = 2
"""Libraries whose first lines are asked for."""

_HIDES = re.compile(
    r"(?i)display\s{0,3}:\s{0,3}none|visibility\s{0,3}:\s{0,3}hidden|font-size\s{0,3}:\s{0,3}0(?![.\d])|"
    r"(?:text-indent|left|top|right|margin-left|margin-top)\s{0,3}:\s{0,3}-\d{3}|opacity\s{0,3}:\s{0,3}0(?![.\d])|"
    r"(?:height|width)\s{0,3}:\s{0,3}[01](?:px)?\s{0,3}(?:;|$)"
)
_WRITES_HIDING = re.compile(r"(?i)document\.write\s{0,3}\(.{0,200}display\s{0,3}:\s{0,3}none")

# The record's number begins with the short name of the province that keeps it (MIIT order No. 33, article 13).
_ICP = re.compile(
    r"[京津沪渝冀豫滇云辽黑湘皖鲁新苏浙赣鄂桂陇甘晋蒙陕吉闽黔贵粤蜀川青藏琼宁]\s{0,3}ICP\s{0,3}[备证][^\d<>]{0,8}\d{5,12}(?:号(?:-\d{1,4})?)?",
    re.IGNORECASE,
)
_PRIVATE_URL = re.compile(r"""(?i)(?<=["'])(?:https?|wss?)://(?:10|172|192)\.[\d.]{5,12}(?::\d{1,5})?(?=[/"'])""")
_INTERNAL = tuple(ipaddress.ip_network(network) for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))


def library_of(source: str) -> ScriptLibrary | None:
    """Return the library and version that a script's address names, or None."""
    path = source.partition("?")[0][-300:]
    found = _IN_FILE_NAME.search(path) or _IN_FOLDER.search(path)
    return ScriptLibrary(_NAMES[found[1].lower()], found[2], line(path, 120)) if found else None


def libraries_to_read(text: str, base: str) -> tuple[str, ...]:
    """Return the paths, on the same site as the page at ``base``, of libraries whose file names tell no version."""
    found: dict[str, None] = {}
    for source in _SCRIPT_SOURCE.findall(text[:_SCRIPTS_WITHIN]):
        try:
            there, here = urlsplit(urljoin(base, source)), urlsplit(base)
        except ValueError:
            continue
        named = _WITHOUT_VERSION.search(there.path) and not library_of(there.path)
        if named and (there.scheme, there.netloc) == (here.scheme, here.netloc) and _PLAIN_PATH.fullmatch(there.path):
            found.setdefault(there.path)
    return tuple(found)[:_READ]


def library_in(script: str) -> ScriptLibrary | None:
    """Return the library whose version comment begins a script of the page itself, or None."""
    found = _IN_COMMENT.search(script[:_COMMENT_WITHIN])
    if not found:
        return None
    name = found[1].lower().replace(" ", "-")
    return ScriptLibrary(name, found[2], line(found[0].lstrip("/*! "), 120))


def hides(name: str, attributes: dict[str, str]) -> bool:
    """Tell whether an element is made so that visitors don't see what is in it."""
    if "hidden" in attributes or _HIDES.search(attributes.get("style", "")[:500]):
        return True
    sizes = (attributes.get("height", ""), attributes.get("width", ""))
    return name == "marquee" and any(size.isdigit() and int(size) <= 10 for size in sizes)


def writes_hiding(script: str) -> bool:
    """Tell whether a script writes the beginning of an element that nobody sees."""
    return "document.write" in script and _WRITES_HIDING.search(script[:4000]) is not None


def registration_number(text: str) -> str:
    """Return the ICP registration number that a page shows; empty when there is none."""
    found = _ICP.search(html.unescape(text))
    return line(found[0], 60) if found else ""


def internal_urls(script: str) -> list[str]:
    """Return the URLs in a script of the page itself whose host is an address for private networks."""
    return [line(url, 120) for url in _PRIVATE_URL.findall(script)[:10] if is_internal(url)]


def is_internal(url: str) -> bool:
    """Tell whether a URL's host is an address for private networks (RFC 1918)."""
    try:
        address = ipaddress.IPv4Address(urlsplit(url).hostname or "")
    except ValueError:
        return False
    return any(address in network for network in _INTERNAL)
