"""What the worst sites cost: requests in `standard`, and time and memory whatever a server sends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
import tracemalloc
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scanner.engine.errors import ProbeError
from scanner.engine.facts.http import HttpFacts
from scanner.engine.inspect import inspect
from scanner.engine.model import HostInspection, Target
from scanner.engine.plan import Plan, Profile, parse_ports
from scanner.engine.probes import http, http_asking, http_session
from scanner.engine.probes.http_session import PRODUCT_SHARE, REQUEST_LIMIT
from tests.engine.http_site import ADDRESS, PORT, answer, look, redirect
from tests.lab import web_sites as sites
from tests.lab.hostile import SITES, head
from tests.lab.web_servers import sends

pytestmark = pytest.mark.lab

NAME = "portal.lab.test"
MEGABYTE = 1024 * 1024


# --- Requests

HTML, TEXT, JSON = (f"Content-Type: {kind}" for kind in ("text/html", "text/plain", "application/json"))

PLAUSIBLE: dict[str, tuple[str, str]] = {
    "/.git/HEAD": ("ref: refs/heads/main\n", TEXT),
    "/.git/config": ("[core]\n\trepositoryformatversion = 0\n", TEXT),
    "/.env": (sites.ENV, TEXT),
    "/.svn/wc.db": ("SQLite format 3\x00", TEXT),
    "/.hg/requires": ("revlogv1\n", TEXT),
    "/.bzr/branch-format": ("Bazaar-NG meta directory, format 1\n", TEXT),
    "/.DS_Store": ("\x00\x00\x00\x01Bud1", TEXT),
    "/backup.zip": ("PK\x03\x04", TEXT),
    "/www.zip": ("PK\x03\x04", TEXT),
    f"/{NAME}.zip": ("PK\x03\x04", TEXT),
    "/backup.sql": ("-- MySQL dump 10.13\n", TEXT),
    "/web.config": ("<configuration><appSettings/></configuration>", TEXT),
    "/web.config.bak": ("<configuration><appSettings/></configuration>", TEXT),
    "/WEB-INF/web.xml": ("<web-app></web-app>", TEXT),
    "/config.json": (json.dumps({"password": sites.SECRET}), JSON),
    "/.aws/credentials": (f"[default]\naws_secret_access_key = {sites.SECRET}\n", TEXT),
    "/id_rsa": ("-----BEGIN RSA PRIVATE KEY-----\n", TEXT),
    "/.vscode/sftp.json": (json.dumps({"host": "lab", "username": "lab", "remotePath": "/"}), JSON),
    "/phpinfo.php": ("<html><title>phpinfo()</title>PHP Version 8.2.7", HTML),
    "/server-status": ("<h1>Apache Server Status for lab</h1>\nServer Version: x\nServer uptime: 9 s\n", TEXT),
    "/nginx_status": ("Active connections: 1 \nserver accepts handled requests\n 1 1 1 \n", TEXT),
    "/actuator": (json.dumps({"_links": {"self": {}, "env": {}, "gateway": {}, "jolokia": {}}}), JSON),
    "/druid/index.html": ("<html><title>Druid Stat Index</title>", HTML),
    "/v3/api-docs": (json.dumps({"openapi": "3.0.1", "paths": {}}), JSON),
    "/robots.txt": ("User-agent: *\nDisallow: /admin/\n", TEXT),
    "/crossdomain.xml": ('<cross-domain-policy><allow-access-from domain="*"/></cross-domain-policy>', TEXT),
    "/files/": ('<html><title>Index of /files/</title><a href="../">../</a>', HTML),
    "/data/": ('<html><title>Index of /data/</title><a href="../">../</a>', HTML),
    "/old/": ('<html><title>Index of /old/</title><a href="../">../</a>', HTML),
}
FIRST = "<html><title>Portal</title><a href=/files/a><a href=/data/a><a href=/old/a><a href=/more/a></html>"
GO = answer(b"404 page not found\n", "404 Not Found", TEXT)


def path_of(request: bytes) -> str:
    return request.split()[1].decode("latin-1").partition("?")[0]


def everything_is_there(request: bytes) -> bytes:
    """Three redirects lead to the page; every well-known path holds what it should, and its neighbours nothing."""
    path = path_of(request)
    if path in PLAUSIBLE:
        body, kind = PLAUSIBLE[path]
        return answer(body.encode(), headers=kind)
    ways = {"/": redirect("/a"), "/a": redirect("/b"), "/b": redirect("/c"), "/c": answer(FIRST.encode())}
    return ways.get(path, answer(b"<html>nothing here</html>", "404 Not Found"))


def reflects_and_is_every_product(request: bytes) -> bytes:
    """The reply of Go's router, which dozens of products give at first, and an opinion on origins."""
    if b"Origin:" in request:
        return answer(b"", "404 Not Found", "Access-Control-Allow-Origin: https://other.test\r\nVary: Origin")
    return GO


def answers_all_with_a_page_of_its_own(_: bytes) -> bytes:
    words = " ".join(secrets.token_hex(4) for _ in range(40))
    return answer(f"<html><title>{words[:30]}</title><a href=/files/a><a href=/data/a>{words}</html>".encode())


async def _inspect() -> HostInspection:
    plan = Plan(
        targets=(Target("lab", ADDRESS, NAME),),
        ports=parse_ports(str(PORT)),
        profile=Profile.STANDARD,
        host_deadline=90,
    )
    gate = lambda endpoint: None if endpoint.address == ADDRESS else "not this test's"  # noqa: E731 - one line, one use
    async with contextlib.aclosing(inspect(plan, gate)) as inspections:
        async for inspection in inspections:
            return inspection
    raise AssertionError("The engine yielded nothing for one target.")


