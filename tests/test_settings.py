"""What an installation can set, and what ``prepare`` makes of it on disk."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from zoneinfo import available_timezones

import pytest

from scanner.engine.errors import InputError
from scanner.installation import ROOT, Settings, default_data_dir, load

SETTINGS_CODE = "from django.conf import settings; from scanner.settings import prepare; prepare(); prepare();"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("ROUNDSMAN_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT), "DJANGO_SETTINGS_MODULE": "scanner.settings", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_checkout_keeps_its_data_in_var() -> None:
    assert Settings().data_dir == ROOT / "var"


def test_an_installation_keeps_its_data_in_the_state_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("scanner.installation.ROOT", tmp_path / "site-packages")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert default_data_dir() == tmp_path / "state" / "roundsman"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_data_dir() == tmp_path / ".local" / "state" / "roundsman"


def test_the_environment_wins_over_the_env_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ROUNDSMAN_LANGUAGE=en\nROUNDSMAN_TIME_ZONE=Asia/Shanghai\n", encoding="utf-8")
    monkeypatch.setenv("ROUNDSMAN_TIME_ZONE", "Europe/London")
    assert (load().language, load().time_zone) == ("en", "Europe/London")


def test_a_person_is_told_that_a_new_database_is_made_and_where(tmp_path: Path) -> None:
    code = "import sys; sys.argv = ['roundsman', 'targets', 'list']; from scanner.cli.main import main; main()"
    said = []
    for _ in range(2):
        terminal, end = os.openpty()
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "ROUNDSMAN_DATA_DIR": str(tmp_path / "data")}
        subprocess.run([sys.executable, "-c", code], env=environment, stdout=end, stderr=end, check=True)
        said.append(os.read(terminal, 10_000).decode())
        os.close(terminal)
        os.close(end)
    assert f"Making a new database in {tmp_path / 'data'}" in said[0]
    assert "Making" not in said[1]


def test_mail_is_quiet_until_a_server_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (load().smtp_host, load().smtp_security, load().mail_size_limit) == ("", "starttls", 8 * 1024 * 1024)
    monkeypatch.setenv("ROUNDSMAN_OPERATORS", "ops@office.example, soc@office.example")
    assert load().operators == ("ops@office.example", "soc@office.example")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPERATORS", "ops@office.example, nobody"),
        ("MAIL_FROM", "nobody"),
        ("SMTP_SECURITY", "ssl"),
        ("SMTP_PORT", "0"),
        ("REPORTS_URL", "ftp://reports.example"),
        ("MAIL_SIZE_LIMIT", "10"),
        ("MAIL_RATE", "0"),
    ],
)
def test_a_mail_setting_that_can_t_work_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"ROUNDSMAN_{name}", value)
    with pytest.raises(InputError, match=f"ROUNDSMAN_{name}"):
        load()


def test_plugins_to_leave_out_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load().plugins_off == frozenset()
    monkeypatch.setenv("ROUNDSMAN_PLUGINS_OFF", "acme, other,")
    assert load().plugins_off == {"acme", "other"}


@pytest.mark.parametrize(
    ("name", "value"),
    [("LANGUAGE", "fr"), ("TIME_ZONE", "Asia/Peking"), ("WIDEST_IPV4_TARGET", "0"), ("WIDEST_IPV6_TARGET", "many")],
)
def test_a_wrong_value_is_an_error_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"ROUNDSMAN_{name}", value)
    with pytest.raises(InputError, match=f"ROUNDSMAN_{name}: .*'{value}'"):
        load()


def test_every_zone_of_the_machine_is_known_and_neither_folders_nor_other_names_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = sorted(available_timezones())
    for name in known[::9]:
        monkeypatch.setenv("ROUNDSMAN_TIME_ZONE", name)
        assert load().time_zone == name
    for name in ("Etc/Nowhere", "Asia", "posix/Asia/Shanghai", "right/UTC", "posixrules", "../UTC"):
        assert name not in known
        monkeypatch.setenv("ROUNDSMAN_TIME_ZONE", name)
        with pytest.raises(InputError, match="ROUNDSMAN_TIME_ZONE"):
            load()


class TestSecrets:
    KEY = "a-secret-that-is-long-enough-to-be-a-key"

    def test_a_secret_is_read_from_the_variable_or_from_a_file(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "key").write_text(f"{self.KEY}\n", encoding="ascii")
        monkeypatch.setenv("ROUNDSMAN_SECRET_KEY_FILE", str(tmp_path / "key"))
        secret = load().secret_key
        assert secret is not None
        assert secret.get_secret_value() == self.KEY
        monkeypatch.setenv("ROUNDSMAN_SECRET_KEY", self.KEY)
        with pytest.raises(InputError, match="keep one of them"):
            load()
        monkeypatch.delenv("ROUNDSMAN_SECRET_KEY_FILE")
        assert load().secret_key == secret

    def test_a_file_that_can_not_be_read_is_named(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("ROUNDSMAN_SECRET_KEY_FILE", str(tmp_path / "none"))
        with pytest.raises(InputError, match=r"ROUNDSMAN_SECRET_KEY_FILE names .*none"):
            load()

    def test_a_wrong_secret_is_not_shown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ROUNDSMAN_SECRET_KEY", "hunter2")
        with pytest.raises(InputError, match="ROUNDSMAN_SECRET_KEY") as caught:
            load()
        assert "hunter2" not in str(caught.value)


class TestPrepare:
    @pytest.mark.sqlite
    def test_the_directory_is_private_the_key_is_kept_and_the_database_migrated_and_tuned_for_many_processes(
        self, tmp_path: Path
    ) -> None:
        data = tmp_path / "state" / "roundsman"
        code = SETTINGS_CODE + (
            "from django.db import connection as c; cursor = c.cursor();"
            "print([cursor.execute('PRAGMA ' + p).fetchone()[0]"
            " for p in ('journal_mode', 'synchronous', 'foreign_keys', 'busy_timeout')], settings.DEBUG);"
            "print(settings.SECRET_KEY)"
        )
        results = [run_python(code, ROUNDSMAN_DATA_DIR=str(data)) for _ in range(2)]
        key = (data / "secret-key").read_text(encoding="ascii")
        said = (f"['wal', 1, 1, 20000] False\n{key}\n", "")
        assert [(each.stdout, each.stderr) for each in results] == [said, said]
        with closing(sqlite3.connect(data / "roundsman.sqlite3")) as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        assert "targets_organisation" in tables
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
        assert stat.S_IMODE((data / "secret-key").stat().st_mode) == 0o600
        assert sorted(path.name for path in data.glob("secret-key*")) == ["secret-key"]

    def test_a_given_key_is_used_and_not_stored(self, fresh_installation: Path, tmp_path: Path) -> None:
        data = shutil.copytree(fresh_installation, tmp_path / "data", ignore=shutil.ignore_patterns("secret-key"))
        code = SETTINGS_CODE + "print(settings.SECRET_KEY)"
        result = run_python(code, ROUNDSMAN_DATA_DIR=str(data), ROUNDSMAN_SECRET_KEY=TestSecrets.KEY)
        assert result.stdout == f"{TestSecrets.KEY}\n"
        assert not (data / "secret-key").exists()

    def test_several_processes_may_prepare_at_once(self, tmp_path: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "DJANGO_SETTINGS_MODULE": "scanner.settings"}
        environment["ROUNDSMAN_DATA_DIR"] = str(tmp_path / "data")
        code = SETTINGS_CODE + "print(settings.SECRET_KEY)"
        processes = [
            subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE) for _ in range(3)
        ]
        outputs = {process.communicate(timeout=240)[0] for process in processes}
        assert [process.returncode for process in processes] == [0, 0, 0]
        assert len(outputs) == 1

    def test_a_directory_that_can_not_be_used_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("", encoding="ascii")
        result = run_python(SETTINGS_CODE, ROUNDSMAN_DATA_DIR=str(tmp_path / "file" / "data"))
        assert "ROUNDSMAN_DATA_DIR" in result.stderr

    def test_importing_the_settings_leaves_no_trace_on_disk(self, tmp_path: Path) -> None:
        result = run_python("import scanner.settings", ROUNDSMAN_DATA_DIR=str(tmp_path / "data"))
        assert result.returncode == 0
        assert not (tmp_path / "data").exists()
