"""The page on the interface, as somebody would follow it: its commands and programs, against a served installation."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from scanner.webhooks.post import signature
from tests.console.test_production import served
from tests.installation import Installation
from tests.test_docs import ROOT, _blocks

PAGE = ROOT / "docs" / "api.md"


@pytest.mark.slow
def test_what_the_page_shows_works_as_it_stands(installation: Installation, tmp_path: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    late = "deadline=NOW - timedelta(days=1)"
    office = (
        "from datetime import timedelta\n"
        "from scanner.delivery.notices import issue\n"
        "from tests.delivery.office import NOW, finding, unit\n"
    )
    # What is claimed counts as an answer as soon as the duties see it, so the notice asks for something else, too.
    other = "finding(water, check_id='CLR-FTP', port=21, severity='medium')"
    notice = "issue(water, None, [found, other], by='ops', now=NOW)"
    installation.python(f"{office}water = unit('water')\nfound, other = finding(water, {late}), {other}\n{notice}")
    commands = re.findall(r"^\$ roundsman (.+)$", text, re.MULTILINE)
    agreed = [[*shlex.split(each), *(["--yes"] if re.search(" (revoke|rotate) ", each) else [])] for each in commands]
    # The call that is tried reaches nobody: no such address is known here.
    printed = "\n".join(installation.roundsman(*each, status=each[:2] == ["webhook", "test"]) for each in agreed)
    (token,) = re.findall(r"^rmt_[\w-]{43}$", printed, re.MULTILINE)
    with served(installation) as (_, port):
        environment = {**os.environ, "API": f"http://127.0.0.1:{port}/api/v1", "TOKEN": token}

        def run(*command: str) -> str:
            done = subprocess.run(
                command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240
            )
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        said = [run("bash", "-euc", block) for block in _blocks(PAGE, "sh")]
        programs = run(sys.executable, "-W", "error", "-c", "\n".join(_blocks(PAGE, "python")))

    assert '"check": "SVC-REDIS-UNAUTH"' in said[0]
    assert said[1].count('"state": "claimed"') == 2
    first, second, answered, third = programs.splitlines()
    assert first == "1 water 192.0.2.10 6379 SVC-REDIS-UNAUTH"
    assert second.startswith("re-inspection ")
    assert answered.endswith("-1 ['in-progress', 'in-progress']")
    assert "add organisation library" in third
    assert "add authorisation Order 7" in third


def test_what_the_page_shows_to_check_a_call_takes_ours_and_no_other() -> None:
    (shown,) = (block for block in _blocks(PAGE, "python") if "def is_ours" in block)
    there: dict[str, Any] = {}
    exec(shown, there)
    now, body = int(time.time()), b'{"event": "finding-opened"}'
    signed = signature(b"rms_secret", now, body)

    assert there["is_ours"]("rms_secret", signed, body)
    assert not there["is_ours"]("rms_other", signed, body)
    assert not there["is_ours"]("rms_secret", signed, body + b" ")
    assert not there["is_ours"]("rms_secret", signature(b"rms_secret", now - 301, body), body)
