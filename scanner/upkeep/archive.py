"""The file that a backup is: a gzip-packed tar whose first member, ``manifest.json``, tells what the others must be.

At its end stands an empty gzip member whose comment is the SHA-256 of everything before, so that no changed bit
escapes, not even one that gzip doesn't use. Any ``tar xzf`` reads the file.

What is read is taken for hostile: names come from a short list, sizes are those that the manifest promised and the disk
can hold, and of tar's features only plain files are understood.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
import zlib
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from scanner.engine.errors import InputError
from scanner.upkeep.own_templates import FILE as TEMPLATES

SCHEMA = "roundsman.backup/1"
DATABASE = "roundsman.sqlite3"
NAMES = (DATABASE, "intel.sqlite3", "secret-key", TEMPLATES)
"""What is backed up, as files; the first one is never missing."""

_MANIFEST = "manifest.json"
_LARGEST_MANIFEST = 1 << 20
_BLOCK = tarfile.BLOCKSIZE
_PIECE = 1 << 20
_LEVEL = 1
"""Facts and reports are compressed already; more effort takes time and saves little."""

_SPARE = 64 << 20
"""Bytes that must stay free on the disk beside what is unpacked."""


@dataclass(frozen=True, slots=True)
class Member:
    """One file: its size in bytes and its SHA-256 in hex."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds. ``migrations`` are names such as ``rounds.0001_initial``, ``rows`` counts by table.

    ``created`` is in ISO 8601, UTC; ``audit_head`` the digest of the newest entry of the audit trail.
    """

    version: str
    created: str
    migrations: tuple[str, ...]
    rows: Mapping[str, int]
    audit_head: str
    files: Mapping[str, Member]


def member_of(path: Path) -> Member:
    """Return size and hash of a file."""
    with path.open("rb") as file:
        return Member(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def pack(archive: Path, manifest: Manifest, folder: Path) -> None:
    """Write the files of ``manifest``, which are in ``folder``, to ``archive``."""
    text = json.dumps({"schema": SCHEMA, **asdict(manifest)}, indent=1, sort_keys=True).encode()
    with (
        archive.open("wb") as file,
        gzip.GzipFile("", "wb", _LEVEL, file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.GNU_FORMAT) as tar,
    ):
        _add(tar, _MANIFEST, len(text), io.BytesIO(text))
        for name, member in manifest.files.items():
            with (folder / name).open("rb") as content:
                _add(tar, name, member.size, content)
    digest = member_of(archive).sha256
    with archive.open("ab") as end:
        end.write(_trailer(digest))


def unpack(archive: Path, folder: Path | None) -> Manifest:
    """Check every byte of ``archive`` and return its manifest; write its files to ``folder``, unless that is None.

    Raises ``InputError`` when it is damaged, no backup, or asks for what a backup has no need of; ``OSError`` when it
    can't be read, or ``folder`` not be written to. What was written until then is the caller's to remove.
    """
    _check_trailer(archive)
    try:
        with gzip.open(archive, "rb") as stream:
            manifest = _read_manifest(stream)
            _check_room(manifest, folder)
            for name, member in manifest.files.items():
                _read_member(stream, name, member, folder)
            _read_end(stream)
    except (EOFError, gzip.BadGzipFile, zlib.error, tarfile.TarError, ValueError) as error:
        raise InputError(f"{archive} is damaged, or no backup: {error}. Take another one.") from error
    except InputError as error:
        raise InputError(f"{archive} is refused: {error}") from error
    return manifest


def _add(tar: tarfile.TarFile, name: str, size: int, content: IO[bytes]) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    tar.addfile(info, content)


def _trailer(digest: str) -> bytes:
    """An empty gzip member with a comment (RFC 1952 section 2.3: FLG 16 is FCOMMENT, which ends with a zero)."""
    head = b"\x1f\x8b\x08\x10\0\0\0\0\0\xff"
    return head + b"sha256:" + digest.encode() + b"\0" + b"\x03\0" + bytes(8)


def _check_trailer(archive: Path) -> None:
    length = len(_trailer("0" * 64))
    digest = hashlib.sha256()
    left = archive.stat().st_size - length
    if left <= 0:
        raise InputError(f"{archive} is no backup, or only the beginning of one.")
    with archive.open("rb") as file:
        while left:
            piece = file.read(min(left, _PIECE))
            if not piece:
                raise InputError(f"{archive} is being changed.")
            digest.update(piece)
            left -= len(piece)
        if file.read() != _trailer(digest.hexdigest()):
            raise InputError(f"{archive} is no backup, or was damaged or cut since it was written. Take another one.")


def _read_manifest(stream: gzip.GzipFile) -> Manifest:
    size = _read_header(stream, _MANIFEST)
    if size > _LARGEST_MANIFEST:
        raise InputError("Its manifest is too large.")
    text = _padded(stream, size)
    try:
        return _manifest(json.loads(text))
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError, RecursionError) as error:
        raise InputError(f"Its manifest is none ({error!r}); a newer Roundsman may have made it.") from error


def _manifest(value: dict[str, Any]) -> Manifest:
    if value["schema"] != SCHEMA:
        raise InputError(f"It has the form {value['schema']!r}, not {SCHEMA!r}; a newer Roundsman may have made it.")
    files = {str(name): Member(int(each["size"]), str(each["sha256"])) for name, each in value["files"].items()}
    if DATABASE not in files or set(files) - set(NAMES) or any(each.size < 0 for each in files.values()):
        raise InputError("Its manifest names files that no backup has, or no database.")
    return Manifest(
        version=str(value["version"]),
        created=str(value["created"]),
        migrations=tuple(str(each) for each in value["migrations"]),
        rows={str(table): int(count) for table, count in value["rows"].items()},
        audit_head=str(value["audit_head"]),
        files={name: files[name] for name in sorted(files, key=NAMES.index)},
    )


def _check_room(manifest: Manifest, folder: Path | None) -> None:
    needed = sum(member.size for member in manifest.files.values())
    if folder is not None and needed + _SPARE > shutil.disk_usage(folder).free:
        raise InputError(f"It unpacks to {needed / 1e6:.0f} MB, for which {folder} has no room.")


def _read_member(stream: gzip.GzipFile, name: str, member: Member, folder: Path | None) -> None:
    if _read_header(stream, name) != member.size:
        raise InputError(f"{name} is not as large as its manifest says.")
    digest = hashlib.sha256()
    left = member.size
    with ExitStack() as stack:
        file = stack.enter_context(_private(folder / name)) if folder else None
        while left:
            piece = _exactly(stream, min(left, _PIECE))
            digest.update(piece)
            if file:
                file.write(piece)
            left -= len(piece)
    _padded(stream, 0, after=member.size)
    if digest.hexdigest() != member.sha256:
        raise InputError(f"{name} is not what its manifest says.")


def _read_header(stream: gzip.GzipFile, name: str) -> int:
    """Read the header of the member that must come next, and return its size in bytes.

    The stream is not given to ``tarfile``, which would follow links, long names and extended headers of any size.
    """
    info = tarfile.TarInfo.frombuf(_exactly(stream, _BLOCK), "ascii", "strict")
    if info.name != name or info.type != tarfile.REGTYPE or info.size < 0:
        raise InputError(f"Where {name} should be stands something else.")
    return info.size


def _padded(stream: gzip.GzipFile, size: int, after: int | None = None) -> bytes:
    """Read ``size`` bytes and what fills their last block; ``after`` counts bytes that were read before."""
    content = _exactly(stream, size)
    _exactly(stream, -(size if after is None else after) % _BLOCK)
    return content


def _exactly(stream: gzip.GzipFile, size: int) -> bytes:
    content = stream.read(size)
    if len(content) != size:
        raise EOFError("it ends too early")
    return content


def _read_end(stream: gzip.GzipFile) -> None:
    """Read the two empty blocks, and what fills the last record; then nothing may follow."""
    if any(_exactly(stream, 2 * _BLOCK)) or any(stream.read(tarfile.RECORDSIZE)) or stream.read(1):
        raise InputError("There is more in it than its manifest names.")


def _private(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
