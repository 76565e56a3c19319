"""The file that a backup is: any damage is found, and whatever a hostile one tries is refused."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from scanner.engine.errors import InputError
from scanner.upkeep import archive
from scanner.upkeep.archive import DATABASE, SCHEMA, Manifest, Member, member_of, pack, unpack

CREATED = "2026-11-02T08:30:00+00:00"
CONTENT = {DATABASE: b"SQLite format 3\0" + bytes(range(256)) * 5, "secret-key": b"k" * 64}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "from"
    folder.mkdir()
    for name, content in CONTENT.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def into(tmp_path: Path) -> Path:
    (tmp_path / "into").mkdir()
    return tmp_path / "into"


def manifest_of(folder: Path) -> Manifest:
    files = {name: member_of(folder / name) for name in CONTENT}
    return Manifest(
        "0.1.0", "2026-11-02T08:30:00+00:00", ("rounds.0001_initial",), {"rounds_round": 3}, "d" * 64, files
    )


@pytest.fixture
def packed(tmp_path: Path, folder: Path) -> Path:
    file = tmp_path / "backup.tar.gz"
    pack(file, manifest_of(folder), folder)
    return file


def test_what_was_packed_comes_out_as_it_was_and_for_its_owner_only(packed: Path, folder: Path, into: Path) -> None:
    assert unpack(packed, into) == unpack(packed, None) == manifest_of(folder)
    assert {path.name: path.read_bytes() for path in into.iterdir()} == CONTENT
    assert {path.stat().st_mode & 0o777 for path in into.iterdir()} == {0o600}


def test_the_usual_tools_read_it(packed: Path) -> None:
    listed = subprocess.run(["tar", "tzf", packed], capture_output=True, text=True, check=True)
    assert listed.stdout.split() == ["manifest.json", DATABASE, "secret-key"]
    assert listed.stderr == ""


def test_a_changed_bit_anywhere_is_found(packed: Path) -> None:
    whole, choose = packed.read_bytes(), random.Random(7)
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 1 << choose.randrange(8)
        packed.write_bytes(changed)
        with pytest.raises(InputError, match="damaged"):
            unpack(packed, None)


def test_a_cut_or_lengthened_file_is_found(packed: Path) -> None:
    whole = packed.read_bytes()
    for length in range(0, len(whole), 7):
        packed.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"is no backup"):
            unpack(packed, None)
    packed.write_bytes(whole + b"\0")
    with pytest.raises(InputError, match=r"is no backup"):
        unpack(packed, None)


Members = list[tuple[tarfile.TarInfo, bytes]]


def entry(name: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def told(**changes: object) -> bytes:
    files = {
        name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()} for name, content in CONTENT.items()
    }
    values = {
        "schema": SCHEMA,
        "version": "0.1.0",
        "created": CREATED,
        "migrations": [],
        "rows": {},
        "audit_head": "",
        "files": files,
    }
    return json.dumps({**values, **changes}).encode()


def honest(manifest: bytes | None = None) -> Members:
    return [entry("manifest.json", manifest or told()), *(entry(name, content) for name, content in CONTENT.items())]


def sealed(path: Path, members: Members, form: int = tarfile.GNU_FORMAT) -> Path:
    """Pack members as somebody would who knows how, with a right hash at the end."""
    raw = io.BytesIO()
    with gzip.GzipFile("", "wb", 1, raw, mtime=0) as file, tarfile.open(fileobj=file, mode="w|", format=form) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    content = raw.getvalue()
    path.write_bytes(content + archive._trailer(hashlib.sha256(content).hexdigest()))
    return path


def test_the_honest_archive_of_these_tests_is_taken(tmp_path: Path, into: Path) -> None:
    unpack(sealed(tmp_path / "honest", honest()), into)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda members: members.insert(1, entry("../../etc/cron.d/evil", b"* * * * * root evil")),
        lambda members: members.insert(1, entry("/etc/passwd", b"root::0:0::/:")),
        lambda members: members.__setitem__(1, entry(DATABASE, type=tarfile.SYMTYPE, linkname="/etc/passwd")),
        lambda members: members.__setitem__(1, entry(DATABASE, type=tarfile.LNKTYPE, linkname="secret-key")),
        lambda members: members.__setitem__(1, entry(DATABASE, type=tarfile.DIRTYPE)),
        lambda members: members.__setitem__(1, entry(DATABASE, type=tarfile.FIFOTYPE)),
        lambda members: members.__setitem__(1, entry(DATABASE, type=tarfile.CHRTYPE)),
        lambda members: members.reverse(),
        lambda members: members.append(entry("secret-key", b"k" * 64)),
        lambda members: members.append(entry("intel.sqlite3", b"more")),
        lambda members: members.pop(),
        lambda members: members.pop(0),
        lambda members: members.__setitem__(2, entry("secret-key", b"j" * 64)),
        lambda members: members.__setitem__(2, entry("secret-key", b"k" * 65)),
    ],
)
def test_members_that_no_backup_has_are_refused(tmp_path: Path, into: Path, spoil: Callable[[Members], object]) -> None:
    members = honest()
    spoil(members)
    with pytest.raises(InputError, match=r"refused|damaged"):
        unpack(sealed(tmp_path / "hostile", members), into)
    assert {path.name for path in tmp_path.iterdir()} == {"hostile", "into"}
    assert not any(path.is_symlink() for path in into.iterdir())


def test_headers_of_any_length_are_not_followed(tmp_path: Path, into: Path) -> None:
    members = honest()
    members[1][0].pax_headers = {"comment": "x" * 100_000, "path": "../evil"}
    with pytest.raises(InputError, match="stands something else"):
        unpack(sealed(tmp_path / "pax", members, tarfile.PAX_FORMAT), into)
    members = [honest()[0], entry("x" * 300, b"long name")]
    with pytest.raises(InputError, match="stands something else"):
        unpack(sealed(tmp_path / "gnu", members), into)


@pytest.mark.parametrize(
    "manifest",
    [
        told(schema="roundsman.backup/2"),
        told(files={}),
        told(files={DATABASE: {"size": -1, "sha256": ""}}),
        told(files={DATABASE: {"size": 1, "sha256": ""}, "../evil": {"size": 1, "sha256": ""}}),
        told(files={DATABASE: {"size": float("inf"), "sha256": ""}}),
        told(files=[]),
        told(rows=None),
        b"[" * 100_000,
        b"\xff",
        b"{}",
        b"null",
    ],
)
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, into: Path, manifest: bytes) -> None:
    with pytest.raises(InputError, match=r"refused|damaged"):
        unpack(sealed(tmp_path / "hostile", honest(manifest)), into)
    assert list(into.iterdir()) == []


def test_a_manifest_without_end_is_not_read(tmp_path: Path) -> None:
    members = honest(told(version="0" * (2 << 20)))
    with pytest.raises(InputError, match="manifest is too large"):
        unpack(sealed(tmp_path / "hostile", members), None)


def test_what_the_disk_can_not_hold_is_not_unpacked(tmp_path: Path, into: Path) -> None:
    bomb = honest(told(files={DATABASE: {"size": 1 << 50, "sha256": ""}}))
    with pytest.raises(InputError, match="has no room"):
        unpack(sealed(tmp_path / "bomb", bomb), into)
    assert list(into.iterdir()) == []


def test_a_bomb_is_read_no_further_than_its_manifest_says(tmp_path: Path, into: Path) -> None:
    bomb = honest()
    bomb[2] = entry("secret-key", bytes(50 << 20))
    with pytest.raises(InputError, match="not as large as its manifest says"):
        unpack(sealed(tmp_path / "bomb", bomb), into)


def test_files_of_other_kinds_are_no_backup(tmp_path: Path) -> None:
    other = tmp_path / "other"
    for content in (b"", b"hello", bytes(5000), gzip.compress(b"hello" * 100)):
        other.write_bytes(content)
        with pytest.raises(InputError, match="no backup"):
            unpack(other, None)


def test_a_manifest_that_promises_another_file_is_found(tmp_path: Path, folder: Path) -> None:
    manifest = manifest_of(folder)
    lying = replace(manifest, files={**manifest.files, "secret-key": Member(64, "0" * 64)})
    pack(tmp_path / "lying", lying, folder)
    with pytest.raises(InputError, match="secret-key is not what its manifest says"):
        unpack(tmp_path / "lying", None)
