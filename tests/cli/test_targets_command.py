"""``roundsman targets`` as a person uses it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import dedent

import pytest
from django.db import DatabaseError
from typer.testing import CliRunner

from scanner.cli import prompts
from scanner.cli.targets import app
from targets import names
from targets.models import Authorisation, Organisation, Target
from targets.registry import store

pytestmark = pytest.mark.django_db

EXAMPLES = Path(__file__).parents[2] / "targets" / "examples"

HEAD = "zones: [{name: internet, vantage: internet}]\n"


def run(*arguments: str | Path, status: int = 0, typed: str | None = None) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=typed)
    assert result.exit_code == status, result.output
    return result.output


def write(folder: Path, text: str, name: str = "register.yaml") -> Path:
    file = folder / name
    file.write_text(dedent(text), encoding="utf-8")
    return file


def water(*targets: str, more: str = "", slug: str = "water") -> str:
    lines = "".join(f"      - {{{target}, zone: internet}}\n" for target in targets)
    return f"  - slug: {slug}\n    name_en: {slug}\n    targets:\n{lines}{more}"


class TestApply:
    def test_the_examples_are_added_once_and_then_there_is_nothing_to_change(self) -> None:
        assert "24 to add, 0 to change, 0 to retire." in run("apply", EXAMPLES, "--yes")
        assert run("apply", EXAMPLES, "--yes") == "Nothing to change.\n"
        assert Target.objects.count() == 12
        assert run("apply", EXAMPLES / "water.yaml") == "Nothing to change.\n"

    def test_a_dry_run_shows_the_plan_and_changes_nothing(self) -> None:
        assert "Dry run" in run("apply", EXAMPLES, "--dry-run")
        assert Organisation.objects.count() == 0

    def test_without_a_terminal_and_without_yes_nothing_is_done(self) -> None:
        assert "Add --yes" in run("apply", EXAMPLES, status=2)
        assert Organisation.objects.count() == 0

    def test_a_person_may_decline_and_that_is_the_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(prompts, "is_terminal", lambda: True)
        assert "Nothing was changed" in run("apply", EXAMPLES, status=1, typed="\n")
        assert Organisation.objects.count() == 0
        assert "applied" in run("apply", EXAMPLES, typed="y\n")
        assert Organisation.objects.count() == 2

    def test_a_change_shows_the_old_and_the_new_value(self, tmp_path: Path) -> None:
        run("apply", write(tmp_path, HEAD + "organisations:\n" + water("address: 192.0.2.1")), "--yes")
        changed = water("address: 192.0.2.1, criticality: key", "address: 192.0.2.2")
        output = run("apply", write(tmp_path, "organisations:\n" + changed), "--yes")
        assert "criticality: ordinary → key" in output
        assert "1 to add, 1 to change, 0 to retire." in output

    def test_the_plan_says_how_many_addresses_a_network_adds(self, tmp_path: Path) -> None:
        text = HEAD + "organisations:\n" + water("address: 10.0.0.0/16", "address: 10.1.0.1")
        assert "The networks to add hold 65536 addresses." in run("apply", write(tmp_path, text), "--dry-run")

    def test_a_target_that_is_no_longer_listed_is_retired_and_comes_back_as_itself(self, tmp_path: Path) -> None:
        both = HEAD + "organisations:\n" + water("address: 192.0.2.1", "address: 192.0.2.2")
        run("apply", write(tmp_path, both), "--yes")
        first = Target.objects.get(value="192.0.2.2")
        output = run("apply", write(tmp_path, "organisations:\n" + water("address: 192.0.2.1")), "--yes")
        assert "0 to add, 0 to change, 1 to retire." in output
        first.refresh_from_db()
        assert first.retired_at is not None
        run("apply", write(tmp_path, both), "--yes")
        first.refresh_from_db()
        assert first.retired_at is None

    def test_a_section_that_is_left_out_stays_and_an_empty_one_is_retired(self, tmp_path: Path) -> None:
        run("apply", EXAMPLES, "--yes")
        kept = "organisations:\n  - {slug: water, name_zh: 云泽市水务局, name_en: W, key_organisation: yes, weight: 2}"
        assert "0 to add, 1 to change, 0 to retire." in run("apply", write(tmp_path, kept), "--yes")
        emptied = kept.replace("weight: 2", "weight: 2, targets: []")
        assert "0 to add, 0 to change, 6 to retire." in run("apply", write(tmp_path, emptied), "--yes")

    def test_supervisors_may_swap_places(self, tmp_path: Path) -> None:
        text = "organisations:\n  - {slug: a, name_en: A, parent: b}\n  - {slug: b, name_en: B}\n"
        run("apply", write(tmp_path, text), "--yes")
        swapped = "organisations:\n  - {slug: a, name_en: A}\n  - {slug: b, name_en: B, parent: a}\n"
        run("apply", write(tmp_path, swapped), "--yes")
        assert Organisation.objects.get(slug="b").parent == Organisation.objects.get(slug="a")

    def test_a_file_with_a_byte_order_mark_and_unicode_names_is_read(self, tmp_path: Path) -> None:
        file = tmp_path / "bom.yaml"
        file.write_text(HEAD + "organisations:\n" + water("address: 例子.测试"), encoding="utf-8-sig")
        run("apply", file, "--yes")
        stored = Target.objects.get()
        assert (stored.value, stored.display) == ("xn--fsqu00a.xn--0zwm56d", "例子.测试")

    def test_dates_are_days_in_the_organisations_time_zone(self, tmp_path: Path) -> None:
        terms = "{document: D, allowed_by: A, valid_from: 2026-01-01, valid_until: 2026-12-31, scope: 192.0.2.1}"
        text = f"organisations:\n  - {{slug: a, name_en: A, time_zone: Asia/Shanghai, authorisations: [{terms}]}}"
        plan = run("apply", write(tmp_path, text), "--yes")
        assert "valid_from: 2026-01-01, valid_until: 2026-12-31, scope" in plan
        stored = Authorisation.objects.get()
        assert stored.valid_from.isoformat() == "2025-12-31T16:00:00+00:00"
        assert stored.valid_until.isoformat() == "2026-12-31T16:00:00+00:00"

    def test_nothing_is_written_when_the_database_fails_half_way(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*arguments: object) -> None:
            raise DatabaseError("disk I/O error")

        monkeypatch.setattr(store, "_write", fail)
        assert "disk I/O error" in run("apply", EXAMPLES, "--yes", status=2)
        assert Organisation.objects.count() == 0


class TestBadInput:
    def test_every_problem_is_shown_at_once_and_nothing_is_applied(self, tmp_path: Path) -> None:
        text = """\
            zones:
              - {name: internet, vantage: interent}
            organisations:
              - slug: Water Works
                name_en: Water
                time_zone: Asia/Peking
                contact: []
                targets:
                  - {address: 192.0.2.7/24, zone: internet}
                  - {address: 0.0.0.0/0, zone: internet}
                  - {address: "::/0", zone: internet}
                  - {address: -oN x, zone: internet}
                  - {address: "fe80::1%eth0", zone: internet}
                  - {address: 192.0.2.1, zone: intranet}
                  - {address: 192.0.2.2, zone: internet, ports: 80-70}
                  - just text
                authorisations:
                  - {document: D, allowed_by: A, valid_from: 2026-05-01, valid_until: 2026-04-01, scope: [10.0.0.1]}
                  - {document: E, allowed_by: A, valid_from: soon, valid_until: 2026-04-01, level: 5}
            """
        output = run("apply", write(tmp_path, text), "--yes", status=2)
        for line, said in [
            (2, "did you mean internet?"),
            (4, "use a-z, 0-9 and hyphens"),
            (6, "no IANA time zone"),
            (7, "did you mean contacts?"),
            (9, "the network is 192.0.2.0/24"),
            (10, "at most a /16"),
            (11, "at most a /112"),
            (12, "looks like an option"),
            (13, "write fe80::1"),
            (14, "did you mean internet?"),
            (15, "write 70-80"),
            (16, "an item must hold keys"),
            (18, "write a date after 2026-05-01"),
            (19, "write 2026-12-31"),
            (19, "'5' is not known"),
            (19, "list what may be inspected"),
        ]:
            assert any(f"register.yaml:{line}:" in row and said in row for row in output.splitlines()), (line, said)
        assert "nothing was applied" in output
        assert Organisation.objects.count() == 0

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", "the file is empty"),
            ("\ufeff\n", "the file is empty"),
            ("# only a comment\n", "holds no keys"),
            ("- a\n", "begin with 'organisations:'"),
            ("a: &x [1]\nb: [*x, *x]\n", "anchors and aliases are not read"),
            ("a: *x\n", "anchors and aliases are not read"),
            ("a: !!python/object:os.system x\n", "tags are not read"),
            ("a: 1\na: 2\n", "given before, in line 1"),
            ("a: 1\n---\nb: 2\n", "a second document"),
            ("a: [1\n", "no valid YAML"),
            ("organisations:\n\t- slug: x\n", "register.yaml:2: this is no valid YAML"),
            ("organisations:\n  \t- slug: x\n", "indent by spaces, not by tabs"),
            ("a: '\x07'\n", "no valid YAML"),
            ("a: " + "[" * 200_000, "nested more than 16 deep"),
            ("organisation: []\n", "did you mean organisations?"),
            ("organisations: water\n", "must be a list"),
            ("organisations: [{slug: a, name_en: [x]}]\n", "must be a single value"),
            ("organisations: [{name_en: x}]\n", "add 'slug: …'"),
            ("organisations: [{slug: x}]\n", "has no name"),
            ("organisations: [{slug: x, name_en: x}, {slug: x, name_en: y}]\n", "'x' was given before"),
            ("organisations: [{slug: x, name_en: x, parent: nobody}]\n", "'nobody' is unknown"),
            ("organisations: [{slug: x, name_en: x, parent: x}]\n", "would supervise itself: x → x"),
            (
                "organisations: [{slug: x, name_en: x, parent: y}, {slug: y, name_en: y, parent: x}]\n",
                "would supervise itself: x → y → x",
            ),
            (HEAD + "organisations:\n" + water("address: 192.0.2.1", "address: 192.0.2.1/32"), "was given before"),
            (HEAD + "zones2: []\n", "this key is unknown"),
            ("zones: [{name: a, vantage: internet}, {name: a, vantage: internal}]\n", "give a zone one vantage"),
            ("organisations: [{slug: x, name_en: x, contacts: [{name: A, email: a b}]}]\n", "no e-mail address"),
            (HEAD + "organisations:\n" + water(r'address: 192.0.2.1, tags: ["\e[2J"]'), "unprintable character"),
            (HEAD + r'organisations: [{slug: x, name_en: "\e[2J"}]', "unprintable character"),
            ("organisations: [{slug: x, name_en: x, weight: 1e9}]\n", "a number from 1 to 3"),
            ("organisations: [{slug: x, name_en: x, retired: perhaps}]\n", "write true or false"),
        ],
    )
    def test_a_broken_file_gets_a_clear_error(self, tmp_path: Path, text: str, said: str) -> None:
        file = tmp_path / "register.yaml"
        file.write_text(text, encoding="utf-8")
        output = run("apply", file, "--yes", status=2)
        assert said in output
        assert "register.yaml" in output
        assert "\x1b" not in output
        assert Organisation.objects.count() == 0

    def test_a_file_that_is_not_utf8_or_too_large_or_missing_is_named(self, tmp_path: Path) -> None:
        file = tmp_path / "gbk.yaml"
        file.write_bytes("organisations:\n  - name_zh: 水务局\n".encode("gbk"))
        assert "gbk.yaml:2: the file is not UTF-8" in run("apply", file, status=2)
        file.write_bytes(b"#" * (5 * 1024 * 1024 + 1))
        assert "split it" in run("apply", file, status=2)
        assert "can't be read" in run("apply", tmp_path / "none.yaml", status=2)
        (tmp_path / "empty").mkdir()
        assert "holds no .yaml file" in run("apply", tmp_path / "empty", status=2)

    def test_a_wrong_language_is_one_problem_and_not_one_for_each_contact(self, tmp_path: Path) -> None:
        contacts = "[{name: A, email: a@example.org}, {name: B, email: b@example.org}]"
        text = f"organisations:\n  - {{slug: a, name_en: A, language: cn, contacts: {contacts}}}"
        shown = run("apply", write(tmp_path, text), "--yes", status=2)
        assert "language: 'cn' is not known" in shown
        assert "1 problem(s)" in shown

    def test_overlapping_targets_of_two_organisations_are_refused_unless_shared(self, tmp_path: Path) -> None:
        folder = tmp_path / "register"
        folder.mkdir()
        write(folder, HEAD + "organisations:\n" + water("address: 192.0.2.0/24", "address: a.example.org"), "a.yaml")
        run("apply", folder, "--yes")
        other = write(folder, "organisations:\n" + water("address: 192.0.2.9", slug="transport"), "b.yaml")
        output = run("apply", folder, "--yes", status=2)
        assert "b.yaml:5" in output
        assert "192.0.2.9 of transport overlaps 192.0.2.0/24 of water" in output
        assert "overlaps 192.0.2.0/24 of water;" in run("apply", other, "--yes", status=2)
        write(folder, "organisations:\n" + water("address: https://A.example.org/", slug="transport"), "b.yaml")
        assert "https://a.example.org/ of transport overlaps" in run("apply", folder, "--yes", status=2)
        shared = water("address: 192.0.2.9, shared: true", slug="transport")
        write(folder, "organisations:\n" + shared, "b.yaml")
        assert "applied" in run("apply", folder, "--yes")

    def test_a_register_that_moved_on_meanwhile_is_not_overwritten(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def meanwhile(question: str, yes: bool) -> None:
            Organisation.objects.create(slug="water", name_en="Someone was faster")

        monkeypatch.setattr("scanner.cli.targets.agree", meanwhile)
        assert "changed by someone else" in run("apply", EXAMPLES, status=2)
        assert Organisation.objects.get().name_en == "Someone was faster"


class TestExportAndList:
    def test_an_export_can_be_applied_and_changes_nothing(self, tmp_path: Path) -> None:
        run("apply", EXAMPLES, "--yes")
        text = """\
            zones: [{name: internet, vantage: internet}]
            organisations:
              - slug: odd
                name_en: "no"
                parent: water
                time_zone: America/St_Johns
                contacts: [{name: "~", email: a@example.org, role: leader}]
                targets: [{address: 例子.测试, zone: internet, tags: [b, "null", a], ports: [80, 443-445], shared: yes}]
                authorisations:
                  - {document: "1", allowed_by: A, valid_from: 2026-01-01T08:30, valid_until: 2026-12-31, level: 2,
                     scope: [例子.测试, 10.0.0.0/8]}
                exclusions: [{address: 10.0.0.1, reason: old, until: 2026-03-08}]
              - {slug: gone, name_en: Gone, retired: true}
            exclusions: [{address: "2001:db8::/32", reason: everyone, ports: "22", until: 2026-06-01T12:00+02:00}]
            """
        run("apply", write(tmp_path, text), "--yes")
        exported = tmp_path / "all.yaml"
        run("export", "--output", exported)
        assert run("apply", exported) == "Nothing to change.\n"
        assert "例子.测试" in exported.read_text(encoding="utf-8")
        exported.write_text(run("export", "--organisation", "water"), encoding="utf-8")
        assert "transport" not in exported.read_text(encoding="utf-8")
        assert run("apply", exported) == "Nothing to change.\n"

    def test_an_unknown_organisation_is_refused_with_the_known_ones(self) -> None:
        run("apply", EXAMPLES, "--yes")
        for arguments in (["export"], ["list"], ["check"], ["import-csv", str(EXAMPLES / "water.yaml")]):
            output = run(*arguments, "--organisation", "nobody", status=2)
            assert "nobody" in output
            assert "transport, water" in output

    def test_a_file_that_can_not_be_written_is_named(self, tmp_path: Path) -> None:
        assert "can't be written" in run("export", "--output", tmp_path / "none" / "all.yaml", status=2)

    def test_the_list_shows_targets_as_table_and_json(self) -> None:
        assert "Nothing is registered yet" in run("list")
        run("apply", EXAMPLES, "--yes")
        assert "127.20.1.1" in run("list")
        assert "127.20.1.1" not in run("list", "--organisation", "transport")
        listed = json.loads(run("list", "--json", "--organisation", "water"))
        assert listed["organisations"][0]["targets"][0]["address"] == "127.20.1.1"
        assert listed["organisations"][0]["authorisations"][0]["valid_until"] == "2027-12-31T16:00:00+00:00"


class TestCheck:
    def test_a_register_in_order_needs_no_attention(self, tmp_path: Path) -> None:
        lasting = f"{datetime.now(UTC).year + 1}-12-31"
        for example in EXAMPLES.glob("*.yaml"):
            text = example.read_text(encoding="utf-8").replace("2027-12-31", lasting)
            (tmp_path / example.name).write_text(text, encoding="utf-8")
        run("apply", tmp_path, "--yes")
        assert "nothing needs attention" in run("check")

    @pytest.mark.parametrize(
        ("terms", "said"),
        [
            (["2020-01-01/2020-12-31"], "OLD ended on 2020-12-31; it is not inspected"),
            (["2020-01-01/2020-12-31", "2090-01-01/2090-12-31"], "NEW does not begin before 2090-01-01"),
            (["2020-01-01/{soon}"], "OLD ends on {soon}; renew it"),
            (["2020-01-01/{soon}", "2090-01-01/2090-12-31"], "OLD ends on {soon}; renew it"),
            (["2020-01-01/{soon}", "{soon}/2090-12-31"], ""),
            (["2020-01-01/2020-12-31", "2020-06-01/2090-12-31"], ""),
        ],
    )
    def test_an_end_is_the_last_day_as_written_and_a_gap_between_two_authorisations_is_seen(
        self, tmp_path: Path, terms: list[str], said: str
    ) -> None:
        soon = (datetime.now(UTC) + timedelta(days=9)).date().isoformat()
        register = HEAD + "organisations:\n" + water("address: 192.0.2.1") + "    authorisations:\n"
        for document, term in zip(("OLD", "NEW"), terms, strict=False):
            begin, end = term.format(soon=soon).split("/")
            register += (
                f"      - {{document: {document}, allowed_by: A, valid_from: {begin}, valid_until: {end}, "
                "scope: [192.0.2.0/24]}\n"
            )
        run("apply", write(tmp_path, register), "--yes")

        shown = run("check", status=3 if said else 0)

        assert (said.format(soon=soon) or "nothing needs attention") in shown

    def test_names_overlaps_and_authorisations_that_need_attention_are_found(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        text = """\
            zones: [{name: internet, vantage: internet}]
            organisations:
              - slug: water
                name_en: Water
                targets:
                  - {address: 192.0.2.1, zone: internet}
                  - {address: 192.0.2.129, zone: internet}
                  - {address: good.example.org, zone: internet}
                  - {address: evil.example.org, zone: internet}
                  - {address: gone.example.org, zone: internet}
                  - {address: elsewhere.example.org, zone: internet}
                authorisations:
                  - document: OLD
                    allowed_by: A
                    valid_from: 2020-01-01
                    valid_until: 2020-12-31
                    scope: [192.0.2.0/25]
                  - document: NEW
                    allowed_by: A
                    valid_from: 2020-01-01
                    valid_until: 2090-12-31
                    scope: [good.example.org, evil.example.org, gone.example.org]
            """
        run("apply", write(tmp_path, text), "--yes")
        Target.objects.create(
            organisation=Organisation.objects.create(slug="late", name_en="Late"),
            kind="cidr",
            value="192.0.2.128/25",
            display="192.0.2.128/25",
            zone=Target.objects.all()[0].zone,
        )
        answers = {"good": "198.51.100.1", "evil": "169.254.169.254", "elsewhere": "198.51.100.2"}

        def resolve(hostname: str) -> list[str]:
            name = hostname.partition(".")[0]
            if name not in answers:
                raise OSError("no such name")
            return [answers[name]]

        monkeypatch.setattr(names, "resolve_name", resolve)
        rows = run("check", status=3).splitlines()

        def said(subject: str, text: str) -> bool:
            return any(subject in row and text in row for row in rows)

        assert said("192.0.2.1 ", "authorisation OLD ended on 2020-12-31")
        assert said("192.0.2.129", "no authorisation covers it")
        assert said("evil.example.org", "resolves to 169.254.169.254, which may not be touched: special-address")
        assert said("gone.example.org", "does not resolve")
        assert said("elsewhere.example.org", "may not be touched: not-authorised")
        assert not said("good.example.org", "")
        assert said("192.0.2.129", "overlaps 192.0.2.128/25 of late")
        assert "example.org" not in run("check", "--no-resolve", status=3)


class TestCsv:
    @pytest.fixture(autouse=True)
    def registered(self, db: None) -> None:
        run("apply", EXAMPLES, "--yes")

    def import_csv(self, folder: Path, content: bytes, status: int = 0) -> str:
        file = folder / "hosts.csv"
        file.write_bytes(content)
        return run("import-csv", file, "--organisation", "water", "--yes", status=status)

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk"])
    def test_rows_are_added_or_changed_and_the_rest_stays(self, tmp_path: Path, encoding: str) -> None:
        header = "地址,区域,重要程度,标签,端口"
        text = f'{header}\r\n127.20.1.2,internal,重点,数据库;备份,"80,443"\r\n,,,,\r\n127.20.1.9,internet\r\n'
        output = self.import_csv(tmp_path, text.encode(encoding))
        assert "1 to add, 1 to change, 0 to retire." in output
        changed = Target.objects.get(value="127.20.1.2")
        assert (changed.zone.name, changed.criticality, changed.ports) == ("internal", "key", "80,443")
        assert changed.tags == sorted(["数据库", "备份"])
        assert self.import_csv(tmp_path, text.encode(encoding)) == "Nothing to change.\n"

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030", "utf-16"])
    @pytest.mark.parametrize("delimiter", [";", "\t"])
    def test_a_spreadsheet_may_part_cells_by_semicolons_or_tabs(
        self, tmp_path: Path, delimiter: str, encoding: str
    ) -> None:
        rows = (("地址", "网络区域", "标签", "端口"), ("127.20.1.9", "internet", '"数据库;备份"', '"80,443"'))
        output = self.import_csv(tmp_path, "\r\n".join(map(delimiter.join, rows)).encode(encoding))
        assert "1 to add, 0 to change, 0 to retire." in output
        added = Target.objects.get(value="127.20.1.9")
        assert (added.zone.name, added.tags, added.ports) == ("internet", ["备份", "数据库"], "80,443")

    def test_a_chinese_name_is_registered_as_it_is_sent(self, tmp_path: Path) -> None:
        self.import_csv(tmp_path, "address,zone\n例子.example,internet\nhttps://例子。测试/,internet\n".encode())
        shown = dict(Target.objects.filter(display__contains="例子").values_list("value", "display"))
        assert shown == {
            "xn--fsqu00a.example": "例子.example",
            "https://xn--fsqu00a.xn--0zwm56d/": "https://例子.测试/",
        }

    def test_every_wrong_cell_is_shown_with_its_row_and_column(self, tmp_path: Path) -> None:
        rows = (
            "address,zone,criticality,ports,shared\n-oN x,internet,,,\n10.0.0.1,,huge,0,maybe\n0.0.0.0/0,internet,,,\n"
        )
        output = self.import_csv(tmp_path, (rows + "10.0.0.2,internet,,80,443,x\n").encode(), status=2)
        for said in (
            "hosts.csv:2: address:",
            "hosts.csv:3: zone:",
            "hosts.csv:3: criticality:",
            "hosts.csv:3: ports:",
            "hosts.csv:3: shared:",
            "hosts.csv:4: address:",
            "hosts.csv:5: the row has 6 cells, not 5",
        ):
            assert said in output
        assert Target.objects.count() == 12

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"", "the file is empty"),
            (b"address,zone\n", "no rows"),
            (b"adress,zone\n1.2.3.4,internet\n", "did you mean address?"),
            (b"address\n1.2.3.4\n", "this column is missing"),
            (b"address,zone,tags\n1.2.3.4,internet,\x1b[2J\n", "hosts.csv:2: tags: it holds"),
            (b"address,zone,zone\n1.2.3.4,internet,internet\n", "comes twice"),
            (b"address,zone\n1.2.3.4,internet\n1.2.3.4/32,internet\n", "was given before, in row 2"),
            (b"address,zone\n1.2.3.4,intranet\n", "zone 'intranet' is unknown"),
            (b"address,zone\n127.20.2.1,internet\n", "overlaps 127.20.2.1 of transport"),
            (b'address,zone\n"1.2.3.4,internet\n', "no valid CSV"),
            (b"\xff\xfea\x00d\x00r", "neither UTF-8 nor GB18030"),
            (b"PK\x03\x04\x14\x00", "this is a workbook (XLSX, XLS or ODS)"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1", "save the table of one organisation's targets as 'CSV UTF-8'"),
            (b"address;zone;tag\n1.2.3.4;internet;\n", "tag: this column is unknown; did you mean tags?"),
            (b"address,zone\n1.2.3.4\x00,internet\n", "neither UTF-8 nor GB18030"),
        ],
    )
    def test_a_broken_file_gets_a_clear_error(self, tmp_path: Path, content: bytes, said: str) -> None:
        assert said in self.import_csv(tmp_path, content, status=2)
        assert Target.objects.count() == 12
