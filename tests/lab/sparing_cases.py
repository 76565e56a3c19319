"""Services that say less than usual: products behind proxies and in folders, and chat servers that wait to be asked."""

from __future__ import annotations

from tests.lab import web_replies as web
from tests.lab.access import access_case, exposed, unauth
from tests.lab.case import LabCase
from tests.lab.http_answers import GO_NOT_FOUND, TOMCAT_NOT_FOUND, Reply, answers, data, page, redirect, together
from tests.lab.scripted import scripted

_JENKINS_IN_A_FOLDER: dict[str, Reply] = {
    "GET /": redirect("/jenkins/"),
    **{request.replace("GET ", "GET /jenkins"): reply for request, reply in web.JENKINS_OPEN.items()},
}
_GRAFANA_IN_A_FOLDER: dict[str, Reply] = {
    "GET /": redirect("/grafana/login"),
    "GET /grafana/login": page("Grafana"),
    "GET /grafana/api/health": data({"database": "ok"}),
    "GET /grafana/api/org": data({"message": "Unauthorized"}, 401),
}
_PROMETHEUS: dict[str, Reply] = {
    "GET /": redirect("/prometheus/graph"),
    "GET /prometheus/": redirect("/prometheus/graph"),
    "GET /prometheus/graph": page("Prometheus Time Series Collection and Processing Server"),
    "GET /prometheus/api/v1/status/buildinfo": data({"status": "success", "data": {"version": "2.42.0"}}),
}
_ELASTIC: dict[str, Reply] = {
    "GET /": data({"cluster_name": "lab", "version": {"number": "7.17.9"}, "tagline": "You Know, for Search"}),
    "GET /_cluster/health": data({"cluster_name": "lab", "status": "green"}),
}
_KUBERNETES: dict[str, Reply] = {
    "GET /version": data({"major": "1", "minor": "28", "gitVersion": "v1.28.2"}),
    "GET /api/v1/namespaces?limit=1": data({"kind": "NamespaceList", "apiVersion": "v1", "items": []}),
}
_KIBANA: dict[str, Reply] = {
    "GET /": redirect("/app/home"),
    "GET /app/home": page("Elastic"),
    "GET /api/status": data({"version": {"number": "8.1.0"}, "status": {"overall": {"level": "available"}}}),
}
# What only looks like one of them: a page of that name in a folder, a status of that form, and a build of a relative's.
_SIMILAR: dict[str, Reply] = {
    "GET /": redirect("/grafana/"),
    "GET /grafana/": page("Grafana", "How we came to use it."),
    "GET /grafana/api/health": data({"database": "ok", "queue": "ok"}),
}
_RELATIVE: dict[str, Reply] = {
    "GET /": redirect("/graph"),
    "GET /graph": page("Thanos | Highly available Prometheus setup"),
    "GET /api/v1/status/buildinfo": data({"status": "success", "data": {"version": "0.34.0"}}),
    "GET /api/v1/status/flags": data({"status": "success", "data": {"web.route-prefix": "/"}}),
}
_TOMCAT = {"GET /": page("Apache Tomcat/10.1.34", "If you're seeing this, you've successfully installed Tomcat.")}
_MANAGER_ASKS = page("401 Unauthorized", "", 401, WWW_Authenticate='Basic realm="Tomcat Manager Application"')
_MANAGER_REFUSES = page("403 Access Denied", "You are not authorized to view this page.", 403)
_STREAM = (
    b"<?xml version='1.0'?><stream:stream xmlns='jabber:%s' id='%s' xmlns:stream='http://etherx.jabber.org/streams'>"
)
_NOT_XML = (
    b"<stream:error><not-well-formed xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"
)


def _xmpp(side: bytes, request: bytes) -> bytes:
    """As Prosody without a certificate answers."""
    if b"jabber:" + side not in request:
        return _STREAM % (side, b"") + _NOT_XML
    return (
        _STREAM % (side, b"7")
        + b"<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></stream:features>"
    )


def _irc(request: bytes) -> bytes | None:
    """As ngIRCd answers, which says nothing to those who wait."""
    if request.startswith(b"GET "):
        return b'ERROR :"Oops, HTTP request received? This is IRC!"\r\n'
    return b":irc.lab.example 451 * :Connection not registered\r\n" if request.startswith(b"PING ") else None


CASES = (
    access_case(
        "web-products-in-folders-and-of-few-words",
        48,
        together(
            answers(3000, _GRAFANA_IN_A_FOLDER, GO_NOT_FOUND),
            answers(5601, _KIBANA, GO_NOT_FOUND),
            answers(6443, _KUBERNETES, GO_NOT_FOUND, tls=True),
            answers(8080, _JENKINS_IN_A_FOLDER, GO_NOT_FOUND),
            answers(9090, _PROMETHEUS, GO_NOT_FOUND),
            answers(9200, _ELASTIC, GO_NOT_FOUND),
            answers(8081, {**_TOMCAT, "GET /manager/html": _MANAGER_ASKS}, TOMCAT_NOT_FOUND),
        ),
        unauth(KIBANA=5601, K8S_API=6443, JENKINS=8080, PROMETHEUS=9090, ELASTIC=9200)
        | exposed(GRAFANA=3000)
        | {(8081, "WEB-ADMIN-PANEL")},
    ),
    access_case(
        "web-pages-in-folders-of-a-products-name",
        47,
        together(
            answers(3000, _SIMILAR, GO_NOT_FOUND),
            answers(9090, _RELATIVE, GO_NOT_FOUND),
            answers(8081, {**_TOMCAT, "GET /manager/html": _MANAGER_REFUSES}, TOMCAT_NOT_FOUND),
        ),
        frozenset(),
        ports="3000,8081,9090",
        silent=frozenset({"WEB-ADMIN-PANEL", "SVC-GRAFANA-EXPOSED", "SVC-GRAFANA-UNAUTH", "SVC-PROMETHEUS-UNAUTH"}),
    ),
    LabCase(
        name="chat-servers-that-wait-to-be-asked",
        address="127.10.58.1",
        ports="5222,5269,6667",
        start=together(
            scripted(5222, lambda request: _xmpp(b"client", request)),
            scripted(5269, lambda request: _xmpp(b"server", request)),
            scripted(6667, _irc),
        ),
        expected=frozenset({(6667, "SVC-IRC-EXPOSED")}),
        services=frozenset({(5222, "xmpp"), (5269, "xmpp-server"), (6667, "irc")}),
    ),
)
