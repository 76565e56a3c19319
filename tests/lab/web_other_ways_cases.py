"""Products over HTTP set up in other ordinary ways: behind a proxy that hides who answers, on ports that aren't theirs,
in releases that answer elsewhere, without their user interface."""

from __future__ import annotations

from scanner.engine.catalogue.load import catalogue
from tests.lab import web_replies as web
from tests.lab.access import access_case, exposed, unauth
from tests.lab.http_answers import GO_NOT_FOUND, TOMCAT_NOT_FOUND, Reply, answers, data, page, redirect, text, together
from tests.lab.scripted import scripted
from tests.lab.web_login_cases import WEB_SERVICES

NOT_FOUND = page("Not Found", "<h1>Not Found</h1>", 404)
METRICS = text("# HELP python_info Python platform information\n# TYPE python_info gauge\npython_info 1.0\n")


def _by_a_proxy(replies: web.Table) -> web.Table:
    """Return these replies as nginx hands them on: with its own name in the place of the server's."""
    return {
        asked: Reply(
            reply.status,
            reply.body,
            (*(pair for pair in reply.headers if pair[0].lower() != "server"), ("Server", "nginx")),
        )
        for asked, reply in replies.items()
    }


_REFUSED_BUCKETS = Reply(
    403,
    b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Resource>/</Resource><RequestId>17</RequestId></Error>",
    (("Content-Type", "application/xml"), ("Server", "nginx")),
)
_HEALTHY = {"GET /minio/health/live": Reply(200)}
_LOGIN_TO_NOTEBOOKS = {
    "GET /": redirect("/tree?"),
    "GET /tree?": redirect("/login?next=%2Ftree%3F"),
    "GET /login?next=%2Ftree%3F": page("Jupyter Server", '<input type="password" name="password">'),
    "GET /api": data({"version": "2.12.1"}),
    "GET /api/status": data({"message": "Forbidden", "reason": None}, 403),
}
_NEXUS = {"GET /": page("Sonatype Nexus Repository", '<script src="static/rapture/bootstrap.js"></script>')}
_WEBMIN = {"GET /": page("Login to Webmin", '<form action="/session_login.cgi"><input type="password" name="pass">')}

_STATE_OF_3 = data({"version": "3.0.1", "startup_mode": "standalone", "function_mode": None, "auth_enabled": "true"})
_NO_SERVICES = data({"code": 0, "message": "success", "data": {"totalCount": 0, "pageNumber": 1, "pageItems": []}})
_SERVICES_REFUSED = data({"code": 403, "message": "user not found!", "data": None}, 403)
_OF_THE_SERVER = "GET /nacos/v3/admin/ns/service/list?pageNo=1&pageSize=1"
_OF_THE_CONSOLE = "GET /v3/console/ns/service/list?pageNo=1&pageSize=1"
_CONSOLE = {"GET /": page("Nacos"), "GET /v3/console/server/state": _STATE_OF_3}

_NO_INTERFACE = text("Consul Agent: UI disabled. To enable, set ui_config.enabled=true in the agent configuration.")
_SPARK_APPLICATION = {
    "GET /": redirect("/jobs/"),
    "GET /jobs/": page("Spark shell - Spark Jobs", '<img src="/static/spark-logo-77x50px-hd.png">'),
}
_LANDING = {"GET /": page("Blackbox Exporter", '<a href="metrics">Metrics</a>'), "GET /metrics": METRICS}

_WEAVIATE = {**web.WEAVIATE_OPEN, "GET /": Reply(301, b'{"links":{"href":"/v1"}}', (("Location", "/v1"),))}
_TIDB = {**web.TIDB_OPEN, "GET /": page("TiDB Status and Metrics Report", "<h1>TiDB Status and Metrics Report</h1>")}

_PORTAL = page("Our tools", '<a href="/grafana/">Dashboards</a> <a href="/docs/">Manual</a>')
_LINKED = {
    "GET /": _PORTAL,
    "GET /grafana/": redirect("/grafana/login"),
    "GET /grafana/login": page("Grafana"),
    "GET /grafana/api/health": data({"commit": "1e84fede54", "database": "ok", "version": "10.2.2"}),
}
_LINKED_OPEN = {**_LINKED, "GET /grafana/api/org": data({"id": 1, "name": "Main Org.", "address": {}})}
_LINKED_GUARDED = {**_LINKED, "GET /grafana/api/org": data({"message": "Unauthorized"}, 401)}

