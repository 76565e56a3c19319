"""The lab changes between rounds, and the reports and mails of the second and third round say what became of it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from html import unescape
from pathlib import Path

import pytest

from scanner.delivery.models import Message, MessageKind
from scanner.engine.probes.nmap import is_privileged
from scanner.flow import carry_out
from scanner.packing import unpack
from scanner.reports.models import Report
from tests.delivery.office import installed, unit
from tests.engine.test_filtered import firewall
from tests.lab.case import process, program
from tests.lab.lab_ca import DAY, NOW, ROOT, issue
from tests.lab.tls_servers import nginx_server, run_nginx, write_pair
from tests.rounds.world import authorise, planned, register

pytestmark = [
    pytest.mark.lab,
    pytest.mark.slow,
    pytest.mark.django_db,
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs redis-server"),
    pytest.mark.skipif(not is_privileged(), reason="a firewall needs CAP_NET_ADMIN"),
]

BASIN, PORTAL, CRANE = "127.61.1.1", "127.61.1.2", "127.61.1.3"
REDIS, WEB = 7379, 7443
OPEN_REDIS = "Redis serves anyone without credentials"
EXPIRED = "The certificate has expired"
FIXED, UNSEEN, REOPENED = "Fixed and proven", "Open, and not inspected this time", "Reopened"


@contextmanager
def redis(address: str, folder: Path) -> Iterator[None]:
    options = ["--bind", address, "--port", str(REDIS), "--save", "", "--protected-mode", "no"]
    with process([program("redis-server"), *options], folder=folder, wait_for=(address, REDIS)):
        yield


@contextmanager
def portal(folder: Path, *, expired: bool) -> Iterator[None]:
    end = NOW - 2 * DAY if expired else NOW + 60 * DAY
    leaf = issue("portal.example", ROOT, addresses=[PORTAL], until=end)
    write_pair(folder, leaf, chain=leaf.pem)
    with run_nginx(PORTAL, WEB, folder, nginx_server(f"{PORTAL}:{WEB} ssl", "ssl_protocols TLSv1.2 TLSv1.3;")):
        yield


def a_round() -> tuple[dict[str, str], dict[str, str]]:
    """Carry a round out; return what report and letter say of its changes, by heading."""
    number = planned("water", ports=f"T:{REDIS},{WEB}")
    carry_out(number)
    page = unpack(Report.objects.get(round=number, language="en").html).decode()
    changes = page[page.index('<section id="changes"') :].partition("</section>")[0]
    (letter,) = Message.objects.filter(kind=MessageKind.ROUND_REPORT, report__round=number)
    written = letter.text.partition("== What changed")[2].partition("\n==")[0].split("\n\n")[2:]
    return _by_heading(re.split(r"<h3>", changes)[1:]), _by_heading(written)


def _by_heading(parts: list[str]) -> dict[str, str]:
    """Return each part, which begins with a heading and how many it holds in brackets, as one line of text."""
    return {part.partition(" (")[0]: part for part in map(_plain, parts) if part}


def _plain(markup: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", markup)).split())


def test_reports_say_fixed_not_inspected_and_recurring_of_what_really_happened(tmp_path: Path) -> None:
    folders = {address: tmp_path / address for address in (BASIN, PORTAL, CRANE)}
    for folder in folders.values():
        folder.mkdir()
    with installed(), ExitStack() as lasting:
        owner = unit()
        register(owner, BASIN, PORTAL, CRANE)
        authorise(owner, "127.61.1.0/24")
        lasting.enter_context(redis(CRANE, folders[CRANE]))
        with redis(BASIN, folders[BASIN]), portal(folders[PORTAL], expired=True):
            a_round()

        with portal(folders[PORTAL], expired=False), firewall(CRANE):
            report, letter = a_round()
        for told in (report, letter):
            assert told.keys() == {FIXED, UNSEEN}
            assert says(told[FIXED]) == {(OPEN_REDIS, BASIN), (EXPIRED, PORTAL)}
            assert says(told[UNSEEN]) == {(OPEN_REDIS, CRANE)}

        lasting.enter_context(redis(BASIN, folders[BASIN]))
        lasting.enter_context(portal(folders[PORTAL], expired=False))
        report, letter = a_round()
        for told in (report, letter):
            assert told.keys() == {REOPENED}
            assert says(told[REOPENED]) == {(OPEN_REDIS, BASIN)}
        assert "came back once" in report[REOPENED]
        (back,) = Message.objects.filter(kind=MessageKind.RECURRENCE)
        assert says(back.text) == {(OPEN_REDIS, BASIN)}
        urgent = [says(each.text) for each in Message.objects.filter(kind=MessageKind.URGENT_ALERT)]
        assert sorted(place for said in urgent for place in said) == [
            (OPEN_REDIS, address) for address in (BASIN, BASIN, CRANE)
        ]


def says(text: str) -> set[tuple[str, str]]:
    """Return of which host it says which of the two."""
    found = re.findall(rf"({OPEN_REDIS}|{EXPIRED})\W+(?:No\. \d+\W+)?(?:Where\W+)?([0-9.]+):", _plain(text))
    return {(title, address) for title, address in found}
