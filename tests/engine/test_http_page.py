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
        ('<form action="javascript:void(0)" onsubmit="send()">', "https://portal.lab.test/"),
        ('<base href="http://static.lab.test/"><form action="">', "https://portal.lab.test/"),
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
    ("text", "active", "passive"),
    [
        ('<img src="/a.png" srcset="/a.png 1x, http://cdn.test/b.png 2x">', (), ("http://cdn.test/b.png",)),
        ('<video src="/a.mp4" poster="http://cdn.test/b.png">', (), ("http://cdn.test/b.png",)),
        ('<input type="image" src="http://cdn.test/b.png">', (), ("http://cdn.test/b.png",)),
        ('<td background="http://cdn.test/b.png">', (), ("http://cdn.test/b.png",)),
        ("<p style=\"background: url('http://cdn.test/b.png')\">", (), ("http://cdn.test/b.png",)),
        ("<style>p { background: url(http://cdn.test/b.png) }</style>", (), ("http://cdn.test/b.png",)),
        ('<style>@import url("http://cdn.test/b.css");</style>', ("http://cdn.test/b.css",), ()),
        ('<style>@import "http://cdn.test/b.css";</style>', ("http://cdn.test/b.css",), ()),
        ("<style>/* url(http://cdn.test/b.png) */ p { color: red }</style>", (), ()),
        ("<style>@namespace svg url(http://www.w3.org/2000/svg);</style>", (), ()),
        ("<p style=\"background: url('data:image/svg+xml,<svg xmlns=http://www.w3.org/2000/svg>')\">", (), ()),
        ('<input name="home" value="http://cdn.test/" src="http://cdn.test/b.png">', (), ()),
    ],
)
def test_what_sets_and_styles_load_by_http_counts_too(
    text: str, active: tuple[str, ...], passive: tuple[str, ...]
) -> None:
    page = read_page(text, BASE)
    assert (page.plain_active, page.plain_passive) == (active, passive)


def test_all_policies_of_a_page_count_to_their_ends() -> None:
    long = "default-src " + " ".join(f"https://{number}.cdn.test" for number in range(80))
    page = read_page(
        f'<meta http-equiv="Content-Security-Policy" content="{long}; upgrade-insecure-requests">'
        '<meta http-equiv="Content-Security-Policy" content="object-src \'none\'">',
        BASE,
    )
    assert page.policy.endswith("upgrade-insecure-requests, object-src 'none'")


@pytest.mark.parametrize(
    "text",
    [
        '<meta http-equiv=refresh content="0; url=https://portal.lab.test/">',
        '<script>window.location.href = "https://portal.lab.test/"</script>',
        "<script>location.replace('https://portal.lab.test/')</script>",
        """<body onload="top.location='https://portal.lab.test/'"></body>""",
    ],
)
def test_a_page_that_sends_the_browser_on_is_noticed(text: str) -> None:
    assert read_page(text, "http://portal.lab.test/").refresh == "https://portal.lab.test/"


@pytest.mark.parametrize(
    "script",
    [
        'if (location.protocol != "https:") { location.replace("https:" + location.href.substring(5)) }',
        "if (location.protocol !== 'https:') location.protocol = 'https:'",
        "window.location.href = 'https://' + window.location.host",
        "location.replace(`https:${location.href.substring(location.protocol.length)}`)",
    ],
)
def test_a_script_that_takes_a_whole_page_to_https_is_noticed(script: str) -> None:
    text = f"<p>{'Words. ' * 50}</p><script>{script}</script>"
    assert read_page(text, "http://portal.lab.test/").refresh == "https://portal.lab.test/"


