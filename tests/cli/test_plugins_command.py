"""The example of a plugin, built and installed as anyone would, and broken ones beside it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.cli.test_inspect_command import ALLOWED, SCHEMA
from tests.lab.case import process

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "roundsman-example-plugin"
CONTROLLER = EXAMPLE / "tests" / "controller.py"
CHECK = "X-ACME-DOORS-OPEN"
NEEDLESS = ("cacheprovider", "django", "hypothesispytest", "xdist")
"""Parts of pytest that take longer to load than the example's tests to run."""
OPEN, LOCKED = "127.11.8.1", "127.11.8.2"

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the example's wheel was built and unpacked, which is all that installing it means."""
    folder = tmp_path_factory.mktemp("plugins")
    source = folder / "source"
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("__pycache__"))
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=source, check=True, capture_output=True, timeout=240)
    [wheel] = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def roundsman(*command: str, site: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", "from scanner.cli.main import main; main()", *command],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{site}", **settings},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture(scope="module")
def controllers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One that obeys anyone, on its own port, and one that demands a log-in, on another."""
    folder = tmp_path_factory.mktemp("controllers")
    command = [sys.executable, str(CONTROLLER)]
    with (
        process([*command, OPEN, "7878"], folder=folder, wait_for=(OPEN, 7878)),
        process([*command, LOCKED, "9555", "--log-in"], folder=folder, wait_for=(LOCKED, 9555)),
    ):
        yield


BROKEN = {
    "absent": ("", "can't be imported (ModuleNotFoundError"),
    "ends": ("print('bye'); raise SystemExit(0)", "can't be imported (SystemExit"),
    "shapeless": ("PLUGIN = 'yes'", "names an object of type str"),
    "shadow": (
        "import dataclasses, roundsman_example_plugin as p; PLUGIN = dataclasses.replace(p.PLUGIN, probes=())",
        "its check 'X-ACME-DOORS-OPEN' must begin with 'X-SHADOW-'",
    ),
}
"""Name → (the source of a plugin, none where it is missing; what is said of it)."""


@pytest.fixture(scope="module")
def crowded(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, and broken plugins beside it."""
    folder = tmp_path_factory.mktemp("broken") / "site"
    shutil.copytree(site, folder)
    for name, (source, _) in BROKEN.items():
        metadata = folder / f"broken_{name}-0.{len(name)}.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: broken-{name}\nVersion: 0.{len(name)}\n")
        (metadata / "entry_points.txt").write_text(f"[roundsman.plugins]\n{name} = broken_{name}:PLUGIN\n")
        if source:
            (folder / f"broken_{name}.py").write_text(source)
    return folder


def test_an_inspection_finds_what_the_example_looks_for_and_warns_of_the_broken_ones(
    crowded: Path, controllers: None
) -> None:
    ran = roundsman("inspect", OPEN, LOCKED, *ALLOWED, "--ports", "T:7878,9555", "--format", "json", site=crowded)
    assert ran.returncode == 0, ran.stderr
    said = ran.stderr.splitlines()
    assert said[:2] == ["bye", "With plugins: acme (roundsman-example-plugin 1.0.0)."]
    assert said[2].startswith("Warning: the plugin absent (broken-absent 0.6) is not used: it can't be imported")
    assert ran.stderr.count("Warning: the plugin ") == len(BROKEN)
    document = json.loads(ran.stdout)
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate(document)
    found, quiet = sorted(document["targets"], key=lambda target: str(target["target"]))
    assert [(each["check"], each["severity"], each["confidence"]) for each in found["findings"]] == [
        (CHECK, "critical", "confirmed")
    ]
    assert "version 2.4.1 answered STATUS" in found["findings"][0]["evidence"]
    assert [(each["port"], each["service"]) for each in quiet["services"]] == [(9555, "x-acme-doors")]
    assert quiet["findings"] == []


def test_a_plugin_that_is_switched_off_takes_no_part_and_a_misspelt_name_is_said(site: Path) -> None:
    ran = roundsman("inspect", OPEN, site=site, ROUNDSMAN_PLUGINS_OFF="acme, acmee")
    assert ran.returncode == 2
    assert ran.stderr.startswith("Warning: ROUNDSMAN_PLUGINS_OFF names 'acmee', and no plugin of that name")
    assert "With plugins" not in ran.stderr


def test_the_examples_own_tests_pass(site: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *(f"-pno:{name}" for name in NEEDLESS)],
        cwd=site.parent / "source",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout


def test_broken_plugins_are_listed_with_what_is_wrong_and_the_sound_one_with_its_checks(crowded: Path) -> None:
    ran = roundsman("plugins", "list", "--format", "json", site=crowded)
    assert (ran.returncode, "Traceback" in ran.stderr) == (3, False)
    document = json.loads(ran.stdout)
    assert document["schema"] == "roundsman.plugins/1"
    listed = {plugin.pop("name"): plugin for plugin in document["plugins"]}
    assert listed.pop("acme") == {
        "state": "active",
        "distribution": "roundsman-example-plugin",
        "version": "1.0.0",
        "why": "",
        "probes": ["x-acme-doors"],
        "checks": [CHECK],
    }
    assert listed.keys() == BROKEN.keys()
    for name, plugin in listed.items():
        assert (plugin["state"], plugin["distribution"]) == ("refused", f"broken-{name}")
        assert (BROKEN[name][1] in plugin["why"], plugin["checks"]) == (True, []), plugin["why"]


def test_the_list_for_people_says_the_same(crowded: Path) -> None:
    ran = roundsman("plugins", "list", site=crowded, ROUNDSMAN_PLUGINS_OFF="absent,shadow")
    assert ran.returncode == 3
    assert "absent           off      broken-absent 0.6\n" in ran.stdout
    assert "    checks: X-ACME-DOORS-OPEN\n" in ran.stdout
    assert "shapeless        refused  broken-shapeless 0.9\n    not used: its entry point names" in ran.stdout


@pytest.mark.parametrize("command", [["--help"], ["inspect", "--help"], ["intel", "status"]])
def test_what_neither_looks_nor_judges_runs_no_foreign_code(command: list[str], site: Path, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    shutil.copytree(site, folder)
    (folder / "roundsman_example_plugin" / "__init__.py").write_text("raise AssertionError")
    ran = roundsman(*command, site=folder, ROUNDSMAN_DATA_DIR=str(tmp_path))
    assert (ran.returncode, ran.stderr) == (0, "")
