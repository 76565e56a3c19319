"""Reads the files that are published about vulnerabilities: CISA's KEV, NVD's CVE (JSON 2.0) and FIRST's EPSS.

The files come from the operator's own disk, but what they say is checked: a row of the wrong form is an error that
names the file and the row, never a half import. Large files are read as a stream.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import hashlib
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

import ijson

from scanner.engine.errors import InputError
from scanner.engine.intel.known import Affected, Exploited
from scanner.engine.intel.products import product_of_cpe

UNPACKED_LIMIT = 4 << 30
"""Bytes that a packed file may hold: the whole NVD in one file is below 2 GiB, and a bomb stops here."""

_CVE = re.compile(r"CVE-\d{4}-\d{4,19}")
_CPE_PARTS = re.compile(r"(?<!\\):")


class Kind(StrEnum):
    """Which of the published files one is."""

    KEV = "kev"
    NVD = "nvd"
    EPSS = "epss"


@dataclass(frozen=True, slots=True)
class Feed:
    """A file that was recognised. ``day`` is the day of its data, by its own word; ``digest`` its SHA-256."""

    path: Path
    kind: Kind
    day: dt.date
    digest: str


@dataclass(frozen=True, slots=True)
class Vulnerability:
    """One CVE. ``affected`` are (product id, range) for the products we know; empty with ``rejected`` ones."""

    cve: str
    modified: str
    affected: tuple[tuple[str, Affected], ...]


def recognise(path: Path) -> Feed:
    """Tell what a file is by its content. Raises ``InputError`` when it is none of the three, or can't be read."""
    try:
        digest = _digest(path)
        with _open(path) as file:
            start = file.read(4096)
    except (OSError, EOFError, gzip.BadGzipFile) as error:
        raise InputError(f"{path} can't be read: {error}.") from error
    text = start.decode("utf-8-sig", errors="replace").lstrip()
    if text.startswith(("#model_version", "cve,epss")):
        day = re.search(r"score_date:(\d{4}-\d{2}-\d{2})", text)
        return Feed(path, Kind.EPSS, _day(day[1], path) if day else _file_day(path), digest)
    if text.startswith(("cveID,", '"cveID"')):
        return Feed(path, Kind.KEV, _newest_row(path), digest)
    if text.startswith("{") and '"NVD_CVE"' in text:
        stamp = re.search(r'"timestamp"\s*:\s*"(\d{4}-\d{2}-\d{2})', text)
        return Feed(path, Kind.NVD, _day(stamp[1], path) if stamp else _file_day(path), digest)
    if text.startswith("{") and '"catalogVersion"' in text:
        stamp = re.search(r'"dateReleased"\s*:\s*"(\d{4}-\d{2}-\d{2})', text)
        return Feed(path, Kind.KEV, _day(stamp[1], path) if stamp else _file_day(path), digest)
    raise InputError(
        f"{path} is none of the files that are understood: CISA's known exploited vulnerabilities (JSON or CSV), "
        "NVD's CVE feed (JSON 2.0), EPSS scores (CSV); each plain or packed by gzip."
    )


def read_kev(feed: Feed) -> Iterator[Exploited]:
    """Yield the entries of a KEV catalogue, JSON or CSV. Raises ``InputError`` at the first wrong one."""
    with _reading(feed), _open(feed.path) as file:
        is_json = file.read(64).decode("utf-8-sig", errors="replace").lstrip().startswith("{")
        file.seek(0)
        if is_json:
            rows: Iterator[dict[str, Any]] = ijson.items(file, "vulnerabilities.item")
        else:
            rows = csv.DictReader(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""))
        for number, row in enumerate(rows, 1):
            cve = _cve(row.get("cveID"), feed.path, number)
            added, due = row.get("dateAdded"), row.get("dueDate")
            yield Exploited(
                cve=cve,
                added=_day(added, feed.path),
                due=_day(due, feed.path) if due else None,
                ransomware=str(row.get("knownRansomwareCampaignUse", "")).strip().lower() == "known",
            )


def read_nvd(feed: Feed, progress: Callable[[int], None]) -> Iterator[Vulnerability]:
    """Yield every CVE of an NVD feed; ``progress`` is told how many bytes of the (unpacked) file were read."""
    with _reading(feed), _open(feed.path) as file:
        for number, item in enumerate(ijson.items(file, "vulnerabilities.item", use_float=True), 1):
            entry = item.get("cve") if isinstance(item, dict) else None
            if not isinstance(entry, dict):
                raise InputError(f"{feed.path}: entry {number} holds no CVE; is it NVD's JSON 2.0?")
            cve = _cve(entry.get("id"), feed.path, number)
            rejected = entry.get("vulnStatus") == "Rejected"
            affected = () if rejected else tuple(_affected(cve, entry))
            yield Vulnerability(cve, str(entry.get("lastModified", "")), affected)
            if number % 500 == 0:
                progress(file.tell())


