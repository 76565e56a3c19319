"""Products that get a log-in from an option or a proxy, the same without, and what only bears their name.

None of them is in Debian; the answers are those of their documentation.
"""

from __future__ import annotations

from scanner.engine.catalogue.load import catalogue
from scanner.engine.probes.services.web.registry import WEB_PROBES
from tests.lab import web_replies as web
from tests.lab.access import access_case, exposed, unauth
from tests.lab.http_answers import GO_NOT_FOUND, Reply, answers, data, page, redirect, text, together

NOT_FOUND = page("Not Found", "<h1>Not Found</h1>", 404)
PROXY_REFUSES = page("401 Authorization Required", "", 401, WWW_Authenticate='Basic realm="internal"')

WEB_SERVICES = frozenset(f"SVC-{probe.service}-{way}" for probe in WEB_PROBES for way in ("EXPOSED", "UNAUTH"))

GUARDED_DRUID: web.Table = {
    **web.DRUID_OPEN,
    "GET /unified-console.html": page("Apache Druid"),
    "GET /status": page("Error 401 Unauthorized", "", 401, WWW_Authenticate='Basic realm="druid"'),
}
"""Druid with its basic security extension: the console's files are not secured, its data is."""

GUARDED_RAY: web.Table = {
    "GET /": page("Ray Dashboard"),
    "GET /api/version": text("Unauthorized: Missing authentication token", 401),
}
GUARDED_OLLAMA: web.Table = {"GET /": text("Ollama is running")}
GUARDED_VLLM: web.Table = {
    "GET /v1/models": data({"error": "Unauthorized"}, 401),
    "GET /metrics": text("# HELP python_info Python platform information\n# HELP vllm:num_requests_running Number\n"),
}
GUARDED_FASTAPI: web.Table = {
    "GET /v1/models": data({"error": "Unauthorized"}, 401),
    "GET /metrics": text("# HELP python_info Python platform information\n"),
}
GOGS: web.Table = {"GET /": page("Gogs", **{"Set-Cookie": "i_like_gogs=8d1f; Path=/; HttpOnly"})}

RABBIT_FOR_ALL: web.Table = {
    **web.RABBIT_LOGIN,
    "GET /api/overview": data({"management_version": "3.12.10", "rates_mode": "basic", "rabbitmq_version": "3.12.10"}),
}
"""The management console behind a proxy that logs everyone in."""

SUPERSET_FOR_ALL: web.Table = {
    **web.SUPERSET_LOGIN,
    "GET /superset/welcome/": page("Superset"),
    "GET /api/v1/dashboard/?q=(page_size:1)": data({"count": 3, "description_columns": {}, "ids": [], "result": []}),
}
_NEO4J_3 = data(
    {
        "data": "http://lab:7474/db/data/",
        "management": "http://lab:7474/db/manage/",
        "bolt": "bolt://lab:7687",
    }
)
NEO4J_3_OPEN: web.Table = {
    "GET /": _NEO4J_3,
    "GET /db/data/": data(
        {
            "extensions": {},
            "node": "http://lab:7474/db/data/node",
            "relationship_types": "http://lab:7474/db/data/relationship/types",
            "neo4j_version": "3.5.12",
        }
    ),
}
NEO4J_3_REFUSES: web.Table = {
    "GET /": _NEO4J_3,
    "GET /db/data/": data({"errors": [{"code": "Neo.ClientError.Security.Unauthorized"}]}, 401),
}

