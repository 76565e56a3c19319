"""What a web site shows to a stranger: its first page, how it answers odd requests, and well-known paths.

A path counts as exposed only when it is answered with 200, its content has the signature of what it should be, and
neither random paths nor a made-up neighbour of it (same folder, same extension) are answered with the same: sites that
answer everything with one page are common. Secret values are masked before anything is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from scanner.engine.errors import ConnectionLost, HostSilent, ProbeError, UnexpectedReply
from scanner.engine.facts.http import (
    TEXT_OF_A_PAGE,
    CrossOrigin,
    ExposedPath,
    HttpFacts,
    HttpReply,
    Page,
    PageWithin,
    RedirectEnd,
)
from scanner.engine.model import Level
from scanner.engine.probes import http_further, http_paths
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.http_ahead import BATCH, Ahead
from scanner.engine.probes.http_asking import PATH_SECONDS, Asker, is_limit, is_refusal, why_unseen
from scanner.engine.probes.http_challenge import challenge
from scanner.engine.probes.http_compare import Fingerprint, is_same_page
from scanner.engine.probes.http_kept import advertised, kept, kept_error, without_parameters
from scanner.engine.probes.http_origins import NULL, ask_from_elsewhere, told
from scanner.engine.probes.http_page import read_page, refresh_target
from scanner.engine.probes.http_page_marks import libraries_to_read
from scanner.engine.probes.http_paths import ANYWHERE, WellKnown, may_be_left_out
from scanner.engine.probes.http_products import stack_trace
from scanner.engine.probes.http_reading import BODY_LIMIT
from scanner.engine.probes.http_redirects import Trail, follow, same_site_path, slashed
from scanner.engine.probes.http_session import (
    CRAWLER_AGENT,
    LEAST_SHARE,
    PRODUCT_SHARE,
    HttpSession,
)
from scanner.engine.probes.http_signatures import Proof, is_data, is_html
from scanner.engine.probes.http_within import pages_within

LOOK_SECONDS = 45.0
"""A site is looked at for no longer than this; what was not asked by then is not inspected."""

ROOM = 3
"""Requests left beyond which there is room for another question: one of its own, one beside it, one for a broker."""

ROOT_EXCERPT = 4096
"""Characters of the first page that are kept."""

_ONE_IS_ENOUGH = frozenset({"phpinfo", "swagger"})
"""Kinds of which one exposed path is the whole finding; others of the kind are then not asked for."""

MayBeProduct = Callable[[tuple[HttpReply, ...]], bool]
"""Tells by the replies that led to a site's first page whether it may be a product that we know."""


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
    leads_to: tuple[str, ...] = ()
    has_room: bool = False
    for_crawlers: Page | None = None
    nameless: HttpReply | None = None
    strangers: list[Fingerprint] = field(default_factory=list)
    baselines: list[HttpReply] = field(default_factory=list)
    siblings: dict[tuple[str, int, bool], HttpReply | None] = field(default_factory=dict)
    exposed: list[ExposedPath] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    cross_origin: list[CrossOrigin] = field(default_factory=list)
    trace: bool | None = None
    methods: tuple[str, ...] = ()
    methods_at: str = "/"
    brokers: tuple[str, ...] | None = None
    blocked: bool = False
    challenges: list[bool] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    within: list[PageWithin] = field(default_factory=list)
    unseen: str = ""
    ended: str = ""
    asker: Asker = field(init=False)
    ask: http_further.Ask = field(init=False)

    def __post_init__(self) -> None:
        self.asker = Asker(self.session)
        self.ask = self.asker.ask

    async def first_page(self) -> None:
        """Ask for ``/`` and for the pages of this site that it redirects to; the last is the one that is judged."""
        root = await self.session.get("/")
        trail = Trail([root], RedirectEnd.UNASKED)
        if self.session.contact.level is not Level.GREETING:
            trail = await follow(self.session, root, self._onward)
        self.root, *hops = (kept(reply, excerpt_length=ROOT_EXCERPT) for reply in trail.replies)
        self.hops, self.redirect_end, self.ended = tuple(hops), trail.end, trail.failed
        shown = trail.shown
        self.asker.usual.add(root.status)
        self.unseen = trail.failed or why_unseen(shown)
        self.challenges.append(bool(challenge(shown)))
        self.shown_path = shown.path
        self.page = self._read(shown)
        self.libraries = libraries_to_read(shown.body, self._url(shown))
        self.leads_to = pages_within(shown.body, self._url(shown)) if self.page is not None else ()
        if shown.status == 200:
            for kind, signature in ANYWHERE.items():
                self._note(kind, shown, signature(shown))
        self._note("error-stack", shown, stack_trace(shown))

    def _read(self, reply: HttpReply) -> Page | None:
        base = self._url(reply)
        if not is_html(reply) or is_data(reply) or challenge(reply):
            return None
        page = read_page(reply.body, base, cut=reply.body_bytes >= BODY_LIMIT)
        told = refresh_target(reply.header("refresh") or "", base)
        return replace(page, refresh=told) if told else page

    def _url(self, reply: HttpReply) -> str:
        return f"{self.session.scheme}://{self.session.host}{reply.path}"

    def _onward(self, reply: HttpReply) -> str:
        """Return where a page without content of its own sends its visitors."""
        page = self._read(reply) if reply.status == 200 else None
        return page.refresh if page is not None and page.text_length < TEXT_OF_A_PAGE else ""

    async def behaviour(self, again: HttpFacts | None) -> None:
        """Ask random paths, a foreign origin, TRACE and OPTIONS; none of them changes anything."""
        word = secrets.token_hex(8)
        for path in (f"/{word}", f"/{word}/.git/config"):
            if reply := await self.ask(path):
                self.baselines.append(kept_error(reply))
                self.asker.usual.add(reply.status)
                self.asker.settled = True
                self.strangers.append(Fingerprint.of(reply))
                self.challenges.append(bool(challenge(reply)))
                self._note("error-stack", reply, stack_trace(reply))
        self.blocked = self._refuses_everything() and not await self._shows_its_own()
        if self.blocked:
            return
        await self._look_further(again)
        reply = None
        if (again is None or again.cross_origin) and await self._ask_as_foreigner(with_null=again is not None):
            reply = await self._ask_without_origin()
        if again is None or again.for_crawlers:
            await self._ask_as_crawler(reply)
        if again is None or again.trace:
            self.trace = await http_further.gives_back(self.ask)
        if self.name is None and (again is None or again.nameless):  # on a connection of its own: many end with TRACE
            await self._ask_nameless()
        if again is None or again.methods:
            options = await self.ask("/", method="OPTIONS")
            self.methods = advertised(options) if options else ()

    def _refuses_everything(self) -> bool:
        statuses = {reply.status for reply in (self.root, *self.baselines) if reply is not None}
        limited = bool(self.baselines) and all(is_limit(reply.status) for reply in self.baselines)
        refused = len(statuses) == 1 and all(is_refusal(status) for status in statuses)
        return limited or refused or all(self.challenges)

    async def _shows_its_own(self) -> bool:
        """Tell whether a balancer that has nobody to hand requests to answers one for itself."""
        for path in http_paths.pages_of_balancer(self._said()):
            reply = await self.ask(path)
            if reply is not None and not is_refusal(reply.status):
                return True
        return False

    def _said(self) -> str:
        """Return the headers and pages on the way to the first page."""
        return " ".join(f"{reply.headers} {reply.body}" for reply in self.facts().first_page)

    async def _look_further(self, again: HttpFacts | None) -> None:
        """Read what belongs to the first page: its script libraries, its frames, the log-in page it leads to."""
        if again is None and self.page is not None:
            self.page = await http_further.with_libraries(self.ask, self.libraries, self.page)
        if again is None or again.within:
            await self._look_within()

    async def _look_within(self) -> None:
        """Look at the pages of this site in frames of the first page, and at the one that it leads to for logging in;
        where the first page asks for a password itself there is no need of another."""
        asks_already = self.page is not None and bool(self.page.password_actions)
        paths = (same_site_path(self.session, url) for url in self.leads_to)
        for path in () if asks_already else filter(None, paths):
            reply = await self.ask(path, limit=BODY_LIMIT)
            trail = await follow(self.session, reply) if reply is not None else None
            if trail is None or trail.failed:
                self.unseen = f"No valid answer for {without_parameters(path)}."
            elif trail.shown.status == 200 and (page := self._read(trail.shown)) is not None:
                self.within.append(PageWithin(kept(trail.shown), page))

    async def _ask_as_foreigner(self, *, with_null: bool) -> bool:
        """Ask for the page that is shown, often a log-in page that the first one leads to, and where there is room for
        it for the first one too; tell whether it is open yet what a page without an origin may read."""
        paths = dict.fromkeys((self.shown_path, *(["/"] if self.has_room else [])))
        answers = [await ask_from_elsewhere(self.ask, path, with_null=with_null) for path in paths]
        self.cross_origin.extend(answer for each in answers for answer in each.answers)
        return answers[0].null_is_open

    async def _ask_without_origin(self) -> HttpReply | None:
        """Ask as a page does that has no origin, and by the same request as a search engine where there is a page: who
        names origins back doesn't mind who asks, and who minds the crawler pays no heed to origins."""
        crawler = {"User-Agent": CRAWLER_AGENT} if self.page is not None else {}
        reply = await self.ask(self.shown_path, headers={**crawler, "Origin": NULL}, limit=BODY_LIMIT)
        if reply is not None:
            self.cross_origin.extend(told(NULL, self.shown_path, reply))
        return reply

    async def _ask_as_crawler(self, reply: HttpReply | None) -> None:
        """Ask for the page once more as a search engine would: intruders hide their links from everyone else. ``reply``
        is the answer if that was asked already; a site may have turned it away for its origin."""
        if self.page is None:
            return
        if reply is None or reply.status != self.facts().first_page[-1].status:
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

    async def content(self, again: HttpFacts | None) -> None:
        """Ask the well-known paths, the directories that the first page links to for a listing, and where something
        was found before."""
        if self.blocked:
            return
        folders = self.page.folders if self.page else ()
        questions, beyond = http_paths.to_ask(
            self.name, folders, self._said(), has_room=self.has_room, shown=self.shown_path
        )
        before = {each.path: each for each in http_paths.at_places(self.session.contact.places)}
        questions = [*before.values(), *(each for each in questions if each.path not in before)]
        beyond = [each for each in beyond if each.path not in before]
        if again is not None:
            questions, beyond = http_paths.that_proved((*questions, *beyond), again.exposed), []
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
        await self._examine_set_ups(again, ahead)
        await self._examine_beyond(beyond, ahead)
        if (again is None or again.methods) and self.session.left > 0:
            await self._ask_beside_index()
        if again is None and self.session.left > 0:
            self.brokers = await http_further.brokers(self.ask)

    async def _ask_beside_index(self) -> None:
        """Ask for methods where a folder's index doesn't hide them."""
        server = (self.root.header("server") or "") if self.root is not None else ""
        if further := await http_further.methods_beside_index(self.ask, server, self.methods):
            self.methods, self.methods_at = further, http_further.NO_INDEX

    async def _examine_set_ups(self, again: HttpFacts | None, ahead: Ahead) -> None:
        """Look for the set-up of each panel that was found: some bring it along in a folder of their own."""
        questions = [each for each in http_paths.set_ups_of(self.exposed) if each.path not in self.asked]
        for question in questions if again is None else http_paths.that_proved(questions, again.exposed):
            await self._examine(question, ahead)

    async def _examine_beyond(self, questions: list[WellKnown], ahead: Ahead) -> None:
        fresh = [question for question in questions if not self._is_exposed(question.kind)]
        await ahead.ask(fresh[: max(0, self.session.left - ROOM)])
        for question in fresh:
            if self.session.left > ROOM and not self._is_exposed(question.kind):
                await self._examine(question, ahead)

    def _is_exposed(self, kind: str) -> bool:
        return any(path.kind == kind for path in self.exposed)

    async def _notice_late_block(self) -> None:
        """A firewall that lost patience in the middle answers random paths, too, otherwise than it did at first."""
        at_first = self.baselines[0].status if self.baselines else 0
        suspicious = any(map(is_refusal, self.statuses)) or self.statuses[-1:] not in ([], [at_first])
        if not at_first or is_refusal(at_first) or not suspicious:
            return
        reply = await self.ask(f"/{secrets.token_hex(8)}")
        now = reply.status if reply is not None else at_first
        self.blocked = now != at_first and (is_refusal(now) or now == self.statuses[-1])

    async def _examine(self, question: WellKnown, ahead: Ahead) -> None:
        reply = ahead.take(question) or await self._ask_path(question, question.path)
        if reply is not None and question.slashes and (path := slashed(self.session, reply)):
            reply = await self._ask_path(question, path)
        if reply is None:
            return
        self.asker.answered()
        if may_be_left_out(question.kind, question.path):
            self.asked.append(question.path)
        proof = self._prove(question, reply)
        if proof is None:
            self.statuses.append(reply.status)
            return
        stranger = await self._ask_stranger(question)
        if stranger is None or question.signature(stranger) or is_same_page(reply, Fingerprint.of(stranger)):
            return
        if question.also is not None:
            path, signature = question.also
            second = await self.ask(path)
            more = signature(second) if second is not None and second.status == 200 else None
            if more is None:
                return
            proof = Proof(f"{proof.excerpt} | {more.excerpt}", more.details)
        if question.kind == "actuator" and "open" not in dict(proof.details):
            opened = await http_further.actuator_access(self.ask, question.path, proof)
            proof = replace(proof, details=(*proof.details, *opened))
        self._note(question.kind, reply, proof, question.path if question.by_query else "")

    def _prove(self, question: WellKnown, reply: HttpReply) -> Proof | None:
        if reply.status not in question.statuses:
            return None
        if any(is_same_page(reply, stranger) for stranger in self.strangers):
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

    def _note(self, kind: str, reply: HttpReply, proof: Proof | None, path: str = "") -> None:
        if proof is not None:
            shown = kept(reply)
            shown = replace(shown, path=path or shown.path, body=proof.excerpt)
            self.exposed.append(ExposedPath(kind, shown, proof.details))

    def facts(self) -> HttpFacts:
        ended = self.ended
        if not ended and self.asker.unanswered:
            ended = f"No valid answer for {', '.join(map(without_parameters, self.asker.unanswered[:5]))}."
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
            methods_at=self.methods_at,
            brokers=self.brokers,
            blocked=self.blocked or self.asker.turned_away,
            complete=not ended,
            ended=ended,
            requests=self.session.requests,
            within=tuple(self.within),
            unseen=self.unseen,
            asked=tuple(self.asked),
        )
