"""From a round that finds something to notice, answer and re-inspection, and to the next notice when it came back."""

from __future__ import annotations

import csv
import datetime as dt
import io

import pytest

from scanner.delivery.models import Message, Notice
from scanner.delivery.notice_document import notice_model
from scanner.delivery.replies import apply, notice_of, plan_import
from scanner.delivery.reply_form import Column, reply_form
from scanner.delivery.reply_read import read_form
from scanner.engine.catalogue.load import Language
from scanner.flow import carry_out
from scanner.packing import unpack
from scanner.remediation.models import Finding
from scanner.rounds.making import RoundRequest, make_round
from scanner.rounds.models import Plan, Round
from targets.models import Organisation
from tests.delivery.office import installed, plan, unit
from tests.rounds.world import PORTS, Engine, authorise, open_redis, open_web, register, ways

pytestmark = pytest.mark.django_db

HOST = "192.0.2.10"


def due_round(owner: Organisation, weekly: Plan, engine: Engine) -> None:
    now = dt.datetime.now(dt.UTC)
    wanted = RoundRequest((owner,), "clock", ports=PORTS, kind=weekly.kind, plan=weekly, due=now)  # type: ignore[arg-type]  # by name
    carry_out(make_round(wanted, now).pk, ways(engine))


def claimed(notice: Notice) -> bytes:
    rows = list(csv.reader(io.StringIO(reply_form(notice_model(notice), Language.ZH_HANS).decode("utf-8-sig"))))
    for row in rows[3:]:
        row[list(Column).index(Column.ANSWER)] = "已整改"
        row[list(Column).index(Column.MEASURES)] = "已关闭端口"
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=";").writerows(rows)
    return out.getvalue().encode("gb18030")


def test_a_notice_is_issued_answered_verified_and_issued_anew_when_the_finding_is_back() -> None:
    owner, weekly = unit(), plan("high")
    register(owner, HOST)
    authorise(owner, HOST)
    engine = Engine({HOST: open_redis})
    with installed():
        due_round(owner, weekly, engine)
        notice = Notice.objects.get()
        (item,) = notice.items.filter(to_check=False)
        assert item.finding.check_id == "SVC-REDIS-UNAUTH"
        assert item.deadline == item.finding.deadline is not None
        assert Message.objects.filter(kind="notice").count() == 1
        assert "Score of this round:" in unpack(notice.documents.get(language="en").html).decode()

        due_round(owner, weekly, engine)
        assert Notice.objects.count() == 1, "it stands in a live notice"

        form = read_form(claimed(notice))
        assert apply(plan_import(form, notice_of(form), dt.datetime.now(dt.UTC)), "ann", dt.datetime.now(dt.UTC)) == ()
        engine.answers[HOST] = open_web
        carry_out(Round.objects.get(kind="re-inspection").pk, ways(engine))
        assert Finding.objects.get(pk=item.finding_id).state == "fixed"
        notice.refresh_from_db()
        assert notice.answered is not None
        assert Message.objects.filter(kind="re-inspection").count() == 1

        engine.answers[HOST] = open_redis
        due_round(owner, weekly, engine)
        again = Notice.objects.latest("pk")
        assert (again.serial, [each.finding_id for each in again.items.all()]) == (2, [item.finding_id])
