"""The oracle's comparison on a few of its servers, and that it compares what it says."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.compare.oracle import COUNT, SEED, judge
from tests.compare.oracle_configs import Configuration, Kind, configurations
from tests.compare.oracle_explained import EXPLANATIONS
from tests.compare.oracle_look import Looked, look_at
from tests.compare.oracle_servers import prepare

SAMPLE = (1, 4, 7, 15, 19, 90, 95, 153, 183, 185, 190, 192, 206, 208, 249, 259)
"""Servers of the usual seed: each kind of software, and those on which our sweep or an explanation was once wrong."""


def servers() -> list[Configuration]:
    return [each for each in configurations(SEED, COUNT) if each.number in SAMPLE]


@pytest.mark.lab
@pytest.mark.slow
def test_our_sweep_and_sslyze_agree_or_the_difference_is_explained(tmp_path: Path) -> None:
    prepare(tmp_path)
    judged = judge(look_at(servers(), tmp_path))
    assert [str(each.point) for each in judged if not each.point.agreed and each.reason is None] == []
    assert sum(each.point.agreed for each in judged) > 300


def test_the_servers_are_the_same_for_the_same_seed_and_of_every_kind() -> None:
    assert configurations(SEED, COUNT)[:50] == configurations(SEED, 50)
    assert configurations(SEED + 1, 50) != configurations(SEED, 50)
    assert {each.kind for each in servers()} == {*Kind}
    kinds = Counter(each.kind for each in configurations(SEED, COUNT))
    assert all(kinds[kind] >= 18 for kind in Kind)


def test_a_difference_that_no_explanation_fits_is_told() -> None:
    server = servers()[0]
    suites = {"TLSv1.2": {"accepted": {"TLS_RSA_WITH_AES_128_CBC_SHA": None}, "rejected": []}}
    theirs = {"highest": "TLS_1_2", "suites": suites, "trouble": {}, "compression": True}
    judged = judge([Looked(server, None, "refused", theirs)])
    differing = [each for each in judged if not each.point.agreed]
    assert {each.point.topic.name for each in differing} == {"CONNECTION", "VERSION", "SUITE", "COMPRESSION"}
    assert [each.reason for each in differing] == [None] * 4


def test_explanations_have_names_of_their_own() -> None:
    names = [each.name for each in EXPLANATIONS]
    assert len(names) == len({*names})
