"""Notices from several processes, some of which are killed: every number once, none missing, each mailed once."""

from __future__ import annotations

import signal
import subprocess

from tests.installation import Installation

REGISTER = """
from tests.delivery.office import finding, unit
for slug in "abc":
    finding(unit(slug, english=slug), host=f"{slug}.example")
"""

ISSUE = """
import sys
from scanner.delivery.notices import issue
from scanner.delivery.posting import post
from scanner.remediation.models import Finding
from tests.delivery.office import NOW
print("ready", flush=True)
sys.stdin.readline()
for _ in range(6):
    for each in Finding.objects.select_related("organisation"):
        notice = issue(each.organisation, None, [each], by="ops", now=NOW)
        print(notice.number, flush=True)
        post(notice, NOW)
"""

FINISH = """
from scanner.delivery.posting import post_waiting
from tests.delivery.office import NOW
post_waiting(NOW)
"""


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_numbers_have_neither_gaps_nor_doubles_and_each_notice_is_mailed_once(installation: Installation) -> None:
    installation.python(REGISTER)
    issuers = [installation.start(ISSUE) for _ in range(3)]
    assert [said(each) for each in issuers] == ["ready"] * 3
    for each in issuers:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    for each, notices in zip(issuers, (1, 3, 6), strict=True):
        for _ in range(notices):
            assert said(each)
        each.send_signal(signal.SIGKILL)
        each.communicate(timeout=240)
    installation.python(FINISH)

    with installation.sql() as database:
        serials = [serial for (serial,) in database.execute("SELECT serial FROM delivery_notice ORDER BY serial")]
        posted = database.execute(
            "SELECT count(*), count(posted), count(DISTINCT number) FROM delivery_notice"
        ).fetchone()
        documents = database.execute("SELECT count(*) FROM delivery_noticedocument").fetchone()
        mails = database.execute("SELECT count(*), count(DISTINCT key) FROM delivery_message").fetchone()
    assert len(serials) >= 1 + 3 + 6
    assert serials == list(range(1, len(serials) + 1))
    assert posted == (len(serials),) * 3
    assert documents == (2 * len(serials),)
    assert mails == (len(serials),) * 2
    assert "whole" in installation.roundsman("audit", "verify")
