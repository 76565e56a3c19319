"""What pages refuse, they refuse in the language of their reader."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from scanner.accounts.models import User
from scanner.accounts.roles import Role
from scanner.console.refusals import reply_worded, why, worded
from scanner.console.texts import own_texts, texts
from scanner.delivery.reports import PRUNED
from scanner.delivery.sender import LOST, NO_CONTACT, WRITTEN
from scanner.engine.catalogue.load import Language
from scanner.engine.errors import InputError, Refused
from scanner.engine.sentence import Sentence
from scanner.reports.words import pieces
from scanner.upkeep.restore import HELD
from targets.proposing import MOST_WAITING
from targets.registry.document import LARGEST_FILE
from tests.console.house import House

ENGLISH = re.compile(r"[A-Za-z']+ [a-z']+ [a-z']+")
"""Three words in a row; examples of schedules and addresses have fewer."""

CHINESE = re.compile(r"[一-鿿]")

TARGET = {"organisation": "water", "addresses": "192.0.2.99", "zone": "internet", "criticality": "ordinary"}
PLAN = {
    "name": "p",
    "kind": "routine",
    "schedule": "every 1d",
    "time_zone": "UTC",
    "profile": "standard",
    "ports": "",
    "jitter": "0",
    "rate": "0",
    "priority": "0",
}
REGISTER = """
organisations:
- slug: Water Office
  nmae: x
  language: de
  time_zone: Shanghai
  weight: 9
  key_organisation: perhaps
  parent: nobody
  blackouts: [always]
  domains: [co.uk, 192.0.2.1]
  trusted_roots: [/etc/hostname]
  contacts: [{name: A, email: nothing}, word, {name: B}]
  targets: [{address: 300.1.1.1, zone: nowhere, ports: 8-7}, {address: 10.0.0.0/8, zone: x, criticality: high}]
  authorisations:
  - {document: D, allowed_by: N, valid_from: 2026-02-01, valid_until: 2026-01-01}
  - {document: D, allowed_by: N, valid_from: soon, valid_until: 2026-01-01, scope: [a*, 1.2.3], ports: x}
