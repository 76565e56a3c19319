"""Both languages of the console say everything, with the same placeholders, and nothing that no page shows."""

from __future__ import annotations

import ast
import re
from enum import StrEnum

import pytest
from django.db.models import TextChoices

from scanner.api.scopes import Scope
from scanner.audit.trail import Action
from scanner.console.texts import own_texts, texts
from scanner.delivery.models import MessageState
from scanner.engine.catalogue.load import Language
from scanner.engine.plan import Profile
from scanner.installation import ROOT
from scanner.remediation.lifecycle import Happened, Observation
from scanner.remediation.models import ExemptionKind
from scanner.reports.words import Words
from scanner.rounds.models import JobKind
from scanner.upkeep.health import Health
from scanner.webhooks.models import Event
from targets.models import ContactRole, Criticality
from targets.registry.plan import Noun
from tests.reports.test_locale import keys, placeholders

FOLDER = ROOT / "scanner" / "console"
SOURCE = "".join(path.read_text("utf-8") for path in FOLDER.rglob("*") if path.suffix in (".py", ".html", ".txt"))

CODED = (
    *("Refused", "Sentence", "WrongText", "AddressError", "PortsError", "WindowError", "RootError"),
    *("WrongAddressError", "OnlyAdministratorError", "UnknownOrganisation"),
)
"""What says something in English and by a code at once."""

ERRORS = re.compile(rf"\b(?:{'|'.join(CODED)}|InputError|RoundsmanError|ValueError|LookupError)\b|\bexcept\b")

TREES = {
    path.relative_to(ROOT).as_posix(): ast.parse(source)
    for room in ("scanner", "targets")
    for path in (ROOT / room).rglob("*.py")
    if "/engine/" not in path.as_posix() or path.name in ("plan.py", "store.py")
    if ERRORS.search(source := path.read_text("utf-8"))
}
"""Every file of the program that speaks of errors, by its path."""

REACHED = (
    *("targets/", "scanner/rounds/", "scanner/remediation/", "scanner/reports/", "scanner/delivery/"),
    *("scanner/accounts/", "scanner/api/tokens.py", "scanner/api/scopes.py", "scanner/webhooks/", "scanner/console/"),
)
"""Rooms whose refusals pages show."""

OF_THE_COMMAND_LINE = (
    *("scanner/console/server.py", "scanner/rounds/service.py", "scanner/rounds/fleet.py", "scanner/rounds/rights.py"),
    *("scanner/delivery/replies.py", "scanner/delivery/reply_read.py", "scanner/delivery/tell.py"),
    *("scanner/remediation/reinspection.py", "scanner/reports/formats.py", "scanner/reports/stationery.py"),
    *("scanner/rounds/execute.py", "targets/registry/export.py"),
    *("scanner/reports/drawn.py", "scanner/reports/words_file.py", "scanner/delivery/mail_server.py"),
)
"""What in them no page asks for, or shows in words of its own."""

TO_TERMINALS = ("scanner/console/refusals.py", "scanner/console/server.py", "scanner/console/health.py")
"""What words errors by their codes, and what speaks to a terminal where no page is served."""

BY_VALUE: dict[str, type[TextChoices] | type[StrEnum]] = {
    "profile": Profile,
    "stage": JobKind,
    "contact_role": ContactRole,
    "criticality": Criticality,
    "noun": Noun,
    "mail_state": MessageState,
    "scope": Scope,
    "event": Event,
    "health": Health,
    "act": Action,
    "observation": Observation,
}
"""Topics whose keys are the values of a kind."""

ASSEMBLED = (
    *("error.", "refusal.", "need.", "ask.kind_", "first_steps."),
    *("changes.", "field.", "hindrance.", "targets.state_", "authorisations.state_", "weekday."),
    *(
        "papers.form_",
        "papers.mail_",
        "notices.state_",
        "notices.file_",
        "reply.answer_",
        "card.better",
        "card.worse",
        "card.same",
    ),
    *("work.kind_", "verify.broken_", "intel.", "looked_at.", "why.", "all_tokens.state_"),
    *("webhooks.rotate", "webhooks.remove", "webhooks.taken", "webhooks.not_taken"),
    *("mails.retry_", "mails.cancel_", "mails.as_", "mail_test.step_"),
    *("compare.first", "compare.second"),
    *("chosen.claim", "chosen.give", "chosen.decide", "chosen.reopen"),
    "mail_reply.",
    *("rounds.look_", "rounds.paused", "rounds.resumed", "rounds.cancelled"),
    *("finding.claimed", "finding.granted", "finding.refused", "finding.reopened", "finding.given", "finding.said"),
)
"""Keys that are put together where they are used."""