@pytest.mark.parametrize(
    "text",
    [
        # How Baidu and Google had their counters of visits loaded.
        """<script>var p = (("https:" == document.location.protocol) ? " https://" : " http://");
        document.write(unescape("%3Cscript src='" + p + "hm.baidu.com/h.js%3F1'%3E%3C/script%3E"));</script>""",
        """<script>ga.src = ('https:' == document.location.protocol ? 'https://ssl' : 'http://www') + '.ga.test/ga.js';
        </script>""",
        f'<p>{"Words. " * 50}</p><script>function shop() {{ location.href = "https://shop.test/" }}</script>',
        '<meta http-equiv="refresh" content="300; url=https://portal.lab.test/">',
        '<meta http-equiv="refresh" content="5">',
    ],
)
def test_a_page_that_keeps_its_visitors_sends_nobody_on(text: str) -> None:
    assert read_page(text, "http://portal.lab.test/").refresh == ""


def test_links_are_relative_to_the_base_element() -> None:
    page = read_page(
        '<base href="http://portal.lab.test:8080/app/"><base href="/ignored/"><script src="a.js"></script>'
        '<form action="login"><input type="password"></form><a href="http://portal.lab.test:8080/files/x">',
        BASE,
    )
    assert page.plain_active == ("http://portal.lab.test:8080/app/a.js", "http://portal.lab.test:8080/app/login")
    assert page.password_actions == ("http://portal.lab.test:8080/app/login",)
    assert page.folders == ()


def test_the_foot_of_a_long_page_is_read_and_one_that_was_cut_off_proves_nothing() -> None:
    long = "<p>text</p>" * 15_000
    assert read_page(f"{long}京ICP备05000000号-1", BASE).registration == "京ICP备05000000号-1"
    assert read_page(long, BASE).registration == ""
    assert read_page(long, BASE, cut=True).registration is None
    assert read_page("\ufffd" * 300, BASE).registration is None


def test_only_plain_folders_of_the_same_site_are_taken_from_links() -> None:
    page = read_page(
        '<a href="/files/a.pdf"><a href="https://other.test/away/x"><a href="/x;reboot/y"><a href="/$(id)/y">'
        '<a href="/../../etc/passwd"><a href="/a/b/c/d/e/f"><a href="javascript:alert(1)"><a href="http://[bad/">',
        BASE,
    )
    assert page.folders == ("/files/", "/etc/")


def test_a_folder_that_is_named_after_files_may_be_linked_without_its_last_slash() -> None:
    page = read_page(
        '<a href="/uploads"><a href="/news"><a href="/site/docs?x=1"><img src="/images"><a href="/files/about">', BASE
    )
    assert page.folders == ("/uploads/", "/site/", "/site/docs/", "/files/")


def test_folders_of_documents_come_before_those_of_style_sheets_and_scripts() -> None:
    page = read_page(
        '<link rel="stylesheet" href="/css/a.css"><script src="/js/a.js"></script><a href="/upload/a">', BASE
    )
    assert page.folders == ("/upload/", "/css/", "/js/")


@pytest.mark.parametrize(
    ("source", "library"),
    [
        ("/js/jquery-1.12.4.min.js", "jquery 1.12.4"),
        ("vendor/jquery/jquery1.11.3.min.js", "jquery 1.11.3"),
        ("/static/jquery-ui-1.12.1.custom.min.js?v=3", "jquery-ui 1.12.1"),
        ("https://cdn.lab.test/npm/bootstrap@3.3.7/dist/js/bootstrap.min.js", "bootstrap 3.3.7"),
        ("//cdn.lab.test/ajax/libs/angular.js/1.6.9/angular.min.js", "angularjs 1.6.9"),
        ("/js/vue-2.7.global.prod.js", "vue 2.7"),
        ("/js/jquery.cookie-1.4.1.js", ""),
        ("/js/jquery-migrate-3.0.0.min.js", ""),
        ("/js/my-jquery-1.0.0.js", ""),
        ("/js/jquery.min.js?ver=1.0.0", ""),
        ("/js/bootstrap-table-1.18.3.js", ""),
        ("/app-20.1.1.js", ""),
    ],
)
def test_a_library_is_told_by_the_name_of_its_file_or_folder(source: str, library: str) -> None:
    found = read_page(f'<script src="{source}"></script>', BASE).libraries
    assert [f"{each.name} {each.version}" for each in found] == ([library] if library else [])


