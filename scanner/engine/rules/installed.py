"""What software the facts of a port name, and how surely."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from scanner.engine.facts.http import HttpFacts
from scanner.engine.facts.service import Exchange
from scanner.engine.intel.distributions import Mark, read_mark, with_release
from scanner.engine.intel.products import Product, product_named, product_of_cpe, products
from scanner.engine.model import Service
from scanner.engine.rules.web_site import exposed, quote, quote_first_page


class Source(StrEnum):
    """Where a name and version come from."""

    INTERFACE = "interface"
    """The product's own interface or handshake says so."""
    BANNER = "banner"
    """A greeting, header or page says so; it can be old, masked, or a distribution's."""


@dataclass(frozen=True, slots=True)
class Software:
    """One product at one version. ``mark`` is the distribution that its own banner names as the packager.

    ``own_build`` tells that the banner shows it not to be a distribution's package.
    """

    product: Product
    version: str
    source: Source
    mark: Mark | None
    exchanges: tuple[Exchange, ...]
    own_build: bool = False

    @property
    def label(self) -> str:
        """Name and version, as people write them."""
        return f"{self.product.name} {self.version}"


# What greets a client in free text, or passes on another header: the rest name themselves in their own protocol.
_GREETED = frozenset(
    {"FTP", "SMTP", "IMAP", "POP3", "DNS", "HTTP-PROXY", "RTSP", "TELNET", "CUPS", "SPARK", "EXPORTER"}
)
_UNRELIABLE = frozenset({"Samba", "Samba smbd", "OpenLDAP", "PostgreSQL", "PostgreSQL DB"})
"""nmap guesses the version of these from behaviour, and is wrong for current ones."""

_TOKEN = re.compile(r"(?<![\w./-])([A-Za-z][A-Za-z_.-]{1,30})/v?(\d[\w.~:+-]*)((?: \([^()]{1,40}\))?)")
_JETTY = re.compile(r"\bJetty(?:\(|:// ?)(\d[\w.]*)")
_TOMCAT = re.compile(r"Apache Tomcat/(\d[\w.-]*)(?: \([^()<>]{1,40}\))?")
_GENERATOR = re.compile(r"([A-Za-z][A-Za-z!. ]{1,30}?),? v?(\d[\w.-]*)")
_WINDOWS = {
    "6.0": "2003", "7.0": "2008", "7.5": "2008-r2", "8.0": "2012", "8.5": "2012-r2",
}  # fmt: skip
"""IIS comes with Windows and carries its number (learn.microsoft.com, IIS lifecycle); 10.0 came with several."""

_OWN_BUILD = re.compile(r"\((?:Unix|Win32|Win64)\)")
"""Apache's own words for its platform; distributions put their name there."""
_SSH = re.compile(r"SSH-[\d.]+-([A-Za-z][A-Za-z0-9.]*?)[_-](\d[^\s-]{0,30})")
_OWN_HEADERS = {"x-jenkins": "jenkins", "x-owa-version": "exchange"}


def installed(service: Service) -> tuple[Software, ...]:
    """Return the software that a port names, each product and version once, the surest source first."""
    for one, known in reversed(tuple(_LAST)):
        if one is service:
            return known
    read = _read(service)
    _LAST.append((service, read))
    return read


_LAST: deque[tuple[Service, tuple[Software, ...]]] = deque(maxlen=16)
"""What was read last. A dozen rules ask about the services of one host, one after the other."""


def _read(service: Service) -> tuple[Software, ...]:
    found: dict[tuple[str, str], Software] = {}
    for software in (*_from_dialogue(service), *_from_ssh(service), *_from_sites(service), *_from_nmap(service)):
        found.setdefault((software.product.id, software.version), software)
    return tuple(found.values())