_LOOK_ALIKES = {
    8001: {"GET /": page("Nacos"), "GET /v3/console/server/state": data({"version": "1", "state": "OK"})},
    8002: {"GET /": _REFUSED_BUCKETS},
    8003: {"GET /": redirect("/lab"), "GET /lab": page("Our laboratory"), "GET /api": data({"version": "1"})},
    8004: {"GET /": page("Sonatype Nexus Repository", "An introduction")},
    8005: {"GET /": page("A day's work - Spark Jobs", "Electricians wanted")},
    8006: {"GET /": text("Consul Agent Smith")},
    8008: {"GET /": redirect("/v1"), "GET /v1": page("Volume 1")},
    8009: {"GET /": text("This is not an HTTP port")},
    8010: {"GET /": _PORTAL, "GET /grafana/": page("Grafana", "How we use it")},
    8007: {"GET /": page("Products", '<a href="/metrics">How we measure</a>'), "GET /metrics": page("How we measure")},
}

CASES = (
    access_case(
        "web-products-whose-proxy-hides-their-name",
        60,
        together(
            answers(8001, _by_a_proxy(web.JUPYTER_OPEN), NOT_FOUND),
            answers(8002, _LOGIN_TO_NOTEBOOKS, NOT_FOUND),
            answers(8003, _by_a_proxy(web.MINIO_OPEN) | _HEALTHY, _REFUSED_BUCKETS),
            answers(8004, {"GET /": _REFUSED_BUCKETS, **_HEALTHY}, _REFUSED_BUCKETS),
            answers(8005, _NEXUS, NOT_FOUND),
            answers(8006, _WEBMIN, NOT_FOUND),
        ),
        unauth(JUPYTER=8001, MINIO=8003) | exposed(JUPYTER=8002, MINIO=8004) | exposed(NEXUS=8005, WEBMIN=8006),
        silent=frozenset(),
        outcome="partial",
    ),
    access_case(
        "web-nacos-of-all-releases-and-ports",
        61,
        together(
            answers(
                8848, {"GET /nacos/v3/admin/core/state": _STATE_OF_3, _OF_THE_SERVER: _NO_SERVICES}, TOMCAT_NOT_FOUND
            ),
            answers(
                8849,
                {"GET /nacos/v3/admin/core/state": _STATE_OF_3, _OF_THE_SERVER: _SERVICES_REFUSED},
                TOMCAT_NOT_FOUND,
            ),
            answers(8080, {**_CONSOLE, _OF_THE_CONSOLE: _NO_SERVICES}, TOMCAT_NOT_FOUND),
            answers(8081, {**_CONSOLE, _OF_THE_CONSOLE: _SERVICES_REFUSED}, TOMCAT_NOT_FOUND),
            answers(18848, web.NACOS_OPEN, TOMCAT_NOT_FOUND, tls=True),
        ),
        unauth(NACOS=8848) | unauth(NACOS=8080) | unauth(NACOS=18848) | exposed(NACOS=8849) | exposed(NACOS=8081),
    ),
    access_case(
        "web-without-a-page-of-their-own",
        62,
        together(
            answers(8501, web.CONSUL_OPEN | {"GET /": _NO_INTERFACE}, GO_NOT_FOUND, tls=True),
            answers(18500, web.CONSUL_OPEN | {"GET /": _NO_INTERFACE}, GO_NOT_FOUND),
            answers(8000, {}, METRICS),
            answers(8001, _LANDING, NOT_FOUND),
            answers(4040, _SPARK_APPLICATION, NOT_FOUND),
            answers(18080, _WEAVIATE, web.WEAVIATE_NOT_FOUND),
            answers(20080, _TIDB, GO_NOT_FOUND),
            *(scripted(port, lambda _: b"This is not an HTTP port", once=True) for port in (9300, 19300)),
        ),
        unauth(CONSUL=8501, EXPORTER=8000, WEAVIATE=18080, TIDB=20080)
        | unauth(CONSUL=18500, EXPORTER=8001)
        | exposed(SPARK=4040, ELASTIC=9300)
        | exposed(ELASTIC=19300),
    ),
    access_case(
        "web-products-that-a-portal-links-to",
        64,
        together(answers(8001, _LINKED_OPEN, NOT_FOUND), answers(8002, _LINKED_GUARDED, NOT_FOUND)),
        unauth(GRAFANA=8001) | exposed(GRAFANA=8002) | {(port, "WEB-XFO") for port in (8001, 8002)},
    ),
    access_case(
        "web-look-alikes-of-other-ways",
        63,
        together(*(answers(port, replies, NOT_FOUND) for port, replies in _LOOK_ALIKES.items())),
        frozenset(),
        ports="8001-8010",
        silent=WEB_SERVICES & catalogue().keys(),
    ),
)