"""


def reader(house: House, role: Role) -> Client:
    User.objects.filter(pk=house.users[role].pk).update(language="zh-Hans")
    return house.browser(role)


def told(html: str) -> list[str]:
    """What a page says of errors, beside fields and above them, and of problems of a file."""
    found = re.findall(r'class="(?:error|said error|said warning)"[^>]*>(.*?)</', html, re.DOTALL)
    found += re.findall(r"<tr><td class=\"number\">.*?</td><td>.*?</td><td>(.*?)</td></tr>", html)
    return [unescape(re.sub(r"<[^>]+>", "", each)).strip() for each in found]


@pytest.mark.parametrize(
    ("address", "sent"),
    [
        *(("/targets/add/", {**TARGET, "addresses": wrong}) for wrong in ("300.1.1.1", "a@b.example", "x:80", "ab..c")),
        ("/targets/add/", {**TARGET, "ports": "99999"}),
        ("/targets/add/", {**TARGET, "blackouts": "always"}),
        ("/targets/add/", {**TARGET, "addresses": "192.0.2.10", "organisation": "library"}),
        ("/plans/add/", {**PLAN, "schedule": "61 3 * * *"}),
        ("/plans/add/", {**PLAN, "schedule": "nightly"}),
        ("/plans/add/", {**PLAN, "kind": "spot-check"}),
        ("/plans/add/", {**PLAN, "organisations": "nobody"}),
        ("/plans/add/", {**PLAN, "ports": "http"}),
        ("/plans/add/", {**PLAN, "time_zone": "Peking"}),
        ("/plans/add/", {**PLAN, "kind": "campaign", "checks": "NO-SUCH"}),
        ("/plans/add/", {**PLAN, "schedule": "0 0 31 2 *"}),
        ("/plans/add/", {**PLAN, "blackouts": "Mon-Fri 25:00-26:00"}),
        ("/plans/add/", {**PLAN, "name": "nightly"}),
        ("/plans/add/", {**PLAN, "until": "2020-01-01"}),
        ("/exclusions/add/", {"organisation": "", "value": "1.2.3", "ports": "9-8", "reason": "r"}),
        ("/account/tokens/add/", {"name": "My Token", "scopes": ["read"], "days": "10"}),
        (
            "/system/webhooks/add/",
            {"name": "t", "url": "http://a.example", "events": ["round.finished"], "account": "x"},
        ),
        ("/import/", {"text": REGISTER}),
        ("/import/", {"text": "organisations: [*a]"}),
        ("/import/", {"text": "a: 1\n---\nb: 2"}),
        ("/import/", {"text": "{"}),
        ("/import/", {"text": "address,zone,colour\n192.0.2.1\n", "organisation": "water"}),
        ("/import/", {"text": 'address,zone\n"192.0.2.1,x\n', "organisation": "water"}),
        ("/import/", {"text": "address,zone\n192.0.2.1,,x,y\n1.2.3,internet\n", "organisation": "water"}),
    ],
)
def test_a_chinese_page_says_in_chinese_what_is_wrong(house: House, address: str, sent: dict[str, object]) -> None:
    answer = reader(house, Role.ADMINISTRATOR).post(address, sent, follow=True)
    assert answer.status_code == 200
    said = told(answer.content.decode())
    assert said, "something is wrong"
    assert [each for each in said if ENGLISH.search(each) or not CHINESE.search(each)] == []


@pytest.mark.parametrize("language", Language)
def test_whatever_a_refusal_names_its_text_can_be_filled(language: Language) -> None:
    t = texts(language)
    for key, text in own_texts(language).items():
        topic, _, code = key.partition(".")
        told = {name: "7" for _, name in pieces(text) if name}
        assert topic != "refusal" or worded(Sentence("x", code, **told), t) == text.format_map(told), key


def test_a_unit_reads_in_chinese_why_its_proposal_or_proof_is_not_taken(house: House) -> None:
    unit = reader(house, Role.UNIT_MANAGER)
    wanted = {"organisation": "water", "note": ""}
    for lines in ("192.0.2.10", "10.0.0.0-10.0.0.9", "\n".join(f"h{n}.water.example" for n in range(201))):
        said = told(unit.post("/proposals/add/", {**wanted, "addresses": lines}).content.decode())
        assert said
        assert all(CHINESE.search(each) and not ENGLISH.search(each) for each in said), said
    for number in range(MOST_WAITING + 1):
        last = unit.post("/proposals/add/", {**wanted, "addresses": f"n{number}.water.example"}, follow=True)
    assert any(str(MOST_WAITING) in each and CHINESE.search(each) for each in told(last.content.decode()))

    proof = SimpleUploadedFile("proof.pdf", b"GIF89a")
    asked = unit.post(f"/findings/{house.finding.pk}/ask/", {"kind": "accepted", "reason": "r", "file": proof})
    assert any("PDF、PNG" in each for each in told(asked.content.decode()))


def test_a_file_that_is_too_large_is_refused_in_chinese(house: House) -> None:
    large = SimpleUploadedFile("large.yaml", b"#" * (LARGEST_FILE + 1))
    said = told(reader(house, Role.OPERATOR).post("/import/", {"file": large}).content.decode())
    assert said == ["文件超过 5 MB。请拆分后再导入。"]


@pytest.mark.parametrize("language", Language)
def test_what_has_no_words_of_its_own_is_not_shown_but_logged(
    language: Language, caplog: pytest.LogCaptureFixture
) -> None:
    t = texts(language)
    assert "secret" not in why(InputError("secret detail"), t)
    assert "secret" not in worded("secret detail", t)
    assert caplog.text.count("secret detail") == 2
    assert "weekly" in why(Refused("There is a plan weekly already.", "plan-exists", name="weekly"), t)


def test_what_we_note_of_a_mail_is_worded_and_a_servers_words_are_not() -> None:
    t = texts(Language.ZH_HANS)
    for noted in (HELD, LOST, NO_CONTACT, PRUNED, f"{WRITTEN}/data/mail/1.eml"):
        said = reply_worded(noted, t)
        assert CHINESE.search(said)
        assert not ENGLISH.search(said)
    assert reply_worded("recipient: 550 no such user", t) == "recipient: 550 no such user"
