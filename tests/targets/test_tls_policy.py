"""The TLS policy of an organisation: chosen, inherited, exported, refused."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from scanner.engine.policy.load import DEFAULT, policies
from targets.models import Organisation, TlsPolicy
from targets.registry.export import to_yaml
from targets.registry.plan import compare, merge
from targets.registry.reading import TLS_POLICIES, Limits, read_register
from targets.registry.store import apply_changes, current_register

pytestmark = pytest.mark.django_db


def apply(tmp_path: Path, text: str) -> int:
    """Apply a register and return how many changes it made."""
    (file := tmp_path / "register.yaml").write_text(text)
    wanted, problems = read_register([file], Limits())
    assert problems == []
    current = current_register()
    changes = compare(current, merge(current, wanted))
    apply_changes(wanted, changes, dt.datetime.now(dt.UTC), actor="tester")
    return len(changes)


REGISTER = """
organisations:
  - slug: city
    name_en: City
    tls_policy: ncsc-nl-2025
  - slug: water
    name_en: Water
    parent: city
  - slug: roads
    name_en: Roads
    parent: city
    tls_policy: mozilla-intermediate
  - slug: alone
    name_en: Alone
"""


def test_a_policy_holds_for_the_organisations_below_until_they_choose_their_own(tmp_path: Path) -> None:
    apply(tmp_path, REGISTER)
    assert {row.slug: row.policy_name for row in Organisation.objects.all()} == {
        "city": "ncsc-nl-2025",
        "water": "ncsc-nl-2025",
        "roads": "mozilla-intermediate",
        "alone": DEFAULT,
    }


def test_what_is_exported_can_be_applied_without_a_change(tmp_path: Path) -> None:
    apply(tmp_path, REGISTER)
    assert apply(tmp_path, to_yaml(current_register())) == 0


def test_leaving_it_out_goes_back_to_the_supervisors(tmp_path: Path) -> None:
    apply(tmp_path, REGISTER)
    apply(tmp_path, REGISTER.replace("    tls_policy: mozilla-intermediate\n", ""))
    assert Organisation.objects.get(slug="roads").policy_name == "ncsc-nl-2025"


def test_an_unknown_policy_is_refused_with_those_there_are(tmp_path: Path) -> None:
    (file := tmp_path / "register.yaml").write_text(REGISTER.replace("ncsc-nl-2025", "ncsc-nl-2019"))
    _, problems = read_register([file], Limits())
    assert any("ncsc-nl-2019" in problem.wrong and "ncsc-nl-2025" in (problem.right or "") for problem in problems)


def test_the_register_knows_the_policies_that_the_engine_has() -> None:
    assert set(TLS_POLICIES) == set(TlsPolicy.values) == set(policies())
