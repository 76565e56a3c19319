"""Pages and passwords that travel in clear text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urljoin, urlsplit

from scanner.engine.facts.http import HttpFacts
from scanner.engine.model import Facet, Finding, Gap, GapReason, HostInspection, Service, Severity, Transport
from scanner.engine.rules.base import Context, rule
from scanner.engine.rules.web_site import answering, is_site, listed, pages, quote, quote_first_page

HTTPS_PORT = 443

_WANTS_CERTIFICATE = "400 No required SSL certificate was sent"

HTTPS_ABSENT = "WEB-HTTP-ONLY"
"""The check that reports something as missing: one look that saw HTTPS at the address speaks against it."""

RESTS_ON_HTTPS = frozenset({HTTPS_ABSENT, "WEB-NO-REDIRECT"})
"""The checks of a port that depend on what other ports of the host showed."""


@rule(*RESTS_ON_HTTPS)
def clear_text(service: Service, context: Context) -> Iterator[Finding]:
    """A site without HTTPS anywhere on the host, or with HTTPS that it doesn't lead visitors to.

    "Nowhere" needs port 443 to have been inspected. A site that HTTPS pages tell browsers to preload needs no redirect.
    """
    if service.tls or not is_site(service):
        return
    for site in answering(service):
        if not _serves_in_clear(site):
            continue
        status = str(site.shown.status if site.shown else 0)
        https = https_ports(context.host)
        if https:
            if not _preloaded(context):
                yield context.finding(
                    "WEB-NO-REDIRECT",
                    service,
                    exchanges=quote_first_page(site),
                    site=site.url,
                    status=status,
                    https=" ".join(map(str, https)),
                )
        elif _https_is_absent(context.host):
            login = any(page.password_actions for _, page in site.pages)
            severity = Severity.HIGH if login else None
            yield context.finding(
                HTTPS_ABSENT,
                service,
                severity=severity,
                exchanges=quote_first_page(site),
                site=site.url,
                status=status,
            )


def https_ports(host: HostInspection) -> tuple[int, ...]:
    """Return the ports at which a web site answered inside TLS; a product's interface for programs is none."""
    sites = (service for service in host.services if service.tls and is_site(service))
    return tuple(sorted({each.endpoint.port for each in sites if any(map(_lets_visitors_in, each.http))}))


def _lets_visitors_in(site: HttpFacts) -> bool:
    """Tell whether a site answered, and not only that the visitor's certificate is missing (nginx's status 496)."""
    return site.root is not None and not (site.page is not None and site.page.title == _WANTS_CERTIFICATE)


def may_have_https(host: HostInspection) -> bool:
    """Tell whether there was more to be seen than a host without HTTPS shows: a site inside TLS, TLS that stayed
    unread, or a port 443 that let us in, in the scan or later."""
    coverage = host.coverage
    opened = any(HTTPS_PORT in scan.open for scan in coverage.scans if scan.transport is Transport.TCP)
    let_in = Gap(GapReason.CONNECTION_LIMITED, Facet.PORT, HTTPS_PORT) in coverage.gaps
    return bool(https_ports(host)) or _is_unread(host) or ((opened or let_in) and not _https_is_absent(host))


def untold_without_https(service: Service, host: HostInspection) -> frozenset[str]:
    """Return the checks that can't be told of ``service``: visitors stay in clear text there, and whether the host has
    HTTPS was not seen."""
    if service.tls or not is_site(service) or not any(map(_serves_in_clear, answering(service))):
        return frozenset()
    return frozenset() if https_ports(host) or _https_is_absent(host) else RESTS_ON_HTTPS


def ports_beside(check: str, params: Mapping[str, str]) -> frozenset[int]:
    """Return the further ports that a look must have asked to tell whether a finding of ``check`` is still there.

    ``params`` are the finding's. Findings of before the ports were kept with them rest on 443 alone.
    """
    if check not in RESTS_ON_HTTPS:
        return frozenset()
    return frozenset({HTTPS_PORT, *(int(port) for port in params.get("https", "").split())})


