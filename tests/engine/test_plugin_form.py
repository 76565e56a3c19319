"""A plugin is taken as a whole or refused as a whole, and a refusal says what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from scanner.engine.catalogue.load import catalogue
from scanner.engine.errors import PluginRefused
from scanner.engine.model import Transport
from scanner.engine.plugins import load
from scanner.engine.plugins.api import Plugin, Rule
from scanner.engine.plugins.form import accept, owner_of
from scanner.engine.plugins.load import State
from tests.plugging import CHECK, PROBE, Plugs, open_ones, plugin, write_catalogue

RULE = Rule(frozenset({CHECK}), open_ones)


def fails(reply: bytes) -> bool:
    return bool(reply[0])


def wrong(right: Plugin, **fields: Any) -> Plugin:
    """Return the plugin with fields that the type checker would not let through."""
    return replace(right, **fields)


WRONG: dict[str, Callable[[Path], object]] = {
    "must name a Plugin": lambda folder: [],
    "its probes are an object of type list": lambda folder: wrong(plugin(folder), probes=[]),
    "where ServiceProbe is needed": lambda folder: wrong(plugin(folder), probes=("redis",)),
    "lacks its checks or its function": lambda folder: plugin(folder, Rule(frozenset(), open_ones)),
    "where Rule is needed": lambda folder: wrong(plugin(folder), rules=(open_ones,)),
    "must begin with 'x-acme-'": lambda folder: plugin(folder, probes=(replace(PROBE, protocol="redis"),)),
    "x-acme-thing is there twice": lambda folder: plugin(folder, probes=(PROBE, PROBE)),
    "field of the wrong type": lambda folder: plugin(folder, probes=(replace(PROBE, ports=frozenset({0})),)),
    "has no greeting": lambda folder: plugin(folder, probes=(replace(PROBE, greeting=b"", transport=Transport.UDP),)),
    "sets also_recognises": lambda folder: plugin(folder, probes=(replace(PROBE, also_recognises=bool),)),
    "must be certain": lambda folder: plugin(folder, probes=(replace(PROBE, recognises=bool),)),
    "must answer for any bytes": lambda folder: plugin(folder, probes=(replace(PROBE, recognises=fails),)),
    "X-ACME-OPEN is there twice among its rules": lambda folder: plugin(folder, RULE, RULE),
    "must begin with 'X-ACME-'": lambda folder: plugin(folder, Rule(frozenset({"SVC-REDIS-UNAUTH"}), open_ones)),
    "at most 64 characters": lambda folder: plugin(folder, Rule(frozenset({f"X-ACME-{'A' * 58}"}), open_ones)),
    "a rule may emit X-ACME-OPEN": lambda folder: Plugin(write_catalogue(folder / "empty"), (RULE,)),
    "no rule emits X-ACME-OTHER": lambda folder: Plugin(write_catalogue(folder / "c", CHECK, "X-ACME-OTHER"), (RULE,)),
    "KeyError('zh-Hans')": lambda folder: Plugin(write_catalogue(folder / "c", CHECK, chinese="de"), (RULE,)),
    "other placeholders in each language": lambda folder: Plugin(
        write_catalogue(folder / "c", CHECK, evidence="Seen {where}."), (RULE,)
    ),
    "is no template": lambda folder: Plugin(write_catalogue(folder / "c", CHECK, evidence="Seen {."), (RULE,)),
    "is empty or not a string": lambda folder: Plugin(write_catalogue(folder / "c", CHECK, evidence=""), (RULE,)),
    "must be a list of numbers": lambda folder: Plugin(
        write_catalogue(folder / "c", CHECK, extra='cwe = ["306"]'), (RULE,)
    ),
    "can't be read (TOMLDecodeError": lambda folder: Plugin(write_catalogue(folder / "c", CHECK, extra="["), (RULE,)),
    "can't be read (FileNotFoundError": lambda folder: Plugin(folder / "nowhere", (RULE,)),
}


@pytest.mark.parametrize("says", WRONG)
def test_what_is_wrong_with_a_plugin_is_said(says: str, tmp_path: Path) -> None:
    with pytest.raises(PluginRefused) as refused:
        accept("acme", WRONG[says](tmp_path))
    assert says in str(refused.value)


def test_a_plugin_in_good_form_adds_its_probes_rules_and_checks(plug: Plugs, tmp_path: Path) -> None:
    plug(acme=plugin(tmp_path))
    assert [(each.name, each.state) for each in load.installed()] == [("acme", State.ACTIVE)]
    assert [probe.protocol for probe in load.plugin_probes()] == ["x-acme-thing"]
    assert [name for name, _ in load.plugin_rules()] == ["acme"]
    assert load.all_checks().keys() - catalogue().keys() == {CHECK}


def test_one_wrong_thing_refuses_all_of_a_plugin_and_nothing_of_another(plug: Plugs, tmp_path: Path) -> None:
    wrong = Plugin(write_catalogue(tmp_path / "c", "X-OTHER-OPEN", chinese="de"), (), (PROBE,))
    plug(acme=plugin(tmp_path), other=wrong)
    assert [(each.name, each.state) for each in load.installed()] == [("acme", State.ACTIVE), ("other", State.REFUSED)]
    assert load.all_checks().keys() - catalogue().keys() == {CHECK}
    assert load.active() == ("acme",)


@pytest.mark.parametrize("raises", ["raise ValueError('boom')", "raise SystemExit(1)", "import no_such_library", "1 +"])
def test_a_plugin_that_can_not_be_imported_is_refused(
    raises: str, plug: Plugs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "breaks_on_import.py").write_text(raises)
    monkeypatch.syspath_prepend(tmp_path)
    plug.entries(EntryPoint("acme", "breaks_on_import:PLUGIN", load.GROUP))
    [refused] = load.installed()
    assert (refused.state, "can't be imported" in refused.why) == (State.REFUSED, True)


def test_two_packages_that_bring_one_name_are_both_refused(plug: Plugs, tmp_path: Path) -> None:
    plug(acme=plugin(tmp_path))
    plug.entries(*[EntryPoint("acme", "plugged_acme:PLUGIN", load.GROUP)] * 2)
    [refused] = load.installed()
    assert "uninstall all but one" in refused.why
    assert load.plugin_rules() == ()


@pytest.mark.parametrize("name", ["Acme", "acme-two", "", "a" * 32, "ac me"])
def test_a_name_that_could_reach_into_another_name_space_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(PluginRefused, match="can't name a plugin"):
        accept(name, plugin(tmp_path))


def test_a_plugin_that_is_left_out_is_not_even_imported(plug: Plugs) -> None:
    load.leave_out({"acme", "acmee"})
    plug.entries(EntryPoint("acme", "no_such_module:PLUGIN", load.GROUP))
    [off] = load.installed()
    assert (off.state, off.why) == (State.OFF, "")
    assert load.unknown_names() == ("acmee",)


def test_a_check_tells_whose_it_is_and_none_of_ours_is_a_plugins() -> None:
    assert owner_of("X-ACME-DOORS-OPEN") == "acme"
    assert {owner_of(check) for check in catalogue()} == {""}
