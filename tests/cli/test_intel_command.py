"""``roundsman intel`` as a person uses it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from scanner.installation import ROOT
from tests import forked
from tests.installation import COMMAND

KEV = (
    "cveID,vendorProject,product,dateAdded,dueDate,knownRansomwareCampaignUse\n"
    "CVE-2014-0160,OpenSSL,OpenSSL,2022-05-04,2022-05-25,Unknown\n"
)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


def roundsman(data_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ROUNDSMAN_DATA_DIR": str(data_dir)}
    return forked.run("-c", COMMAND, "intel", *arguments, env=environment, cwd=ROOT)


def test_import_says_what_it_took_and_status_what_is_there(data_dir: Path, tmp_path: Path) -> None:
    before = roundsman(data_dir, "status")
    assert "not imported" in before.stdout
    assert "End-of-life dates (shipped): of 20" in before.stdout
    kev = tmp_path / "kev.csv"
    kev.write_text(KEV)
    done = roundsman(data_dir, "import", str(kev))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "kev.csv: CISA known exploited vulnerabilities of 2022-05-04, 1 entries\n"
    assert "nothing changed" in roundsman(data_dir, "import", str(kev)).stdout
    document = json.loads(roundsman(data_dir, "status", "--format", "json").stdout)
    assert (document["schema"], document["kev"]["kept"], document["nvd"]) == ("roundsman.intel/1", 1, None)


def test_a_wrong_file_is_refused_with_the_reason(data_dir: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "notes.txt"
    wrong.write_text("shopping list")
    refused = roundsman(data_dir, "import", str(wrong))
    assert refused.returncode == 2
    assert "none of the files that are understood" in refused.stderr
    assert "Traceback" not in refused.stderr