def test_a_library_inside_the_page_is_told_by_its_comment() -> None:
    page = read_page("<script>\n/*! jQuery v1.8.3 jquery.com | jquery.org/license */ x</script>", BASE)
    assert [(each.name, each.version) for each in page.libraries] == [("jquery", "1.8.3")]
    page = read_page("<script>/*! jQuery UI - v1.11.4 - 2015 */</script><script>// jQuery v1.2.3</script>", BASE)
    assert [(each.name, each.version) for each in page.libraries] == [("jquery-ui", "1.11.4")]


LINK = '<a href="http://dark.example/">&#30334;&#23478;&#20048;</a>'


@pytest.mark.parametrize(
    "around",
    [
        '<div style="display:none">{}</div>',
        '<div style="position:absolute; left:-9999px"><p>{}</p></div>',
        '<marquee height="1" width="5" scrollamount="3000">{}</marquee>',
        "<script>document.write('<div style=\"display: none\">');</script>{}<script>document.write('</div>')</script>",
        '<span style="font-size:0">{}</span>',
        "<div hidden><ul><li>{}</ul></div>",
    ],
)
def test_links_to_other_hosts_that_nobody_sees_are_noted(around: str) -> None:
    assert read_page(around.format(LINK), BASE).hidden_links == ("百家乐 (dark.example)",)


@pytest.mark.parametrize(
    "around",
    [
        "<div>{}</div>",
        '<div style="display:none">menu</div>{}',
        '<div style="display:none"><p>a</div>{}',
        '<div style="width:100%; left:-5px; opacity:0.5; font-size:0.8em">{}</div>',
        '<div style="display:none"><a href="/own">own</a></div>',
        "<!-- {} -->",
    ],
)
def test_links_that_are_seen_or_stay_on_the_site_are_not(around: str) -> None:
    assert read_page(around.format(LINK), BASE).hidden_links == ()


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("<p>版权所有 京ICP备05000000号-1</p>", "京ICP备05000000号-1"),
        ("<a>粤ICP备 2021000001号</a>", "粤ICP备 2021000001号"),
        ("&#27818;ICP&#22791;12345678&#21495;", "沪ICP备12345678号"),
        *((f"{province}ICP备05000000号", f"{province}ICP备05000000号") for province in "蜀黔滇陇"),
        ("<p>ICP备案查询</p>", ""),
        ("<p>本站尚未备案</p>", ""),
    ],
)
def test_the_registration_number_is_read(text: str, number: str) -> None:
    assert read_page(text, BASE).registration == number


def test_links_to_internal_addresses_are_noted() -> None:
    page = read_page('<img src="http://10.1.2.3:8080/a.png"><a href="http://8.8.8.8/"><a href="/10.0.0.1/">', BASE)
    assert page.internal_urls == ("http://10.1.2.3:8080/a.png",)


@pytest.mark.parametrize(
    "piece",
    [
        "<a ",
        "<!--",
        "<",
        "<?",
        "<a b='",
        "<script>",
        "</",
        "<a" + " a" * 900 + ">",
        "<title>",
        "&",
        "<a href='\x00'>",
        "<div hidden>",
        "</div>",
        "<div style='display:none'><p>",
        "<script src='/jquery-1.'></script>",
        "京ICP备 ",
        "<a href=//a.test>" + "x" * 70,
        "<marquee height=1>",
        "<script>document.write(display</script>",
        "<style>/*",
        "<style>@import url(http://",
        "<p style='url(http:'>",
        "<img srcset='http://a, '>",
    ],
)
def test_a_hostile_page_is_read_in_no_time(piece: str) -> None:
    started = time.process_time()
    read_page(piece * (256 * 1024 // len(piece)), BASE)
    assert time.process_time() - started < 2