_PROXY = {"Server": "nginx"}
_NETDATA_SCRIPT = r"<script>let pathsRegex = /\/(spaces|nodes|overview|alerts)\/?.*/</script>"
_SPLUNK_FEED = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom" '
    b'xmlns:s="http://dev.splunk.com/ns/rest">\n  <title>splunkd</title>\n  <id>https://lab:8089/</id>\n'
    b'  <generator build="78803f08aabb" version="9.2.1"/>\n  <author>\n    <name>Splunk</name>\n  </author>\n</feed>\n'
)
_ILO_DATA = (
    b'<?xml version="1.0"?>\n<RIMP>\n<HSI>\n<SBSN>LAB0000001</SBSN>\n<SPN>ProLiant DL380 Gen10</SPN>\n</HSI>\n'
    b"<MP>\n<ST>1</ST>\n<PN>Integrated Lights-Out 5 (iLO 5)</PN>\n<FWRI>2.44</FWRI>\n</MP>\n</RIMP>\n"
)
_XML = (("Content-Type", "text/xml"), ("Server", "nginx"))
WITHOUT_THEIR_HEADER: dict[int, web.Table] = {
    8001: {"GET /": Reply(200, _SPLUNK_FEED, _XML)},
    8002: {"GET /": page("iLO 5", **_PROXY), "GET /xmldata?item=all": Reply(200, _ILO_DATA, _XML)},
    19999: {
        "GET /": page("Netdata Agent Console", _NETDATA_SCRIPT, **_PROXY),
        "GET /api/v1/info": text("Not authorised.", 403, **_PROXY),
    },
    5985: {"POST /wsman": Reply(401, headers=(("Server", "nginx"), ("WWW-Authenticate", 'Basic realm="WSMAN"')))},
}
"""Products behind a proxy that puts its own name in the place of theirs."""

LOOK_ALIKES = {
    8001: page("Harbor"),
    8002: page("Argo CD"),
    8003: page("Kubernetes Dashboard", "An introduction"),
    8004: page("Langflow"),
    8005: page("Nexus Magazine", Server="nginx"),
    8006: page("GitLab or Gitea? A comparison", **{"Set-Cookie": "i_like_cookies=1; Path=/"}),
    8007: page("Splunk and Graylog for beginners", Server="Splunking/1.0"),
    8008: page("Gogs: a review"),
    8009: page("RabbitMQ Management"[:8]),
    8010: redirect("/superset/welcome"),
    8011: page("WinRM explained"),
    8012: data({"data": "/db/", "management": "/x"}),
    8013: data({"code": 500, "msg": "invalid request"}),
    8014: page("Rancher", "Cattle for sale"),
    8015: page("pgAdmin in ten minutes"),
    8016: page("Spark Masterclass"),
    8017: page("SonarQube"),
    8018: page("Portainer"),
    8019: page("Zeppelin"),
    8020: page("Open WebUI"),
    8021: page("iLO 5"),
    8022: page("Printing with CUPS 2.4"),
    8023: page("Netdata Agent Console"),
    8024: page("splunkd", "<title>splunkd</title>"),
}
"""Pages that carry a product's name, or some of its marks, and nothing that only the product would say."""

CASES = (
    access_case(
        "web-guarded-by-option-or-proxy",
        30,
        together(
            answers(8888, GUARDED_DRUID, NOT_FOUND),
            answers(16010, {}, web.KERBEROS),
            answers(8265, GUARDED_RAY, text("Unauthorized: Missing authentication token", 401)),
            answers(11434, GUARDED_OLLAMA, PROXY_REFUSES),
            answers(8000, GUARDED_VLLM, web.FASTAPI_NOT_FOUND),
            answers(3000, GOGS, NOT_FOUND),
            answers(7474, NEO4J_3_REFUSES, Reply(404)),
        ),
        exposed(DRUID=8888, HBASE=16010, RAY=8265, OLLAMA=11434, VLLM=8000, GOGS=3000, NEO4J=7474),
    ),
    access_case(
        "web-products-without-their-header",
        36,
        together(*(answers(port, table, NOT_FOUND) for port, table in WITHOUT_THEIR_HEADER.items())),
        exposed(SPLUNK=8001, BMC=8002, NETDATA=19999, WINRM=5985),
    ),
    access_case(
        "web-let-in-by-option-or-proxy",
        31,
        together(
            answers(15672, RABBIT_FOR_ALL, NOT_FOUND),
            answers(8088, SUPERSET_FOR_ALL, NOT_FOUND),
            answers(7474, NEO4J_3_OPEN, Reply(404)),
        ),
        unauth(RABBIT_MANAGEMENT=15672, SUPERSET=8088, NEO4J=7474),
    ),
    access_case(
        "web-pages-that-only-name-a-product",
        32,
        together(
            *(answers(port, {"GET /": reply}, NOT_FOUND) for port, reply in LOOK_ALIKES.items()),
            answers(8090, GUARDED_FASTAPI, web.FASTAPI_NOT_FOUND),
            answers(8091, {}, GO_NOT_FOUND),
        ),
        frozenset(),
        ports="8001-8024,8090-8091",
        silent=WEB_SERVICES & catalogue().keys(),
    ),
)
