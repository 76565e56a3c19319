"""The comparison with nmap counts right, passes nothing over, and its tables name checks and cases that exist."""

from __future__ import annotations

from fnmatch import filter as matching
from pathlib import Path

import pytest

from scanner.engine.catalogue.load import catalogue
from tests.compare import exposure, exposure_peer, kept
from tests.compare.exposure import Row, Seen, named_of, rows_of, unknown_scripts, weaknesses
from tests.lab.registry import all_cases

REDIS = ("6379", "redis-info", "Version: 7.0.15")


def seen(
    *scripts: tuple[str, str, str], ours: tuple[tuple[str, str, str], ...] = (), ports: tuple[str, ...] = ("6379",)
) -> Seen:
    return Seen("lab", ours, (("6379", "redis"),), ports, scripts, (("6379", "redis"),))


def test_both_sides_are_compared_port_by_port() -> None:
    ours = (("6379", "SVC-REDIS-UNAUTH", "critical"), ("6380", "SVC-REDIS-UNAUTH", "critical"))
    weakness = "serves anyone without credentials"
    assert list(rows_of(seen(REDIS, ours=ours))) == [
        Row("lab", "6379", weakness, ours=True, theirs=True),
        Row("lab", "6380", weakness, ours=True, theirs=None),
    ]


def test_what_a_script_says_of_the_host_is_held_against_any_port_of_ours() -> None:
    said = ("", "smb-protocols", "NT LM 0.12 (SMBv1) [dangerous, but default]")
    assert [(row.port, row.ours, row.theirs) for row in rows_of(seen(said, ours=(("445", "SMBV1", "high"),)))] == [
        ("445", True, True)
    ]
    assert [(row.port, row.ours, row.theirs) for row in rows_of(seen(said))] == [("", False, True)]


def test_a_script_that_failed_reports_nothing() -> None:
    assert list(rows_of(seen(("111", "nfs-ls", "ERROR: Script execution failed (use -d to debug)")))) == []


def test_a_script_that_the_table_does_not_know_is_an_error_once_it_says_something() -> None:
    assert unknown_scripts([seen(("6379", "never-heard-of", ""), REDIS)]) == []
    assert unknown_scripts([seen(("6379", "never-heard-of", "a word"))]) != []


def test_a_name_of_nmaps_is_alike_when_it_means_the_same() -> None:
    def alike(theirs: str, *ours: str) -> bool:
        (named,) = named_of(Seen("lab", (), tuple(("53", name) for name in ours), ("53",), (), (("53", theirs),)))
        return named.alike

    assert alike("domain", "dns")
    assert alike("http", "http", "grafana")
    assert not alike("domain", "unknown")


def test_nothing_that_acts_on_the_target_or_asks_others_is_among_the_scripts() -> None:
    scripts = Path("/usr/share/nmap/scripts")
    left_out = exposure_peer.LEFT_OUT
    for script in ("http-open-proxy", "socks-open-proxy", "jdwp-info", "jdwp-inject", "knx-gateway-info"):
        assert (scripts / f"{script}.nse").is_file()
        assert any(matching([script], pattern) for pattern in left_out)
    assert exposure_peer.SCRIPTS.startswith("safe and not (broadcast or external or brute or dos or intrusive)")


@pytest.mark.parametrize("weakness", weaknesses(), ids=lambda weakness: weakness.name)
def test_every_check_of_the_table_exists(weakness: exposure.Weakness) -> None:
    assert [pattern for pattern in weakness.ours if not matching(catalogue(), pattern)] == []


def test_every_explanation_is_of_a_case_and_a_weakness_that_exist() -> None:
    names = {"*", *(case.name for case in all_cases())}
    known = {weakness.name for weakness in weaknesses()}
    for row in kept.table_of("explained.toml")["exposure"]:
        assert row["case"] in names
        assert row["weakness"] in known or row["weakness"].startswith("the name ")


def test_every_compared_case_is_compared_once() -> None:
    assert len(set(exposure.cases())) == len(exposure.cases()) > 150
