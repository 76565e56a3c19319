"""What a web server answered, under one scheme and one Host name."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from enum import StrEnum

from scanner.engine.hostile import remembering

TEXT_OF_A_PAGE = 200
"""Characters of text from which a page is one by itself, rather than a frame that a script fills or that sends on."""


class RedirectEnd(StrEnum):
    """Why no further redirect of the first page was followed."""

    UNASKED = "unasked"
    """None was: the level permits one request only."""
    ARRIVED = "arrived"
    """The last reply is the page that visitors see."""
    ELSEWHERE = "elsewhere"
    """It leads to another scheme, host or port, which is another site."""
    LOOP = "loop"
    LIMIT = "limit"
    """There were more redirects than are followed."""
    UNANSWERED = "unanswered"
    """It leads to a page of this site that gave no valid answer."""


@dataclass(frozen=True, slots=True)
class HttpReply:
    """One answer. ``headers`` keep the order and repetition they had; names are lower case.

    ``body`` is decoded leniently and cut; in stored facts it is a short excerpt, free of secret values.
    ``body_bytes`` is how much was read. ``at`` is when it came, UTC, ISO 8601.
    """

    method: str
    path: str
    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    body_bytes: int = 0
    at: str = ""

    def header(self, name: str) -> str | None:
        """Return the first header of that (lower-case) name."""
        return next((value for key, value in self.headers if key == name), None)

    def all_headers(self, name: str) -> tuple[str, ...]:
        """Return every header of that (lower-case) name, in order."""
        return tuple(value for key, value in self.headers if key == name)

    @property
    def content_type(self) -> str:
        """The media type, lower case, without parameters; empty when none was sent."""
        return (self.header("content-type") or "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class ScriptLibrary:
    """A script library that the first page loads or holds, by the version in its file name, folder or comment."""

    name: str
    version: str
    source: str


@dataclass(frozen=True, slots=True)
class Page:
    """What the HTML of the first page says, the one that redirects lead to, bounded.

    ``policy`` is a Content-Security-Policy of a meta element, ``referrer`` its referrer policy. ``refresh`` is where
    a meta refresh or a script sends the browser at once. ``password_actions`` holds, for each form with a password
    field, the absolute URL it is sent to. ``plain_active`` and ``plain_passive`` are subresources named by an
    ``http:`` URL, in the two classes of W3C Mixed Content. ``folders`` are directories of the same site that the
    page links to, made of plain characters only. ``keywords`` are its meta keywords and description. ``hidden_links``
    are links to other hosts, as ``text (host)``, that the page keeps from being seen. ``internal_urls`` point to
    private addresses. ``registration`` is the ICP number shown; None when it was not looked for.
    ``text_length`` counts the characters that stand in the HTML as text.
    """

    title: str = ""
    generator: str = ""
    policy: str = ""
    referrer: str = ""
    refresh: str = ""
    password_actions: tuple[str, ...] = ()
    plain_active: tuple[str, ...] = ()
    plain_passive: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    libraries: tuple[ScriptLibrary, ...] = ()
    keywords: str = ""
    hidden_links: tuple[str, ...] = ()
    internal_urls: tuple[str, ...] = ()
    registration: str | None = None
    text_length: int = 0


@dataclass(frozen=True, slots=True)
class PageWithin:
    """A page of the site that its first page shows in a frame, or leads to for logging in."""

    reply: HttpReply
    page: Page


@dataclass(frozen=True, slots=True)
class ExposedPath:
    """A well-known path whose content proved what it is.

    ``kind`` is the check's short name (``git``, ``env``, ``server-status``); ``details`` hold what may be shown
    (key names, repository URL without credentials), never secret values.
    """

    kind: str
    reply: HttpReply
    details: tuple[tuple[str, str], ...] = ()

    def detail(self, name: str) -> str:
        """Return the named detail, or an empty string."""
        return dict(self.details).get(name, "")


@dataclass(frozen=True, slots=True)
class CrossOrigin:
    """What a request for ``path`` from a foreign ``origin`` was told: Access-Control-Allow-Origin and -Credentials."""

    origin: str
    allowed: str
    credentials: bool
    path: str = "/"


@dataclass(frozen=True, slots=True)
class HttpFacts:
    """A site: scheme, Host header sent, first page, random-path baselines and the paths that proved exposed.

    ``root`` is the reply to ``/``, ``hops`` are those that redirects, or a page that sends on by itself, led to on
    this very site, in order, and ``redirect_end`` tells why the last of them is the last. ``page`` is read from what is
    shown in the end.
    ``trace`` tells whether TRACE gave our own header back; None when it was not asked. ``methods`` are those that
    OPTIONS advertised for the path ``methods_at``. ``blocked`` is true when everything, random paths included, got the
    same refusal (401, 403, a WAF page): the content checks then show nothing either way. ``complete`` is False when the
    look ended early (``ended`` says why), in which case absences prove nothing. ``for_crawlers`` is the page that a
    search engine's crawler is shown, where it differs from ``page``. ``nameless`` is the reply to a request without a
    Host header. ``brokers`` are paths at which a WebSocket to an MQTT broker was opened; None when it was not asked.
    ``within`` are the pages in frames of the first one, and the log-in page that it links to. ``unseen`` tells why what
    visitors see was not seen, though the site answered; empty when it was. ``asked`` are the paths that answered among
    those which a look may leave out.
    """

    scheme: str
    host: str
    root: HttpReply | None = None
    page: Page | None = None
    baselines: tuple[HttpReply, ...] = ()
    exposed: tuple[ExposedPath, ...] = ()
    cross_origin: tuple[CrossOrigin, ...] = ()
    trace: bool | None = None
    methods: tuple[str, ...] = ()
    blocked: bool = False
    complete: bool = True
    ended: str = ""
    requests: int = 0
    hops: tuple[HttpReply, ...] = ()
    redirect_end: RedirectEnd = RedirectEnd.UNASKED
    for_crawlers: Page | None = None
    nameless: HttpReply | None = None
    brokers: tuple[str, ...] | None = None
    within: tuple[PageWithin, ...] = ()
    unseen: str = ""
    asked: tuple[str, ...] = ()
    methods_at: str = "/"

    @property
    def first_page(self) -> tuple[HttpReply, ...]:
        """Every reply on the way to the page that is shown, the one to ``/`` first; empty when none came."""
        return (self.root, *self.hops) if self.root is not None else ()

    @property
    def pages(self) -> tuple[tuple[HttpReply, Page], ...]:
        """The page that is shown and those within it, with the replies that they came in."""
        first = [(self.shown, self.page)] if self.shown is not None and self.page is not None else []
        return (*first, *((inner.reply, inner.page) for inner in self.within))

    @property
    def shown(self) -> HttpReply | None:
        """What a visitor of the site gets to see in the end; None when nothing was answered."""
        return self.first_page[-1] if self.root is not None else None

    @property
    def url(self) -> str:
        """``scheme://host[:port]``, without a trailing slash."""
        return f"{self.scheme}://{self.host}"

    @property
    def by_name(self) -> bool:
        """Tell whether a host name was asked for, rather than the bare address."""
        name, _, port = self.host.rpartition(":")
        return not _is_address((name if port.isdigit() else self.host).strip("[]"))


@remembering(most=1024, longest=256)
def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
