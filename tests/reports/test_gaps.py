"""Why something was not inspected is said in the reader's language, whatever the detail holds."""

from __future__ import annotations

import pytest

from scanner.engine.catalogue.load import Language
from scanner.engine.model import GapReason
from scanner.reports.gaps import gap_sentence
from scanner.reports.words import words
from scanner.rounds.gate import refusal
from targets.scope import Decision, RefusalReason

REFUSED = GapReason.REFUSED_BY_SCOPE


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        (Language.EN, "It is excluded from inspection. Reason given: the crane's why=unknown"),
        (Language.ZH_HANS, "已列入排除范围，未予检测。理由：the crane's why=unknown"),
    ],
)
def test_a_refusal_of_the_gate_is_a_sentence_with_the_reason_that_was_given(language: Language, sentence: str) -> None:
    params = (("address", "192.0.2.9"), ("why", "the crane's why=unknown"))
    detail = refusal(Decision(reason=RefusalReason.EXCLUDED, params=params))

    assert gap_sentence(REFUSED, detail, words(language)) == sentence


def test_an_ended_authorisation_is_named_and_nothing_is_called_uncovered() -> None:
    params = (("document", "Order 7"), ("until", "2026-01-01T00:00:00+00:00"))
    detail = refusal(Decision(reason=RefusalReason.AUTHORISATION_ENDED, params=params))

    assert gap_sentence(REFUSED, detail, words(Language.EN)) == "The authorisation Order 7 has ended."


def test_what_a_tool_says_is_quoted_behind_the_reason_and_can_not_move_the_terminal() -> None:
    said = gap_sentence(GapReason.TOOL_FAILED, "can't \x1b[2J", words(Language.EN))

    assert said == "A tool that the inspection needs failed. Detail: can't \\x1b[2J"


def test_without_a_detail_the_reason_stands_alone_and_a_broken_one_does_no_harm() -> None:
    english = words(Language.EN)

    assert gap_sentence(GapReason.HOST_SILENT, "", english) == english("gap.host-silent")
    assert gap_sentence(REFUSED, "excluded 'why=unclosed", english).endswith("—")
