"""Asks the configured resolver about a domain. No packet goes to the domain's own servers, or anywhere else.

A question is asked with RD and AD (RFC 6840 section 5.7), over UDP and, when the answer was cut off, over TCP. Whatever
is no answer (SERVFAIL, REFUSED, silence, nonsense) is kept as failed, never as "there is no such record". A SERVFAIL
that CD=1 turns into an answer, and CD=0 doesn't, comes from signatures that don't verify (RFC 4035 section 3.2.2).
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
from dns.rdtypes.mxbase import MXBase
from dns.rdtypes.nsbase import NSBase
from dns.rdtypes.txtbase import TXTBase

from scanner.engine.facts.domain import BOGUS, Answers, DnsAnswer, DomainFacts, Question, Reply, is_nobodys
from scanner.engine.hostile import printable, printable_bytes
from scanner.engine.plan import Domain, ResolverAddress
from scanner.engine.probes.dial import Pace
from scanner.engine.probes.domain_questions import open_questions

TRIES = 2
"""How often a question is asked that nothing came back for; the resolver goes on resolving meanwhile."""

PAYLOAD = 1232
"""Bytes of a datagram that is not cut into fragments on its way (DNS flag day 2020)."""

QUESTIONS = 400
"""Questions about one domain, in one look. An honest domain with a hundred registered names takes about 250."""

RECORDS, RECORD_TEXT = 100, 4096
"""Records of one answer, and characters of one record. More is not judged by a part of it, but left open."""

AT_ONCE = 8
"""Questions that are with the resolver at the same time."""


class Resolver:
    """The configured resolver, and what it was sent. ``seconds`` is how long one question may wait for its answer."""

    def __init__(self, where: ResolverAddress, seconds: float, pace: Pace) -> None:
        self._where = where
        self._pace = pace
        self._seconds = seconds
        self._room = asyncio.Semaphore(AT_ONCE)
        self.datagrams = 0
        self.connections = 0

    async def ask(self, question: Question) -> DnsAnswer:
        """Ask one question. Never raises but on cancellation: what went wrong is the answer's ``why``."""
        async with self._room:
            answer = await self._ask(question)
            if answer.why != _SERVFAIL:
                return answer
            unchecked = await self._ask(question, dns.flags.CD)
            if unchecked.reply is Reply.FAILED:
                return answer
            again = await self._ask(question)
            return replace(again, why=BOGUS, aliases=unchecked.aliases) if again.why == _SERVFAIL else again

    async def _ask(self, question: Question, flags: int = 0) -> DnsAnswer:
        failed = DnsAnswer(question, Reply.FAILED)
        try:
            query = dns.message.make_query(
                dns.name.from_text(question.name),
                question.kind,
                use_edns=0,
                payload=PAYLOAD,
                flags=dns.flags.RD | dns.flags.AD | flags,
            )
            response = await self._exchange(query)
            return failed if response is None else _read(question, response)
        except dns.exception.Timeout:
            return replace(failed, why="timed-out")
        except OSError:
            return replace(failed, why="unreachable")
        except (dns.exception.DNSException, EOFError, ValueError):
            return replace(failed, why="malformed")

    async def _exchange(self, query: dns.message.Message) -> dns.message.Message:
        for attempt in range(1, TRIES + 1):
            await self._pace.turn()
            self.datagrams += 1
            try:
                response, over_tcp = await dns.asyncquery.udp_with_fallback(
                    query,
                    self._where.address,
                    timeout=self._seconds,
                    port=self._where.port,
                    ignore_unexpected=True,
                    ignore_errors=True,
                )
            except dns.exception.Timeout:
                if attempt == TRIES:
                    raise
                continue
            self.connections += over_tcp
            return response
        raise AssertionError("The last try returns or raises.")


_SERVFAIL = "servfail"
_ADDRESSES = ("A", "AAAA")


class DomainLook:
    """One look at a domain. ``facts`` is what has been seen so far, also when the look is broken off."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self._answers: list[DnsAnswer] = []
        self._stranger = f"{secrets.token_hex(8)}.{domain.name}"

    @property
    def facts(self) -> DomainFacts:
        return DomainFacts(self._domain.name, self._domain.names, self._stranger, tuple(self._answers))

    async def run(self, resolver: Resolver) -> bool:
        """Ask until nothing is left to ask; False when there was more than we ask of one domain.

        A domain that does not exist, or of which not even that is known, is asked nothing further. One that is an alias
        of a name that does not exist does exist itself.
        """
        self._answers.append(soa := await resolver.ask(Question(self._domain.name, "SOA")))
        if soa.reply is Reply.FAILED or is_nobodys(soa):
            return True
        while wanted := self._wanted():
            left = QUESTIONS - len(self._answers)
            async with asyncio.TaskGroup() as group:
                for question in wanted[:left]:
                    group.create_task(self._keep(question, resolver))
            if len(wanted) > left:
                return False
        return True

    def _wanted(self) -> list[Question]:
        """Return what to ask next, addresses last: there can be any number of them."""
        wanted = open_questions(self._domain.name, self._domain.names, self._stranger, Answers(self._answers))
        return sorted(wanted, key=lambda question: (question.kind in _ADDRESSES, question))

    async def _keep(self, question: Question, resolver: Resolver) -> None:
        self._answers.append(await resolver.ask(question))


def _read(question: Question, response: dns.message.Message) -> DnsAnswer:
    """Read a response. Raises ``dns.exception.DNSException`` when it contradicts itself."""
    code = response.rcode()
    failed = DnsAnswer(question, Reply.FAILED)
    if code not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return replace(failed, why=dns.rcode.to_text(code).lower())
    if not response.flags & dns.flags.RA or not isinstance(response, dns.message.QueryMessage):
        return replace(failed, why="no-recursion")
    chain = response.resolve_chaining()
    records = tuple(_text(each) for each in list(chain.answer or ())[: RECORDS + 1])
    if len(records) > RECORDS or any(len(record) > RECORD_TEXT for record in records):
        return replace(failed, why="too-large")
    aliases = tuple(_name(rrset[0].target) for rrset in chain.cnames)
    return DnsAnswer(
        question,
        _reply(code, bool(chain.answer)),
        records,
        aliases,
        authentic=bool(response.flags & dns.flags.AD),
        zone=_zone(question, response) if question.kind == "SOA" and not aliases else "",
    )


def _reply(code: dns.rcode.Rcode, has_records: bool) -> Reply:
    if code == dns.rcode.NXDOMAIN:
        return Reply.NO_NAME
    return Reply.ANSWERED if has_records else Reply.NO_DATA


def _zone(question: Question, response: dns.message.Message) -> str:
    """Return the owner of the SOA record: of the answer or, in a negative one, of its authority section."""
    asked = dns.name.from_text(question.name)
    owners = (rrset.name for rrset in (*response.answer, *response.authority) if rrset.rdtype == dns.rdatatype.SOA)
    return next((_name(owner) for owner in owners if asked.is_subdomain(owner)), "")


def _text(record: dns.rdata.Rdata) -> str:
    """Return a record as :mod:`scanner.engine.facts.domain` writes it."""
    match record:
        case TXTBase():
            return printable_bytes(b"".join(record.strings), RECORD_TEXT + 1)
        case NSBase():
            return _name(record.target)
        case MXBase():
            return f"{record.preference} {_name(record.exchange)}"
        case _:
            return printable(record.to_text(), RECORD_TEXT + 1)


def _name(name: dns.name.Name) -> str:
    return printable(name.to_text(omit_final_dot=True).lower(), RECORD_TEXT)
