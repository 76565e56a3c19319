"""The files of the lab's web sites. Every secret in them is made for the lab and worth nothing."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import zipfile
from pathlib import Path

from tests.lab.case import program

SECRET = "only-for-the-lab-4711"
"""The value that must never appear in anything that is kept."""


def html(title: str, body: str = "", head: str = "") -> str:
    return f"<!DOCTYPE html><html><head><title>{title}</title>{head}</head><body>{body}</body></html>"


def page(title: str, body: str = "", head: str = "") -> Site:
    return Site({"index.html": html(title, body, head)})


class Site:
    """Files by their path, written when the server starts."""

    def __init__(self, files: dict[str, str | bytes]) -> None:
        self.files = files

    def __call__(self, root: Path) -> None:
        for name, content in self.files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)


LOGIN = page("Portal", '<form action="/login" method="post"><input name="u"><input type="password" name="p"></form>')

ENV = f"APP_NAME=Portal\nAPP_ENV=production\nDB_HOST=127.0.0.1\nDB_PASSWORD={SECRET}\nMAIL_TOKEN='{SECRET}'\n"


def repository(root: Path) -> None:
    """A page, a folder that lists itself, an environment file, and a real Git repository with a remote."""
    Site(
        {
            "index.html": html("Portal", '<a href="/files/report.pdf">report</a>'),
            "files/report.pdf": b"%PDF-1.4",
            "files/plan.txt": "plan",
            ".env": ENV,
        }
    )(root)
    git = [program("git"), "-C", str(root), "-c", "user.name=lab", "-c", "user.email=lab@lab.test"]
    for command in (
        ["init", "-q"],
        ["remote", "add", "origin", f"https://deploy:{SECRET}@git.lab.test/portal.git"],
        ["add", "index.html"],
        ["commit", "-q", "-m", "First"],
    ):
        subprocess.run([*git, *command], check=True, capture_output=True)


def other_repositories(root: Path) -> None:
    """What Subversion, Mercurial, Bazaar and the macOS Finder leave behind."""
    Site(
        {
            "index.html": html("Portal"),
            ".hg/requires": "dotencode\nfncache\ngeneraldelta\nrevlogv1\nstore\n",
            ".bzr/branch-format": "Bazaar-NG meta directory, format 1\n",
            ".DS_Store": b"\x00\x00\x00\x01Bud1\x00\x00\x10\x00" + bytes(4096),
        }
    )(root)
    (root / ".svn").mkdir()
    with sqlite3.connect(root / ".svn" / "wc.db") as database:
        database.execute("CREATE TABLE NODES (local_relpath TEXT)")
    database.close()


def leftovers(root: Path) -> None:
    """Backups, keys and settings that somebody forgot in the document root."""
    Site(
        {
            "index.html": html("Portal"),
            "backup.sql": f"-- MySQL dump 10.13  Distrib 8.0.35\n--\nINSERT INTO users VALUES (1,'{SECRET}');\n",
            "web.config": f'<configuration><connectionStrings><add connectionString="pwd={SECRET}"/>'
            "</connectionStrings><system.web/></configuration>",
            "WEB-INF/web.xml": '<?xml version="1.0"?><web-app version="3.1"></web-app>',
            "config.json": json.dumps({"database": {"host": "db", "password": SECRET}}),
            ".aws/credentials": f"[default]\naws_access_key_id = AKIALAB\naws_secret_access_key = {SECRET}\n",
            ".vscode/sftp.json": json.dumps(
                {"host": "lab", "username": "deploy", "password": SECRET, "remotePath": "/"}
            ),
            "crossdomain.xml": '<cross-domain-policy><allow-access-from domain="*"/></cross-domain-policy>',
        }
    )(root)
    with zipfile.ZipFile(root / "backup.zip", "w") as archive:
        archive.writestr("index.php", "<?php echo 1;")
    command = [program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", str(root / "id_rsa")]
    subprocess.run(command, check=True, capture_output=True)


_PHPINFO = html(
    "PHP 8.2.7 - phpinfo()",
    '<table><tr class="h"><td><h1 class="p">PHP Version 8.2.7</h1></td></tr></table>'
    f"<table><tr><td>DB_PASSWORD</td><td>{SECRET}</td></tr></table>",
)
_API = {"openapi": "3.0.1", "info": {"title": "Portal API", "version": "1"}, "paths": {"/users": {}, "/orders": {}}}

MANAGEMENT = Site(
    {
        "index.html": html("Portal"),
        "phpinfo.php": _PHPINFO,
        "actuator/index.json": json.dumps(
            {"_links": {n: {"href": f"http://lab/actuator/{n}"} for n in ("self", "health", "env", "heapdump")}}
        ),
        "actuator/env": json.dumps({"propertySources": [{"spring.datasource.password": {"value": SECRET}}]}),
        "v3/api-docs": json.dumps(_API),
        "doc.html": html("API", '<script src="webjars/knife4j/app.js"></script>'),
        "robots.txt": "User-agent: *\nDisallow: /search\nDisallow: /houtai/\n",
        "graphql": json.dumps({"data": {"__schema": {"queryType": {"name": "Query"}}}}),
        "druid/index.html": html("Druid Stat Index", "<h3>Stat Index</h3>"),
        "phpmyadmin/index.html": html("phpMyAdmin", '<form><input name="pma_username"><input type="password"></form>'),
        "install/index.php": html("Discuz! X3.4 安装向导", '<form action="?step=2"><input type="submit"></form>'),
    }
)

FINISHED = Site(
    {
        "index.html": html("Portal"),
        "actuator/index.json": json.dumps({"_links": {n: {"href": "/actuator"} for n in ("self", "health", "info")}}),
        "install/index.php": html("Discuz! X3.4 安装向导", "<form></form>安装锁定，已经安装过了，请删除 install.lock"),
        ".env": "APP_NAME=Portal\nAPP_ENV=production\n",
        ".git/config": "[core]\n\trepositoryformatversion = 0\n",
        "robots.txt": "User-agent: *\nDisallow: /wp-admin/\nAllow: /wp-admin/admin-ajax.php\n",
        "graphql": json.dumps({"errors": [{"message": "introspection is not allowed"}], "data": None}),
        "config.json": json.dumps({"password": "Password", "title": "Portal", "forgotPasswordUrl": "/forgot"}),
        "backup.zip": html("Not here"),
        "phpinfo.php": "<?php phpinfo(); // PHP Version",
        "crossdomain.xml": '<cross-domain-policy><allow-access-from domain="*.lab.test"/></cross-domain-policy>',
    }
)

SOUND = Site(
    {
        "index.html": html(
            "Portal",
            '<form action="/login" method="post"><input type="password"></form><a href="http://other.test/">other</a>',
            '<link rel="stylesheet" href="/assets/site.css">',
        ),
        "assets/site.css": "body {}",
        ".well-known/security.txt": "Contact: mailto:security@lab.test\nExpires: 2030-01-01T00:00:00Z\n",
    }
)

MIXED = page(
    "Portal",
    '<script src="http://cdn.lab.test/a.js"></script><img src="http://cdn.lab.test/a.png">'
    '<form action="/login"><input type="password"></form>',
)

EVERY_MARK = html(
    "Portal",
    "<pre>[core]\nrepositoryformatversion = 0\nDB_PASSWORD=x\nAPP_KEY=y\nAWS_SECRET_KEY=z\nActive connections: 1\n"
    "Apache Server Status for lab\nServer Version: x\nphpinfo() PHP Version 8.2\n</pre>",
)

HOSTILE_TITLE = html(
    "<script>alert(1)</script>\u202e\x1b[31m",
    "<a " * 40_000 + '<a href="/x;reboot/y">x</a><a href="/files/$(id)/y">x</a><a href="/../../etc/">x</a>',
)

OFFICE_TEXT = "<p>" + "本局负责全市相关行政管理工作，办理事项请查阅办事指南。" * 12 + "</p>"
"""Enough text to be a page of its own."""

OLD_LIBRARIES = page(
    "Portal",
    '<script src="/js/jquery-1.12.4.min.js"></script><script src="https://cdn.lab.test/npm/vue@2.6.14/dist/vue.js"></script>'
    "<script>/*! jQuery UI - v1.11.4 - 2015-03-11 */</script>",
)
NEW_LIBRARIES = page(
    "Portal",
    '<script src="/js/jquery-3.7.1.min.js"></script><script src="https://cdn.lab.test/npm/vue@3.4.21/dist/vue.js"></script>'
    '<script src="/js/jquery.cookie-1.4.1.js"></script><script src="/js/bootstrap.min.js?v=3.3.7"></script>',
)
PLANTED_LINKS = page(
    "Portal",
    f'{OFFICE_TEXT}<div style="position:absolute;left:-5000px"><a href="http://dark.test/">百家乐</a>'
    '<a href="http://dark.test/2">&#26102;&#26102;&#24425;</a></div><footer>京ICP备05000000号-1</footer>',
)
DARK_TITLE = html("澳门赌场 百家乐 官网", OFFICE_TEXT, '<meta name="keywords" content="时时彩">')
ORDINARY_OFFICE = page(
    "严厉打击网络赌博专项行动 - 某市公安局",
    f'{OFFICE_TEXT}<div style="display:none"><a href="http://www.gov.test/">上级部门</a>'
    '<a href="http://lottery.test/">中国体育彩票</a></div><footer>京ICP备05000000号-1</footer>',
)
UNREGISTERED_OFFICE = page("某市某局", OFFICE_TEXT)
COUNTED_LOGIN = html(
    "Portal",
    '<form action="/login" method="post"><input type="password" name="p"></form><script>'
    'var p = (("https:" == document.location.protocol) ? " https://" : " http://");'
    'document.write(unescape("%3Cscript src=\'" + p + "hm.baidu.test/h.js\'%3E%3C/script%3E"));</script>',
)
"""A log-in by http, whose counter of visits compares the scheme, as that of Baidu does."""
LONG_OFFICE = html("某市某局", f"{OFFICE_TEXT}<p>{'text ' * 30_000}</p><footer>京ICP备05000000号-1</footer>")
GBK_OFFICE = html("某市某局", f"{OFFICE_TEXT}<footer>京ICP备05000000号-1</footer>").encode("gbk")
GBK_PLANTED = html(
    "某市某局", f'{OFFICE_TEXT}<div style="display:none"><a href="http://dark.test/">百家乐</a></div>京ICP备05000000号'
).encode("gbk")
FRAME_FOR_SCRIPT = page("某市某局", '<div id="app"></div><script src="/app.js"></script>')
