"""Importing what is published: by content, whole or not at all, and the same file twice changes nothing."""

from __future__ import annotations

import gzip
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from scanner.engine.errors import InputError
from scanner.engine.intel import feeds
from scanner.engine.intel.feeds import Kind, recognise
from scanner.engine.intel.store import Imported, import_feeds, load, status

KEV = {
    "title": "CISA Catalog of Known Exploited Vulnerabilities",
    "catalogVersion": "2026.11.01",
    "dateReleased": "2026-11-01T17:00:00.0000Z",
    "count": 1,
    "vulnerabilities": [
        {
            "cveID": "CVE-2021-41773",
            "vendorProject": "Apache",
            "product": "HTTP Server",
            "dateAdded": "2021-11-03",
            "dueDate": "2021-11-17",
            "knownRansomwareCampaignUse": "Known",
        }
    ],
}
KEV_CSV = """cveID,vendorProject,product,dateAdded,dueDate,knownRansomwareCampaignUse
CVE-2014-0160,OpenSSL,OpenSSL,2022-05-04,2022-05-25,Unknown
"""
EPSS = """#model_version:v2025.03.14,score_date:2026-11-20T00:00:00+0000
cve,epss,percentile
CVE-2021-41773,0.94300,0.99900
CVE-1999-0001,0.01000,0.50000
"""


def cve(
    number: str, *matches: dict[str, Any], modified: str = "2026-01-01T00:00:00.000", **entry: Any
) -> dict[str, Any]:
    metrics = {"cvssMetricV31": [{"type": "Primary", "cvssData": {"baseScore": 7.5}}]}
    nodes = [{"operator": "OR", "negate": False, "cpeMatch": list(matches)}]
    return {
        "cve": {
            "id": number,
            "lastModified": modified,
            "vulnStatus": "Analyzed",
            "metrics": metrics,
            "configurations": [{"nodes": nodes}],
            **entry,
        }
    }


def match(vendor_product: str, version: str = "*", **bounds: Any) -> dict[str, Any]:
    return {"vulnerable": True, "criteria": f"cpe:2.3:a:{vendor_product}:{version}:*:*:*:*:*:*:*", **bounds}


def nvd(*entries: dict[str, Any], day: str = "2026-11-10") -> dict[str, Any]:
    return {"format": "NVD_CVE", "version": "2.0", "timestamp": f"{day}T00:00:00.000", "vulnerabilities": list(entries)}


PATH_TRAVERSAL = cve("CVE-2021-41773", match("apache:http_server", "2.4.49"))
OFF_BY_ONE = cve("CVE-2021-23017", match("f5:nginx", versionStartIncluding="0.6.18", versionEndExcluding="1.20.1"))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "data" / "intel.sqlite3"


def write(path: Path, content: dict[str, Any] | str, *, packed: bool = False) -> Path:
    data = (content if isinstance(content, str) else json.dumps(content)).encode()
    path.write_bytes(gzip.compress(data) if packed else data)
    return path


def bring_in(store: Path, *paths: Path) -> list[Imported]:
    return import_feeds(store, [recognise(path) for path in paths], lambda feed, read: None)


def test_each_file_is_known_by_what_it_holds(tmp_path: Path) -> None:
    assert recognise(write(tmp_path / "a", KEV)).kind is Kind.KEV
    assert recognise(write(tmp_path / "b", KEV_CSV)).kind is Kind.KEV
    assert recognise(write(tmp_path / "c", EPSS, packed=True)).kind is Kind.EPSS
    found = recognise(write(tmp_path / "d", nvd(OFF_BY_ONE), packed=True))
    assert (found.kind, str(found.day)) == (Kind.NVD, "2026-11-10")


@pytest.mark.parametrize("content", ["", "{}", "hello", '{"CVE_Items": []}'])
def test_any_other_file_is_refused_by_name(tmp_path: Path, content: str) -> None:
    with pytest.raises(InputError, match="none of the files that are understood"):
        recognise(write(tmp_path / "other.json", content))
    with pytest.raises(InputError, match="can't be read"):
        recognise(tmp_path / "missing.json")


def test_what_was_imported_is_matched(store: Path, tmp_path: Path) -> None:
    bring_in(
        store,
        write(tmp_path / "kev.json", KEV),
        write(tmp_path / "nvd.json.gz", nvd(PATH_TRAVERSAL, OFF_BY_ONE), packed=True),
        write(tmp_path / "epss.csv.gz", EPSS, packed=True),
    )
    intel = load(store)
    (found,) = intel.affecting("apache-http-server", "2.4.49")
    assert (found.cve, found.score, found.epss) == ("CVE-2021-41773", 7.5, 0.943)
    assert intel.exploited["CVE-2021-41773"].ransomware
    assert [each.cve for each in intel.affecting("nginx", "1.18.0")] == ["CVE-2021-23017"]
    assert intel.affecting("nginx", "1.20.1") == ()
    assert str(intel.as_of) == "2026-11-01", "the oldest of the three"


def test_nothing_imported_matches_nothing(store: Path) -> None:
    assert load(store).affecting("nginx", "1.18.0") == ()
    assert status(store) == []


