"""Where the database is, and that its password stays where it belongs."""

from __future__ import annotations

from pathlib import Path

import pytest

from scanner.database import configured, place
from scanner.engine.errors import InputError
from scanner.installation import load
from scanner.postgresql.base import as_kept


def options(url: str) -> dict[str, object]:
    found: dict[str, object] = configured(url, "", Path("/data"))["OPTIONS"]
    return found


def test_without_a_uri_it_is_a_file_of_the_data_directory() -> None:
    assert place(configured("", "", Path("/data"))) == "/data/roundsman.sqlite3"


def test_a_uri_is_read_and_shown_without_its_password() -> None:
    found = configured("postgresql://ann:hunter2@db.example.org:5433/rounds", "", Path("/data"))
    named = {name: found[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")}
    assert named == {
        "NAME": "rounds",
        "USER": "ann",
        "PASSWORD": "hunter2",
        "HOST": "db.example.org",
        "PORT": "5433",
    }
    assert place(found) == "rounds on db.example.org, port 5433"
    assert configured("postgresql://ann@db/rounds", "of a file", Path("/data"))["PASSWORD"] == "of a file"


def test_over_a_network_the_servers_certificate_is_checked_unless_the_uri_says_otherwise() -> None:
    remote = options("postgresql://ann@db.example.org/rounds")
    assert remote["sslmode"] == "verify-full"
    assert "BEGIN CERTIFICATE" in Path(str(remote["sslrootcert"])).read_text(encoding="utf-8")
    own = options("postgresql://ann@db.example.org/rounds?sslrootcert=/etc/ca.pem")
    assert (own["sslmode"], own["sslrootcert"]) == ("verify-full", "/etc/ca.pem")
    assert options("postgresql://ann@db.example.org/rounds?sslmode=require")["sslmode"] == "require"
    for near in ("localhost", "127.0.0.1", "[::1]", ""):
        assert "sslmode" not in options(f"postgresql://ann@{near}/rounds")
    assert "sslmode" not in options("postgresql://ann@/rounds?host=/run/postgresql")
    assert options("postgresql://ann@localhost,db.example.org/rounds")["sslmode"] == "verify-full"


@pytest.mark.parametrize(
    "wrong", ["mysql://ann:hunter2@db/rounds", "postgresql://ann:hunter2@db/", "postgresql://ann:hunter2@db/r?x=y"]
)
def test_a_wrong_uri_is_refused_and_not_shown(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUNDSMAN_DATABASE", wrong)
    with pytest.raises(InputError, match="ROUNDSMAN_DATABASE") as caught:
        load()
    assert "hunter2" not in str(caught.value)


def test_what_hosts_say_is_kept_as_json_without_what_postgresql_refuses() -> None:
    said = {"nul\0": ["a\0b", "\ud83d", "😀", 1, None]}
    assert as_kept(said) == {"nul\\0": ["a\\0b", "\\ud83d", "😀", 1, None]}