def _serves_in_clear(site: HttpFacts) -> bool:
    """Tell whether a visitor stays on clear text: a page that sends nobody to https, or a redirect within http."""
    shown = site.shown
    if shown is None:
        return False
    if 300 <= shown.status < 400:
        try:
            target = urljoin(f"{site.url}{shown.path}", shown.header("location") or "")
            return target.startswith("http:") and urlsplit(target).netloc == site.host
        except ValueError:
            return False  # it leads nowhere
    return 200 <= shown.status < 300 and site.page is not None and not site.page.refresh.startswith("https:")


def _preloaded(context: Context) -> bool:
    return any(
        "preload" in (reply.header("strict-transport-security") or "").lower()
        for service in context.host.services
        if service.tls
        for facts in service.http
        for reply in facts.first_page
    )


def _https_is_absent(host: HostInspection) -> bool:
    """Tell whether port 443 was inspected and, with no TLS service that stayed unread, nothing there speaks HTTPS."""
    return not _is_unread(host) and host.coverage.covers(Facet.PORT, HTTPS_PORT, Transport.TCP)


def _is_unread(host: HostInspection) -> bool:
    """Tell whether there is TLS of which no product is known: what wants a client's certificate, or a name that was not
    given, may be a site, too."""
    return any(one.tls and one.facts is None and one.protocol in ("http", "tls", "unknown") for one in host.services)


@rule("CLR-HTTP-LOGIN")
def clear_login(service: Service, context: Context) -> Iterator[Finding]:
    """A form with a password field that is sent by http: on the first page, in a frame of it, or where it leads to for
    logging in."""
    for site in answering(service):
        for reply, page in site.pages:
            actions = [action for action in page.password_actions if action.startswith("http:")]
            if actions and not page.refresh.startswith("https:"):
                yield context.finding(
                    "CLR-HTTP-LOGIN",
                    service,
                    exchanges=quote_first_page(site) if reply == site.shown else (quote(site, reply),),
                    site=site.url,
                    path="/" if reply == site.shown else reply.path,
                    actions=listed(actions),
                )
                break


_QUOTED = re.compile(r'"[^"]*"')
_BASIC = re.compile(r"(?i)(?:^|,)\s{0,20}basic(?=[\s,]|$)")
"""One of several challenges in a header, between commas (RFC 9110 section 11.6.1)."""


@rule("CLR-BASIC")
def clear_basic(service: Service, context: Context) -> Iterator[Finding]:
    """Basic authentication (RFC 7617) outside TLS: the password is only encoded. Digest and NTLM are different."""
    if service.tls:
        return
    for site in answering(service):
        challenges = site.shown.all_headers("www-authenticate") if site.shown else ()
        if any(_BASIC.search(_QUOTED.sub('""', challenge)) for challenge in challenges):
            yield context.finding(
                "CLR-BASIC", service, exchanges=quote_first_page(site), site=site.url, challenge=listed(challenges)
            )


@rule("WEB-MIXED")
def mixed(service: Service, context: Context) -> Iterator[Finding]:
    """W3C Mixed Content: scripts, frames and forms by http on an https page are active, pictures and media passive."""
    if not service.tls:
        return
    for site in pages(service):
        page, shown = site.page, site.shown
        if page is None or shown is None:
            continue
        policies = " ".join((*shown.all_headers("content-security-policy"), page.policy)).lower()
        urls = page.plain_active or page.plain_passive
        if urls and "upgrade-insecure-requests" not in policies:
            severity = Severity.MEDIUM if page.plain_active else Severity.LOW
            yield context.finding(
                "WEB-MIXED",
                service,
                severity=severity,
                exchanges=quote_first_page(site),
                site=site.url,
                urls=listed(urls),
            )


RULES = (clear_text, clear_login, clear_basic, mixed)
