"""A path is what it seems only when its content proves it, and the proof holds no secret."""

from __future__ import annotations

import json
import time

import pytest

from scanner.engine.facts.http import HttpReply
from scanner.engine.probes import http_products as products
from scanner.engine.probes import http_public_files as public
from scanner.engine.probes import http_signatures as signatures
from scanner.engine.probes.http_compare import Fingerprint
from scanner.engine.probes.http_environment import env_file
from scanner.engine.probes.http_listings import listing
from scanner.engine.probes.http_signatures import Signature

SECRET = "only-for-the-test-4711"
ENV = f"APP_NAME=Portal\nDB_PASSWORD={SECRET}\n"


def reply(body: str, content_type: str = "text/plain", status: int = 200, path: str = "/x") -> HttpReply:
    return HttpReply("GET", path, status, (("content-type", content_type),), body, len(body.encode()))


PROVEN: tuple[tuple[Signature, str], ...] = (
    (signatures.git_head, "ref: refs/heads/main\n"),
    (signatures.git_head, "a" * 40),
    (
        signatures.git_config,
        f'[core]\n\trepositoryformatversion = 0\n[remote "o"]\n\turl = https://u:{SECRET}@h/r.git\n',
    ),
    (signatures.hg_requires, "dotencode\nfncache\ngeneraldelta\nrevlogv1\nstore\n"),
    (signatures.hg_requires, "dirstate-v2\nshare-safe\n"),
    (env_file, ENV),
    (signatures.archive, "PK\x03\x04\x14"),
    (signatures.archive, b"\x1f\x8b\x08\x00".decode("utf-8", "replace")),
    (signatures.sql_dump, f"-- MySQL dump 10.13\n-- INSERT '{SECRET}'"),
    (signatures.sql_dump, "/*!999999\\- enable the sandbox mode */\n-- MariaDB dump 10.19"),
    (signatures.sql_dump, "/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19  Distrib 10.11.11-MariaDB"),
    (signatures.sql_dump, "--\n-- PostgreSQL database dump\n--"),
    (signatures.sql_dump, "/*\n Navicat Premium Data Transfer\n\n Source Server : lab"),
    (signatures.sql_dump, f"{'-' * 56}\n-- Host:                         127.0.0.1"),
    (signatures.sql_dump, "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;"),
    (signatures.nginx_status, "Active connections: 1 \nserver accepts handled requests request_time\n 2 2 4 120\n"),
    (public.robots, "User-agent: *\nDisallow: /siteadmin/\n"),
    (public.robots, "User-agent: *\nDisallow: /db_backup/\n"),
    (public.cross_domain, "<cross-domain-policy><allow-access-from domain = '*' /></cross-domain-policy>"),
    (signatures.nginx_status, "Active connections: 1 \nserver accepts handled requests\n 1 1 1 \nReading: 0"),
    (signatures.config_json, json.dumps({"db": {"host": "h", "password": SECRET}})),
    (signatures.sftp_json, json.dumps({"host": "h", "username": "u", "password": SECRET})),
    (signatures.aws_credentials, f"[default]\naws_secret_access_key = {SECRET}"),
    (signatures.private_key, "-----BEGIN RSA PRIVATE KEY-----\nabc"),
    (signatures.actuator, json.dumps({"_links": {"self": {}, "env": {}, "env-toMatch": {}}})),
    (signatures.api_description, '{"swagger": "2.0", "info": {"title": "A"}, "paths": {}}'),
    (public.security_txt, "Contact: mailto:a@lab.test"),
    (public.robots, "User-agent: *\nDisallow: /wp-admin/\nDisallow: /guanli/\n"),
    (signatures.introspection, '{"data":{"__schema":{"queryType":{"name":"Query"}}}}'),
    (signatures.composer, json.dumps({"require": {"php": ">=8.1", "ext-json": "*", "monolog/monolog": "^2.9"}})),
    (public.robots, "User-agent: *\nDisallow: /*/admin/\nDisallow: admin/\n"),
    (public.robots, "User-agent: *\nDisallow: /admin/\nDisallow: /node/add/\n"),
    (public.robots, "User-agent: *\nDisallow: /后台/\n"),
    (public.cross_domain, "<!-- a --><cross-domain-policy><!-- b --><allow-access-from domain='*'/>"),
    (signatures.web_config, "<?xml version='1.0'?><!-- of 2026 --><configuration><system.web/></configuration>"),
    (signatures.web_xml, "\ufeff<?xml version='1.0'?>\n<!DOCTYPE web-app PUBLIC 'x' 'y'>\n<web-app>"),
    (signatures.sftp_json, json.dumps([{"host": "h", "username": "u", "password": SECRET}])),
    (signatures.config_json, json.dumps({"sources": [{"password": SECRET}]})),
    (signatures.config_json, json.dumps({"uri": f"mongodb://app:{SECRET}@db/app"})),
    (signatures.application_trace, '[ <a href="Trace.axd?clear=1" class="link">清除当前跟踪</a> ]'),
    (env_file, f"NODE_ENV=x\nDATABASE_URL=mysql://app:{SECRET}@db/app\n"),
    (signatures.config_json, json.dumps({"db_pass": SECRET})),
    (signatures.git_head, "ref: refs/heads/功能/#12-login+mail\n"),
    (
        signatures.sftp_json,
        f'{{\n  // where it goes\n  "host": "h", "remotePath": "/", // "port": 22,\n  "password": "{SECRET}",\n}}',
    ),
    (env_file, f"app_debug = true\n[database]\nhostname = db\npassword = {SECRET}\n"),
    (env_file, f"CI_ENVIRONMENT = production\ndatabase.default.hostname = db\ndatabase.default.password = {SECRET}\n"),
    (env_file, f"export node_env=production\nexport api_token='{SECRET}'\n"),
    (env_file, f"KEYCLOAK_URL=https://sso.lab.test\nKEYCLOAK_CLIENT_SECRET={SECRET}\n"),
)
NOT_PROVEN: tuple[tuple[Signature, str], ...] = (
    (signatures.git_head, "not found"),
    (signatures.git_head, "ref: refs/heads/<b>"),
    (signatures.git_config, "<html>[core] repositoryformatversion</html>"),
    (env_file, "KEYCLOAK_URL=https://sso.lab.test\nTOKEN_NAME=Authorization\nJWT_SECRET_FILE=/run/secrets/jwt\n"),
    (env_file, "REDIS_HOST=127.0.0.1\nREDIS_PASSWORD=null\nDB_PASSWORD=   # set on the host\nAPI_KEY=${API_KEY}\n"),
    (signatures.hg_requires, "store closed for today\n"),
    (signatures.hg_requires, "<html>store</html>"),
    (env_file, "APP_NAME=Portal\nDB_PASSWORD=\n"),
    (env_file, "APP_NAME=Portal\nAPP_ENV=x\n"),
    (env_file, f"<p>{ENV}"),
    (env_file, f"DB_PASSWORD={SECRET}"),
    (signatures.archive, "<html>PK\x03\x04"),
    (signatures.nginx_status, "x"),
    (signatures.server_status, "x"),
    (signatures.server_status, "<h1>Server-Status (lighttpd/1.4.69)</h1><p>How to read it</p>"),
    (signatures.php_info, "<?php phpinfo(); // PHP Version 8.2"),
    (signatures.config_json, json.dumps({"password": "Password", "apiKey": "AIza-public", "secret": "two words"})),
    (signatures.config_json, "{" * 100_000),
    (signatures.actuator, json.dumps({"_links": {"next": {}}})),
    (signatures.actuator, json.dumps([1])),
    (signatures.composer, json.dumps({"require": {"A quiet room": True}})),
    (signatures.composer, json.dumps({"require": {}})),
    (env_file, "NODE_ENV=x\nDATABASE_URL=sqlite:///data/app.db\n"),
    (signatures.config_json, json.dumps({"bypass": "nothing", "compass": "north"})),
    (public.robots, "User-agent: *\nDisallow: /wp-admin/\nAllow: /wp-admin/admin-ajax.php\nDisallow: /search\n"),
    (public.robots, "Disallow: /admin/"),
    (public.robots, "User-agent: *\nDisallow: /latest/\nDisallow: /secretariat/\nDisallow: /waste-management/\n"),
    (public.robots, "User-agent: *\nDisallow: /administration/\nDisallow: /contest/\nDisallow: /testimonials/\n"),
    (
        public.cross_domain,
        "<cross-domain-policy><!-- <allow-access-from domain='*'/> --><allow-access-from domain='a.lab'/>",
    ),
    (public.robots, "User-agent: *\nDisallow: /uc_client/\nDisallow: /uc_server/\nDisallow: /admin.php\n"),
    (public.robots, "User-agent: *\nDisallow: #/admin/\nDisallow: /\n"),
    (public.cross_domain, "<cross-domain-policy><!-- <allow-access-from domain='*'/>"),
    (signatures.web_config, "<p>Write</p><configuration><system.web/></configuration>"),
    (signatures.web_config, "<!DOCTYPE html><configuration><system.web/></configuration>"),
    (signatures.web_xml, "<html><web-app></web-app>"),
    (
        signatures.config_json,
        json.dumps({"password": "********", "dbPassword": "${DB_PASSWORD}", "secret": "<secret>"}),
    ),
    (signatures.config_json, json.dumps({"resetPassword": "/user/reset", "usePassword": "yes!", "password": "/in"})),
    (signatures.config_json, json.dumps({"api": "https://api.lab.test/v1", "admin_password": "https://sso.lab.test"})),
    (signatures.sftp_json, json.dumps([{"host": "h"}, "username"])),
    (signatures.introspection, '{"errors":[{"message":"GraphQL introspection is not allowed"}],"data":null}'),
    (signatures.introspection, '{"data":{"__schema":{"queryType":{"name":"<script>"}}}}'),
    (signatures.api_documents, "knife4j"),
    (signatures.sql_dump, "<p>-- MySQL dump 10.13"),
    (signatures.api_description, '<html>{"openapi": "3.0.1", "paths": {}}'),
    (public.security_txt, "<html>Contact: us</html>"),
    (signatures.private_key, "the file begins with -----BEGIN RSA PRIVATE KEY-----"),
)


