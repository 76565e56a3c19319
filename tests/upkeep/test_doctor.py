"""The doctor: it finds what is amiss, says what to do, and goes on when a look breaks."""

from __future__ import annotations

import datetime as dt
import json
import socket
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import dns.message
import dns.rrset
import pytest
from django.conf import settings
from pydantic import SecretStr

from scanner.audit.trail import Action, record
from scanner.delivery.models import Message, MessageKind
from scanner.delivery.outbox import Letter, enqueue
from scanner.delivery.smtp import Security
from scanner.engine.errors import ToolError
from scanner.engine.plan import ResolverAddress
from scanner.rounds.models import Job, Plan, Round, Stop
from scanner.rounds.service import serving
from scanner.upkeep import backup, doctor_machine, doctor_records
from scanner.upkeep.health import Check, Health, examined, ok, some
from targets.models import Contact
from tests.delivery.post_office import HERE, PASSWORD, USER, Office, authenticate, good, keys, open_office
from tests.installation import Installation, on_server
from tests.rounds.world import authorise, organisation, register

NOW = dt.datetime(2026, 11, 2, 8, 30, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def answer_one(server: socket.socket) -> None:
    """Say who serves the root, as a resolver does."""
    data, asker = server.recvfrom(512)
    response = dns.message.make_response(dns.message.from_wire(data))
    response.answer.append(dns.rrset.from_text(".", 60, "IN", "NS", "a.root-servers.net."))
    server.sendto(response.to_wire(), asker)


def saw(check: Check, health: Health, *texts: str) -> None:
    assert check.health is health, check
    assert all(text in f"{check.seen} {check.todo}" for text in texts), check
    assert bool(check.todo) == (health is not Health.OK)


class TestTheMachine:
    def test_this_one_runs_roundsman(self) -> None:
        saw(doctor_machine.python(), Health.OK)
        saw(doctor_machine.packages(), Health.OK, "Django")
        saw(doctor_machine.nmap(), Health.OK)
        saw(doctor_machine.time_zones(), Health.OK)

    def test_a_missing_nmap_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def missing() -> dict[str, str]:
            raise ToolError("nmap was not found on PATH.")

        monkeypatch.setattr(doctor_machine, "tool_versions", missing)
        saw(doctor_machine.nmap(), Health.FAIL, "was not found", "apt-get install nmap")

    def test_the_data_directory_must_be_private_and_ours(self, tmp_path: Path) -> None:
        saw(doctor_machine.data_directory(tmp_path / "missing"), Health.WARN, "not there yet")
        tmp_path.chmod(0o755)
        saw(doctor_machine.data_directory(tmp_path), Health.WARN, "chmod 700")
        tmp_path.chmod(0o700)
        saw(doctor_machine.data_directory(tmp_path), Health.OK)
        (tmp_path / "restore.unfinished").touch()
        saw(doctor_machine.data_directory(tmp_path), Health.FAIL, "roundsman restore")

    def test_little_room_is_said_in_time(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        saw(doctor_machine.disk(tmp_path / "not" / "there"), Health.OK)
        monkeypatch.setattr(doctor_machine, "ROOM_WANTED", 10**18)
        saw(doctor_machine.disk(tmp_path), Health.WARN, "roundsman prune")
        monkeypatch.setattr(doctor_machine, "ROOM_NEEDED", 10**18)
        saw(doctor_machine.disk(tmp_path), Health.FAIL, "now")

    @pytest.mark.parametrize(
        ("chrony", "timedate", "health"),
        [
            ("Leap status     : Normal\n", "", Health.OK),
            ("Leap status     : Not synchronised\n", "yes\n", Health.WARN),
            ("", "yes\n", Health.OK),
            ("", "no\n", Health.WARN),
            ("", "", Health.OK),
        ],
    )
    def test_who_keeps_the_clock_is_asked(
        self, monkeypatch: pytest.MonkeyPatch, chrony: str, timedate: str, health: Health
    ) -> None:
        answers = {"chronyc": chrony, "timedatectl": timedate}
        monkeypatch.setattr(doctor_machine, "_said", lambda command: answers[command[0]])
        saw(doctor_machine.clock(), health)

    def test_a_program_that_is_missing_says_nothing(self) -> None:
        assert doctor_machine._said(["roundsman-has-no-such-program"]) == ""
        assert doctor_machine._said(["false"]) == ""

    def test_fonts_for_chinese_are_wanted_only(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(doctor_machine, "_said", lambda command: "")
        saw(doctor_machine.fonts(), Health.WARN, "fonts-noto-cjk")

    def test_a_resolver_that_is_silent_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(doctor_machine, "_PATIENCE", 0.3)
        saw(doctor_machine.resolver(None), Health.OK, "not inspected")
        saw(doctor_machine.resolver(ResolverAddress("127.0.0.1", 9)), Health.FAIL, "does not answer")

    def test_a_resolver_that_answers_is_well(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind((HERE, 0))
            server.settimeout(10)
            answering = threading.Thread(target=answer_one, args=(server,))
            answering.start()
            check = doctor_machine.resolver(ResolverAddress(HERE, server.getsockname()[1]))
            answering.join()
        saw(check, Health.OK, "answers")

    def test_operators_who_hear_of_failures_are_missed(self) -> None:
        saw(doctor_machine.operators(()), Health.WARN, "ROUNDSMAN_OPERATORS")
        saw(doctor_machine.operators(("ops@office.example",)), Health.OK)

    @pytest.mark.parametrize(("password", "health"), [(PASSWORD, Health.OK), ("wrong", Health.FAIL)])
    def test_a_mail_server_is_greeted_encrypted_and_logged_in_to(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, password: str, health: Health
    ) -> None:
        office, made = Office(), keys(tmp_path)
        context = made.context(good())
        asking = {"authenticator": authenticate, "auth_required": True}
        with open_office(office, context, Security.STARTTLS, **asking) as port:
            values = {"host": "localhost", "port": port, "user": USER, "password": SecretStr(password)}
            for name, value in {**values, "security": "starttls", "ca_file": made.ca}.items():
                monkeypatch.setattr(settings.INSTALLATION, f"smtp_{name}", value)
            check = doctor_machine.mail_server()
        saw(check, health, "logged in" if health is Health.OK else "535")
        assert (office.received, password in str(check)) == ([], False)

    def test_no_mail_server_and_a_dead_one_are_told_apart(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(settings.INSTALLATION, "smtp_host", "")
        saw(doctor_machine.mail_server(), Health.WARN, "ROUNDSMAN_SMTP_HOST")
        monkeypatch.setattr(settings.INSTALLATION, "smtp_host", HERE)
        monkeypatch.setattr(settings.INSTALLATION, "smtp_port", 9)
        monkeypatch.setattr(settings.INSTALLATION, "smtp_user", USER)
        monkeypatch.setattr(settings.INSTALLATION, "smtp_password", SecretStr(PASSWORD))
        check = doctor_machine.mail_server()
        saw(check, Health.FAIL, HERE, "roundsman mail test")
        assert PASSWORD not in str(check)


def test_a_look_that_breaks_is_a_finding_and_no_end() -> None:
    def breaks() -> Check:
        raise RuntimeError("oh")

    saw(examined("odd", breaks), Health.FAIL, "oh")
    saw(examined("even", lambda: ok("even", "well")), Health.OK)
    assert some(list("abcdefg")) == "a; b; c; d; e; and 2 more"


@pytest.mark.django_db
class TestTheRecords:
    def test_an_empty_register_is_told(self) -> None:
        saw(doctor_records.register(NOW), Health.WARN, "nothing is registered", "roundsman targets apply FILE")
        saw(doctor_records.contacts(), Health.OK, "that is registered")

    def test_an_organisation_without_authorisation_or_contact_is_named(self) -> None:
        owner = organisation()
        register(owner, "192.0.2.1")
        saw(doctor_records.register(NOW), Health.WARN, "water", "roundsman targets check")
        saw(doctor_records.contacts(), Health.WARN, "water")
        authorise(owner, "192.0.2.0/24")
        Contact.objects.create(organisation=owner, name="A", email="a@example.org", language="en")
        saw(doctor_records.register(dt.datetime.now(dt.UTC)), Health.OK)
        saw(doctor_records.contacts(), Health.OK)

    @pytest.mark.parametrize(
        ("fields", "health", "text"),
        [
            ({"next_due": NOW + HOUR}, Health.OK, "all coming"),
            ({"next_due": NOW - 2 * HOUR}, Health.WARN, "has been due since"),
            ({"next_due": None}, Health.WARN, "never comes"),
            ({"next_due": NOW + HOUR, "paused": True}, Health.WARN, "is paused"),
            ({"next_due": None, "schedule": ""}, Health.OK, "all coming"),
            ({"next_due": NOW + HOUR, "retired_at": NOW}, Health.WARN, "there is none"),
        ],
    )
    def test_plans_that_do_not_come_are_named(self, fields: dict[str, object], health: Health, text: str) -> None:
        values = {"name": "daily", "kind": "routine", "schedule": "every 6h", "created": NOW, **fields}
        Plan.objects.create(profile="quick", ports="80", **values)
        saw(doctor_records.plans(NOW), health, text)

    @pytest.mark.sqlite
    def test_a_service_that_plans_wait_for_is_missed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(settings, "DATA_DIR", tmp_path)
        saw(doctor_records.service(), Health.OK, "no plan asks")
        Plan.objects.create(name="daily", kind="routine", profile="quick", ports="80", created=NOW)
        saw(doctor_records.service(), Health.WARN, "roundsman serve")
        with serving(tmp_path):
            saw(doctor_records.service(), Health.OK, "running")

    def test_the_kill_switch_is_said_with_its_reason(self) -> None:
        saw(doctor_records.switch(), Health.OK)
        Stop.objects.create(at=NOW, by="alice", reason="plant alarm")
        saw(doctor_records.switch(), Health.WARN, "alice", "plant alarm", "roundsman resume")

    def test_jobs_that_lost_their_worker_are_said(self) -> None:
        this = Round.objects.create(profile="quick", ports="80", requested_by="a", created=NOW, state="running")
        job = Job.objects.create(round=this, kind="look", state="running", created=NOW, lease_until=NOW + HOUR)
        saw(doctor_records.jobs(NOW), Health.OK)
        saw(doctor_records.jobs(NOW + 2 * HOUR), Health.WARN, f"job {job.pk}")

    def test_mails_that_were_given_up_are_counted(self) -> None:
        enqueue(Letter("key", MessageKind.DIGEST, "a@example.org", "en", "Subject", "text", "html"), NOW)
        saw(doctor_records.mail(), Health.OK, "1 waiting")
        Message.objects.update(state="dead")
        saw(doctor_records.mail(), Health.WARN, "1 given up", "roundsman mail retry")

    def test_a_clock_that_was_set_back_is_noticed(self) -> None:
        record(Action.STOP, "everything", actor="alice", at=NOW)
        saw(doctor_records.time_goes_on(NOW), Health.OK)
        saw(doctor_records.time_goes_on(NOW - HOUR), Health.FAIL, "2026-11-02 08:30Z")
        saw(doctor_records.audit_trail(), Health.OK, "1 entries")

    def test_the_age_of_the_backup_is_known(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(settings, "DATA_DIR", tmp_path)
        saw(doctor_records.backup(NOW), Health.WARN, "none")
        (tmp_path / backup.NOTE).write_text("no JSON")
        saw(doctor_records.backup(NOW), Health.WARN, "none")
        (tmp_path / backup.NOTE).write_text(json.dumps({"at": NOW.isoformat(), "path": "/mnt/b"}))
        saw(doctor_records.backup(NOW + HOUR), Health.OK, "/mnt/b")
        saw(doctor_records.backup(NOW + 200 * HOUR), Health.WARN, "8 day(s)")


def examined_by_doctor(installation: Installation, status: int) -> dict[str, str]:
    document = json.loads(installation.roundsman("doctor", "--json", status=status))
    assert document["schema"] == "roundsman.doctor/1"
    return {check["name"]: check["health"] for check in document["checks"]}


def test_a_fresh_installation_needs_attention_and_nothing_is_broken(installation: Installation) -> None:
    found = examined_by_doctor(installation, 3)
    assert "fail" not in found.values()
    about_databases = ("database text", "transactions", "connections") if on_server() else ("database lock",)
    assert {found[name] for name in ("database", "migrations", "audit trail", *about_databases)} == {"ok"}
    assert {found["mail server"], found["plans"], found["backup"]} == {"warn"}


@pytest.mark.sqlite
def test_a_broken_database_is_said_and_the_rest_still_looked_at(installation: Installation) -> None:
    installation.database.write_bytes(b"this is no database" * 1000)
    found = examined_by_doctor(installation, 1)
    assert found["database"] == "fail"
    assert found["python"] == "ok"
    assert "audit trail" not in found


@pytest.mark.sqlite
def test_a_database_that_somebody_holds_is_said(installation: Installation) -> None:
    with closing(sqlite3.connect(installation.database, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        said = installation.roundsman("doctor", status=3)
    assert "nobody else could write for 3 s" in said


@pytest.mark.sqlite
def test_without_an_installation_it_says_how_to_begin(tmp_path: Path) -> None:
    said = Installation(tmp_path / "none").roundsman("doctor", status=3)
    assert "roundsman targets apply" in said
    assert not (tmp_path / "none").exists()
