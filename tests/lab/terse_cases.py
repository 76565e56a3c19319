"""Interfaces for programs, and proxies, that answer with less than usual."""

from __future__ import annotations

from tests.lab.access import NOT_ABOUT_ACCESS, exposed, unauth
from tests.lab.case import LabCase
from tests.lab.http_answers import answers, data, text, together
from tests.lab.scripted import Answer, scripted

_NOWHERE = text("Not found\n", 404)
_REFUSAL = data({"error": {"type": "security_exception", "reason": "missing authentication"}, "status": 401}, 401)
_ENGINE = {"GET /version": data({"Version": "20.10.24", "ApiVersion": "1.41"})}
_STORE = {
    "GET /version": data({"etcdserver": "3.4.23", "etcdcluster": "3.4.0"}),
    "POST /v3/kv/range": data({"header": {"revision": "1"}}),
}

_EMPTY = b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def _asked_to_connect(status: bytes, page: bytes = b"404 Not Found") -> Answer:
    """A server that says nothing of itself but the status of its page, and of what CONNECT comes to."""
    return lambda request: b"HTTP/1.1 " + (status if request.startswith(b"CONNECT ") else page) + _EMPTY


CASES = (
    LabCase(
        name="apis-of-few-words",
        address="127.10.95.5",
        ports="T:2375,T:2376,T:2379,T:9200,T:9201",
        start=together(
            answers(2375, _ENGINE, _NOWHERE),
            answers(2376, {"GET /version": data({"version": "20.10.24", "api": "1.41"})}, _NOWHERE),
            answers(2379, _STORE, _NOWHERE),
            answers(9200, {}, _REFUSAL),
            answers(9201, {}, data({"error": {"type": "forbidden"}, "status": 401}, 401)),
        ),
        expected=unauth(DOCKER=2375, ETCD=2379) | exposed(ELASTIC=9200),
        silent=frozenset({"SVC-DOCKER-EXPOSED", "SVC-ETCD-EXPOSED", "SVC-ELASTIC-UNAUTH"}),
        tolerated=NOT_ABOUT_ACCESS,
    ),
    LabCase(
        name="http-proxy-of-few-words",
        address="127.10.95.6",
        ports="T:3128",
        start=scripted(3128, _asked_to_connect(b"503 Service Unavailable"), once=True),
        expected=unauth(HTTP_PROXY=3128),
        silent=frozenset({"SVC-HTTP-PROXY-EXPOSED"}),
        tolerated=NOT_ABOUT_ACCESS,
    ),
    LabCase(
        name="site-on-the-port-of-proxies",
        address="127.10.95.7",
        ports="T:3128",
        start=scripted(3128, _asked_to_connect(b"200 OK", page=b"200 OK"), once=True),
        silent=frozenset({"SVC-HTTP-PROXY-UNAUTH", "SVC-HTTP-PROXY-EXPOSED"}),
        tolerated=NOT_ABOUT_ACCESS,
    ),
    LabCase(
        name="balancer-in-trouble-on-the-port-of-proxies",
        address="127.10.95.8",
        ports="T:3128",
        start=scripted(3128, _asked_to_connect(b"503 Service Unavailable", page=b"503 Service Unavailable"), once=True),
        silent=frozenset({"SVC-HTTP-PROXY-UNAUTH", "SVC-HTTP-PROXY-EXPOSED"}),
        tolerated=NOT_ABOUT_ACCESS,
        outcome="partial",
    ),
)