@pytest.mark.parametrize(("signature", "body"), PROVEN)
def test_the_real_thing_is_proved_without_its_secrets(signature: Signature, body: str) -> None:
    proof = signature(reply(body))
    assert proof is not None
    assert SECRET not in repr(proof)


@pytest.mark.parametrize(("signature", "body"), NOT_PROVEN)
def test_what_only_resembles_it_is_no_proof(signature: Signature, body: str) -> None:
    assert signature(reply(body)) is None


TOLD_BY_CONTENT = (
    *(signatures.private_key, signatures.nginx_status, signatures.git_head, signatures.git_config),
    *(env_file, signatures.archive, signatures.hg_requires, signatures.aws_credentials),
    *(signatures.config_json, signatures.sftp_json, signatures.actuator, signatures.introspection, signatures.composer),
    *(signatures.web_config, signatures.web_xml, signatures.application_trace, signatures.sql_dump),
    signatures.api_description,
    *(public.cross_domain, public.robots, public.security_txt),
)
"""What is the same under any media type: servers call files that they don't know pages, too."""


def test_the_same_content_served_as_a_page_is_no_proof() -> None:
    for signature, body in PROVEN:
        if signature not in TOLD_BY_CONTENT:
            assert signature(reply(body, "text/html")) is None, body


