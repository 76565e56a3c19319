"""The published examples come out, and nothing bad ever raises a score."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.engine.model import Confidence, Severity, Vantage
from scanner.remediation.score import (
    Age,
    Grade,
    HostScore,
    Scored,
    compared,
    grade_of,
    score_host,
    score_organisation,
)


def findings(severity: Severity, number: int = 1, **terms: object) -> list[Scored]:
    confirmed = Scored("", severity, Confidence.CONFIRMED)
    return [replace(confirmed, check=f"{severity}-{index}", **terms) for index in range(number)]  # type: ignore[arg-type]  # fields by name


def host(*groups: list[Scored], name: str = "h", weight: float = 1) -> HostScore:
    return score_host(name, [finding for group in groups for finding in group], weight)


CRITICAL, HIGH, MEDIUM, LOW = Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW


@pytest.mark.parametrize(
    ("contents", "score"),
    [
        ([], 100),
        (findings(LOW, 3), 95.6),
        (findings(MEDIUM), 89),
        (findings(MEDIUM, 2) + findings(LOW, 5), 81.9),
        (findings(HIGH), 79),
        (findings(HIGH, 2) + findings(MEDIUM, 4), 50.0),
        (findings(CRITICAL), 55),
        (findings(CRITICAL, exposure=Vantage.INTERNAL), 59),
        (findings(CRITICAL, known_exploited=True), 39),
        (findings(HIGH, confidence=Confidence.POSSIBLE), 93.0),
        (findings(CRITICAL, confidence=Confidence.POSSIBLE), 84.2),
    ],
)
def test_the_examples_for_one_host(contents: list[Scored], score: float) -> None:
    assert round(host(contents).value, 1) == score


def many(number: int, *groups: list[Scored], prefix: str, weight: float = 1) -> list[HostScore]:
    return [host(*groups, name=f"{prefix}{index}", weight=weight) for index in range(number)]


REDIS = [Scored("SVC-REDIS-UNAUTH", CRITICAL, Confidence.CONFIRMED)]


@pytest.mark.parametrize(
    ("hosts", "score", "grade"),
    [
        (many(18, findings(LOW, 2), prefix="l") + many(2, findings(MEDIUM, 2), prefix="m"), 93.0, Grade.A),
        (many(19, findings(LOW), prefix="l") + many(1, REDIS, prefix="r"), 69, Grade.D),
        (many(199, findings(LOW), prefix="l") + many(1, REDIS, prefix="r"), 69, Grade.D),
        (many(19, findings(LOW), prefix="l") + many(1, REDIS, prefix="r", weight=2), 59, Grade.F),
        (
            many(5, findings(MEDIUM, 2), findings(LOW), prefix="m") + many(1, findings(HIGH), prefix="h"),
            83.0,
            Grade.B,
        ),
    ],
)
def test_the_examples_for_an_organisation(hosts: list[HostScore], score: float, grade: Grade) -> None:
    result = score_organisation(hosts, 1)
    assert result.value is not None
    assert (round(result.value, 1), result.grade) == (score, grade)


def test_an_overdue_critical_finding_caps_the_organisation_lower() -> None:
    late = [replace(REDIS[0], age=Age.OVERDUE)]
    result = score_organisation([*many(19, prefix="c"), host(late, name="r")], 1)
    assert result.value == 59
    assert result.cap == 59


def test_the_terms_of_a_check_multiply_to_its_points() -> None:
    finding = Scored("X", HIGH, Confidence.PROBABLE, Vantage.GOVERNMENT, known_exploited=True, age=Age.OVERDUE)
    (terms,) = host([finding]).terms
    assert (terms.severity, terms.confidence, terms.exposure) == (20, 0.7, 0.85)
    assert (terms.exploited, terms.age, terms.instances, terms.repeated) == (1.25, 1.25, 1, 1)
    assert terms.points == pytest.approx(20 * 0.7 * 0.85 * 1.25 * 1.25)


@pytest.mark.parametrize(("instances", "factor"), [(1, 1), (2, 1.25), (4, 1.75), (10, 1.75)])
def test_the_same_check_on_many_ports_counts_once_and_a_little_more(instances: int, factor: float) -> None:
    (terms,) = host([Scored("X", MEDIUM, Confidence.CONFIRMED)] * instances).terms
    assert (terms.instances, terms.points) == (instances, 6 * factor)


def test_points_never_pass_sixty() -> None:
    worst = Scored("X", CRITICAL, Confidence.CONFIRMED, known_exploited=True, age=Age.LONG_OVERDUE)
    assert host([worst] * 4).terms[0].points == 60


def test_possible_findings_and_hints_set_no_cap() -> None:
    assert host(findings(CRITICAL, confidence=Confidence.POSSIBLE)).cap is None
    hints = host(findings(Severity.INFO, 9))
    assert (hints.value, hints.cap, hints.terms) == (100, None, ())


def test_low_coverage_makes_the_grade_provisional() -> None:
    assert score_organisation(many(4, prefix="c"), 0.79).provisional
    assert not score_organisation(many(4, prefix="c"), 0.8).provisional


def test_fewer_than_three_hosts_get_no_letter() -> None:
    assert score_organisation(many(2, prefix="c"), 1).grade is None
    assert score_organisation(many(3, prefix="c"), 1).grade is Grade.A


def test_nothing_inspected_is_no_score_at_all() -> None:
    result = score_organisation([], 0)
    assert (result.value, result.grade, result.provisional) == (None, None, True)


@pytest.mark.parametrize(
    ("value", "grade"),
    [(90, Grade.A), (89.96, Grade.A), (89.94, Grade.B), (80, Grade.B), (70, Grade.C), (60, Grade.D), (59.9, Grade.F)],
)
def test_the_letter_belongs_to_the_score_as_shown(value: float, grade: Grade) -> None:
    assert grade_of(value) is grade


def test_rounds_are_compared_over_the_hosts_of_both() -> None:
    before = score_organisation([*many(2, prefix="a"), host(findings(HIGH), name="gone")], 1)
    now = score_organisation([*many(2, prefix="a"), host(REDIS, name="new")], 1)
    assert compared(before, now) == (100, 100, 2)
    assert compared(before, score_organisation(many(2, prefix="b"), 1)) is None


scored = st.builds(
    Scored,
    check=st.sampled_from("ABCD"),
    severity=st.sampled_from(Severity),
    confidence=st.sampled_from(Confidence),
    exposure=st.sampled_from(Vantage),
    known_exploited=st.booleans(),
    age=st.sampled_from(Age),
)
estate = st.lists(st.tuples(st.lists(scored, max_size=6), st.sampled_from([1, 1.5, 2, 3])), min_size=1, max_size=15)


def score_of(hosts: list[tuple[list[Scored], float]]) -> tuple[list[float], float]:
    each = [score_host(str(index), contents, weight) for index, (contents, weight) in enumerate(hosts)]
    value = score_organisation(each, 1).value
    assert value is not None
    return [one.value for one in each], value


TINY = 1e-9


@given(estate, st.data())
def test_one_more_finding_never_raises_a_score(hosts: list[tuple[list[Scored], float]], data: st.DataObject) -> None:
    where = data.draw(st.integers(0, len(hosts) - 1))
    contents, weight = hosts[where]
    worse = [*hosts[:where], ([*contents, data.draw(scored)], weight), *hosts[where + 1 :]]
    before, after = score_of(hosts), score_of(worse)
    assert after[0][where] <= before[0][where] + TINY
    assert after[1] <= before[1] + TINY


@given(estate, st.data())
def test_a_worse_severity_never_raises_a_score(hosts: list[tuple[list[Scored], float]], data: st.DataObject) -> None:
    where = data.draw(st.integers(0, len(hosts) - 1))
    contents, weight = hosts[where]
    if not contents:
        return
    which = data.draw(st.integers(0, len(contents) - 1))
    worse_severity = data.draw(st.sampled_from([s for s in Severity if s.at_least(contents[which].severity)]))
    changed = [*contents]
    changed[which] = replace(contents[which], severity=worse_severity)
    before, after = score_of(hosts), score_of([*hosts[:where], (changed, weight), *hosts[where + 1 :]])
    assert after[0][where] <= before[0][where] + TINY
    assert after[1] <= before[1] + TINY


@given(estate)
def test_scores_stay_between_zero_and_a_hundred_whatever_the_order(hosts: list[tuple[list[Scored], float]]) -> None:
    values, value = score_of(hosts)
    assert all(0 <= each <= 100 for each in [*values, value])
    shuffled = [(list(reversed(contents)), weight) for contents, weight in reversed(hosts)]
    assert score_of(shuffled)[1] == pytest.approx(value)
