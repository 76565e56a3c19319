"""Whose stationery is written on: the templates, words, style sheets and logo that an installation, or an
organisation, puts in the place of the shipped ones.

They lie in the folder ``templates`` of the data directory (``ROUNDSMAN_TEMPLATES_DIR``), laid out as the shipped ones
are, and below ``organisations/<slug>``. What is nearest wins: the organisation's own, its supervisor's and so on
upwards, the installation's, the shipped one. Nothing is read from anywhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from targets.models import Organisation  # words are needed where there is no database, too

SHIPPED = Path(str(resources.files("report_templates")))
ORGANISATIONS = "organisations"
WORDS = "words.toml"
CHECKS = "checks.toml"
OWN_STYLE = "css/own.css"
LOGOS = ("logo.svg", "logo.png")
TEMPLATE_FOLDERS = ("report", "notice", "bulletin", "mail", "shared")

FILE_LIMIT = 1024 * 1024
"""Bytes of one file; the texts of all checks, the largest one, have half of that."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a file of somebody's stationery, and in which line, where that is known."""

    path: Path
    line: int | None
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}" if self.line else f"{self.path}: {self.text}"


Stamp = tuple[str, int, int]
"""A file, when it was changed (ns), and its size: what is kept of a file is good for as long as these are the same."""


@dataclass(frozen=True, slots=True)
class Stationery:
    """The folders that are looked into before the shipped one, the nearest first, and the stamps of their words, and of
    what they say of checks."""

    folders: tuple[Path, ...] = ()
    words: tuple[Stamp, ...] = ()
    checks: tuple[Stamp, ...] = ()


_PLAIN = Stationery()
_current: ContextVar[Stationery] = ContextVar("stationery", default=_PLAIN)


def current() -> Stationery:
    """Return whose stationery is written on at the moment; by default, the shipped one."""
    return _current.get()


@contextmanager
def written_on(stationery: Stationery) -> Iterator[None]:
    """Let everything that is rendered within be on this stationery."""
    token = _current.set(stationery)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def stationery_of(organisation: Organisation | None) -> Iterator[None]:
    """Let everything that is rendered within be on the organisation's stationery; None: on the installation's."""
    with written_on(found(slugs_upwards(organisation))):
        yield


def root() -> Path:
    """Return the folder of the installation's own stationery, which need not exist."""
    from django.conf import settings  # where nothing but the shipped stationery is needed, nobody needs Django

    return Path(settings.OWN_TEMPLATES)


def slugs_upwards(organisation: Organisation | None) -> tuple[str, ...]:
    """Return the organisation and those above it; nobody where there is no folder that they could have."""
    if organisation is None or not (root() / ORGANISATIONS).is_dir():
        return ()
    return tuple(each.slug for each in organisation.upwards())


def found(slugs: tuple[str, ...] = ()) -> Stationery:
    """Return the stationery of the first of ``slugs``, which the others supervise."""
    home = root()
    folders = (*(home / ORGANISATIONS / slug for slug in slugs), home)
    existing = tuple(folder for folder in folders if folder.is_dir())
    return Stationery(existing, _stamps(existing, WORDS), _stamps(existing, CHECKS)) if existing else _PLAIN


def _stamps(folders: tuple[Path, ...], name: str) -> tuple[Stamp, ...]:
    stamps = (stamp(folder / name) for folder in folders)
    return tuple(each for each in stamps if each)


def stamp(path: Path) -> Stamp | None:
    """Return the stamp of a file, None where there is none."""
    try:
        known = path.stat()
    except OSError:
        return None
    return str(path), known.st_mtime_ns, known.st_size


def read_inside(folder: Path, name: str) -> bytes | None:
    """Return a file's content, None where there is none.

    Raises ``ValueError`` for one that is too large, no file, or, by a link, somewhere outside of ``folder``.
    """
    path = folder / name
    if not path.exists():
        return None
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError("lies outside of the folder of templates")
    if not path.is_file():
        raise ValueError("is no file")
    with path.open("rb") as file:
        content = file.read(FILE_LIMIT + 1)
    if len(content) > FILE_LIMIT:
        raise ValueError(f"is larger than {FILE_LIMIT // 1024} KiB")
    return content
