"""Cookies and their attributes (RFC 6265bis). Only names are known here; the probe dropped the values."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from scanner.engine.facts.http import HttpReply
from scanner.engine.model import Finding, Service, Severity
from scanner.engine.rules.base import Context, rule
from scanner.engine.rules.web_site import answering, is_site, listed, quote, quote_first_page

_SESSION = re.compile(r"(?i)sess|sid$|^sid|auth|token|jwt|login|remember|sso|satoken|ticket|\.aspxauth")
# Double-submit cookies must be readable by the page's own script, and have no use for a thief without the session.
_ANTI_FORGERY = re.compile(r"(?i)csrf|xsrf|antiforgery|requestverification")
# A firewall's own cookie, which is no key to anybody's session (Huawei Cloud's).
_OF_A_FIREWALL = re.compile(r"^HWWAFSES")
_ANALYTICS = re.compile(
    r"^(?:_ga|_gid|_gat|__utm|_pk_|_hj|_fbp|_clck|_clsk|Hm_l|HMACCOUNT|UM_distinctid|CNZZDATA|sensorsdata)"
)
_DELETED = re.compile(r"(?i)max-age\s{0,3}=\s{0,3}(?:0|-\d+)\b")
# "Wed, 21 Oct 2015 07:28:00 GMT", with dashes and a year of two digits from older servers (RFC 6265 section 5.1.1).
_EXPIRES = re.compile(r"(?i)expires\s{0,3}=\s{0,3}\w{3,9},? (\d{1,2})[ -]([a-z]{3})[ -](\d{4}|\d\d) (\d\d:\d\d:\d\d)")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@dataclass(frozen=True, slots=True)
class _Cookie:
    name: str
    attributes: str

    def has(self, attribute: str) -> bool:
        return re.search(rf"(?i)(?:^|;)\s*{attribute}\s*(?:;|=|$)", self.attributes) is not None

    @property
    def same_site(self) -> str:
        found = re.search(r"(?i)(?:^|;)\s*samesite\s*=\s*(\w+)", self.attributes)
        return found[1].lower() if found else ""

    @property
    def carries_session(self) -> bool:
        others = _ANTI_FORGERY.search(self.name) or _OF_A_FIREWALL.search(self.name)
        return bool(_SESSION.search(self.name)) and not others


def _is_deleted(attributes: str, now: dt.datetime) -> bool:
    """Tell whether the cookie is set to have ended by ``now``; Max-Age outweighs the date (RFC 6265 section 5.3)."""
    if "max-age" in attributes.lower():
        return _DELETED.search(attributes) is not None
    found = _EXPIRES.search(attributes)
    if found is None or found[2].lower() not in _MONTHS:
        return False
    date = f"{_year(found[3])}-{_MONTHS.index(found[2].lower()) + 1:02}-{int(found[1]):02}T{found[4]}+00:00"
    try:
        return dt.datetime.fromisoformat(date) <= now
    except ValueError:
        return False


def _year(digits: str) -> int:
    """Return the year, of which cookies may tell two digits: from 70 on of the last century (RFC 6265, 5.1.1)."""
    century = 0 if len(digits) > 2 else 1900 if int(digits) >= 70 else 2000
    return century + int(digits)


def _cookies(replies: tuple[HttpReply, ...], now: dt.datetime) -> tuple[_Cookie, ...]:
    """Return the cookies that these replies leave set, each as it was set last.

    Those that are deleted, and those of known analytics, don't count.
    """
    left: dict[str, _Cookie] = {}
    for header in (header for reply in replies for header in reply.all_headers("set-cookie")):
        pair, _, attributes = header.partition(";")
        name, _, value = pair.partition("=")
        left.pop(name, None)
        if value and not _is_deleted(attributes, now) and not _ANALYTICS.match(name):
            left[name] = _Cookie(name, attributes)
    return tuple(left.values())


@rule("WEB-COOKIE-SECURE", "WEB-COOKIE-HTTPONLY", "WEB-COOKIE-SAMESITE")
def cookies(service: Service, context: Context) -> Iterator[Finding]:
    if not is_site(service):
        return
    judgements: dict[str, Callable[[_Cookie], bool]] = {
        "WEB-COOKIE-SECURE": lambda cookie: service.tls and not cookie.has("secure"),
        "WEB-COOKIE-HTTPONLY": lambda cookie: cookie.carries_session and not cookie.has("httponly"),
        "WEB-COOKIE-SAMESITE": lambda cookie: _lets_others_send(cookie),
    }
    for site in answering(service):
        within = tuple(inner.reply for inner in site.within)
        left = _cookies((*site.first_page, *within), context.now)
        for check, is_weak in judgements.items():
            weak = [cookie for cookie in left if is_weak(cookie)]
            if weak:
                yield context.finding(
                    check,
                    service,
                    severity=_severity(check, weak),
                    exchanges=(*quote_first_page(site), *(quote(site, reply) for reply in within)),
                    site=site.url,
                    cookies=listed([cookie.name for cookie in weak]),
                )


def _lets_others_send(cookie: _Cookie) -> bool:
    if cookie.same_site == "none":
        return not cookie.has("secure")
    return cookie.carries_session and not cookie.same_site


def _severity(check: str, weak: list[_Cookie]) -> Severity | None:
    if check == "WEB-COOKIE-SECURE" and any(cookie.carries_session for cookie in weak):
        return Severity.MEDIUM
    if check == "WEB-COOKIE-SAMESITE" and any(cookie.same_site == "none" for cookie in weak):
        return Severity.LOW
    return None


RULES = (cookies,)