def test_the_same_file_again_changes_nothing(store: Path, tmp_path: Path) -> None:
    files = (write(tmp_path / "kev.json", KEV), write(tmp_path / "nvd.json", nvd(OFF_BY_ONE)))
    assert [each.changed for each in bring_in(store, *files)] == [True, True]
    before = rows(store)
    assert [each.changed for each in bring_in(store, *files)] == [False, False]
    assert rows(store) == before


def test_a_broken_file_leaves_everything_as_it_was(store: Path, tmp_path: Path) -> None:
    bring_in(store, write(tmp_path / "kev.json", KEV))
    before = rows(store)
    good = write(tmp_path / "nvd.json", nvd(OFF_BY_ONE))
    whole = json.dumps(nvd(*(cve(f"CVE-2020-{n}", match("php:php", "1")) for n in range(1000, 1400))))
    for name, content in (
        ("cut.json", whole[: len(whole) // 2]),
        ("number.json", json.dumps(nvd(OFF_BY_ONE, cve("CVE-x", match("php:php", "1"))))),
        ("date.csv", KEV_CSV.replace("2022-05-04", "soon") + "CVE-2020-1000,x,y,2026-12-01,,\n"),
        ("score.csv", EPSS.replace("0.94300", "94")),
        ("empty.json", json.dumps(nvd())),
    ):
        with pytest.raises(InputError, match=r"Nothing was imported|lies between|is no date"):
            bring_in(store, good, write(tmp_path / name, content))
        assert rows(store) == before, name


def test_a_truncated_package_is_an_error_for_people(store: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "nvd.json.gz", nvd(*(cve(f"CVE-2020-{n}") for n in range(1000, 3000))), packed=True)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(InputError, match="can't be read"):
        bring_in(store, path)


def test_a_package_that_unpacks_without_end_is_stopped(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "UNPACKED_LIMIT", 100_000)
    path = write(tmp_path / "bomb.json.gz", json.dumps(nvd(OFF_BY_ONE)) + " " * 10_000_000, packed=True)
    with pytest.raises(InputError, match="unpacks to more"):
        bring_in(store, path)


def test_older_data_does_not_replace_newer(store: Path, tmp_path: Path) -> None:
    bring_in(store, write(tmp_path / "new.json", KEV))
    older = {**KEV, "dateReleased": "2026-10-01T00:00:00Z"}
    with pytest.raises(InputError, match="older than what is there"):
        bring_in(store, write(tmp_path / "old.json", older))


def test_a_newer_catalogue_replaces_the_one_before(store: Path, tmp_path: Path) -> None:
    bring_in(store, write(tmp_path / "kev.json", {**KEV, "dateReleased": "2022-05-01T00:00:00Z"}))
    bring_in(store, write(tmp_path / "kev.csv", KEV_CSV))
    assert set(load(store).exploited) == {"CVE-2014-0160"}
    (source,) = status(store)
    assert (source.kind, source.files, source.kept) == (Kind.KEV, 1, 1)


def test_of_two_versions_of_a_cve_the_later_counts(store: Path, tmp_path: Path) -> None:
    later = cve("CVE-2021-23017", match("f5:nginx", versionEndExcluding="1.10"), modified="2026-06-01T00:00:00.000")
    bring_in(store, write(tmp_path / "modified.json", nvd(later)))
    bring_in(store, write(tmp_path / "year.json", nvd(OFF_BY_ONE)))
    assert load(store).affecting("nginx", "1.18.0") == ()
    gone = cve("CVE-2021-23017", modified="2026-07-01T00:00:00.000", vulnStatus="Rejected")
    bring_in(store, write(tmp_path / "rejected.json", nvd(gone, PATH_TRAVERSAL)))
    assert load(store).affecting("nginx", "1.9") == ()


def test_a_range_that_depends_on_something_unseen_is_marked(store: Path, tmp_path: Path) -> None:
    windows = {"vulnerable": False, "criteria": "cpe:2.3:o:microsoft:windows:-:*:*:*:*:*:*:*"}
    platform = cve("CVE-2024-4577", match("php:php", versionEndExcluding="8.1.29"))
    platform["cve"]["configurations"] = [
        {
            "operator": "AND",
            "nodes": [
                {"operator": "OR", "cpeMatch": [match("php:php", versionEndExcluding="8.1.29")]},
                {"operator": "OR", "cpeMatch": [windows]},
            ],
        }
    ]
    edition = cve("CVE-2020-1000", {"vulnerable": True, "criteria": "cpe:2.3:a:php:php:8.0:*:*:*:lts:*:*:*"})
    bring_in(store, write(tmp_path / "nvd.json", nvd(platform, edition, OFF_BY_ONE)))
    intel = load(store)
    assert {each.cve: each.conditional for each in intel.affecting("php", "8.0")} == {
        "CVE-2024-4577": True,
        "CVE-2020-1000": True,
    }
    assert not intel.affecting("nginx", "1.18.0")[0].conditional


def test_only_what_affects_known_products_is_kept(store: Path, tmp_path: Path) -> None:
    stranger = cve("CVE-2020-2000", match("phpmailer_project:phpmailer", "5.2"))
    (imported,) = bring_in(store, write(tmp_path / "nvd.json", nvd(stranger, OFF_BY_ONE)))
    assert (imported.entries, imported.kept) == (2, 1)


def rows(store: Path) -> list[list[tuple[Any, ...]]]:
    with sqlite3.connect(store) as database:
        tables = ("import", "kev", "cve", "affected", "epss")
        return [database.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in tables]