def test_lighttpd_shows_its_status_too() -> None:
    body = '<title>Status</title><h1>Server-Status (lighttpd/1.4.69)</h1><table summary="status" class="status">'
    proof = signatures.server_status(reply(body, "text/html"))
    assert proof is not None
    assert dict(proof.details) == {"version": "lighttpd/1.4.69"}


def test_variables_in_groups_are_told_and_weighed_by_their_whole_names() -> None:
    proof = env_file(reply(f"[database]\nhostname = db\npassword = {SECRET}\n[app]\nname = portal\n"))
    assert proof is not None
    assert dict(proof.details) == {"keys": "DATABASE_PASSWORD, DATABASE_HOSTNAME, APP_NAME", "grave": "yes"}


def test_an_environment_file_with_database_passwords_is_grave_and_its_key_names_are_told() -> None:
    proof = env_file(reply(ENV))
    assert proof is not None
    assert dict(proof.details) == {"keys": "DB_PASSWORD, APP_NAME", "grave": "yes"}


@pytest.mark.parametrize(
    "title",
    [
        "<title>Index of /files/</title>",
        "<h1>Directory listing for /</h1><title>Directory listing for /</title>",
        "<title>Index of ./</title>",
        "<title>Directory: /files/</title>",
        "<title>listing directory /files</title>",
        '<h1>listing: \n<a href="/">/</a></h1>',
    ],
)
def test_listings_are_recognised_with_the_worst_names_first(title: str) -> None:
    body = f'<html>{title}<a href="../">..</a><a href="a.txt">a</a><a href="site-backup.zip">b</a></html>'
    proof = listing(reply(body, "text/html"))
    assert proof is not None
    assert dict(proof.details)["names"] == "site-backup.zip, a.txt"
    assert dict(proof.details)["grave"] == "yes"


