"""One look at a site over real sockets: how much is asked, what is kept, and what a difficult server can do."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import brotli
import pytest
from zstandard import ZstdCompressor

from scanner.engine.errors import ProbeError
from scanner.engine.model import Level
from scanner.engine.probes.http_paths import NOT_ALWAYS, at_places, may_be_left_out
from scanner.engine.probes.http_reading import BODY_LIMIT
from tests.engine.http_site import ADDRESS, PORT, answer, look, redirect, serving
from tests.lab import web_sites as sites
from tests.lab.web_servers import nginx

pytestmark = pytest.mark.lab


def test_the_greeting_level_asks_for_the_first_page_only(tmp_path: Path) -> None:
    with serving(lambda _: iter([answer()]), tmp_path) as asked:
        facts = look(level=Level.GREETING)
    assert asked == ["GET / HTTP/1.1"]
    assert facts.requests == 1
    assert facts.root is not None


def test_nothing_but_reading_methods_is_sent_and_not_too_often(tmp_path: Path) -> None:
    with serving(lambda _: iter([answer(status="404 Not Found")]), tmp_path) as asked:
        facts = look(host="portal.lab.test")
    assert {line.split()[0] for line in asked} <= {"GET", "HEAD", "OPTIONS", "TRACE"}
    assert len(asked) == facts.requests <= 46
    assert facts.complete


def test_rare_paths_are_told_apart_from_those_that_were_left_out(tmp_path: Path) -> None:
    with nginx("server { listen @address@:8080; }", port=PORT, fill=sites.repository)(ADDRESS, tmp_path):
        facts = look(product=False)
    assert {"/db.sql", "/www.rar"} <= set(facts.asked) - {"/files/"} < NOT_ALWAYS
    assert "/config.php.bak" not in facts.asked, "no sign speaks for PHP"


def test_the_second_look_asks_only_for_what_was_found(tmp_path: Path) -> None:
    server = "server { listen @address@:8080; location /files/ { autoindex on; } }"
    with nginx(server, port=PORT, fill=sites.repository)(ADDRESS, tmp_path):
        first = look()
        second = look(again=first)
    assert {path.kind for path in first.exposed} == {"git", "env", "listing"} == {path.kind for path in second.exposed}
    assert second.requests < 12


def test_a_site_is_asked_where_something_was_found_before_though_its_first_page_leads_elsewhere(tmp_path: Path) -> None:
    def fill(www: Path) -> None:
        (www / "index.html").write_text("<!doctype html><title>Portal</title>")
        (www / "old").mkdir()
        (www / "old" / "minutes.txt").write_text("Only for the lab.")
        (www / "old" / "index.html.bak").write_text("")

    known = (("listing", "/old/"), ("listing", "/gone/"), ("backup", "/db.sql"), ("git", "/.git/HEAD"))
    server = "server { listen @address@:8080; location /old/ { autoindex on; } }"
    with nginx(server, port=PORT, fill=fill)(ADDRESS, tmp_path):
        without, facts = look(), look(places=known)
    assert (without.exposed, set(without.asked)) == ((), set())
    assert [(path.kind, path.reply.path) for path in facts.exposed] == [("listing", "/old/")]
    assert set(facts.asked) == {"/old/", "/gone/", "/db.sql"}


@pytest.mark.parametrize(
    ("kind", "path", "left_out"),
    [
        ("actuator", "/app/actuator", True),
        ("actuator", "/actuator", False),
        ("swagger", "/app/v3/api-docs", True),
        ("swagger", "/v3/api-docs", False),
        ("druid", "/druid/index.html", False),
        ("actuator", "/app/druid/index.html", False),
        ("git", "/app/actuator", False),
    ],
)
def test_what_lies_below_a_context_path_is_not_gone_because_a_look_left_it_out(
    kind: str, path: str, left_out: bool
) -> None:
    assert may_be_left_out(kind, path) is left_out


@pytest.mark.parametrize("path", ["/a b/", "/{random}/", "/x/?y=1", "no-path/", "/…/"])
def test_what_can_not_stand_in_a_request_is_not_asked_again(path: str) -> None:
    assert at_places([("listing", path)]) == []


def test_a_site_with_much_to_ask_is_asked_to_the_end(tmp_path: Path) -> None:
    home = (
        '<!doctype html><title>Portal</title><script src="/js/jquery.min.js"></script>'
        '<script src="/js/bootstrap.min.js"></script><a href="/login">Log in</a>'
        '<a href="/files/a.pdf">a</a><a href="/news/1.html">b</a><a href="/docs/c.pdf">c</a>'
    )
    found = {
        "/home/": answer(home.encode()),
        "/login": answer(b"<!doctype html><title>Log in</title>"),
        "/robots.txt": answer(b"User-agent: *\nDisallow: /houtai/\n", headers="Content-Type: text/plain"),
        "/.well-known/security.txt": answer(b"Contact: mailto:a@lab.test\n", headers="Content-Type: text/plain"),
    }

    def reply(request: bytes) -> Iterator[bytes]:
        path = request.split()[1].decode()
        yield redirect("/home/") if path == "/" else found.get(path, answer(b"<html>no</html>", "404 Not Found"))

    with serving(reply, tmp_path):
        facts = look(host="portal.lab.test", product=False)
    assert (facts.complete, facts.ended) == (True, "")
    assert {path.kind for path in facts.exposed} == {"robots", "security-txt"}


def test_an_application_is_asked_below_its_context_path_and_again_where_something_was_found(tmp_path: Path) -> None:
    page = answer(b"<!doctype html><title>Portal</title>")
    listed = b'{"_links":{"self":{},"env":{},"health":{}}}'
    data = "Content-Type: application/json"
    first_page = redirect("/app/login")

    def reply(request: bytes) -> Iterator[bytes]:
        path = request.split()[1].decode()
        found = {
            "/": first_page,
            "/app/login": page,
            "/app/actuator": answer(listed, headers=data),
            "/app/actuator/env": answer(b"", headers=data),
        }
        yield found.get(path, answer(b"<html>no</html>", "404 Not Found"))

    with serving(reply, tmp_path):
        facts = look(product=False)
        first_page = page
        without, again = look(product=False), look(places=(("actuator", "/app/actuator"),))
    seen = [(path.kind, path.reply.path, path.detail("open")) for path in facts.exposed]
    assert seen == [("actuator", "/app/actuator", "env")]
    assert "/app/actuator" in facts.asked
    assert without.exposed == ()
    assert again.exposed[0].reply.path == "/app/actuator"
    assert "/app/actuator" in again.asked


def test_no_secret_and_little_else_is_kept(tmp_path: Path) -> None:
    server = f'server {{ listen @address@:8080; add_header Set-Cookie "sid={sites.SECRET}; Path=/"; }}'
    with nginx(server, port=PORT, fill=sites.leftovers)(ADDRESS, tmp_path):
        facts = look()
    assert {path.kind for path in facts.exposed} == {"backup", "config", "cross-domain"}
    assert facts.root is not None
    assert facts.root.header("set-cookie") == "sid=****; Path=/"
    assert sites.SECRET not in repr(facts)
    assert len(repr(facts)) < 10_000


def test_headers_that_count_are_kept_of_a_long_list(tmp_path: Path) -> None:
    many = "".join(f"X-Number-{number}: x\r\n" for number in range(60))
    cookie = f"Set-Cookie: sid={'a' * 4500}; Secure; HttpOnly"
    headers = f"Content-Type: text/html\r\n{many}{cookie}\r\nX-Frame-Options: DENY"
    with serving(lambda _: iter([answer(headers=headers)]), tmp_path):
        facts = look(level=Level.GREETING)
    assert facts.root is not None
    assert facts.root.header("x-frame-options") == "DENY"
    assert facts.root.header("set-cookie") == "sid=****; Secure; HttpOnly"
    assert len(facts.root.headers) == 40


def test_a_server_that_does_not_speak_http_is_an_error(tmp_path: Path) -> None:
    with serving(lambda _: iter([b"SSH-2.0-lab\r\n"]), tmp_path), pytest.raises(ProbeError):
        look()


def test_a_server_that_hangs_after_the_first_page_leaves_the_look_incomplete(tmp_path: Path) -> None:
    def reply(request: bytes) -> Iterator[bytes]:
        if not request.startswith(b"GET / "):
            time.sleep(3)
        yield answer()

    with serving(reply, tmp_path):
        facts = look()
    assert not facts.complete
    assert facts.ended
    assert facts.root is not None


def test_one_path_without_an_answer_leaves_the_look_incomplete_and_the_rest_seen(tmp_path: Path) -> None:
    def reply(request: bytes) -> Iterator[bytes]:
        if request.startswith(b"GET /.git/HEAD "):
            return
        yield (
            answer(sites.ENV.encode(), headers="Content-Type: text/plain")
            if request.startswith(b"GET /.env ")
            else answer(b"<html>no</html>", "404 Not Found")
        )

    with serving(reply, tmp_path):
        facts = look()
    assert not facts.complete
    assert "/.git/HEAD" in facts.ended
    assert [path.kind for path in facts.exposed] == ["env"]


def test_hanging_up_on_trace_and_options_is_a_refusal(tmp_path: Path) -> None:
    with serving(lambda r: iter([] if r[:4] in (b"TRAC", b"OPTI") else [answer(status="404 No")]), tmp_path):
        facts = look()
    assert facts.complete
    assert facts.trace is None


def test_a_site_that_asks_for_credentials_everywhere_is_inspected_and_not_blocked(tmp_path: Path) -> None:
    def reply(request: bytes) -> Iterator[bytes]:
        yield answer(b"ref: refs/heads/main\n") if b"/.git/HEAD" in request else answer(status="401 Unauthorized")

    with serving(reply, tmp_path):
        facts = look()
    assert not facts.blocked
    assert facts.complete
    assert facts.exposed == ()  # half a repository is none


_NOBODY = (
    b"<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>"
)


@pytest.mark.parametrize(("status", "blocked"), [("401 Unauthorized", False), ("503 Service Unavailable", True)])
def test_a_balancer_that_answers_for_itself_alone_is_asked_everything_and_one_that_does_not_is_blocked(
    tmp_path: Path, status: str, blocked: bool
) -> None:
    """Else its statistics, once they want a password, would never be seen to be closed."""

    def reply(request: bytes) -> Iterator[bytes]:
        yield answer(_NOBODY, status if request.startswith(b"GET /stats ") else "503 Service Unavailable")

    with serving(reply, tmp_path):
        facts = look()
    assert (facts.blocked, facts.unseen) == (blocked, "HTTP 503")
    assert ("/stats" in facts.asked) is not blocked


def test_a_rule_against_dotfiles_is_no_block(tmp_path: Path) -> None:
    def reply(request: bytes) -> Iterator[bytes]:
        yield answer(status="403 Forbidden" if b"/." in request.split(b"\r\n")[0] else "404 Not Found")

    with serving(reply, tmp_path):
        facts = look()
    assert not facts.blocked
    assert facts.complete


def test_a_neighbour_with_the_same_content_unmasks_a_catch_all(tmp_path: Path) -> None:
    """Every name in the folder is answered, and the random paths tried first are not: only a neighbour tells."""

    def reply(request: bytes) -> Iterator[bytes]:
        dotted = request.startswith(b"GET /.") and b"/.git" not in request
        yield answer(sites.ENV.encode(), headers="Content-Type: text/plain") if dotted else answer(status="404 No")

    with serving(reply, tmp_path):
        assert look().exposed == ()


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("<html><title>某市某局</title>".encode("gbk"), "text/html; charset=GBK"),
        ("<html><meta charset='gb2312'><title>某市某局</title>".encode("gbk"), "text/html"),
        ("\ufeff<html><title>某市某局</title>".encode("utf-16-le"), "text/html"),
        ("\ufeff<html><title>某市某局</title>".encode(), "text/html; charset=gbk"),
        ("<html><title>某市某局</title>".encode(), "text/html; charset=unicode_escape"),
    ],
)
def test_a_page_is_read_in_the_charset_that_it_declares(tmp_path: Path, body: bytes, content_type: str) -> None:
    with serving(lambda _: iter([answer(body, headers=f"Content-Type: {content_type}")]), tmp_path):
        facts = look(level=Level.GREETING)
    assert facts.page is not None
    assert facts.page.title == "某市某局"


def test_a_page_for_search_engines_is_asked_for_in_our_own_name_too(tmp_path: Path) -> None:
    def reply(request: bytes) -> Iterator[bytes]:
        for_crawlers = b"baiduspider" in request.lower() and b"roundsman" in request.lower()
        yield answer(b"<html><title>" + (b"bet365" if for_crawlers else b"Portal") + b"</title>")

    with serving(reply, tmp_path):
        facts = look()
    assert facts.page is not None
    assert facts.for_crawlers is not None
    assert (facts.page.title, facts.for_crawlers.title) == ("Portal", "bet365")


def test_a_server_that_has_one_page_for_all_keeps_it_once(tmp_path: Path) -> None:
    with serving(lambda _: iter([answer(b"<html><title>Portal</title>")]), tmp_path):
        assert look().for_crawlers is None


def test_a_foreign_page_asks_with_a_cookie_and_one_without_origin_by_the_request_of_the_crawler(tmp_path: Path) -> None:
    asked: list[tuple[bool, bool, bool]] = []

    def reply(request: bytes) -> Iterator[bytes]:
        sent = request.lower()
        if b"\r\norigin: " in sent:
            asked.append((b"\r\norigin: null\r\n" in sent, b"\r\ncookie: " in sent, b"baiduspider" in sent))
        yield answer()

    with serving(reply, tmp_path) as requests:
        facts = look()
    assert asked == [(False, True, False), (True, False, True)]
    assert facts.cross_origin == ()
    assert requests.count("GET / HTTP/1.1") == 3


def test_a_site_that_names_any_origin_back_is_not_asked_for_another(tmp_path: Path) -> None:
    origins: list[bytes] = []

    def reply(request: bytes) -> Iterator[bytes]:
        origin = next((line[8:] for line in request.split(b"\r\n") if line.lower().startswith(b"origin: ")), b"")
        origins.extend([origin] if origin else [])
        yield answer(headers=f"Content-Type: text/html\r\nAccess-Control-Allow-Origin: {origin.decode() or '*'}")

    with serving(reply, tmp_path):
        facts = look()
    assert [answer.allowed.encode() for answer in facts.cross_origin] == origins
    assert len(origins) == 1


def test_a_request_without_a_name_is_sent_under_the_bare_address_only(tmp_path: Path) -> None:
    def reply(request: bytes) -> Iterator[bytes]:
        nameless = b"HTTP/1.0\r\n" in request and b"host:" not in request.lower()
        yield redirect("http://10.0.0.5/") if nameless else answer(status="404 Not Found")

    with serving(reply, tmp_path) as asked:
        facts = look()
        assert look(host="portal.lab.test").nameless is None
    assert facts.nameless is not None
    assert facts.nameless.header("location") == "http://10.0.0.5/"
    assert asked.count("GET / HTTP/1.0") == 1


def test_what_is_kept_of_a_hostile_page_is_printable(tmp_path: Path) -> None:
    body = sites.HOSTILE_TITLE.encode() + b"\xff\xfe\x00\x9b"
    with serving(lambda _: iter([answer(body)]), tmp_path):
        facts = look(level=Level.GREETING)
    assert facts.page is not None
    assert "\x1b" not in facts.page.title
    assert "\u202e" not in facts.page.title
    assert not any(char in folder for folder in facts.page.folders for char in ";$()`'\"")


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "br": brotli.compress,
    "zstd": ZstdCompressor().compress,
    "gzip, br": lambda body: bytes(brotli.compress(gzip.compress(body))),
}


@pytest.mark.parametrize("coding", PACKERS)
def test_pages_that_are_sent_packed_whatever_was_asked_for_are_read(tmp_path: Path, coding: str) -> None:
    packed = PACKERS[coding](b"<html><title>Router</title></html>")
    page = answer(packed, headers=f"Content-Type: text/html\r\nContent-Encoding: {coding}")
    with serving(lambda _: iter([page]), tmp_path):
        facts = look()
    assert facts.page is not None
    assert facts.page.title == "Router"
    assert not facts.unseen


def test_a_page_that_only_says_it_is_packed_is_read_as_it_came(tmp_path: Path) -> None:
    page = answer(b"<html><title>Router</title></html>", headers="Content-Type: text/html\r\nContent-Encoding: br")
    with serving(lambda _: iter([page]), tmp_path):
        facts = look()
    assert facts.page is not None
    assert facts.page.title == "Router"


def test_an_archive_that_is_called_packed_stays_one(tmp_path: Path) -> None:
    packed = gzip.compress(b"all of it")

    def reply(request: bytes) -> Iterator[bytes]:
        if b"/backup.tar.gz" in request:
            yield answer(packed, headers="Content-Type: application/x-tar\r\nContent-Encoding: x-gzip")
        else:
            yield answer(b"<html>no</html>", "404 Not Found")

    with serving(reply, tmp_path):
        facts = look()
    assert [path.reply.path for path in facts.exposed] == ["/backup.tar.gz"]


@pytest.mark.parametrize("coding", PACKERS)
def test_a_bomb_unpacks_to_what_a_page_may_hold(tmp_path: Path, coding: str) -> None:
    packed = PACKERS[coding](bytes(64 * 1024 * 1024))
    bomb = answer(packed, headers=f"Content-Type: text/html\r\nContent-Encoding: {coding}")
    with serving(lambda _: iter([bomb]), tmp_path):
        facts = look()
    assert facts.root is not None
    assert facts.root.body_bytes <= BODY_LIMIT


def test_a_server_that_ends_each_body_by_hanging_up_is_asked_everything(tmp_path: Path) -> None:
    def reply(request: bytes) -> Iterator[bytes]:
        found = request.startswith(b"GET / ")
        yield (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<title>P</title>"
            if found
            else (b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\n\r\n<title>no</title>")
        )

    with serving(reply, tmp_path):
        facts = look()
    assert facts.complete, facts.ended
    assert len(facts.baselines) == 2
