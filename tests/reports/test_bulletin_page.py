"""The page of a bulletin says in sentences what its tables say in numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scanner.delivery.samples import sample_bulletin
from scanner.engine.catalogue.load import Language
from scanner.reports.bulletin_render import render_bulletin

TOLD = {
    Language.EN: "scores rose in 3, stayed in 1 and fell in 1 of the units that can be compared. "
    "The largest rise: Example Water Works (+21.5). The largest fall: Example Transit (−3.5).",
    Language.ZH_HANS: "评分上升 3 家，持平 1 家，下降 1 家。上升最多：示例市水务集团（+21.5 分）。"
    "下降最多：示例市公交公司（−3.5 分）。",
}


@pytest.mark.parametrize("language", Language)
def test_a_bulletin_says_who_is_improving(language: Language) -> None:
    assert TOLD[language] in render_bulletin(sample_bulletin(language), language, "Office")


def test_nobody_is_said_to_improve_where_nothing_can_be_compared() -> None:
    known = sample_bulletin(Language.EN)
    alone = replace(known, ranked=tuple(replace(row, change=None) for row in known.ranked))

    assert "scores rose" not in render_bulletin(alone, Language.EN, "Office")
