"""``roundsman inspect --domain`` as a person runs it, against a BIND that plays the whole DNS."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests import forked
from tests.cli.test_inspect_command import refused
from tests.installation import COMMAND
from tests.lab.dns_servers import Zone, dns_world

SCHEMA = Path(__file__).parents[2] / "docs" / "inspection.schema.json"
RESOLVER = "127.11.61.1"
ALLOWED = ("--authorisation", "the lab's owner", "--resolver", RESOLVER)

ZONE = Zone("@ IN A 203.0.113.10\nwww IN CNAME gone.cloud.test.\n@ IN MX 10 mx\nmx IN A 203.0.113.25\n")

pytestmark = pytest.mark.lab


def roundsman(*arguments: str) -> subprocess.CompletedProcess[str]:
    return forked.run("-c", COMMAND, "inspect", *arguments, env=os.environ, cwd=Path.cwd())


@pytest.fixture(scope="module", autouse=True)
def resolver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with dns_world({"town.test": ZONE})(RESOLVER, tmp_path_factory.mktemp("dns")):
        yield


@pytest.fixture(scope="module")
def shown(resolver: None) -> subprocess.CompletedProcess[str]:
    """One look at the domain, for all that is asked of its JSON."""
    return roundsman("--domain", "Town.test.", *ALLOWED, "--format", "json")


def test_the_json_is_valid_against_the_published_schema_and_names_the_domain(
    shown: subprocess.CompletedProcess[str],
) -> None:
    assert (shown.returncode, shown.stderr) == (0, "[1/1] town.test: inspected\n")
    document = json.loads(shown.stdout)
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate(document)
    [target] = document["targets"]
    assert (target["target"], target["addresses"], target["services"]) == ("Town.test. (DNS)", [], [])
    places = {(found["address"], found["port"], found["transport"]) for found in target["findings"]}
    assert places == {("town.test", 0, "dns")}
    assert {"DOM-SPF-NONE", "DOM-DANGLING"} <= {found["check"] for found in target["findings"]}


def test_the_text_says_what_was_asked_whom_and_names_no_port() -> None:
    shown = roundsman("--domain", "town.test", *ALLOWED, "--fail-on", "high").stdout
    assert "The domain does not say who may send its mail (SPF) (DOM-SPF-NONE)" in shown
    assert "Where: town.test, confirmed" in shown
    assert "dig +short town.test TXT" in shown
    assert "nothing was sent to the domain's own hosts" in shown
    assert "53/udp" not in shown
    assert "open port" not in shown


def test_the_verify_command_shows_the_weakness(shown: subprocess.CompletedProcess[str]) -> None:
    document = json.loads(shown.stdout)
    [dangling] = [found for found in document["targets"][0]["findings"] if found["check"] == "DOM-DANGLING"]
    asked = [shlex.split(command) for command in dangling["verify"].split(";")]
    answers = [
        subprocess.run([dig, f"@{RESOLVER}", *rest], capture_output=True, text=True, check=True).stdout
        for dig, *rest in asked
    ]
    assert "gone.cloud.test" in answers[0]
    assert "status: NXDOMAIN" in answers[1]


def test_sarif_and_html_show_the_domain_alone() -> None:
    sarif = json.loads(roundsman("--domain", "town.test", *ALLOWED, "--format", "sarif").stdout)
    places = [result["locations"][0] for result in sarif["runs"][0]["results"]]
    assert {place["physicalLocation"]["artifactLocation"]["uri"] for place in places} == {"dns:town.test"}
    assert {place["logicalLocations"][0]["fullyQualifiedName"] for place in places} == {"town.test"}
    page = roundsman("--domain", "town.test", *ALLOWED, "--format", "html", "--lang", "zh-Hans").stdout
    assert '<span class="address">town.test</span>' in page
    assert "域名未发布 SPF 记录" in page


def test_a_host_of_the_same_name_is_a_target_of_its_own() -> None:
    shown = roundsman("127.11.61.1", "--ports", "T:5301", "--domain", "town.test", *ALLOWED, "--format", "json")
    document = json.loads(shown.stdout)
    assert [target["target"] for target in document["targets"]] == ["127.11.61.1", "town.test (DNS)"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--domain", "192.0.2.1"), "is no domain"),
        (("--domain", "https://town.test/"), "is no domain"),
        (("--domain", "gov.cn"), "many register names below it"),
        (("--domain", "_dmarc.town.test"), "names a record"),
        (("--domain", "town.test", "--resolver", "dns.town.test"), "is no resolver"),
        ((), "Nothing was named"),
    ],
)
def test_bad_input_is_refused_before_anything_is_sent(
    arguments: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["roundsman", "inspect", *ALLOWED, *arguments])
    assert said in refused(capsys)


def test_the_installations_resolver_is_asked_and_without_one_it_says_how_to_name_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asking = ("--domain", "town.test", "--authorisation", "the lab's owner")
    shown = roundsman(*asking)
    assert shown.returncode == 2
    assert "ROUNDSMAN_RESOLVER" in shown.stderr
    monkeypatch.setenv("ROUNDSMAN_RESOLVER", RESOLVER)
    assert roundsman(*asking).returncode == 0
    monkeypatch.setenv("ROUNDSMAN_RESOLVER", "dns.town.test")
    shown = roundsman(*asking)
    assert shown.returncode == 2
    assert "ROUNDSMAN_RESOLVER" in shown.stderr


def test_a_domain_that_does_not_exist_is_not_inspected_and_the_status_says_so() -> None:
    shown = roundsman("--domain", "no-such-town.test", *ALLOWED)
    assert shown.returncode == 3
    assert "The DNS knows no domain no-such-town.test" in shown.stdout
