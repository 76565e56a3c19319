"""Several mailers at once, and killed ones: real processes on a database of their own."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections import Counter
from threading import Event

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from scanner.installation import ROOT
from tests import forked
from tests.delivery.post_office import Office, Wire, open_office, scripted
from tests.installation import Installation, whereabouts

PREPARE = "from scanner.settings import prepare; prepare();"
POST = (
    PREPARE
    + """
from tests.delivery.post_office import letter, post_letters
post_letters(*(letter(number) for number in range({letters})))
"""
)
SEND = (
    PREPARE
    + """
from datetime import UTC, datetime
from scanner.delivery.sender import Mailer
from scanner.delivery.mail_server import server
Mailer(lambda: datetime.now(UTC)).run_once()
"""
)
SEND_AND_TELL = (
    SEND
    + """
from scanner.delivery.models import Message
for each in Message.objects.all():
    print(each.state, each.attempt, each.message_id)
"""
)


class Mailing:
    """An installation that sends by the server on ``port``."""

    def __init__(self, installation: Installation, port: int) -> None:
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "scanner.settings",
            **whereabouts(installation.path),
            "ROUNDSMAN_SMTP_HOST": "127.0.0.1",
            "ROUNDSMAN_SMTP_PORT": str(port),
            "ROUNDSMAN_SMTP_SECURITY": "none",
            "ROUNDSMAN_MAIL_RATE": "1000",
        }

    def start(self, code: str) -> subprocess.Popen[str]:
        return forked.Python("-c", code, env=self.environment, cwd=ROOT, stdout=subprocess.PIPE)

    def run(self, code: str) -> str:
        process = self.start(code)
        output, _ = process.communicate(timeout=240)
        assert process.returncode == 0
        return output


class Patient(Office):
    """Takes no mail before two mailers are there."""

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - the library's name
        for _ in range(600):
            if self.sessions > 1:
                break
            await asyncio.sleep(0.05)
        return await super().handle_DATA(server, session, envelope)


@pytest.mark.lab
@pytest.mark.slow
def test_two_mailers_at_once_send_each_mail_once(installation: Installation) -> None:
    office = Patient()
    with open_office(office) as port:
        here = Mailing(installation, port)
        here.run(POST.format(letters=60))
        both = [here.start(SEND), here.start(SEND)]
        assert [process.wait(60) for process in both] == [0, 0]
        for process in both:
            process.communicate()
    assert Counter(Counter(address for address, _ in office.received).values()) == {1: 60}
    assert office.sessions == 2


@pytest.mark.lab
@pytest.mark.slow
def test_a_mailer_killed_between_acceptance_and_record_sends_that_mail_again_and_as_the_same(
    installation: Installation,
) -> None:
    taken: list[str] = []
    kill, killed = Event(), Event()

    def accept(wire: Wire) -> None:
        wire.greet()
        while message_id := wire.take():
            taken.append(message_id)
            if len(taken) == 2 and not killed.is_set():
                kill.set()
                killed.wait(20)
            wire.say("250 taken")

    with scripted(accept) as port:
        here = Mailing(installation, port)
        here.run(POST.format(letters=3))
        mailer = here.start(SEND)
        assert kill.wait(30)
        os.kill(mailer.pid, signal.SIGKILL)
        mailer.communicate()
        killed.set()
        rows = [line.split() for line in here.run(SEND_AND_TELL).splitlines()]
    assert [(state, attempt) for state, attempt, _ in rows] == [("sent", "1"), ("sent", "2"), ("sent", "1")]
    assert Counter(taken) == {rows[0][2]: 1, rows[1][2]: 2, rows[2][2]: 1}


@pytest.mark.lab
@pytest.mark.slow
def test_a_round_told_by_a_process_that_is_killed_at_any_point_is_told_whole_and_once_by_the_next(
    installation: Installation,
) -> None:
    told = Mailing(installation, 25).run("from tests.delivery.killed import main; main(7)").splitlines()
    kinds = [kind for kind in ("recurrence", "round-report", "urgent-alert") for _ in ("en", "zh-Hans")]
    assert len(told) > 5, "it was killed at several points"
    for each in told:
        _, reports, *letters = each.split()
        assert (reports, letters) == ("2", kinds), each
