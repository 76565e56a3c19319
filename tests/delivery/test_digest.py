"""What the operators are told each day, and that they are told something each day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest
from django.test import override_settings

from scanner.delivery.digest import Space
from scanner.delivery.models import Message, MessageKind
from scanner.delivery.notices import issue
from scanner.remediation import acts
from scanner.remediation.models import ExemptionKind, Finding
from targets.models import Organisation
from tests.delivery.daily import DAY, HOUR, authorised, days, mails, run
from tests.delivery.office import NOW, finding, followed_round, installed, unit
from tests.rounds import world

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def office() -> Iterator[None]:
    with installed():
        yield


def test_the_digest_comes_every_day_also_when_there_is_nothing_to_tell() -> None:
    assert days(MessageKind.DIGEST, NOW, 3) == [0, 1, 2]
    calm = mails(MessageKind.DIGEST)[0]
    assert calm.subject == "[Daily digest] Security Office: nothing waits for you"
    assert "Free: 50.0 GiB of 100.0 GiB." in calm.text
    assert "If it doesn't, something is wrong" in calm.text.replace("\n", " ")


def test_the_digest_speaks_the_installations_language_and_keeps_its_time_zone() -> None:
    with override_settings(LANGUAGE_CODE="zh-hans", TIME_ZONE="Asia/Shanghai"):
        run(dt.datetime(2026, 11, 25, 23, 59, tzinfo=dt.UTC))
        assert mails(MessageKind.DIGEST) == []
        run(dt.datetime(2026, 11, 26, 0, 0, tzinfo=dt.UTC))
    (mail,) = mails(MessageKind.DIGEST)
    assert mail.subject == "【运行日报】网络安全监测办公室：没有待处理事项"
    assert "2026年11月26日运行日报" in mail.text


def test_the_digest_names_what_waits_for_the_operators() -> None:
    owner = unit()
    power = world.organisation("power", name_en="Power Office", name_zh="电力局")
    world.register(power, "power.example")
    this = followed_round(owner, at=NOW + 4 * DAY)
    this.missed = 2
    this.save()
    notice = issue(owner, None, [finding(owner, deadline=NOW + DAY, reported=NOW)], by="ops", now=NOW)
    disputed = finding(owner, port=9)
    acts.request_exemption(disputed, ExemptionKind.FALSE_POSITIVE, "Ann", "a honeypot", "", None, "ann", NOW)
    Message.objects.create(
        key="k", kind="notice", recipient="gone@water.example", language="en", message_id="<k>", subject="s", text="t",
        html="h", state="dead", created=NOW, not_before=NOW, finished=NOW + 4 * DAY - HOUR, reply="550 no\r\nsuch user",
    )  # fmt: skip
    authorised(owner, NOW + 20 * DAY)
    run(NOW + 4 * DAY, Space(free=2**30, total=100 * 2**30))
    text = " ".join(mails(MessageKind.DIGEST)[-1].text.split())
    for told in (
        f"Round {this.pk} (by hand, no plan): done. Hosts 1, inspected 1, partly 0, not inspected 0. It stands for 2",
        "Rectification notice to gone@water.example: 550 no such user",
        "Power Office has no contact.",
        "Power Office has no valid authorisation: nothing of it is inspected.",
        f"{notice.number} to Water Office, was to be answered by 27 Nov 2026",
        "Water Office: 2 overdue, of these critical or high: 2",
        f"Finding {disputed.pk} of Water Office: false positive, asked for on 26 Nov 2026",
        "Water Office: Order 1 ends on",
        "Space is running out: 1.0 GiB of 100.0 GiB are free.",
    ):
        assert told.lower() in text.lower(), told


def test_an_authorisation_that_has_not_begun_inspects_nothing_yet() -> None:
    owner = unit()
    world.register(owner, "192.0.2.10")
    world.authorise(owner, "192.0.2.0/24", valid_from=NOW + 20 * DAY, valid_until=NOW + 300 * DAY)
    run(NOW + DAY)
    assert "Water Office has no valid authorisation" in mails(MessageKind.DIGEST)[-1].text
    run(NOW + 22 * DAY)
    assert "no valid authorisation" not in mails(MessageKind.DIGEST)[-1].text


def test_the_digest_tells_of_a_day_only_what_that_day_brought() -> None:
    owner = unit()
    this = followed_round(owner, at=NOW)
    run(NOW)
    assert f"Round {this.pk}" in mails(MessageKind.DIGEST)[0].text
    run(NOW + DAY)
    assert "No round ended." in mails(MessageKind.DIGEST)[1].text


def test_a_request_about_what_is_proven_fixed_waits_for_nobody() -> None:
    disputed = finding(unit())
    acts.request_exemption(disputed, ExemptionKind.FALSE_POSITIVE, "Ann", "a honeypot", "", None, "ann", NOW)
    Finding.objects.update(state="fixed", fixed=NOW)
    run(NOW)
    (mail,) = mails(MessageKind.DIGEST)
    assert f"Finding {disputed.pk} of Water Office" not in mail.text


def test_what_left_the_register_is_not_counted_as_overdue() -> None:
    owner = unit()
    finding(owner, deadline=NOW + DAY, reported=NOW)
    finding(owner, host="192.0.2.99", deadline=NOW + DAY, reported=NOW)
    power = world.organisation("power", name_en="Power Office", name_zh="电力局")
    world.register(power, "198.51.100.1")
    finding(power, host="192.0.2.98", deadline=NOW + DAY, reported=NOW)
    world.retire(owner, "192.0.2.99")
    world.retire(power, "192.0.2.98")
    run(NOW + 4 * DAY)
    text = " ".join(mails(MessageKind.DIGEST)[-1].text.split())
    assert "Water Office: 1 overdue, of these critical or high: 1" in text
    assert "Power Office: 1 overdue" not in text


def test_an_organisation_that_was_retired_waits_for_nothing() -> None:
    owner = unit()
    issue(owner, None, [finding(owner, deadline=NOW + DAY, reported=NOW)], by="ops", now=NOW)
    disputed, kept = finding(owner, port=9), finding(owner, port=10)
    acts.request_exemption(disputed, ExemptionKind.FALSE_POSITIVE, "Ann", "a honeypot", "", None, "ann", NOW)
    acts.grant(kept, ExemptionKind.ACCEPTED, "Ann", "replaced soon", "", NOW + 6 * DAY, "ops", NOW)
    run(NOW + 4 * DAY)
    text = mails(MessageKind.DIGEST)[-1].text
    assert all(told in text for told in ("was to be answered", f"Finding {disputed.pk} of", f"Finding {kept.pk} of")), (
        text
    )
    Organisation.objects.update(retired_at=NOW + 4 * DAY)
    run(NOW + 5 * DAY)
    assert "Water Office" not in mails(MessageKind.DIGEST)[-1].text