_NGINX_JSON = (
    '[\n{ "name":"a.txt", "type":"file", "mtime":"Thu, 26 Nov 2026 01:05:14 GMT", "size":2 },\n'
    '{ "name":"site-backup.zip", "type":"file", "mtime":"Thu, 26 Nov 2026 01:05:14 GMT", "size":2 }\n]\n'
)
_NGINX_XML = (
    '<?xml version="1.0"?>\n<list>\n<file mtime="2026-11-26T01:05:14Z" size="2">a.txt</file>\n'
    '<file mtime="2026-11-26T01:05:14Z" size="2">site-backup.zip</file>\n</list>\n'
)


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (_NGINX_JSON, "application/json"),
        (_NGINX_XML, "text/xml"),
        ('<pre>\n<a href="a.txt">a.txt</a>\n<a href="site-backup.zip">site-backup.zip</a>\n</pre>\n', "text/html"),
    ],
)
def test_listings_without_a_title_are_recognised_by_their_form(body: str, media_type: str) -> None:
    proof = listing(reply(body, media_type))
    assert proof is not None
    assert dict(proof.details)["names"] == "site-backup.zip, a.txt"


def test_a_bucket_that_anyone_may_list_is_a_listing() -> None:
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        "<Name>lab</Name><Contents><Key>a.txt</Key></Contents><Contents><Key>backup/users.sql</Key></Contents>"
    )
    proof = listing(reply(body, "application/xml"))
    assert proof is not None
    assert dict(proof.details) == {"title": "ListBucketResult", "names": "backup/users.sql, a.txt", "grave": "yes"}


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        ("<p>How to stop</p><ListBucketResult></ListBucketResult>", "application/xml"),
        ('[{"name":"Anna","type":"file","mtime":"x"}]', "application/json"),
        ('<?xml version="1.0"?><list><item>a</item></list>', "text/xml"),
        ('<html><pre>\n<a href="a.txt">an article</a></pre>', "text/html"),
    ],
)
def test_other_lists_are_no_listings(body: str, media_type: str) -> None:
    assert listing(reply(body, media_type)) is None


@pytest.mark.parametrize(
    ("signature", "body"),
    [(signatures.git_head, "ref: refs/heads/main\n"), (env_file, ENV), (signatures.archive, "PK\x03\x04")],
)
def test_a_server_that_calls_every_file_a_page_hides_nothing(signature: Signature, body: str) -> None:
    assert signature(reply(body, "text/html")) is not None


