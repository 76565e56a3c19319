"""What the web rules share: which of a port's sites a rule is about, and how they are quoted."""

from __future__ import annotations

from scanner.engine.facts.http import ExposedPath, HttpFacts, HttpReply
from scanner.engine.facts.service import Exchange
from scanner.engine.hostile import EVIDENCE_LIMIT
from scanner.engine.model import Service

SHOWN = 5
"""Things of one kind that an evidence text lists."""


def answering(service: Service) -> tuple[HttpFacts, ...]:
    """Return the sites that rules about the first page speak of.

    When a name is registered, the site under that name; what the bare address shows then is only a default.
    """
    sites = tuple(site for site in service.http if site.root is not None)
    return tuple(site for site in sites if site.by_name) or sites


def is_site(service: Service) -> bool:
    """Tell whether a port is a web site for people; a product's interface is none, but a WebDAV share may be both, and
    a proxy may have one beside it."""
    facts = service.facts
    return facts is None or facts.service == "WEBDAV" or facts.attribute("beside") == "site"


def pages(service: Service) -> tuple[HttpFacts, ...]:
    """Return the sites whose first page is an HTML page answered with success, meant for people's browsers.

    A port that was recognised as a product's interface has none: headers for browsers mean little there.
    """
    if not is_site(service):
        return ()
    return tuple(site for site in answering(service) if site.page is not None and _succeeded(site))


def _succeeded(site: HttpFacts) -> bool:
    return site.shown is not None and 200 <= site.shown.status < 300


def exposed(service: Service, *kinds: str) -> tuple[tuple[HttpFacts, ExposedPath], ...]:
    """Return the exposed paths of these kinds on every site of the port, each path once."""
    found: dict[tuple[str, str], tuple[HttpFacts, ExposedPath]] = {}
    for site in service.http:
        for path in site.exposed:
            if path.kind in kinds:
                found.setdefault((path.kind, path.reply.path), (site, path))
    return tuple(found.values())


def quote(site: HttpFacts, reply: HttpReply) -> Exchange:
    """Return the request and the beginning of the reply as evidence."""
    headers = "; ".join(f"{name}: {value}" for name, value in reply.headers)
    return Exchange(
        sent=f"{reply.method} {reply.path} HTTP/1.1; Host: {site.host}"[:EVIDENCE_LIMIT],
        received=f"HTTP/1.1 {reply.status}; {headers}"[: EVIDENCE_LIMIT - 210] + (f" | {reply.body[:200]}"),
        at=reply.at,
    )


def quote_first_page(site: HttpFacts) -> tuple[Exchange, ...]:
    """Return the first page's exchanges: those of its redirects on this site, and of what is shown in the end."""
    return tuple(quote(site, reply) for reply in site.first_page)


def asked(site: HttpFacts, request: str, answer: str) -> tuple[Exchange, ...]:
    """Return the exchange of an odd request to the first page, of which only the telling part was kept."""
    at = site.root.at if site.root is not None else ""
    return (Exchange(sent=f"{request}; Host: {site.host}", received=answer[:EVIDENCE_LIMIT], at=at),)


def listed(names: object) -> str:
    """Return at most five distinct names, in the order given."""
    return ", ".join(list(dict.fromkeys(names))[:SHOWN]) if isinstance(names, (list, tuple)) else str(names)
