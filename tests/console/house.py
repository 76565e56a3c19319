"""A city with two units, a round that found things, and an account of each role: for tests of pages."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass, field
from typing import Any

from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client

from scanner.accounts import people
from scanner.accounts.models import User
from scanner.accounts.roles import EVERYWHERE, Role
from scanner.api import tokens
from scanner.delivery.models import Message, MessageKind, MessageState, Notice, NoticeDocument, NoticeItem
from scanner.delivery.outbox import File, Letter, enqueue, key_of
from scanner.engine.catalogue.load import Language
from scanner.installation import ROOT
from scanner.packing import pack
from scanner.remediation import acts
from scanner.remediation.models import ExemptionKind, Finding, ProofFile
from scanner.remediation.proofs import keep_proof
from scanner.remediation.scores import store_score
from scanner.reports.models import Bulletin, Report
from scanner.rounds.models import HostResult, Plan, PlanKind, Round
from scanner.rounds.planning import PlanRequest, make_plan
from scanner.webhooks import hooks
from targets.documents import keep_document, read_document
from targets.models import (
    Authorisation,
    AuthorisationFile,
    Contact,
    Exclusion,
    Organisation,
    RegisterDraft,
    Target,
    TargetProposal,
)
from targets.proposing import propose_targets
from tests.delivery.office import finding, followed_round, unit
from tests.rounds.world import authorise, organisation

PASSWORD = "seven roundsmen walk at night"


@dataclass
class House:
    """The rows, and browsers of people by their roles."""

    city: Organisation
    water: Organisation
    library: Organisation
    retired: Organisation
    round: Round
    finding: Finding
    asked: Finding
    exempt: Finding
    other: Finding
    report: Report
    notice: Notice
    proof: ProofFile
    bulletin: Bulletin
    target: Target
    draft: RegisterDraft
    authorisation: Authorisation
    file: AuthorisationFile
    exclusion: Exclusion
    contact: Contact
    plan: Plan
    mail: Message
    proposals: dict[str, TargetProposal] = field(default_factory=dict)
    users: dict[Role, User] = field(default_factory=dict)
    stranger: User | None = None

    def browser(self, role: Role | None) -> Client:
        """A browser in which somebody with the role is signed in; None for nobody."""
        return client(self.users[role] if role else None)


def client(user: User | None) -> Client:
    """A browser that checks forms as a real one has them checked; of the account, or of nobody."""
    made = Client(headers={"accept-language": "en"})
    if user is not None:
        made.force_login(user)
        session = made.session
        session["account_authentication_methods"] = [{"method": "password", "at": time.time()}]
        session["account_authentication_methods_user"] = str(user.pk)
        session.save()
    return made


def account(email: str, role: Role | None, owner: Organisation | None = None, *, factor: bool = True) -> User:
    """An account with a role, a second factor, and no password, as hashing one takes its time."""
    now = dt.datetime.now(dt.UTC)
    user = people.add(email, email.partition("@")[0].title(), "tests", now)
    if role is not None:
        people.give(user, role, owner, "tests", now)
    if factor:
        TOTP.activate(user, generate_totp_secret())
    return user


def build() -> House:
    """Everything is a few hours old."""
    now = dt.datetime.now(dt.UTC)
    city = unit("city", english="Example City", chinese="示例市")
    water = unit("water", english="Water Office", chinese="水务局", parent=city)
    library = unit("library", english="City Library", chinese="图书馆", parent=city)
    for owner in (water, library):
        authorise(owner, "192.0.2.0/24")
    this = followed_round(water, library, at=now)
    HostResult.objects.update(facts=(ROOT / "tests" / "engine" / "samples" / "host-1.json.z").read_bytes())
    fresh: dict[str, Any] = {
        "first_seen": now - dt.timedelta(hours=3),
        "last_seen": now,
        "last_inspected": now,
        "reported": now,
        "deadline": now + dt.timedelta(days=2),
    }
    found = finding(water, seen_in=this, **{**fresh, "deadline": now - dt.timedelta(hours=1)})
    later = now + dt.timedelta(days=90)
    asked = finding(water, host="192.0.2.11", **fresh)
    acts.request_exemption(asked, ExemptionKind.ACCEPTED, "Director", "A new server is ordered.", "", later, "li", now)
    exempt = finding(water, host="192.0.2.12", **fresh)
    acts.grant(exempt, ExemptionKind.ACCEPTED, "Director", "Behind a firewall.", "", later, "ops", now)
    other = finding(library, seen_in=this, **fresh)
    for owner in (water, library):
        store_score(this, owner)
    kept = {"html": pack(b"<p>report</p>"), "json": pack(b"{}"), "digest": "0" * 64}
    report = Report.objects.create(organisation=water, round=this, language="en", generated=now, **kept)
    water.targets.update(tags=["dmz", "核心"])
    target = water.targets.get(value="192.0.2.10")
    draft = RegisterDraft.objects.create(
        name="new.csv", organisation=water, content=b"address,zone\nwww.water.example,internet\n", created=now
    )
    rows = _register_of(water, now)
    notice, proof = noticed(found, now)
    days = {"first": now.date() - dt.timedelta(days=29), "last": now.date()}
    bulletin = Bulletin.objects.create(organisation=city, language="en", generated=now, **days, **kept)
    retired = organisation("bridges", name_en="Bridge Office", name_zh="桥梁处", retired_at=now)
    house = House(
        city, water, library, retired, this, found, asked, exempt, other, report, notice, proof, bulletin, target,
        draft, *rows, planned(now), given_up(water, now),
    )  # fmt: skip
    house.proposals = {
        each: propose_targets(water, [f"{each}.water.example"], "Our new site.", "li", now)
        for each in ("decide", "withdraw")
    }
    for role in Role:
        within = None if role in EVERYWHERE else city if role == Role.SUPERVISOR else water
        house.users[role] = account(f"{role}@office.example", role, within)
    operator = house.users[Role.OPERATOR]
    tokens.add(operator, "board", ["findings:read"], "tests", now)
    hooks.add(operator, "tickets", "https://127.0.0.1:1/", ["finding-opened"], "tests", now, private=False)
    house.stranger = account("other@library.example", Role.UNIT_MANAGER, library)
    return house


def noticed(about: Finding, now: dt.datetime) -> tuple[Notice, ProofFile]:
    """A notice that asks for a finding, and proof that was handed in about it."""
    made = Notice.objects.create(
        organisation=about.organisation,
        year=2026,
        serial=about.pk,
        number=f"R2026-{about.pk}",
        issued=now - dt.timedelta(hours=2),
        issued_by="ops",
        answer_by=now + dt.timedelta(days=9),
        posted=now,
    )
    NoticeItem.objects.create(notice=made, finding=about, deadline=about.deadline)
    page = pack(b"<!doctype html><title>notice</title><p>notice</p>")
    NoticeDocument.objects.bulk_create(NoticeDocument(notice=made, language=each, html=page) for each in Language)
    keep_proof(about, read_document("before.pdf", b"%PDF-1.7 proof"), by="li", now=now)
    return made, about.proofs.get()


def given_up(owner: Organisation, now: dt.datetime) -> Message:
    """A mail with an attachment to a contact of an organisation, which its server did not take."""
    page = "<!doctype html><title>Reminder</title><h1 style='color:red'>Three findings are due</h1>"
    slip = File("slip.csv", "text/csv", b"finding,answer\n")
    enqueue(
        Letter(
            key_of(MessageKind.REMINDER, "security@water.example", "water", "2026-11"),
            *(MessageKind.REMINDER, "security@water.example", "en", "Three findings are due", "Due: 3", page, owner),
            files=(slip,),
        ),
        now,
    )
    made = Message.objects.get(recipient="security@water.example")
    made.state, made.attempt, made.finished, made.reply = MessageState.DEAD, 3, now, "recipient: 550 no such user"
    made.save()
    return made


def _register_of(owner: Organisation, now: dt.datetime) -> tuple[Authorisation, AuthorisationFile, Exclusion, Contact]:
    """What stands beside an organisation's targets."""
    authorisation = owner.authorisations.get()
    keep_document(authorisation, "Order 1.pdf", b"%PDF-1.7 order", by="li", now=now)
    exclusion = Exclusion.objects.create(organisation=owner, value="192.0.2.200", reason="A controller")
    return authorisation, authorisation.files.get(), exclusion, owner.contacts.get()


def planned(now: dt.datetime) -> Plan:
    """A plan that is due every night and rests in office hours."""
    wanted = PlanRequest(
        "nightly", PlanKind.ROUTINE, "li", ("water",), "0 3 * * *", "Asia/Shanghai", blackouts=("Mon-Fri 08:00-18:00",)
    )
    return make_plan(wanted, now)