def _software(
    product: Product | None, version: str, source: Source, said: str, exchanges: tuple[Exchange, ...]
) -> Iterator[Software]:
    """Yield the software when its product is known; ``said`` is where a distribution may have left its mark."""
    if product is None or not version:
        return
    mark = read_mark(said)
    if product.id == "iis":
        release = _WINDOWS.get(version)
        mark = Mark("windows", release, packaged=True) if release else None
    known_mark = with_release(mark, product.id, version) if mark else None
    yield Software(product, version, source, known_mark, exchanges, own_build=_OWN_BUILD.search(said) is not None)


def _from_dialogue(service: Service) -> Iterator[Software]:
    facts = service.facts
    if facts is None:
        return
    source = Source.BANNER if facts.service in _GREETED else Source.INTERFACE
    first = facts.exchanges[:1]
    said = " ".join((facts.version, service.banner, *(exchange.received for exchange in first)))
    yield from _software(product_named(facts.product), facts.version, source, said, first)


def _from_ssh(service: Service) -> Iterator[Software]:
    banner = service.ssh.banner if service.ssh is not None else service.banner
    found = _SSH.match(banner)
    if found:
        evidence = service.ssh.exchanges[:1] if service.ssh is not None else ()
        yield from _software(product_named(found[1]), found[2], Source.BANNER, banner, evidence)


def _from_sites(service: Service) -> Iterator[Software]:
    for site, path in exposed(service, "phpinfo"):
        version = re.match(r"\d[\w.]*", path.detail("version"))
        if version:
            yield from _software(
                products()["php"], version[0], Source.INTERFACE, path.detail("version"), (quote(site, path.reply),)
            )
    for site in service.http:
        yield from _from_headers(site)
        yield from _from_pages(site)


def _from_headers(site: HttpFacts) -> Iterator[Software]:
    for reply in site.first_page:
        evidence = (quote(site, reply),)
        for name, value in reply.headers:
            if name in ("server", "x-powered-by"):
                yield from _from_tokens(value, evidence)
            elif name in _OWN_HEADERS:
                yield from _software(products()[_OWN_HEADERS[name]], _number(value), Source.BANNER, value, evidence)
            elif name == "x-generator":
                yield from _from_generator(value, evidence)


def _from_tokens(value: str, evidence: tuple[Exchange, ...]) -> Iterator[Software]:
    """Read ``name/version (comment)`` tokens (RFC 9110 section 10.2.4); a comment belongs to what it follows."""
    for product, version, comment in _TOKEN.findall(value):
        yield from _software(product_named(product), version, Source.BANNER, f"{version}{comment}", evidence)
    if jetty := _JETTY.search(value):
        yield from _software(products()["jetty"], jetty[1], Source.BANNER, "", evidence)


def _from_pages(site: HttpFacts) -> Iterator[Software]:
    if site.page is not None and site.page.generator:
        yield from _from_generator(site.page.generator, quote_first_page(site))
    for reply in (*site.first_page, *site.baselines):
        if tomcat := _TOMCAT.search(reply.body):
            yield from _software(products()["tomcat"], tomcat[1], Source.BANNER, tomcat[0], (quote(site, reply),))


def _from_generator(text: str, evidence: tuple[Exchange, ...]) -> Iterator[Software]:
    found = _GENERATOR.match(text)
    if found:
        yield from _software(product_named(found[1]), found[2], Source.BANNER, "", evidence)


def _from_nmap(service: Service) -> Iterator[Software]:
    """nmap's reading of a banner; its CPE names the product where its own name is not known."""
    if service.protocol == "ssh" or service.product in _UNRELIABLE:
        return
    product = product_named(service.product)
    for cpe in service.cpe:
        parts = cpe.removeprefix("cpe:/").split(":")
        if product is None and len(parts) >= 3 and parts[0] == "a":
            product = product_of_cpe(":".join(parts[1:3]))
    yield from _software(product, _number(service.version), Source.BANNER, service.version, ())


def _number(text: str) -> str:
    found = re.match(r"\d[\w.~+-]*", text.strip())
    return found[0] if found else ""
