"""Headers that tell a browser to be careful, and headers that tell too much."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from scanner.engine.facts.http import HttpFacts, HttpReply
from scanner.engine.hostile import remembering
from scanner.engine.model import Finding, Service, Severity
from scanner.engine.rules.base import Context, rule
from scanner.engine.rules.web_site import answering, is_site, listed, pages, quote, quote_first_page

HSTS_AGE = 31_536_000
"""Seconds a browser should remember HTTPS: one year, the least that preload lists accept (hstspreload.org)."""

_VERSION_HEADERS = ("server", "x-powered-by", "x-aspnet-version", "x-aspnetmvc-version", "x-generator")
_VERSION = re.compile(r"\d+\.\d+|/\d")
_INTERNAL = tuple(
    ipaddress.ip_network(network) for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)
"""Addresses for private networks (RFC 1918, RFC 4193)."""
_ADDRESS = re.compile(r"(?<![\d.])(?:10|172|192)\.\d{1,3}\.\d{1,3}\.\d{1,3}(?![\d.])")


@rule("WEB-HSTS")
def hsts(service: Service, context: Context) -> Iterator[Finding]:
    """RFC 6797: HTTPS only, host names only (8.1.1 has browsers ignore it on an address), the first header counts.

    A browser keeps what any reply of the site told it, and the latest wins (8.1).
    """
    if not service.tls or not is_site(service):
        return
    for site in answering(service):
        shown = site.shown
        if shown is None or not site.by_name or not 200 <= shown.status < 400:
            continue
        headers = (reply.header("strict-transport-security") for reply in reversed(site.first_page))
        sent = next((header for header in headers if header is not None), None)
        age = re.search(r'(?i)max-age\s*=\s*"?(\d{1,12})', sent or "")
        seconds = int(age[1]) if age else 0
        if seconds < HSTS_AGE:
            yield context.finding(
                "WEB-HSTS",
                service,
                exchanges=quote_first_page(site),
                site=site.url,
                header=sent or "-",
                seconds=str(seconds),
            )


_ANYONE = frozenset({"*", "http:", "https:", "http://*", "https://*"})
"""Sources of frame-ancestors that stand for every site."""


@rule("WEB-CSP", "WEB-XFO", "WEB-XCTO", "WEB-REFERRER", "WEB-PERMISSIONS")
def missing(service: Service, context: Context) -> Iterator[Finding]:
    """Headers that a page for browsers should send; replies that are no page are passed over."""
    for site in pages(service):
        exchanges = quote_first_page(site)
        for check in _missing_headers(site):
            login = check == "WEB-CSP" and site.page is not None and bool(site.page.password_actions)
            severity = Severity.LOW if login else None
            yield context.finding(check, service, severity=severity, exchanges=exchanges, site=site.url)


def _missing_headers(site: HttpFacts) -> Iterator[str]:
    shown, page = site.shown, site.page
    if shown is None or page is None:
        return
    policies = ", ".join(shown.all_headers("content-security-policy"))
    if not policies and not page.policy:
        yield "WEB-CSP"
    if not _keeps_from_frames(shown, policies):
        yield "WEB-XFO"
    if "nosniff" not in (shown.header("x-content-type-options") or "").lower():
        yield "WEB-XCTO"
    if shown.header("referrer-policy") is None and not page.referrer:
        yield "WEB-REFERRER"
    if shown.header("permissions-policy") is None:
        yield "WEB-PERMISSIONS"


def _keeps_from_frames(shown: HttpReply, policies: str) -> bool:
    """CSP Level 3, 6.4.2: frame-ancestors replaces X-Frame-Options, but not from a meta element.

    One that names everyone keeps nobody out, and neither does a value that browsers don't know: ALLOWALL, and the
    ALLOW-FROM of RFC 7034, which none heeds any more (HTML standard, "The X-Frame-Options header").
    """
    ancestors = re.findall(r"(?i)(?:^|[;,])\s{0,9}frame-ancestors(?=[\s;,]|$)([^;,]{0,4000})", policies)
    if ancestors:
        return any(not _ANYONE & set(sources.lower().split()) for sources in ancestors)
    options = ",".join(shown.all_headers("x-frame-options")).lower()
    return any(option.strip().startswith(("deny", "sameorigin")) for option in options.split(","))


@rule("WEB-VERSION")
def version(service: Service, context: Context) -> Iterator[Finding]:
    if not is_site(service):
        return
    for site in answering(service):
        told = [
            f"{name}: {value}"
            for reply in site.first_page
            for name, value in reply.headers
            if name in _VERSION_HEADERS and _VERSION.search(value)
        ]
        if site.page is not None and _VERSION.search(site.page.generator):
            told.append(f"generator: {site.page.generator}")
        if told:
            yield context.finding(
                "WEB-VERSION", service, exchanges=quote_first_page(site), site=site.url, versions=listed(told)
            )


@rule("WEB-INTERNAL-IP")
def internal_address(service: Service, context: Context) -> Iterator[Finding]:
    """An internal address in headers, links or scripts of a host that is itself reached by another kind of address, or
    in what it says to a request without a name."""
    if _is_internal(service.endpoint.address):
        return
    # Asked once, under the bare address, though it is the registered name that all else is told of.
    nameless = next((site.nameless for site in service.http if site.nameless is not None), None)
    for site in answering(service):
        replies = (*site.first_page, *([nameless] if nameless else []))
        links = site.page.internal_urls if site.page else ()
        # Versions may have four numbers too: WebLogic Server 10.3.6.0.
        headers = (
            value
            for reply in replies
            for name, value in reply.headers
            if name not in _VERSION_HEADERS and "version" not in name
        )
        error = nameless.body if nameless is not None and nameless.status >= 300 else ""
        text = " ".join((*headers, *links, error))
        told = [found for found in _ADDRESS.findall(text) if _is_internal(found)]
        if told:
            yield context.finding(
                "WEB-INTERNAL-IP",
                service,
                exchanges=tuple(quote(site, reply) for reply in replies),
                site=site.url,
                addresses=listed(told),
            )


@remembering(most=4096, longest=256)
def _is_internal(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return any(address in network for network in _INTERNAL)


RULES = (hsts, missing, version, internal_address)