@pytest.mark.parametrize(
    "site", [everything_is_there, reflects_and_is_every_product, answers_all_with_a_page_of_its_own]
)
def test_the_worst_site_gets_at_most_sixty_requests_in_a_standard_look(
    site: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole inspection asks the site under its name and under its address, in a first look and a second.

    What identifies the port is asked before, and is no site's.
    """
    asked: Counter[str] = Counter()
    monkeypatch.setattr(http_session, "RATE", 100.0)

    def reply(request: bytes) -> Iterator[bytes]:
        host = next((line[6:] for line in request.split(b"\r\n") if line.lower().startswith(b"host: ")), b"nameless")
        asked[host.decode()] += 1
        yield site(request)

    with sends(PORT, reply)(ADDRESS, tmp_path):
        inspection = asyncio.run(_inspect())
    facts = [each for service in inspection.services for each in service.http]
    assert {each.host for each in facts} == {f"{NAME}:{PORT}", f"{ADDRESS}:{PORT}"}
    assert REQUEST_LIMIT == 60
    assert all(each.requests <= REQUEST_LIMIT for each in facts)
    looks = 2 if inspection.second_looks else 1
    by_name, by_address = asked[f"{NAME}:{PORT}"], asked[f"{ADDRESS}:{PORT}"]
    assert by_name <= REQUEST_LIMIT * looks
    assert by_address + asked["nameless"] <= REQUEST_LIMIT * looks
    assert by_name + by_address < inspection.coverage.requests <= asked.total()


# --- Time and memory


@pytest.mark.parametrize("hostile", SITES, ids=lambda reply: reply.__name__)
def test_a_hostile_site_ends_in_bounded_time_and_memory_and_leaves_nothing_unprintable(
    hostile: Callable[[bytes], Iterator[bytes]], tmp_path: Path
) -> None:
    """The server shares the process, so that its own pieces count too; it holds none of them."""
    facts: HttpFacts | None = None
    with sends(PORT, hostile)(ADDRESS, tmp_path):
        tracemalloc.start()
        began = time.monotonic()
        with contextlib.suppress(ProbeError):
            facts = look()
        took = time.monotonic() - began
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert took < http.LOOK_SECONDS + 15
    assert peak < 12 * MEGABYTE
    told = "".join(_texts(facts))
    assert len(told) < 100_000
    assert [char for char in told if unicodedata.category(char) in ("Cc", "Cf")] == []


def _texts(value: object) -> Iterator[str]:
    """Yield every text that facts hold, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for inner in value:
            yield from _texts(inner)
    elif hasattr(value, "__slots__"):
        for name in value.__slots__:
            yield from _texts(getattr(value, name))


def test_a_site_that_drips_is_left_after_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One octet in a while keeps every single read alive, but neither a request nor the look."""
    monkeypatch.setattr(http_asking, "PATH_SECONDS", 0.5)

    def drip(request: bytes) -> Iterator[bytes]:
        if request.startswith(b"GET / "):
            yield answer(b"<html><title>Drip</title></html>")
            return
        for octet in head() + b"x" * 1000:
            yield bytes([octet])
            time.sleep(0.1)

    began = time.monotonic()
    with sends(PORT, drip)(ADDRESS, tmp_path):
        facts = look()
    assert time.monotonic() - began < 10
    assert not facts.complete


def test_every_kind_of_exposure_is_asked_for_before_a_second_of_a_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a site where everything is exposed, sixty requests prove one of each; that more was not asked is said."""
    monkeypatch.setattr(http_session, "RATE", 100.0)

    def reply(request: bytes) -> Iterator[bytes]:
        yield everything_is_there(request)

    with sends(PORT, reply)(ADDRESS, tmp_path):
        facts = look(host=NAME, product=False)
    found = {path.kind for path in facts.exposed}
    assert found >= {"git", "env", "svn", "hg", "bzr", "ds-store", "backup", "config", "server-status", "nginx-status"}
    assert found >= {"actuator", "druid", "swagger", "phpinfo", "cross-domain", "robots", "listing"}
    assert facts.requests <= REQUEST_LIMIT
    assert not facts.complete
    assert "limit of 60 requests" in facts.ended


def test_a_sound_site_with_every_detour_is_looked_at_to_the_end(tmp_path: Path) -> None:
    """Three redirects, folders, an opinion on origins, a rule against dotfiles: all that costs requests but no flaw."""
    ways = {"/": redirect("/a"), "/a": redirect("/b"), "/b": redirect("/c")}

    def reply(request: bytes) -> Iterator[bytes]:
        path = path_of(request)
        if path == "/c":
            yield answer(FIRST.encode())
        elif b"Origin:" in request:
            yield answer(b"", "302 Found", "Location: /a\r\nAccess-Control-Allow-Origin: https://other.test")
        elif path.startswith("/.") and path.count("/") == 1:
            yield answer(b"no", "403 Forbidden")
        else:
            yield ways.get(path, answer(b"<html>nothing here</html>", "404 Not Found"))

    with sends(PORT, reply)(ADDRESS, tmp_path):
        facts = look(host=NAME)
    assert facts.complete, facts.ended
    assert facts.exposed == ()
    assert facts.requests <= REQUEST_LIMIT - PRODUCT_SHARE
