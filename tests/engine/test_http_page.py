"""What is read from a page, and that no page, however hostile, keeps the reader busy."""

from __future__ import annotations

import time

import pytest

from scanner.engine.probes.http_page import read_page

BASE = "https://portal.lab.test/"


def test_title_generator_policy_and_referrer_are_read() -> None:
    page = read_page(
        "<TITLE>Por&amp;tal\n one</TITLE><meta name=generator content='WordPress 6.1'>"
        '<meta http-equiv="Content-Security-Policy" content="default-src \'self\'">'
        '<meta name="referrer" content="origin">',
        BASE,
    )
    assert page.title == "Por&tal one"
    assert page.generator == "WordPress 6.1"
    assert page.policy == "default-src 'self'"
    assert page.referrer == "origin"


@pytest.mark.parametrize(
    ("form", "action"),
    [
        ('<form action="http://other.lab.test/in">', "http://other.lab.test/in"),
        ('<form action="/in?token=secret">', "https://portal.lab.test/in"),
        ("<form>", "https://portal.lab.test/"),
        ("", "https://portal.lab.test/"),
    ],
)
def test_a_password_field_is_found_with_where_its_form_goes(form: str, action: str) -> None:
    assert read_page(f"{form}<input type=PASSWORD name=p>", BASE).password_actions == (action,)


def test_what_stands_in_comments_and_scripts_is_not_part_of_the_page() -> None:
    page = read_page(
        '<!-- <input type=password> --><script>var x = \'<input type="password"><img src="http://a.test/b">\'</script>',
        BASE,
    )
    assert page.password_actions == ()
    assert page.plain_passive == ()


def test_subresources_by_http_are_told_apart_and_links_to_other_pages_are_none() -> None:
    page = read_page(
        '<a href="http://other.test/"><script src="http://cdn.test/a.js"></script><img src=http://cdn.test/a.png>'
        '<link rel=canonical href="http://portal.lab.test/"><link rel=stylesheet href="http://cdn.test/a.css">'
        '<img src="http://127.0.0.1/x"><script src="//cdn.test/b.js"></script>',
        BASE,
    )
    assert page.plain_active == ("http://cdn.test/a.js", "http://cdn.test/a.css")
    assert page.plain_passive == ("http://cdn.test/a.png",)


@pytest.mark.parametrize(
    "text",
    [
        '<meta http-equiv=refresh content="0; url=https://portal.lab.test/">',
        '<script>window.location.href = "https://portal.lab.test/"</script>',
        "<script>location.replace('https://portal.lab.test/')</script>",
    ],
)
def test_a_page_that_sends_the_browser_on_is_noticed(text: str) -> None:
    assert read_page(text, "http://portal.lab.test/").refresh == "https://portal.lab.test/"


def test_only_plain_folders_of_the_same_site_are_taken_from_links() -> None:
    page = read_page(
        '<a href="/files/a.pdf"><a href="https://other.test/away/x"><a href="/x;reboot/y"><a href="/$(id)/y">'
        '<a href="/../../etc/passwd"><a href="/a/b/c/d/e/f"><a href="javascript:alert(1)"><a href="http://[bad/">',
        BASE,
    )
    assert page.folders == ("/files/", "/etc/")


@pytest.mark.parametrize(
    "piece",
    ["<a ", "<!--", "<", "<?", "<a b='", "<script>", "</", "<a" + " a" * 900 + ">", "<title>", "&", "<a href='\x00'>"],
)
def test_a_hostile_page_is_read_in_no_time(piece: str) -> None:
    started = time.process_time()
    read_page(piece * (256 * 1024 // len(piece)), BASE)
    assert time.process_time() - started < 2
