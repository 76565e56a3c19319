"""Which pages of a site are looked at besides its first one."""

from __future__ import annotations

import pytest

from scanner.engine.probes.http_asking import is_refusal
from scanner.engine.probes.http_within import pages_within

HERE = "http://portal.lab.test/start/index.html"


@pytest.mark.parametrize(
    ("html", "urls"),
    [
        ('<frameset><frame src="top.htm"><frame src="/in.jsp?s=1"><frame src="c.htm"></frameset>',
         ("http://portal.lab.test/start/top.htm", "http://portal.lab.test/in.jsp?s=1")),
        ('<a href="/news">News</a><a href="/user/login.do">Staff</a><a href="/sign-in">x</a>',
         ("http://portal.lab.test/user/login.do",)),
        ('<a href="/s?id=3">登 录</a>', ("http://portal.lab.test/s?id=3",)),
        ('<a href="/index.php?m=admin&a=login">Staff</a>', ("http://portal.lab.test/index.php?m=admin&a=login",)),
        ('<a href="/s?id=4">教师登录</a>', ("http://portal.lab.test/s?id=4",)),
        ('<a href="/s?id=5">登录 | 注册</a>', ("http://portal.lab.test/s?id=5",)),
        ('<a href="/s?id=6">Staff sign-in</a>', ("http://portal.lab.test/s?id=6",)),
        ('<a href="/s?id=7">退出登录</a><a href="/s?id=8">登录须知</a><a href="/s?id=9">安全退出登录</a>', ()),
        ('<a href="https://sso.lab.test/login">Log in</a>', ("https://sso.lab.test/login",)),
        ('<a href="javascript:login()">Log in</a>', ()),
        ('<!-- <a href="/login">Log in</a> -->', ()),
        ('<a href="/login?user=demo&amp;pwd=demo">Log in</a>', ()),
        ('<a href="/blogin">Log</a><a href="/logout">Log out</a>', ()),
        ('<iframe src="http://[broken/"></iframe>', ()),
    ],
)  # fmt: skip
def test_frames_and_the_first_link_to_a_log_in_count(html: str, urls: tuple[str, ...]) -> None:
    assert pages_within(html, HERE) == urls


@pytest.mark.parametrize("status", [403, 412, 421, 429, 468, 500, 502, 503, 521])
def test_what_gateways_and_firewalls_say_is_nothing_of_the_site(status: int) -> None:
    assert is_refusal(status)


@pytest.mark.parametrize("status", [200, 302, 401, 404, 405, 410])
def test_what_a_site_says_itself_is_no_refusal(status: int) -> None:
    assert not is_refusal(status)
