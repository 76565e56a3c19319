"""An operator's own templates in a backup: one ZIP file, which holds plain files of plain names and nothing else."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

from scanner.engine.errors import InputError
from scanner.reports.stationery import FILE_LIMIT

FILE = "templates.zip"
"""The name in the backup."""

FOLDER = "templates"
"""Where a restore puts them, below the data directory."""

MOST, MOST_FILES = 64 << 20, 5_000
"""Bytes and number of all files together."""

_FIRST = (1980, 1, 1, 0, 0, 0)
"""A ZIP archive knows no earlier time (PKWARE APPNOTE 4.4.6); that of a template means nothing."""


def collect(home: Path, to: Path) -> int:
    """Write the templates below ``home`` to the file ``to``, unless there are none; return how many were left out.

    Left out is what can't be a template: links, what is too large, and whatever comes after :data:`MOST_FILES` files or
    :data:`MOST` bytes. What begins with a dot, at any depth, is none of ours.
    """
    chosen: dict[str, bytes] = {}
    left_out = size = 0
    for path in _files(home):
        length = path.stat().st_size
        if path.is_symlink() or length > FILE_LIMIT or size + length > MOST or len(chosen) == MOST_FILES:
            left_out += 1
            continue
        size += length
        chosen[path.relative_to(home).as_posix()] = path.read_bytes()
    if chosen:
        with zipfile.ZipFile(to, "w") as packed:
            for name, content in chosen.items():
                packed.writestr(zipfile.ZipInfo(name, _FIRST), content, zipfile.ZIP_DEFLATED)
    return left_out


def lay_out(packed: Path, folder: Path) -> None:
    """Write what :func:`collect` wrote to ``folder``, which must not exist.

    Raises ``InputError`` when the file holds anything else.
    """
    folder.mkdir(mode=0o700)
    try:
        with zipfile.ZipFile(packed) as archive:
            entries = archive.infolist()
            if len(entries) > MOST_FILES or sum(each.file_size for each in entries) > MOST:
                raise InputError(f"{FILE} holds more than a backup has.")
            for entry in entries:
                path = folder / _plain(entry.filename)
                with archive.open(entry) as file:
                    content = file.read(entry.file_size + 1)
                if len(content) != entry.file_size:
                    raise InputError(f"{FILE} holds a file of another size than it says.")
                _write(path, content)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, FileExistsError) as error:
        raise InputError(f"{FILE} is damaged, or none of a backup: {error}.") from error


def _files(home: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(home):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        paths = (Path(folder, each) for each in sorted(files) if not each.startswith("."))
        yield from (path for path in paths if path.is_file())


def _plain(name: str) -> str:
    """Return a name that leads below a folder and nowhere else, as it is."""
    parts = name.split("/")
    if not name.isprintable() or "\\" in name or any(not part or part.startswith(".") for part in parts):
        raise InputError(f"{FILE} holds a file of a name that no template has.")
    return name


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