def read_epss(feed: Feed) -> Iterator[tuple[str, float]]:
    """Yield (CVE, probability of exploitation within 30 days, 0 to 1)."""
    with _reading(feed), _open(feed.path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        lines = (line for line in text if not line.startswith("#"))
        for number, row in enumerate(csv.DictReader(lines), 1):
            try:
                score = float(row["epss"])
            except (KeyError, TypeError, ValueError) as error:
                raise InputError(f"{feed.path}: row {number} has no EPSS score: {error}.") from error
            if not 0 <= score <= 1:
                raise InputError(f"{feed.path}: row {number}: an EPSS score lies between 0 and 1, not {score}.")
            yield _cve(row.get("cve"), feed.path, number), score


def _affected(cve: str, entry: dict[str, Any]) -> Iterator[tuple[str, Affected]]:
    score = _score(entry.get("metrics") or {})
    for configuration in entry.get("configurations") or ():
        nodes = configuration.get("nodes") or ()
        together = configuration.get("operator") == "AND" and len(nodes) > 1
        for node in nodes:
            if node.get("negate"):
                continue
            for match in node.get("cpeMatch") or ():
                if match.get("vulnerable"):
                    found = _range(cve, score, match, conditional=together or node.get("operator") == "AND")
                    if found is not None:
                        yield found


def _range(cve: str, score: float, match: dict[str, Any], *, conditional: bool) -> tuple[str, Affected] | None:
    parts = _CPE_PARTS.split(str(match.get("criteria", "")))
    if len(parts) != 13 or parts[:2] != ["cpe", "2.3"]:
        return None
    product = product_of_cpe(":".join(parts[3:5]))
    if product is None:
        return None
    version, update, edition, _, software_edition, platform, hardware, _ = parts[5:]
    special = any(part not in ("*", "-") for part in (edition, software_edition, platform, hardware))
    start = match.get("versionStartIncluding") or match.get("versionStartExcluding") or ""
    end = match.get("versionEndIncluding") or match.get("versionEndExcluding") or ""
    return product.id, Affected(
        cve=cve,
        score=score,
        version=version,
        update=update,
        start=str(start),
        start_included="versionStartExcluding" not in match,
        end=str(end),
        end_included="versionEndExcluding" not in match,
        conditional=conditional or special,
    )


def _score(metrics: dict[str, Any]) -> float:
    """Return the CVSS base score, 0 to 10, of the newest version given, NVD's own before others'; 0 when there is none.

    CVSS 4.0 is scored by suppliers only, so 3.1 comes first to have one scale.
    """
    for name in ("cvssMetricV31", "cvssMetricV30", "cvssMetricV40", "cvssMetricV2"):
        found = sorted(metrics.get(name) or (), key=lambda metric: metric.get("type") != "Primary")
        for metric in found:
            score = (metric.get("cvssData") or {}).get("baseScore")
            if isinstance(score, (int, float)) and 0 <= score <= 10:
                return float(score)
    return 0.0


def _cve(value: object, path: Path, number: int) -> str:
    if not isinstance(value, str) or not _CVE.fullmatch(value.strip()):
        raise InputError(f"{path}: row {number} has no CVE number (it says {str(value)[:40]!r}). Nothing was imported.")
    return value.strip()


def _day(text: object, path: Path) -> dt.date:
    try:
        return dt.date.fromisoformat(str(text)[:10])
    except ValueError as error:
        raise InputError(f"{path}: {str(text)[:40]!r} is no date. Nothing was imported.") from error


def _file_day(path: Path) -> dt.date:
    return dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC).date()


def _newest_row(path: Path) -> dt.date:
    """The CSV form of the KEV catalogue carries no date of its own: its newest entry's is the best there is."""
    with _open(path) as file:
        rows = csv.DictReader(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""))
        return max((_day(row.get("dateAdded"), path) for row in rows), default=_file_day(path))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if packed:
            with gzip.GzipFile(fileobj=file) as unpacked, io.BufferedReader(_Limited(unpacked)) as reader:
                yield reader
        else:
            yield file


class _Limited(io.RawIOBase):
    """The unpacked content of a file, which ends with an error once it is larger than any real one."""

    def __init__(self, unpacked: gzip.GzipFile) -> None:
        self._unpacked = unpacked

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._unpacked.seek(offset, whence)

    def tell(self) -> int:
        return self._unpacked.tell()

    def readinto(self, buffer: Any) -> int:
        if self._unpacked.tell() > UNPACKED_LIMIT:
            raise OSError(f"it unpacks to more than {UNPACKED_LIMIT >> 30} GiB")
        data = self._unpacked.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _reading:  # noqa: N801 - used as a statement
    """Turns what can go wrong inside a file into an error for people."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (OSError, EOFError, ValueError, csv.Error, ijson.JSONError)):
            raise InputError(f"{self._feed.path} can't be read to its end: {error}. Nothing was imported.") from error
