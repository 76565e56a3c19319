"""An organisation's own certificate authorities: in the file, in the register, and to whom they count."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from textwrap import indent

import pytest
import yaml

from targets.models import Organisation
from targets.registry.export import to_yaml
from targets.registry.plan import Change, compare, merge
from targets.registry.reading import Limits, read_register
from targets.registry.store import apply_changes, current_register
from targets.roots import RootError, parse_roots
from tests.lab.lab_ca import issue

NOW = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
ROOT = issue("Water Office Root", is_ca=True)
CITY = issue("City Root", is_ca=True)
LEAF = issue("www.water.test", ROOT)

pytestmark = pytest.mark.django_db


def register(folder: Path, body: str, slug: str = "water", parent: str = "") -> Path:
    file = folder / "register.yaml"
    file.write_text(
        f"organisations:\n  - slug: {slug}\n    name_en: Office\n"
        + (f"    parent: {parent}\n" if parent else "")
        + body
    )
    return file


def pem_item(*pems: bytes) -> str:
    return "    trusted_roots:\n" + "".join(f"      - |\n{indent(pem.decode(), ' ' * 8)}" for pem in pems)


def apply(file: Path) -> tuple[Change, ...]:
    wanted, problems = read_register([file], Limits())
    assert problems == []
    current = current_register()
    changes = compare(current, merge(current, wanted))
    apply_changes(wanted, changes, NOW, actor="tester")
    return changes


def test_roots_are_registered_shown_by_name_and_exported_as_they_were(tmp_path: Path) -> None:
    changes = apply(register(tmp_path, pem_item(ROOT.pem, ROOT.pem, CITY.pem)))
    (shown,) = [field.new for change in changes for field in change.fields if field.field == "trusted_roots"]
    assert "CN=Water Office Root" in shown
    assert "CN=City Root" in shown
    assert "BEGIN CERTIFICATE" not in shown
    assert Organisation.objects.get().anchors == (ROOT.der, CITY.der)

    exported = to_yaml(current_register())
    assert "\\n" not in exported, "certificates are written as lines"
    (tmp_path / "exported.yaml").write_text(exported)
    assert apply(tmp_path / "exported.yaml") == ()
    assert yaml.safe_load(exported)["organisations"][0]["trusted_roots"][0] == ROOT.pem.decode()


def test_leaving_them_out_keeps_them_and_an_empty_list_drops_them(tmp_path: Path) -> None:
    apply(register(tmp_path, pem_item(ROOT.pem)))
    assert apply(register(tmp_path, "")) == ()
    apply(register(tmp_path, "    trusted_roots: []\n"))
    assert Organisation.objects.get().anchors == ()


def test_a_file_beside_the_register_may_hold_them(tmp_path: Path) -> None:
    (tmp_path / "roots.pem").write_bytes(ROOT.pem + CITY.pem)
    apply(register(tmp_path, "    trusted_roots: [roots.pem]\n"))
    assert Organisation.objects.get().anchors == (ROOT.der, CITY.der)


def test_roots_of_a_supervising_organisation_count_below_it_and_not_beside_it(tmp_path: Path) -> None:
    apply(register(tmp_path, pem_item(CITY.pem), slug="city"))
    apply(register(tmp_path, pem_item(ROOT.pem), slug="water", parent="city"))
    apply(register(tmp_path, "", slug="roads", parent="city"))
    anchors = {row.slug: row.anchors for row in Organisation.objects.all()}
    assert anchors == {"city": (CITY.der,), "water": (ROOT.der, CITY.der), "roads": (CITY.der,)}


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        (pem_item(LEAF.pem), "no certificate authority"),
        ("    trusted_roots: [missing.pem]\n", "can't be read"),
        (
            "    trusted_roots:\n      - |\n        -----BEGIN CERTIFICATE-----\n        AAAA\n",
            "no certificate in PEM form",
        ),
        ("    trusted_roots: [{a: b}]\n", "list of texts"),
    ],
)
def test_what_is_no_root_is_refused_with_its_place(tmp_path: Path, body: str, wrong: str) -> None:
    _, problems = read_register([register(tmp_path, body)], Limits())
    assert any(wrong in problem.wrong for problem in problems), problems


def test_a_key_inside_a_broken_certificate_does_no_harm() -> None:
    block = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"
    with pytest.raises(RootError, match="can't be read"):
        parse_roots(block)
    with pytest.raises(RootError, match="at most 50"):
        parse_roots(block * 51)
