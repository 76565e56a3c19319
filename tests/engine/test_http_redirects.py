"""Where a site sends its visitors: what is followed, what is only recorded, and which page is judged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.engine.facts.http import RedirectEnd
from scanner.engine.model import Level
from tests.engine.http_site import ADDRESS, PORT, answer, look, redirect, serving
from tests.lab import web_sites as sites

pytestmark = pytest.mark.lab


def test_redirects_on_the_same_site_lead_to_the_page_that_is_judged(tmp_path: Path) -> None:
    pages = {b"/": redirect("app"), b"/app": redirect(f"http://{ADDRESS}:{PORT}/app/in?next=%2F")}

    def reply(request: bytes) -> Iterator[bytes]:
        yield pages.get(request.split()[1], answer(b"<html><title>Log in</title><script src=a.js></script>"))

    with serving(reply, tmp_path) as asked:
        facts = look()
    assert asked[:3] == ["GET / HTTP/1.1", "GET /app HTTP/1.1", "GET /app/in?next=%2F HTTP/1.1"]
    assert [reply.path for reply in facts.first_page] == ["/", "/app", "/app/in"]
    assert facts.page is not None
    assert facts.page.title == "Log in"
    assert facts.redirect_end is RedirectEnd.ARRIVED


@pytest.mark.parametrize(
    "elsewhere",
    [
        "http://127.10.5.202:8080/elsewhere",
        f"http://{ADDRESS}:8081/elsewhere",
        f"http://{ADDRESS}/elsewhere",
        f"https://{ADDRESS}:{PORT}/elsewhere",
        "//other.lab.test/elsewhere",
        "file:///elsewhere",
        "gopher://[elsewhere",
    ],
)
def test_redirects_off_the_site_are_recorded_and_never_followed(tmp_path: Path, elsewhere: str) -> None:
    with serving(lambda _: iter([redirect(elsewhere)]), tmp_path) as asked:
        facts = look()
    assert facts.shown is not None
    assert facts.shown.header("location") == elsewhere
    assert facts.hops == ()
    assert facts.redirect_end in (RedirectEnd.ELSEWHERE, RedirectEnd.ARRIVED)
    assert not any("elsewhere" in line for line in asked)


def test_a_redirect_loop_ends_where_it_closes(tmp_path: Path) -> None:
    def reply(request: bytes) -> Iterator[bytes]:
        yield redirect("/b" if request.startswith(b"GET /a ") else "/a")

    with serving(reply, tmp_path):
        facts = look()
    assert [reply.path for reply in facts.first_page] == ["/", "/a", "/b"]
    assert facts.redirect_end is RedirectEnd.LOOP


def test_an_endless_chain_of_redirects_is_followed_three_times(tmp_path: Path) -> None:
    with serving(lambda request: iter([redirect("/" + "x" * len(request.split()[1]))]), tmp_path):
        facts = look()
    assert len(facts.hops) == 3
    assert facts.redirect_end is RedirectEnd.LIMIT


def test_a_site_that_wants_its_cookie_back_gets_it_on_the_way_and_nobody_keeps_it(tmp_path: Path) -> None:
    def reply(request: bytes) -> Iterator[bytes]:
        known = f"Cookie: gate={sites.SECRET}".encode() in request
        yield answer(b"<html><title>Portal</title>") if known else redirect("/", f"gate={sites.SECRET}; Path=/")

    with serving(reply, tmp_path):
        facts = look()
    assert facts.page is not None
    assert facts.page.title == "Portal"
    assert sites.SECRET not in repr(facts)


@pytest.mark.parametrize(
    "first",
    [
        '<meta http-equiv="refresh" content="0;url=app/login">',
        '<script>window.location.href = "/app/login"</script>',
    ],
)
def test_a_page_that_only_sends_its_visitors_on_leads_to_the_one_that_is_judged(tmp_path: Path, first: str) -> None:
    def reply(request: bytes) -> Iterator[bytes]:
        at_login = request.startswith(b"GET /app/login ")
        yield answer(b"<html><title>Log in</title>" if at_login else f"<html>{first}</html>".encode())

    with serving(reply, tmp_path):
        facts = look()
    assert [reply.path for reply in facts.first_page] == ["/", "/app/login"]
    assert facts.page is not None
    assert facts.page.title == "Log in"
    assert facts.redirect_end is RedirectEnd.ARRIVED


def test_a_refresh_header_sends_on_like_the_element_of_that_name(tmp_path: Path) -> None:
    headers = "Content-Type: text/html\r\nRefresh: 0; url=https://portal.lab.test/"
    with serving(lambda _: iter([answer(headers=headers)]), tmp_path):
        facts = look(level=Level.GREETING)
    assert facts.page is not None
    assert facts.page.refresh == "https://portal.lab.test/"


@pytest.mark.parametrize(
    "first",
    [
        '<meta http-equiv="refresh" content="0;url=/gone">',
        '<meta http-equiv="refresh" content="0;url=https://other.lab.test/">',
        '<meta http-equiv="refresh" content="0;url=/">',
        f'<p>{"Words. " * 50}</p><script>function go() {{ location.href = "/gone" }}</script>',
    ],
)
def test_a_page_whose_own_way_on_leads_nowhere_is_the_one_that_is_judged(tmp_path: Path, first: str) -> None:
    def reply(request: bytes) -> Iterator[bytes]:
        gone = request.startswith(b"GET /gone ")
        yield answer(b"", "404 Not Found") if gone else answer(f"<html><title>First</title>{first}</html>".encode())

    with serving(reply, tmp_path):
        facts = look()
    assert facts.page is not None
    assert facts.page.title == "First"
    assert facts.complete


def test_a_redirect_to_a_page_that_does_not_answer_leaves_the_look_incomplete(tmp_path: Path) -> None:
    def reply(request: bytes) -> Iterator[bytes]:
        if not request.startswith(b"GET /app "):
            yield redirect("/app")

    with serving(reply, tmp_path):
        facts = look()
    assert facts.redirect_end is RedirectEnd.UNANSWERED
    assert not facts.complete


@pytest.mark.parametrize(
    "target", ["/\u00e9\u4e2d", "/a b\tc", "/" + "x" * 3000, "?\x7f", "/%zz", "\\\\evil\\x", "/..//../x"]
)
def test_odd_redirect_targets_never_break_the_look(tmp_path: Path, target: str) -> None:
    sent = f"HTTP/1.1 301 Moved\r\nLocation: {target}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
    with serving(lambda _: iter([sent]), tmp_path) as asked:
        facts = look()
    assert facts.root is not None
    assert all(len(line) < 2100 for line in asked)


def test_at_the_greeting_level_no_redirect_is_followed(tmp_path: Path) -> None:
    with serving(lambda _: iter([redirect("/app")]), tmp_path) as asked:
        facts = look(level=Level.GREETING)
    assert asked == ["GET / HTTP/1.1"]
    assert facts.redirect_end is RedirectEnd.UNASKED
