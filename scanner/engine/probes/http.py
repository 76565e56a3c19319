"""What a web site shows to a stranger: its first page, how it answers odd requests, and well-known paths.

A path counts as exposed only when it is answered with 200, its content has the signature of what it should be, and
neither random paths nor a made-up neighbour of it (same folder, same extension) are answered with the same: sites that
answer everything with one page are common. Secret values are masked before anything is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from scanner.engine.errors import ConnectionLost, HostSilent, ProbeError, UnexpectedReply
from scanner.engine.facts.http import (
    TEXT_OF_A_PAGE,
    CrossOrigin,
    ExposedPath,
    HttpFacts,
    HttpReply,
    Page,
    RedirectEnd,
)
from scanner.engine.hostile import line
from scanner.engine.model import Level
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.http_ahead import BATCH, Ahead
from scanner.engine.probes.http_compare import Fingerprint
from scanner.engine.probes.http_further import actuator_access, brokers, with_libraries
from scanner.engine.probes.http_kept import advertised, kept, without_parameters
from scanner.engine.probes.http_listings import listing
from scanner.engine.probes.http_page import read_page, refresh_target
from scanner.engine.probes.http_page_marks import libraries_to_read
from scanner.engine.probes.http_paths import SNIFF, WellKnown, by_sign, folder, well_known
from scanner.engine.probes.http_products import admin_panel, installer, stack_trace
from scanner.engine.probes.http_redirects import Trail, follow
from scanner.engine.probes.http_session import (
    BODY_LIMIT,
    CRAWLER_AGENT,
    LEAST_SHARE,
    PRODUCT_SHARE,
    HttpSession,
    RequestBudgetSpent,
)
from scanner.engine.probes.http_signatures import Proof, is_html, php_info

LOOK_SECONDS = 45.0
"""A site is looked at for no longer than this; what was not asked by then is not inspected."""

PATH_SECONDS = 5.0
"""One path gets no longer than this."""

UNANSWERED_LIMIT = 3
"""Unanswered requests in a row after which a site is left alone."""

FOLDER_LIMIT = 3
"""Directories, taken from the links of the first page, that are asked for a listing."""

ROOT_EXCERPT = 4096
"""Characters of the first page that are kept."""

_ON_THE_FIRST_PAGE = (
    ("listing", listing),
    ("admin-panel", admin_panel),
    ("installer", installer),
    ("phpinfo", php_info),
)
"""What the first page itself may be that it should not."""

_REFUSALS = frozenset({403, 406, 429, 503})
"""How firewalls and limiters turn a probe away, whatever lies behind. A demand for credentials (401) is the site's own
answer to strangers, and counts as one."""

_LIMITS = frozenset({429, 503})
"""How limiters turn away what comes too fast for them: 429 (RFC 6585), nginx's limit_req 503."""

LIMITED_PAUSE = 1.0
"""Seconds to wait before what a limiter turned away is asked again."""

_ONE_IS_ENOUGH = frozenset({"phpinfo", "swagger"})
"""Kinds of which one exposed path is the whole finding; others of the kind are then not asked for."""

MayBeProduct = Callable[[tuple[HttpReply, ...]], bool]
"""Tells by the replies that led to a site's first page whether it may be a product that we know."""


class _GivenUp(ProbeError):  # noqa: N818 - reads as the event it is
    """The site stopped answering; what was not asked is not inspected."""


async def look(
    contact: Contact, *, host: str | None, again: HttpFacts | None = None, may_be_product: MayBeProduct = lambda _: True
) -> HttpFacts:
    """Look at the site that ``host`` (None: the bare address) names on this endpoint.

    At most 60 requests, less those that are kept for telling which product it is: ``may_be_product`` says by its first
    page whether that will be asked. At the greeting level only ``/`` is asked for, and no redirect is followed.
    ``again`` is an earlier look whose findings are to be seen once more: only what it found is asked again. Raises
    ``ProbeError`` when not even the first page comes; later failures end the look early (``complete`` False).
    """
    async with HttpSession(contact, host) as session:
        site = _Site(session, host)
        await site.first_page()
        site.has_room = not may_be_product(site.facts().first_page)
        session.leave(LEAST_SHARE if site.has_room else PRODUCT_SHARE)
        if contact.level is not Level.GREETING:
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await site.behaviour(again)
                    await site.content(again)
            except TimeoutError:
                site.ended = f"The look was ended after {LOOK_SECONDS:g} seconds."
            except ProbeError as error:
                site.ended = str(error.args[0])
        return site.facts()


