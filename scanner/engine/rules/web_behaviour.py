"""How a site answers odd requests: foreign origins, TRACE, OPTIONS, addresses that don't exist."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator

from scanner.engine.facts.http import ExposedPath, HttpFacts
from scanner.engine.model import Confidence, Finding, Service, Severity
from scanner.engine.rules.base import Context, rule
from scanner.engine.rules.web_site import answering, asked, exposed, is_site, listed, pages, quote, quote_first_page

_WRITING = ("PUT", "DELETE", "DAV", "PROPFIND", "MKCOL", "COPY", "MOVE", "PROPPATCH")
_DEFAULT_TITLES = (
    "Welcome to nginx", "Test Page for the Nginx", "Apache2 Debian Default Page", "Apache2 Ubuntu Default Page",
    "Apache2 Default Page", "Test Page for the Apache HTTP Server", "HTTP Server Test Page", "IIS Windows Server",
    "IIS Windows", "IIS7", "Welcome to OpenResty", "Welcome to tengine", "Apache Tomcat/", "WAMPSERVER Homepage",
    "Welcome to XAMPP", "Welcome to CentOS", "恭喜，站点创建成功", "没有找到站点", "Domain Default page",
    "It works! Apache httpd", "Test Page for the HTTP Server", "Apache HTTP Server Test Page", "Caddy works!",
    "Microsoft Internet Information Services 8", "GlassFish Server - Server Running", "Payara Server - Server Running",
    "Welcome to WildFly", "站点创建成功-phpstudy", "Welcome to Angie", "Web Server's Default Page",
    "Default Web Site Page", "Welcome to JBoss",
)  # fmt: skip
_NAMES_ANOTHER = re.compile(r"\s[-|–—·]\s")
"""How a title goes on that names a site of its own: ``Welcome to nginx! - Our blog``."""
_DEFAULT_PAGES = (("Apache Tomcat", "It works !"), ("Welcome page", "Placeholder page"))
"""Titles of default pages that others may have too, with the heading that tells: Debian's Tomcat and lighttpd."""
_IT_WORKS = re.compile(r"<html>\s?<body>\s?<h1>It works!</h1>\s?</body>\s?</html>")
"""The whole of Apache's own page, which has no title."""


@rule("WEB-CORS")
def cross_origin(service: Service, context: Context) -> Iterator[Finding]:
    """A foreign origin is named back as allowed (Fetch standard, CORS protocol); ``*`` alone is no flaw."""
    for site in answering(service):
        granted = [answer for answer in site.cross_origin if answer.allowed == answer.origin]
        # "null" without credentials is what any sandboxed page could be told by "*" as well.
        granted = [answer for answer in granted if answer.credentials or answer.origin != "null"]
        if granted:
            first = granted[0]
            cookie = "" if first.origin == "null" else "; Cookie: …"
            with_credentials = any(answer.credentials for answer in granted)
            kinds = ["null" if answer.origin == "null" else "https://….invalid" for answer in granted]
            yield context.finding(
                "WEB-CORS",
                service,
                severity=Severity.MEDIUM if with_credentials else Severity.LOW,
                exchanges=asked(
                    site,
                    f"GET {first.path} HTTP/1.1; Origin: {first.origin}{cookie}",
                    f"access-control-allow-origin: {first.allowed}; "
                    f"access-control-allow-credentials: {'true' if first.credentials else '-'}",
                ),
                site=site.url,
                origins=listed(kinds),
                credentials="true" if with_credentials else "false",
                origin="null" if first.origin == "null" else "https://example.invalid",
                path=first.path,
            )


@rule("WEB-TRACE")
def trace(service: Service, context: Context) -> Iterator[Finding]:
    for site in answering(service):
        if site.trace:
            exchanges = asked(
                site, "TRACE / HTTP/1.1; X-Probe: …", "HTTP/1.1 200; content-type: message/http; X-Probe: …"
            )
            yield context.finding("WEB-TRACE", service, exchanges=exchanges, site=site.url)


@rule("WEB-METHODS")
def methods(service: Service, context: Context) -> Iterator[Finding]:
    """OPTIONS advertises methods that write. None is tried, so the finding is only possible; APIs use them rightly.

    PATCH (RFC 5789) without WebDAV is a framework's list of all that its programs may be called with, as Spring's.
    """
    for site in pages(service):
        writing = [method for method in site.methods if method in _WRITING]
        calls_programs = "PATCH" in site.methods and not set(writing) - {"PUT", "DELETE"}
        if writing and not calls_programs:
            yield context.finding(
                "WEB-METHODS",
                service,
                confidence=Confidence.POSSIBLE,
                exchanges=asked(site, f"OPTIONS {site.methods_at} HTTP/1.1", f"allow: {', '.join(site.methods)}"),
                site=site.url,
                path=site.methods_at,
                methods=listed(writing),
            )


@rule("WEB-ERROR-STACK")
def error_stack(service: Service, context: Context) -> Iterator[Finding]:
    found = exposed(service, "error-stack")
    if found:
        site, path = found[0]
        yield context.finding(
            "WEB-ERROR-STACK",
            service,
            severity=Severity(path.detail("severity")),
            exchanges=(quote(site, path.reply),),
            site=site.url,
            framework=path.detail("framework"),
            seen=path.reply.body,
        )


@rule("WEB-DEFAULT-PAGE")
def default_page(service: Service, context: Context) -> Iterator[Finding]:
    """Distributions answer with their test page where there is none of the site's own, with status 403."""
    for site in answering(service) if is_site(service) else ():
        title = _default_title(site)
        if title and site.shown is not None and (200 <= site.shown.status < 300 or site.shown.status == 403):
            yield context.finding(
                "WEB-DEFAULT-PAGE", service, exchanges=quote_first_page(site), site=site.url, title=title
            )


def _default_title(site: HttpFacts) -> str:
    """Return what a page that came with the server's software is called; empty for any other page."""
    if site.page is None or site.shown is None:
        return ""
    title, body = site.page.title, site.shown.body
    begins = next((known for known in _DEFAULT_TITLES if title.startswith(known)), None)
    its_own = begins is not None and _NAMES_ANOTHER.search(title.removeprefix(begins))
    if any(title == name and mark in body for name, mark in _DEFAULT_PAGES) or (begins is not None and not its_own):
        return title
    return "It works!" if not title and _IT_WORKS.match(body) else ""


@rule("WEB-SECURITYTXT")
def security_txt(service: Service, context: Context) -> Iterator[Finding]:
    """RFC 9116: where to report a flaw. One that has ended must not be used. Absence counts only when the look was
    whole."""
    for site in pages(service):
        looked = site.by_name and service.tls and site.complete and not site.blocked
        if looked and not any(path.kind == "security-txt" and _is_valid(path, context.now) for path in site.exposed):
            yield context.finding("WEB-SECURITYTXT", service, site=site.url)


def _is_valid(path: ExposedPath, now: dt.datetime) -> bool:
    """Tell whether a security.txt names no moment (RFC 3339) that is over."""
    told = path.detail("expires")
    try:
        return not told or dt.datetime.fromisoformat(told.upper()) > now
    except (ValueError, TypeError):  # a date in another form, or without its zone
        return True


RULES = (cross_origin, trace, methods, error_stack, default_page, security_txt)