@pytest.mark.parametrize(
    "body",
    [
        (
            "<html><head><title>lab.test - /</title></head><body><H1>lab.test - /</H1><hr>\n\n<pre>"
            '<A HREF="/backup.sql">backup.sql</A><br></pre></body></html>'
        ),
        "<html><title>Directory Listing For [&#47;]</title><a href='/backup.sql'>backup.sql</a></html>",
        '<!DOCTYPE html><title>sub</title><span class="meta-item">1</span><a href="./backup.sql">\n<span>x</span></a>',
    ],
)
def test_the_listings_of_iis_tomcat_and_caddy_are_recognised(body: str) -> None:
    proof = listing(reply(body, "text/html", path="/"))
    assert proof is not None
    assert dict(proof.details)["grave"] == "yes"


def test_an_article_about_listings_is_none() -> None:
    assert listing(reply("<html><title>How to stop Index of / pages</title></html>", "text/html")) is None
    assert listing(reply("<title>Index of /pub</title><p>We write about pubs</p>", "text/html")) is None


def test_a_listing_of_apache_may_have_any_title() -> None:
    columns = "".join(f'<th><a href="?C={key};O=A">{key}</a></th>' for key in "NMS")
    assert listing(reply(f"<title>Our files</title><table><tr>{columns}</tr></table>", "text/html")) is not None
    assert listing(reply('<title>Our files</title><a href="?C=N;O=D">Name</a>', "text/html")) is None


@pytest.mark.parametrize(
    "inside",
    [
        '<a href="../">../</a>',
        "<ul>\n</ul>",
        '<a href="/">Parent Directory</a>',
        '<th><a href="?C=N;O=D">Name</a></th>',
        '<table summary="Directory Listing" cellpadding="0"></table>',
    ],
)
def test_an_empty_folder_is_listed_too(inside: str) -> None:
    assert listing(reply(f"<title>Index of /pub/</title>{inside}", "text/html")) is not None


def test_an_article_about_apaches_status_is_none() -> None:
    article = "How to read Apache Server Status for admins. Server Version: 2.4. Server uptime: long"
    assert signatures.server_status(reply(article, "text/html")) is None


@pytest.mark.parametrize(
    ("body", "framework"),
    [
        ("You're seeing this error because you have <code>DEBUG = True</code> in", "Django"),
        ("Traceback (most recent call last):\n File", "Python"),
        ("<h1>Whitelabel Error Page</h1><div>x</div> at org.springframework.web.X(", "Spring"),
        ("java.lang.X\n\tat com.lab.portal.Web.handle(Web.java:12)", "Java"),
        ("<b>Fatal error</b>: Uncaught Error: x in /var/www/a.php on line 3", "PHP"),
        ("Fatal error: Uncaught PDOException: x in D:\\www\\a.php:3\nStack trace:\n#0 {main}", "PHP"),
        (r'{"status":404,"trace":"org.lab.X: y\n\tat org.lab.portal.Web.handle(Web.java:12)\n"}', "Java"),
        ('<h2>[0] in <a class="toggle" title="/www/thinkphp/App.php line 347">App.php line 347</a></h2>', "ThinkPHP"),
        ("Error: x\n    at f (/srv/app/node_modules/x/index.js:10:5)", "Node.js"),
        ("Error: x\n    at file:///srv/app/server.mjs:10:5\n", "Node.js"),
        ("<pre>java.lang.NullPointerException\n\tcom.lab.Portal.doGet(Portal.java:12)\n</pre>", "Java"),
        ("<pre>java.lang.Error: x\r\n\torg.apache.jsp.index_jsp.&lt;init&gt;(index_jsp.java:12)\r\n</pre>", "Java"),
        (r"System.Exception: x\n   at Lab.Pages.Index.OnGet() in C:\src\Index.cshtml.cs:line 17", "ASP.NET Core"),
        ("System.Exception: x\r\n   at Lab.Y.Z()\r\n\r\nHEADERS\r\n=======\r\nAccept: */*\r\n", "ASP.NET Core"),
        ("<h1>“/”应用程序中的服务器错误。<hr></h1><b>堆栈跟踪:</b> <pre>[SqlException]</pre>", "ASP.NET"),
        ("<h3>错误位置</h3><p>FILE: D:\\www\\Think\\App.class.php &#12288;LINE: 92</p>", "ThinkPHP"),
        ("<style>#frame-0 .hljs-ln-line[data-line-number='12'] { color: red }</style>", "Laravel"),
    ],
)
def test_stack_traces_are_recognised_in_errors_only(body: str, framework: str) -> None:
    proof = products.stack_trace(reply(body, "text/html", 500))
    assert proof is not None
    assert dict(proof.details)["framework"] == framework
    assert products.stack_trace(reply(body, "text/html", 200)) is None