@dataclass(slots=True)
class _Site:
    """A look in progress: what was seen so far."""

    session: HttpSession
    name: str | None
    root: HttpReply | None = None
    hops: tuple[HttpReply, ...] = ()
    redirect_end: RedirectEnd = RedirectEnd.UNASKED
    page: Page | None = None
    shown_path: str = "/"
    libraries: tuple[str, ...] = ()
    has_room: bool = False
    for_crawlers: Page | None = None
    nameless: HttpReply | None = None
    strangers: list[Fingerprint] = field(default_factory=list)
    baselines: list[HttpReply] = field(default_factory=list)
    siblings: dict[tuple[str, int, bool], HttpReply | None] = field(default_factory=dict)
    exposed: list[ExposedPath] = field(default_factory=list)
    cross_origin: list[CrossOrigin] = field(default_factory=list)
    trace: bool | None = None
    methods: tuple[str, ...] = ()
    brokers: tuple[str, ...] | None = None
    blocked: bool = False
    refused: bool = False
    unanswered: list[str] = field(default_factory=list)
    in_a_row: int = 0
    ended: str = ""

    async def first_page(self) -> None:
        """Ask for ``/`` and for the pages of this site that it redirects to; the last is the one that is judged."""
        root = await self.session.get("/")
        trail = Trail([root], RedirectEnd.UNASKED)
        if self.session.contact.level is not Level.GREETING:
            trail = await follow(self.session, root, self._onward)
        self.root, *hops = (kept(reply, excerpt_length=ROOT_EXCERPT) for reply in trail.replies)
        self.hops, self.redirect_end, self.ended = tuple(hops), trail.end, trail.failed
        shown = trail.shown
        self.shown_path = shown.path
        self.page = self._read(shown)
        self.libraries = libraries_to_read(shown.body, f"{self.session.scheme}://{self.session.host}{shown.path}")
        if shown.status == 200:
            for kind, signature in _ON_THE_FIRST_PAGE:
                self._note(kind, shown, signature(shown))
        self._note("error-stack", shown, stack_trace(shown))

    def _read(self, reply: HttpReply) -> Page | None:
        base = f"{self.session.scheme}://{self.session.host}{reply.path}"
        if not is_html(reply):
            return None
        page = read_page(reply.body, base, cut=reply.body_bytes >= BODY_LIMIT)
        told = refresh_target(reply.header("refresh") or "", base)
        return replace(page, refresh=told) if told else page

    def _onward(self, reply: HttpReply) -> str:
        """Return where a page without content of its own sends its visitors."""
        page = self._read(reply) if reply.status == 200 else None
        return page.refresh if page is not None and page.text_length < TEXT_OF_A_PAGE else ""

    async def behaviour(self, again: HttpFacts | None) -> None:
        """Ask random paths, a foreign origin, TRACE and OPTIONS; none of them changes anything."""
        word = secrets.token_hex(8)
        for path in (f"/{word}", f"/{word}/.git/config"):
            if reply := await self.ask(path):
                self.baselines.append(kept(reply, excerpt_length=0))
                self.strangers.append(Fingerprint.of(reply))
                self._note("error-stack", reply, stack_trace(reply))
        statuses = {reply.status for reply in (self.root, *self.baselines) if reply is not None}
        limited = bool(self.baselines) and all(reply.status in _LIMITS for reply in self.baselines)
        self.blocked = limited or (len(statuses) == 1 and statuses <= _REFUSALS)
        if self.blocked:
            return
        if again is None or again.cross_origin:
            await self._ask_as_foreigner()
        if again is None or again.for_crawlers:
            await self._ask_as_crawler()
        if again is None and self.page is not None:
            self.page = await with_libraries(self.ask, self.libraries, self.page)
        if again is None or again.trace:
            await self._ask_trace()
        if self.name is None and (again is None or again.nameless):  # on a connection of its own: many end with TRACE
            await self._ask_nameless()
        if again is None or again.methods:
            options = await self.ask("/", method="OPTIONS")
            self.methods = advertised(options) if options else ()

    async def _ask_as_foreigner(self) -> None:
        """Ask for the page that is shown, often a log-in page that the first one leads to, and where there is room for
        it for the first one too."""
        for path in dict.fromkeys((self.shown_path, *(["/"] if self.has_room else []))):
            await self._ask_from_elsewhere(path)

    async def _ask_from_elsewhere(self, path: str) -> None:
        """Ask as a made-up origin, and as ``null`` where the reply shows that the site has an opinion on origins."""
        for origin in (f"https://{secrets.token_hex(8)}.invalid", "null"):
            reply = await self.ask(path, headers={"Origin": origin})
            if reply is None:
                return
            allowed = reply.header("access-control-allow-origin")
            if allowed:
                with_credentials = (reply.header("access-control-allow-credentials") or "").lower() == "true"
                asked = without_parameters(path)
                self.cross_origin.append(CrossOrigin(origin, line(allowed), with_credentials, asked))
            elif "origin" not in (reply.header("vary") or "").lower():
                return

    async def _ask_as_crawler(self) -> None:
        """Ask for the page once more as a search engine would: intruders hide their links from everyone else."""
        if self.page is None:
            return
        reply = await self.ask(self.shown_path, headers={"User-Agent": CRAWLER_AGENT}, limit=BODY_LIMIT)
        page = self._read(reply) if reply is not None and reply.status == 200 else None
        self.for_crawlers = page if page != self.page else None

    async def _ask_nameless(self) -> None:
        """Ask without a Host header: redirects then hold the name that the server knows for itself.

        Servers need not speak HTTP/1.0 any more, so that no answer leaves nothing open.
        """
        with contextlib.suppress(ConnectionLost, HostSilent, UnexpectedReply):
            reply = await self.session.get_nameless(seconds=PATH_SECONDS)
            # Pages of errors and redirects name the server in their text; any other page is the site's own.
            self.nameless = kept(reply, excerpt_length=ROOT_EXCERPT if reply.status >= 300 else 0)

    async def _ask_trace(self) -> None:
        value = secrets.token_hex(8)
        reply = await self.ask("/", method="TRACE", headers={"X-Probe": value})
        if reply is not None:
            self.trace = reply.status == 200 and reply.content_type == "message/http" and value in reply.body

    async def content(self, again: HttpFacts | None) -> None:
        """Ask the well-known paths, and the directories that the first page links to for a listing."""
        if self.blocked:
            return
        replies = self.facts().first_page
        said = " ".join(f"{reply.headers} {reply.body}" for reply in replies)
        questions = list(well_known(self.name))
        if self.page is not None:
            questions += [folder(path) for path in self.page.folders[:FOLDER_LIMIT]]
        questions += by_sign(None if self.has_room else said)  # the rarest last, should requests run out
        if again is not None:
            seen = {(path.kind, path.reply.path) for path in again.exposed}
            questions = [each for each in questions if (each.kind, without_parameters(each.path)) in seen]
        ahead = Ahead(self.session)
        further: list[WellKnown] = []
        for at, question in enumerate(questions):
            if at % BATCH == 0:
                await ahead.ask([each for each in questions[at : at + BATCH] if not self._is_exposed(each.kind)])
            if self._is_exposed(question.kind):
                further.append(question)
            else:
                await self._examine(question, ahead)
        await self._notice_late_block()
        # Last, so that what is exposed in many places leaves requests for everything else.
        for question in further:
            if question.kind not in _ONE_IS_ENOUGH:
                await self._examine(question, ahead)
        if again is None and self.session.left > 0:
            self.brokers = await brokers(self.ask)

    def _is_exposed(self, kind: str) -> bool:
        return any(path.kind == kind for path in self.exposed)

    async def _notice_late_block(self) -> None:
        """A firewall that lost patience in the middle refuses random paths too, which it didn't at first."""
        if not self.refused or not self.baselines or self.baselines[0].status in _REFUSALS:
            return
        reply = await self.ask(f"/{secrets.token_hex(8)}")
        self.blocked = reply is not None and reply.status in _REFUSALS

    async def _examine(self, question: WellKnown, ahead: Ahead) -> None:
        reply = ahead.take(question) or await self._ask_path(question, question.path)
        if reply is None:
            return
        self.in_a_row = 0
        self.refused = self.refused or reply.status in _REFUSALS
        proof = self._prove(question, reply)
        if proof is None:
            return
        stranger = await self._ask_stranger(question)
        if (
            stranger is None
            or question.signature(stranger)
            or Fingerprint.of(reply).same_page(Fingerprint.of(stranger))
        ):
            return
        if question.also is not None:
            path, signature = question.also
            second = await self.ask(path)
            more = signature(second) if second is not None and second.status == 200 else None
            if more is None:
                return
            proof = Proof(f"{proof.excerpt} | {more.excerpt}", more.details)
        if question.kind == "actuator" and "open" not in dict(proof.details):
            proof = replace(proof, details=(*proof.details, *await actuator_access(self.ask, proof)))
        self._note(question.kind, reply, proof)

    def _prove(self, question: WellKnown, reply: HttpReply) -> Proof | None:
        if reply.status not in question.statuses:
            return None
        seen = Fingerprint.of(reply)
        if any(seen.same_page(stranger) for stranger in self.strangers):
            return None
        return question.signature(reply)

    async def _ask_stranger(self, question: WellKnown) -> HttpReply | None:
        """Ask for a path that can't exist beside the question's; one is enough for all that ask alike."""
        alike = (question.sibling, question.limit, question.ranged)
        if alike not in self.siblings:
            self.siblings[alike] = await self._ask_path(question, question.sibling.format(random=secrets.token_hex(8)))
        return self.siblings[alike]

    async def _ask_path(self, question: WellKnown, path: str) -> HttpReply | None:
        return await self.ask(path, headers=question.headers, limit=question.limit)

    async def ask(
        self, path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, limit: int = SNIFF
    ) -> HttpReply | None:
        """Return the reply; None when none came, which leaves the look incomplete.

        What a limiter turns away is asked once more, after a pause and from then on slowly. Turned away again it is not
        answered.
        """
        for again in (False, True):
            reply = await self._ask(path, method=method, headers=headers, limit=limit)
            if reply is None or not self._is_limited(reply):
                break
            if not again:
                await asyncio.sleep(LIMITED_PAUSE)
                self.session.slow_down()
            elif self.baselines:
                self.blocked = self.in_a_row + 1 >= UNANSWERED_LIMIT
                self._unanswered(path, "The web server turned our requests away.")
                return None
        self.in_a_row = 0 if reply is not None else self.in_a_row
        return reply

    def _is_limited(self, reply: HttpReply) -> bool:
        """Tell whether a reply is a limiter's, and not how the site answers anything of the kind."""
        usual = {each.status for each in (self.root, *self.baselines) if each is not None}
        return reply.status in _LIMITS and reply.status not in usual

    def _unanswered(self, path: str, why: str) -> None:
        self.unanswered.append(path)
        self.in_a_row += 1
        if self.in_a_row >= UNANSWERED_LIMIT:
            raise _GivenUp(why)

    async def _ask(self, path: str, *, method: str, headers: Mapping[str, str] | None, limit: int) -> HttpReply | None:
        """Return the reply; None when none came.

        A connection that broke is tried once more: a kept-alive one may have been closed under us. Hanging up on TRACE,
        OPTIONS or an upgrade, or leaving it unanswered, is a way to refuse it, and leaves nothing open.
        """
        refused, optional = False, method in ("TRACE", "OPTIONS") or "Upgrade" in (headers or {})
        for _ in range(2):
            try:
                reply = await self.session.get(path, method=method, headers=headers, limit=limit, seconds=PATH_SECONDS)
            except RequestBudgetSpent:
                raise
            except ProbeError as error:
                refused = isinstance(error, ConnectionLost | HostSilent)
                if not isinstance(error, ConnectionLost):
                    break
                continue
            return reply
        if refused and optional:
            return None
        self._unanswered(path, "The web server stopped answering.")
        return None

    def _note(self, kind: str, reply: HttpReply, proof: Proof | None) -> None:
        if proof is not None:
            self.exposed.append(ExposedPath(kind, replace(kept(reply), body=proof.excerpt), proof.details))

    def facts(self) -> HttpFacts:
        ended = self.ended
        if not ended and self.unanswered:
            ended = f"No valid answer for {', '.join(self.unanswered[:5])}."
        return HttpFacts(
            scheme=self.session.scheme,
            host=self.session.host,
            root=self.root,
            hops=self.hops,
            redirect_end=self.redirect_end,
            for_crawlers=self.for_crawlers,
            nameless=self.nameless,
            page=self.page,
            baselines=tuple(self.baselines),
            exposed=tuple(self.exposed),
            cross_origin=tuple(self.cross_origin),
            trace=self.trace,
            methods=self.methods,
            brokers=self.brokers,
            blocked=self.blocked,
            complete=not ended,
            ended=ended,
            requests=self.session.requests,
        )
