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
    told: dict[str, set[str]] = {}
    sources = (path.read_text("utf-8") for path in (ROOT / "scanner").rglob("*.py"))
    for source in (each for each in sources if " Refused(" in each):
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Refused":
                code = node.args[1]
                assert isinstance(code, ast.Constant)
                told.setdefault(str(code.value), set()).update(each.arg or "" for each in node.keywords)
    known = {key.removeprefix("refusal."): text for key, text in own_texts(Language.EN).items() if "refusal." in key}
    assert set(told) == set(known) - {"tool"}
    assert all(placeholders(known[code]) <= values for code, values in told.items())


@pytest.mark.parametrize("language", Language)
def test_what_happens_to_a_finding_and_what_is_asked_has_a_text(language: Language) -> None:
    known = texts(language)
    assert all(known.has(f"history.{each}") for each in Happened)
    assert all(known.has(f"console.ask.kind_{each}") for each in ExemptionKind)