@pytest.mark.parametrize(
    "page",
    [
        "<h1>Server Error in '/' Application.</h1><h2>Runtime Error</h2> The current custom error settings",
        "<h1>“/”应用程序中的服务器错误。</h1><h2>运行时错误</h2>",
        '{"title":"An unhandled exception occurred while processing the request.","status":500}',
        "<p>Meet us at Lab.Hall (north) in May, line 3</p>",
        "<p>\tsee com.lab.Portal (Portal.java)</p>",
    ],
)
def test_an_error_page_that_keeps_its_trace_to_itself_is_none(page: str) -> None:
    assert products.stack_trace(reply(page, "text/html", 500)) is None


@pytest.mark.parametrize(
    "message",
    [
        "<b>Warning</b>:  mysqli_connect(): refused in <b>/var/www/index.php</b> on line <b>3</b><br />",
        "<b>Notice</b>:  Undefined index: id in <b>D:\\phpstudy\\WWW\\index.php</b> on line <b>3</b><br />",
        "<b>Fatal error</b>:  Uncaught Exception: db in /var/www/index.php:1\nStack trace:\n#0 {main}\n",
    ],
)
def test_php_puts_its_messages_into_pages_of_any_status(message: str) -> None:
    assert products.stack_trace(reply(f"<html><br />\n{message}", "text/html", 200)) is not None
    article = message.replace("<b>", "&lt;b&gt;").replace("</b>", "&lt;/b&gt;")
    assert products.stack_trace(reply(f"<html><pre>{article}</pre>", "text/html", 200)) is None


@pytest.mark.parametrize("signature", [signatures.git_config, signatures.aws_credentials, env_file])
def test_a_reply_of_empty_lines_is_read_in_linear_time(signature: Signature) -> None:
    started = time.perf_counter()
    assert signature(reply("\n" * 64 * 1024 + "[ repositoryformatversion")) is None
    assert time.perf_counter() - started < 1


def test_an_installer_that_says_it_is_done_is_none() -> None:
    open_ = '<html><title>WordPress &rsaquo; Installation</title><input name="weblog_title"></html>'
    done = "<html><title>WordPress &rsaquo; Installation</title><h1>Already Installed</h1></html>"
    assert products.installer(reply(open_, "text/html")) is not None
    unknown = "<html><title>某系统安装向导</title><form action='?step=2'>"
    assert products.installer(reply(unknown, "text/html", path="/install/index.php")) is not None
    assert products.installer(reply(unknown, "text/html", path="/")) is None
    assert products.installer(reply(done, "text/html")) is None


def test_a_page_with_changing_numbers_and_its_own_path_is_the_same_page() -> None:
    first = reply("<h1>Nothing at /a1b2 for you</h1> request 8f3a9c, sorry about that", path="/a1b2")
    other = reply("<h1>Nothing at /.env for you</h1> request 77d0e1, sorry about that", path="/.env")
    assert Fingerprint.of(first).same_page(Fingerprint.of(other))


def test_a_different_page_or_status_is_not_the_same() -> None:
    page = reply("Welcome to the portal of the lab")
    assert not Fingerprint.of(page).same_page(Fingerprint.of(reply(ENV)))
    assert not Fingerprint.of(page).same_page(Fingerprint.of(reply("Welcome to the portal of the lab", status=404)))