FIELDS = (
    *("filter.", "ask.", "new_round.", "people.", "stop.", "invitation."),
    *("targets.", "target_form.", "bulk.", "import.", "authorisations.", "authorisation_form.", "exclusions."),
    *("mails.", "mail_test.", "token_form.", "all_tokens.", "webhook_form.", "audit.", "verify."),
    *(
        "exclusion_form.",
        "contact_form.",
        "plans.",
        "plan_form.",
        "reports.",
        "notice_form.",
        "reply.",
        "notices.",
        "bulletin_form.",
        "proposals.",
        "proposal_form.",
        "decline_form.",
        "organisations.",
        "organisation_form.",
        "zone_form.",
        "mail_server.",
    ),
)
"""Topics of forms, whose keys are the names of fields."""


def own(language: Language) -> Words:
    return Words(language, own_texts(language))


def test_both_languages_hold_the_same_keys_with_the_same_placeholders() -> None:
    assert keys(own(Language.EN)) == keys(own(Language.ZH_HANS))
    assert len(own_texts(Language.EN)) > 150


@pytest.mark.parametrize("language", Language)
def test_no_text_is_empty_and_a_singular_has_a_plural(language: Language) -> None:
    told = own_texts(language)
    for key, text in told.items():
        assert text.strip(), key
        if key.endswith(".one"):
            assert placeholders(text) <= placeholders(told[f"{key.removesuffix('.one')}.other"])


def test_every_key_that_is_asked_for_exists_and_every_key_is_used() -> None:
    known = set(keys(texts(Language.EN)))
    asked = set(re.findall(r"""\bt\(\s*['"]([a-z][a-z0-9_.-]+[a-z0-9_])['"]\s*[,)]""", SOURCE))
    assert asked <= known
    unused = [
        key
        for key in keys(own(Language.EN))
        if f"console.{key}" not in SOURCE
        and not key.startswith((*ASSEMBLED, *FIELDS))
        and key.partition(".")[0] not in BY_VALUE
    ]
    assert unused == []


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("topic", BY_VALUE)
def test_every_value_has_its_text(language: Language, topic: str) -> None:
    kind = BY_VALUE[topic]
    told = {key.partition(".")[2] for key in own_texts(language) if key.startswith(f"{topic}.")}
    assert told == {each.value for each in kind}


def test_every_refusal_has_its_text_and_tells_it_what_it_asks_for() -> None:
    """Refusals are raised in any room, with a code and values; the console words them."""
    told: dict[str, list[set[str]]] = {}
    for call in (node for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if isinstance(call.func, ast.Name) and call.func.id in CODED and len(call.args) > 1:
            code = call.args[1]
            if isinstance(code, ast.Constant):
                told.setdefault(str(code.value), []).append({each.arg or "" for each in call.keywords})
    known = {key.removeprefix("refusal."): text for key, text in own_texts(Language.EN).items() if "refusal." in key}
    assert set(told) == set(known) - {"tool", "unsaid"}
    short = [code for code, ways in told.items() for values in ways if not placeholders(known[code]) <= values]
    assert short == []


def test_rooms_that_pages_reach_refuse_in_words_that_every_language_has() -> None:
    """Whoever raises a plain ``InputError`` there shows English on a Chinese page, or nothing that helps."""
    plain = {
        f"{path}: {ast.unparse(node.exc)}"
        for path, tree in TREES.items()
        if path.startswith(REACHED) and not path.startswith(OF_THE_COMMAND_LINE)
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name)
        if node.exc.func.id in ("InputError", "RoundsmanError", "ValueError", "LookupError")
    }
    assert plain == set()


def test_pages_show_no_text_of_an_error_but_by_its_code() -> None:
    """Nothing in the console makes text of an exception; ``refusals.py`` alone does, by codes."""
    shown = [
        f"{path}:{handler.lineno}"
        for path, tree in TREES.items()
        if path.startswith("scanner/console") and path not in TO_TERMINALS
        for handler in ast.walk(tree)
        if isinstance(handler, ast.ExceptHandler) and handler.name
        for node in ast.walk(handler)
        if _makes_text_of(node, handler.name)
    ]
    assert shown == []


def _makes_text_of(node: ast.AST, name: str) -> bool:
    match node:
        case ast.Call(func=ast.Name(id="str" | "repr" | "format"), args=[ast.Name(id=called)]):
            return called == name
        case ast.FormattedValue(value=ast.Name(id=called)):
            return called == name
        case ast.Attribute(value=ast.Name(id=called), attr="args" | "message" | "messages"):
            return called == name
        case _:
            return False


@pytest.mark.parametrize("language", Language)
def test_what_happens_to_a_finding_and_what_is_asked_has_a_text(language: Language) -> None:
    known = texts(language)
    assert all(known.has(f"history.{each}") for each in Happened)
    assert all(known.has(f"console.ask.kind_{each}") for each in ExemptionKind)
