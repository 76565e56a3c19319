"""Web sites of frameworks and firewalls that are met every day: settings in small letters, traces of several kinds,
applications below a folder, pages that only a browser's script gets past."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from tests.lab import web_sites as sites
from tests.lab.case import Start
from tests.lab.http_answers import (
    GO_NOT_FOUND,
    TOMCAT_NOT_FOUND,
    Reply,
    answers,
    data,
    page,
    redirect,
    text,
    together,
)
from tests.lab.web_bare import NOT_FOUND, Site, bare_case, sites_at
from tests.lab.web_cases import BARE_PAGE, OTHERS
from tests.lab.web_replies import NACOS_OPEN
from tests.lab.web_servers import nginx, sends

_HOME = page("Portal", "<p>Opening hours: from eight to five</p>")


_case = partial(bare_case, "everyday", 107)


def _each(by_port: Mapping[int, object], check: str) -> tuple[tuple[int, str], ...]:
    return tuple((port, check) for port in by_port)


def _html(body: str, status: int = 200) -> Reply:
    return Reply(status, body.encode(), (("Content-Type", "text/html; charset=utf-8"),))


def _with_file(path: str, reply: Reply) -> Site:
    return {"GET /": _HOME, f"GET {path}": reply}


# --- Environment files of ThinkPHP, CodeIgniter and of programs that write small letters; some without a secret
_ENVIRONMENTS = {
    8001: _with_file("/.env", text(f"app_debug = true\n\n[database]\nhostname = db\npassword = {sites.SECRET}\n")),
    8002: _with_file(
        "/.env",
        text(f"CI_ENVIRONMENT = production\ndatabase.default.port = 1\ndatabase.default.password = {sites.SECRET}"),
    ),
    8003: _with_file("/.env", text(f"node_env=production\napi_token='{sites.SECRET}'\n")),
}
_NO_SECRETS = {
    8011: _with_file("/.env", text("REDIS_HOST=127.0.0.1\nREDIS_PASSWORD=null\nDB_PASSWORD=  # set on the host\n")),
    8012: _with_file("/.env", text("KEYCLOAK_URL=https://sso.lab.test\nTOKEN_NAME=Authorization\nTOKEN_TTL=3600\n")),
}

# --- Forms that a script sends, and one whose address the page's base element does not change
_PASSWORD = '<input name="u"><input type="password" name="p"></form>'
_FORMS = {
    8001: {"GET /": page("Portal", f'<form action="javascript:void(0)" onsubmit="send()">{_PASSWORD}')},
    8002: {"GET /": _html(f'<title>Portal</title><base href="https://static.lab.test/"><form action="">{_PASSWORD}')},
}
_SAFE_FORMS = {8011: {"GET /": page("Portal", f'<form action="https://portal.lab.test/in">{_PASSWORD}')}}

# --- Error pages with a stack trace, and such that keep it to themselves
_TRACES = {
    8001: page("500", "<pre>java.lang.Error: x\n\tcom.lab.Portal.doGet(Portal.java:12)\n</pre>", 500),
    8002: text("System.Exception: x\r\n   at Lab.Y.Z()\r\n\r\nHEADERS\r\n=======\r\nAccept: */*\r\n", 500),
    8003: _html("<h1>“/”应用程序中的服务器错误。<hr></h1><b>堆栈跟踪:</b> <br><pre>[SqlException]</pre>", 500),
    8004: _html("<h1>无法加载控制器:X</h1><p>FILE: /www/ThinkPHP/App.class.php &#12288;LINE: 92</p>", 404),
}
_NO_TRACES = {
    8011: _html("<h1>“/”应用程序中的服务器错误。<hr></h1><h2>运行时错误</h2>", 500),
    8012: data({"title": "An unhandled exception occurred while processing the request.", "status": 500}, 500),
    8013: _html("<h1>页面错误！请稍后再试～</h1>", 404),
}

# --- What HTTPS pages load by http in their sets and styles
_MIXED = {
    8441: {"GET /": page("Portal", '<img src="/a.png" srcset="http://cdn.lab.test/b.png 2x">')},
    8442: {"GET /": page("Portal", "<p style=\"background: url('http://cdn.lab.test/b.png')\">x</p>")},
    8443: {"GET /": _html("<title>Portal</title><style>@import url(http://cdn.lab.test/b.css);</style>")},
}
_UPGRADE = '<meta http-equiv="Content-Security-Policy" content="{}">'
_NOT_MIXED = {
    8451: {
        "GET /": _html(
            "<title>Portal</title><style>@namespace url(http://www.w3.org/2000/svg); /* url(http://x.test/) */</style>"
        )
    },
    8452: {
        "GET /": _html(
            f"<title>Portal</title>{_UPGRADE.format('upgrade-insecure-requests')}"
            f"{_UPGRADE.format('object-src none')}<img src='http://cdn.lab.test/b.png'>"
        )
    },
}

# --- A bucket that lists its objects, behind a proxy
_BUCKET = Reply(
    200,
    b'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    b"<Name>lab</Name><Prefix/><Contents><Key>forms/1.pdf</Key><Size>7</Size></Contents></ListBucketResult>",
    (("Content-Type", "application/xml"),),
)
_FEED = Reply(200, b'<?xml version="1.0"?>\n<feed><title>News</title></feed>', (("Content-Type", "application/xml"),))

# --- The pages of Swagger where ASP.NET Core and Go's programs have them
_SWAGGER_UI = page("Swagger UI", '<div id="swagger-ui"></div><script src="./swagger-ui-bundle.js"></script>')
_API_PAGES: dict[int, Site] = {
    8001: {"GET /": data({"status": "ok"}, Server="Kestrel"), "GET /swagger/index.html": _SWAGGER_UI},
    8002: {"GET /": GO_NOT_FOUND, "GET /swagger/index.html": _SWAGGER_UI},
}

# --- Applications of Spring's below a context path; one that has a page for everything below it
_LISTED = data({"_links": {name: {"href": f"http://lab/app/actuator/{name}"} for name in ("self", "health", "env")}})
_API = data({"openapi": "3.0.1", "info": {"title": "Portal API", "version": "1"}, "paths": {"/users": {}}})
_BELOW_A_FOLDER: dict[int, Site] = {
    8001: {
        "GET /": redirect("/app/login"),
        "GET /app/login": _HOME,
        "GET /app/actuator": _LISTED,
        "GET /app/actuator/env": data({"propertySources": []}),
        "GET /app/v3/api-docs": _API,
    },
}


def _all_alike(request: bytes) -> Iterator[bytes]:
    """An interface that describes itself to whatever is asked below its folder."""
    path = request.split()[1]
    head = b"HTTP/1.1 302 Found\r\nLocation: /app/login\r\n" if path == b"/" else b"HTTP/1.1 404 Not Found\r\n"
    body = b""
    if path.startswith(b"/app/"):
        head, body = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n", _LISTED.body[:-1] + b',"paths":{}}'
    yield head + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body


# --- Firewalls that want a browser's script run before they show anything
_WANTS_A_COOKIE = f"<html><script>\nvar arg1='{'9B6C41D2' * 5}';\nvar _0x4818=['csKHwq'];</script></html>"
_WANTS_A_SIGN = (
    "<!DOCTYPE html><html><head><meta content='x'></head><body></body>"
    "<script r='m'>$_ts=window['$_ts'];if(!$_ts)$_ts={};$_ts.nsd=109929;</script></html>"
)
_SIGNED = _html(f"<title>Portal</title><script>$_ts=window['$_ts'];</script>{sites.OFFICE_TEXT}")

# --- First pages that came with the software
_DEFAULT_PAGES = {
    8001: {"GET /": page("Welcome to Angie!")},
    8002: {"GET /": page("Web Server's Default Page", "<p>This page is generated by Plesk</p>")},
    8003: {"GET /": page("Welcome to JBoss EAP 7")},
}
_OWN_PAGES = {8011: {"GET /": page("Welcome to JBoss - a course in three days")}}

# --- Panels for databases beside programs in PHP
_BY_PHP = page("Portal", "<p>Opening hours</p>", 200, X_Powered_By="PHP")
_ADMINER = page("Login - Adminer", "<form><select name='auth[driver]'></select></form>")
_PMA = page("phpMyAdmin", '<form><input name="pma_username"><input type="password" name="pma_password"></form>')
_PANELS: dict[int, Site] = {
    8001: {"GET /": _BY_PHP, "GET /adminer.php": _ADMINER},
    8002: {"GET /": _BY_PHP, "GET /phpMyAdmin/": _PMA},
}
_SIGN_IN = '<form action="https://sso.lab.test/in"><input name="user"><input type="password" name="pass"></form>'
_NO_PANELS: dict[int, Site] = {
    8011: {"GET /": _BY_PHP, "GET /adminer.php": page("How to use Adminer", "<p>x</p>")},
    8012: {"GET /": page("宝塔面板使用教程", f'<a href="https://www.bt.cn/">bt.cn</a>{_SIGN_IN}')},
    8013: {"GET /": page("How we use Plesk", f'<a href="https://www.plesk.com/">plesk</a>{_SIGN_IN}')},
    8014: {"GET /": page("Webmin in an hour", _SIGN_IN)},
    8015: {"GET /": page("H3C交换机技术论坛", _SIGN_IN)},
}

# --- Programs that live below a context path, so that Tomcat answers for the root, in the language of its server; the
# welcome page of an old ActiveMQ
_IN_CHINESE = page("HTTP状态 404 - 未找到", "<h1>HTTP状态 404 - 未找到</h1>", 404)
_SCHEDULER: Site = {"GET /xxl-job-admin/toLogin": page("任务调度中心", "<a><b>XXL</b>JOB</a><form></form>")}
_BROKER: Site = {"GET /": page("Apache ActiveMQ", "<h2>Welcome to the Apache ActiveMQ!</h2>")}
_NO_SCHEDULER: Site = {"GET /xxl-job-admin/toLogin": page("任务调度中心", "<p>How we came to like it</p>")}
_NO_BROKER: Site = {"GET /": page("Apache ActiveMQ", "<p>An introduction</p>")}

# --- Wizards that set up what nobody has set up yet, and one that talks of it
_TO_SET_UP: dict[int, Site] = {
    8001: {
        "GET /": page("初始配置", '<form><input type="hidden" name="db_type"><input name="repo_root_path"></form>'),
    },
    8002: {
        "GET /": redirect("/zb_install/index.php"),
        "GET /zb_install/index.php": page("Z-BlogPHP 1.7.3 安装程序", '<form method="post" action="?step=2"></form>'),
    },
    8003: {
        "GET /": page(
            "MediaWiki 1.39.4",
            '<p>LocalSettings.php not found.</p>Please <a href="/mw-config/index.php">set up the wiki</a> first.',
        ),
    },
}
_SET_UP: dict[int, Site] = {
    8011: {"GET /": page("MediaWiki 1.39 in practice", "<p>When LocalSettings.php is not found, see mw-config/</p>")},
    8012: {"GET /": page("Z-BlogPHP 安装程序", "<p>Where to get it, in one step</p>")},
}

# --- Metrics without comments, as VictoriaMetrics and its relatives write them
_LEADS_TO_METRICS = page("vmagent", "<a href='metrics'>metrics</a> - available service metrics")
_METRICS = 'flag{name="dryRun", value="false", is_set="false"} 1\nvm_active_merges 0\nvm_app_uptime_seconds 1.5e+06\n'
_COLLECTED: dict[int, Site] = {8001: {"GET /": _LEADS_TO_METRICS, "GET /metrics": text(_METRICS)}}
_NOT_COLLECTED: dict[int, Site] = {
    8011: {"GET /": _LEADS_TO_METRICS, "GET /metrics": text("visitors 12\nof these new 3\n")}
}

# --- Heads that browsers put up with: a coding named twice, a line that is no header, blanks before a colon
_ODD_HEADS = {
    8001: "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    8002: "Transfer-Encoding: identity\r\nX-Frame-Options : SAMEORIGIN\r\nX Powered By: nobody",
    8003: "Cache-Control: no-store\r\n(debug)\r\nTransfer-Encoding: chunked, chunked",
}


def _with_head(port: int, lines: str) -> Start:
    """A site with a forgotten file, of whose every answer the head has these lines."""
    pages = {b"/": _HOME, b"/.env": text(sites.ENV)}

    def answer(request: bytes) -> Iterator[bytes]:
        reply = pages.get(request.split()[1], NOT_FOUND)
        kind = dict(reply.headers)["Content-Type"]
        yield f"HTTP/1.1 {reply.status} Lab\r\n{lines}\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n".encode()
        in_chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(reply.body), reply.body)
        yield in_chunks if "chunked" in lines else reply.body

    return sends(port, answer)


CASES = (
    _case(
        "environment-files-in-small-letters",
        1,
        sites_at(_ENVIRONMENTS | _NO_SECRETS),
        *_each(_ENVIRONMENTS, "WEB-ENV"),
        ports="8001-8003,8011-8012",
    ),
    _case(
        "forms-that-a-script-sends",
        2,
        sites_at(_FORMS | _SAFE_FORMS),
        *_each(_FORMS, "CLR-HTTP-LOGIN"),
        ports="8001-8002,8011",
    ),
    _case(
        "traces-of-other-frameworks",
        3,
        together(*(answers(port, {"GET /": _HOME}, reply) for port, reply in (_TRACES | _NO_TRACES).items())),
        *_each(_TRACES, "WEB-ERROR-STACK"),
        ports="8001-8004,8011-8013",
    ),
    _case(
        "mixed-content-in-sets-and-styles",
        4,
        sites_at(_MIXED | _NOT_MIXED, tls=True),
        *_each(_MIXED, "WEB-MIXED"),
        ports="8441-8443,8451-8452",
        tolerated=OTHERS | frozenset(BARE_PAGE),
    ),
    _case(
        "bucket-that-anyone-may-list",
        5,
        sites_at({8001: {"GET /": _BUCKET}, 8011: {"GET /": _FEED}}),
        (8001, "WEB-DIRLIST"),
        ports="8001,8011",
    ),
    _case(
        "api-pages-of-other-frameworks",
        6,
        sites_at(_API_PAGES, GO_NOT_FOUND),
        *_each(_API_PAGES, "WEB-SWAGGER"),
        ports="8001-8002",
    ),
    _case(
        "application-below-a-folder",
        7,
        together(sites_at(_BELOW_A_FOLDER), sends(8011, _all_alike)),
        *((8001, check) for check in ("WEB-ACTUATOR", "WEB-SWAGGER")),
        ports="8001,8011",
    ),
    _case("firewall-that-wants-a-cookie", 8, answers(80, {}, _html(_WANTS_A_COOKIE)), outcome="partial"),
    _case("firewall-that-wants-a-sign", 9, answers(80, {}, _html(_WANTS_A_SIGN, 202)), outcome="partial"),
    _case("page-that-a-firewall-has-signed", 10, answers(80, {"GET /": _SIGNED}, NOT_FOUND)),
    _case(
        "default-pages-of-other-software",
        11,
        sites_at(_DEFAULT_PAGES | _OWN_PAGES),
        *_each(_DEFAULT_PAGES, "WEB-DEFAULT-PAGE"),
        ports="8001-8003,8011",
    ),
    _case(
        "panels-beside-programs-in-php",
        12,
        sites_at(_PANELS | _NO_PANELS),
        *_each(_PANELS, "WEB-ADMIN-PANEL"),
        ports="8001-8002,8011-8015",
    ),
    _case(
        "status-of-nginx-by-its-shortest-name",
        13,
        nginx(
            "server { listen @address@:80; server_tokens off; location = /status { stub_status; } }"
            'server { listen @address@:8080; server_tokens off; location = /status { return 200 "up"; } }',
            port=80,
            fill=sites.page("Portal"),
        ),
        (80, "WEB-NGINX-STATUS"),
        ports="80,8080",
        needs=("nginx",),
    ),
    _case(
        "programs-below-a-context-path",
        15,
        together(
            answers(8001, _SCHEDULER, _IN_CHINESE),
            answers(8002, _SCHEDULER, TOMCAT_NOT_FOUND),
            answers(8003, NACOS_OPEN, _IN_CHINESE),
            answers(8004, _BROKER, NOT_FOUND),
            answers(8011, _NO_SCHEDULER, _IN_CHINESE),
            answers(8012, _NO_BROKER, NOT_FOUND),
        ),
        (8001, "SVC-XXL-JOB-ADMIN-EXPOSED"),
        (8002, "SVC-XXL-JOB-ADMIN-EXPOSED"),
        (8003, "SVC-NACOS-UNAUTH"),
        (8004, "SVC-ACTIVEMQ-EXPOSED"),
        ports="8001-8004,8011-8012",
    ),
    _case(
        "heads-that-browsers-put-up-with",
        16,
        together(*(_with_head(port, lines) for port, lines in _ODD_HEADS.items())),
        *_each(_ODD_HEADS, "WEB-ENV"),
        ports="8001-8003",
    ),
    _case(
        "wizards-that-wait-for-anyone",
        17,
        sites_at(_TO_SET_UP | _SET_UP),
        *_each(_TO_SET_UP, "WEB-INSTALLER"),
        ports="8001-8003,8011-8012",
    ),
    _case(
        "metrics-without-comments",
        18,
        sites_at(_COLLECTED | _NOT_COLLECTED),
        *_each(_COLLECTED, "SVC-EXPORTER-UNAUTH"),
        ports="8001,8011",
    ),
    _case(
        "office-of-sichuan",
        14,
        answers(
            80,
            {"GET /": page("某市某局", f"{sites.OFFICE_TEXT}<footer>蜀ICP备05000000号-1</footer>")},
            NOT_FOUND,
        ),
        hostname="www.lab.cn",
    ),
)
