"""Blackouts, rates and declined mail in the register: read, written, exported, refused."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from scanner.delivery.letters import OPTIONAL
from scanner.delivery.models import MessageKind
from targets.check import check_register
from targets.models import Contact, OptionalMail, Organisation, Target, Zone
from targets.registry.crosscheck import cross_problems
from targets.registry.export import to_yaml
from targets.registry.plan import Change, compare, merge
from targets.registry.problems import BadInput
from targets.registry.reading import OPTIONAL_MAIL, Limits, read_register
from targets.registry.store import apply_changes, current_register
from targets.registry.table import read_targets

pytestmark = pytest.mark.django_db

REGISTER = """
zones: [{name: internet, vantage: internet, rate: 1500}]
organisations:
  - slug: water
    name_en: Water
    blackouts: [mon-fri 8:00-18:00, Sat 22:00 - Mon 06:00, Mon-Fri 08:00-18:00]
    rate: 200.5
    contacts:
      - {name: A, email: a@water.example.org, declines: [reminder, digest]}
      - {name: B, email: b@water.example.org}
    targets:
      - {address: 192.0.2.1, zone: internet, blackouts: 2026-10-01/2026-10-08}
      - {address: 192.0.2.2, zone: internet}
"""


def apply(tmp_path: Path, text: str) -> tuple[Change, ...]:
    (file := tmp_path / "register.yaml").write_text(text)
    wanted, problems = read_register([file], Limits())
    assert problems == []
    current = current_register()
    changes = compare(current, merge(current, wanted))
    apply_changes(wanted, changes, dt.datetime.now(dt.UTC), actor="tester")
    return changes


def problems_of(tmp_path: Path, text: str) -> list[str]:
    (file := tmp_path / "register.yaml").write_text(text)
    wanted, problems = read_register([file], Limits())
    found = [*problems, *cross_problems(wanted, merge(current_register(), wanted))]
    return [f"{each.place.line} {each.field}: {each.wrong}; {each.right}" for each in found]


def test_windows_are_kept_in_their_one_form_and_rates_and_wishes_as_written(tmp_path: Path) -> None:
    apply(tmp_path, REGISTER)

    water = Organisation.objects.get()
    assert water.blackouts == ["Mon-Fri 08:00-18:00", "Sat 22:00-Mon 06:00"]
    assert water.rate == 200.5
    assert Zone.objects.get().rate == 1500
    assert {row.email: row.declined for row in Contact.objects.all()} == {
        "a@water.example.org": ["digest", "reminder"],
        "b@water.example.org": [],
    }
    assert {row.value: row.blackouts for row in Target.objects.all()} == {
        "192.0.2.1": ["2026-10-01/2026-10-08"],
        "192.0.2.2": [],
    }


def test_what_is_exported_is_applied_without_a_change(tmp_path: Path) -> None:
    apply(tmp_path, REGISTER)

    assert apply(tmp_path, to_yaml(current_register())) == ()


def test_a_change_is_shown_field_by_field(tmp_path: Path) -> None:
    apply(tmp_path, REGISTER)

    changes = apply(
        tmp_path,
        REGISTER.replace("rate: 1500", "rate: 900000")
        .replace("declines: [reminder, digest]", "declines: digest")
        .replace(", blackouts: 2026-10-01/2026-10-08", ""),
    )

    shown = {(change.noun.value, each.field): (each.old, each.new) for change in changes for each in change.fields}
    assert shown == {
        ("zone", "rate"): ("1500", "900000"),
        ("contact", "declines"): ("digest, reminder", "digest"),
        ("target", "blackouts"): ("2026-10-01/2026-10-08", "-"),
    }


def test_an_organisations_blackouts_stay_when_they_are_left_out_and_go_when_they_are_emptied(tmp_path: Path) -> None:
    apply(tmp_path, REGISTER)
    without = "\n".join(line for line in REGISTER.splitlines() if "blackouts: [mon" not in line)

    apply(tmp_path, without)
    assert len(Organisation.objects.get().blackouts) == 2

    apply(tmp_path, without.replace("    rate:", "    blackouts: []\n    rate:"))
    assert Organisation.objects.get().blackouts == []


@pytest.mark.parametrize(
    ("good", "bad", "told"),
    [
        ("mon-fri 8:00-18:00", "at night", "blackouts: 'at night' is no blackout window; write one such as 'Mon-Fri"),
        ("2026-10-01/2026-10-08", "2026-10-08/2026-10-01", "targets[1].blackouts: '2026-10-08/2026-10-01' ends before"),
        ("mon-fri 8:00-18:00", "daily 00:00-24:00", "this blackout never ends"),
        ("200.5", "-1", "rate: '-1' is out of range; write a number from 0 to 1000000"),
        ("1500", "inf", "zones[1].rate: 'inf' is out of range"),
        ("[reminder, digest]", "[urgent-alert]", "declines: 'urgent-alert' is not known; "),
    ],
)
def test_what_is_wrong_is_told_with_the_right_form(tmp_path: Path, good: str, bad: str, told: str) -> None:
    assert any(told in problem for problem in problems_of(tmp_path, REGISTER.replace(good, bad)))


def test_two_rates_for_one_zone_are_a_contradiction(tmp_path: Path) -> None:
    text = REGISTER.replace("rate: 1500}]", "rate: 1500}, {name: internet, vantage: internet}]")

    assert any("'internet' has the rate 0 here and 1500 at" in problem for problem in problems_of(tmp_path, text))


def test_a_csv_may_have_blackouts(tmp_path: Path) -> None:
    (file := tmp_path / "hosts.csv").write_text(
        "地址,区域,禁检时段\n192.0.2.1,internet,Mon-Fri 8:00-18:00; 2026-10-01/2026-10-08\n192.0.2.2,internet,\n"
    )
    first, second = read_targets(file, Limits())

    assert first.blackouts == ("Mon-Fri 08:00-18:00", "2026-10-01/2026-10-08")
    assert second.blackouts == ()

    file.write_text("address,zone,blackouts\n192.0.2.1,internet,nights\n")
    with pytest.raises(BadInput, match=r"hosts\.csv:2: blackouts: 'nights' is no blackout window"):
        read_targets(file, Limits())


def test_the_optional_kinds_of_mail_are_kinds_that_the_outbox_has() -> None:
    assert set(OPTIONAL_MAIL) == set(OptionalMail.values) == OPTIONAL <= set(MessageKind.values)


def test_a_target_that_is_never_free_needs_attention(tmp_path: Path) -> None:
    text = REGISTER.replace("blackouts: 2026-10-01/2026-10-08", "blackouts: [daily 18:00-08:00, Sat 06:00-Mon 09:00]")
    apply(tmp_path, text)

    found = check_register(Organisation.objects.all(), dt.datetime.now(dt.UTC), None, looks_up_domains=True)

    assert [each.subject for each in found if "together never end" in each.text] == ["192.0.2.1"]
