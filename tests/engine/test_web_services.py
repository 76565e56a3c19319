"""Services that speak HTTP: named only by their own signature, asked only what the level allows."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from scanner.engine.catalogue.load import catalogue
from scanner.engine.facts.http import HttpReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.judge import judge
from scanner.engine.model import Endpoint, HostInspection, Level, Outcome, Service, Severity, Target, Vantage
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.dial import Dialer
from scanner.engine.probes.http_session import HttpSession
from scanner.engine.probes.services.web import dialogue
from scanner.engine.probes.services.web.base import WebServiceProbe
from scanner.engine.probes.services.web.registry import WEB_PROBES
from tests.lab import web_replies as web
from tests.lab.http_answers import Reply, answers, data, page, text

ADDRESS = "127.10.6.200"
BY_CODE = {probe.service: probe for probe in WEB_PROBES}

# Greetings (tier P0): the first page, and what the products publish for everyone.
GREETINGS = {
    "/",
    "/ping",
    "/api/health",
    "/json/version",
    "/v1/sys/seal-status",
    "/minio/health/live",
    "/nacos/v1/console/server/state",
    "/nacos/v3/admin/core/state",
    "/v3/console/server/state",
}


async def _look(probe: WebServiceProbe, level: Level, port: int) -> tuple[ServiceFacts | None, int]:
    dialer = Dialer(lambda endpoint: None if endpoint.address == ADDRESS else "only this address")
    contact = Contact(dialer, Target("lab", ADDRESS), Endpoint(ADDRESS, port), level)
    async with HttpSession(contact) as session:
        return await probe.look(session, level), session.requests


def look(probe: WebServiceProbe, port: int, level: Level = Level.READ) -> tuple[ServiceFacts | None, int]:
    return asyncio.run(_look(probe, level, port))


@contextlib.contextmanager
def serving(port: int, table: Mapping[str, Reply], otherwise: Reply, folder: Path) -> Iterator[None]:
    with answers(port, table, otherwise)(ADDRESS, folder):
        yield


def reply(body: str = "", status: int = 200, **headers: str) -> HttpReply:
    kept = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return HttpReply("GET", "/", status, kept, body, len(body))


ORDINARY = (
    reply("<!doctype html><html><head><title>Welcome to nginx!</title></head></html>", server="nginx/1.22.1"),
    reply("", 301, location="https://www.example.org/"),
    reply("", 302, location="/login?next=/", server="nginx"),
    reply("<html><head><title>403 Forbidden</title></head></html>", 403, content_type="text/html"),
    reply("<html><head><title>404 Not Found</title></head></html>", 404, content_type="text/html"),
    reply("", 401, www_authenticate='Basic realm="Restricted"'),
    reply('{"status":"ok"}', content_type="application/json"),
    reply('{"message":"Not Found"}', 404, content_type="application/json"),
    reply("OK", content_type="text/plain"),
)


@pytest.mark.parametrize("root", ORDINARY, ids=lambda root: f"{root.status}-{root.body[:20]}")
def test_an_ordinary_site_on_an_odd_port_costs_no_request(root: HttpReply) -> None:
    assert [probe.service for probe in WEB_PROBES if probe.suspects(root)] == []


def test_every_probe_has_its_entry_in_the_catalogue_and_its_own_code() -> None:
    assert len(BY_CODE) == len(WEB_PROBES)
    without = {code for code in BY_CODE if not {f"SVC-{code}-EXPOSED", f"SVC-{code}-UNAUTH"} & catalogue().keys()}
    assert without == set()


@pytest.mark.parametrize(
    "everything",
    [
        page("Welcome", "Elasticsearch, Docker, Kibana and Jenkins are names, not proof."),
        data({"status": "ok", "version": "1.2.3", "name": "x", "data": [], "models": []}),
        data([]),
        data({"error": "Unauthorized"}, 401),
        text("Permission denied", 403),
        text("", 200),
        text("[" * 4000),
        Reply(302, b"", (("Location", "http://[broken/login"),)),
        Reply(200, b"\xff\xfe\x00" * 2000, (("Content-Type", "application/json"),)),
    ],
    ids=["page", "json", "list", "401", "403", "empty", "nested", "bad-redirect", "bytes"],
)
@pytest.mark.lab
def test_a_server_that_answers_everything_alike_is_no_product(everything: Reply, tmp_path: Path) -> None:
    with serving(8099, {}, everything, tmp_path):
        named = [code for code, probe in BY_CODE.items() if look(probe, 8099)[0] is not None]
    assert named == []


class Recorder(dict[str, Reply]):
    """A table of answers that remembers what it was asked."""

    def __init__(self, table: Mapping[str, Reply]) -> None:
        super().__init__(table)
        self.asked: set[str] = set()

    def get(self, key: str, default: Reply | None = None) -> Reply | None:  # type: ignore[override]  # the one form used
        self.asked.add(key)
        return super().get(key, default)


@pytest.mark.lab
@pytest.mark.parametrize(
    "table",
    [web.ELASTIC_OPEN, web.NACOS_OPEN, web.VAULT_NEW, web.INFLUX_OPEN, web.GRAFANA_OPEN, web.K8S_OPEN, web.KIBANA_OPEN],
    ids=["elastic", "nacos", "vault", "influx", "grafana", "k8s", "kibana"],
)
def test_at_the_greeting_level_only_greetings_are_sent(table: Mapping[str, Reply], tmp_path: Path) -> None:
    recorder = Recorder(table)
    with serving(8099, recorder, web.FASTAPI_NOT_FOUND, tmp_path):
        for probe in WEB_PROBES:
            look(probe, 8099, Level.GREETING)
    assert "GET /" in recorder.asked
    assert recorder.asked <= {f"GET {path}" for path in GREETINGS} | {"POST /wsman"}


@pytest.mark.lab
def test_at_the_greeting_level_an_open_elasticsearch_is_named_but_not_called_open(tmp_path: Path) -> None:
    with serving(8099, web.ELASTIC_OPEN, web.ELASTIC_NOT_FOUND, tmp_path):
        facts, requests = look(BY_CODE["ELASTIC"], 8099, Level.GREETING)
    assert facts is not None
    assert (facts.access, facts.version, requests) == (Access.UNKNOWN, "8.11.3", 1)


@pytest.mark.lab
@pytest.mark.parametrize(
    ("code", "table", "otherwise", "access"),
    [
        ("ELASTIC", {}, web.ELASTIC_REFUSES, Access.RESTRICTED),
        ("ELASTIC", {}, web.OPENSEARCH_REFUSES, Access.RESTRICTED),
        ("NACOS", {"GET /nacos/v1/console/server/state": web.NACOS_OPEN["GET /nacos/v1/console/server/state"]},
         web.FASTAPI_NOT_FOUND, Access.UNKNOWN),
        ("VAULT", web.VAULT_READY, web.FASTAPI_NOT_FOUND, Access.RESTRICTED),
        ("K8S-API", web.K8S_VERSION_ONLY, web.K8S_FORBIDS, Access.RESTRICTED),
        ("XXL-JOB", {}, web.XXL_JOB, Access.UNKNOWN),
        ("KUBELET", {}, web.KUBELET_FORBIDS, Access.RESTRICTED),
        ("CONSUL", web.CONSUL_REFUSES, web.FASTAPI_NOT_FOUND, Access.RESTRICTED),
        ("COUCHDB", web.COUCHDB_REFUSES, web.COUCHDB_NOT_FOUND, Access.RESTRICTED),
        ("NEO4J", web.NEO4J_DISCOVERY, web.FASTAPI_NOT_FOUND, Access.UNKNOWN),
        ("JENKINS", web.JENKINS_READS, web.JENKINS_FORBIDS, Access.RESTRICTED),
        ("KIBANA", web.KIBANA_LOGIN, web.KIBANA_NOT_FOUND, Access.RESTRICTED),
    ],
)  # fmt: skip
def test_what_is_public_by_design_is_not_called_open(
    code: str, table: Mapping[str, Reply], otherwise: Reply, access: Access, tmp_path: Path
) -> None:
    with serving(8099, table, otherwise, tmp_path):
        facts, _ = look(BY_CODE[code], 8099)
    assert facts is not None
    assert (facts.service, facts.access) == (code, access)


@pytest.mark.lab
def test_a_bare_refusal_off_the_kubelets_port_is_nobody(tmp_path: Path) -> None:
    with serving(8099, {}, web.KUBELET_REFUSES, tmp_path):
        assert look(BY_CODE["KUBELET"], 8099)[0] is None


@pytest.mark.lab
def test_the_pods_of_a_kubelet_are_not_kept(tmp_path: Path) -> None:
    pods = data({"kind": "PodList", "items": [{"env": [{"name": "DB_PASSWORD", "value": "hunter2"}]}]})
    with serving(8099, {"GET /pods": pods}, web.FASTAPI_NOT_FOUND, tmp_path):
        facts, _ = look(BY_CODE["KUBELET"], 8099)
    assert facts is not None
    assert facts.access is Access.OPEN
    assert "hunter2" not in repr(facts)
    assert "DB_PASSWORD" not in repr(facts)


@pytest.mark.lab
def test_a_reply_is_read_to_four_kibibytes_and_kept_to_five_hundred_and_twelve_characters(tmp_path: Path) -> None:
    endless = text('{"ApiVersion":"1.43","Version":"24.0.7","Os":"linux","x":"' + "A" * 100_000)
    with serving(8099, {"GET /version": endless}, web.DOCKER_NOT_FOUND, tmp_path):
        facts, _ = look(BY_CODE["DOCKER"], 8099)
    assert facts is not None
    assert facts.access is Access.OPEN
    assert all(len(exchange.received) <= 512 for exchange in facts.exchanges)


@pytest.mark.lab
def test_cookies_are_left_out_of_the_evidence(tmp_path: Path) -> None:
    with serving(8099, web.GITLAB, web.FASTAPI_NOT_FOUND, tmp_path):
        facts, _ = look(BY_CODE["GITLAB"], 8099)
    assert facts is not None
    assert "_gitlab_session" not in repr(facts)


def test_a_version_is_a_version_and_nothing_else() -> None:
    assert dialogue.clean_version("v1.28.4+k3s1\r\nX: y") == "1.28.4+k3s1"
    assert dialogue.clean_version("<script>") == ""


def test_the_severities_are_those_of_the_place_it_is_seen_from() -> None:
    checks = catalogue()
    assert checks["SVC-DOCKER-UNAUTH"].severity_at(Vantage.INTERNAL) is Severity.CRITICAL
    assert checks["SVC-HADOOP-YARN-EXPOSED"].severity_at(Vantage.INTERNET) is Severity.CRITICAL
    assert checks["SVC-HADOOP-YARN-EXPOSED"].severity_at(Vantage.INTERNAL) is Severity.HIGH
    assert "SVC-XXL-JOB-UNAUTH" not in checks


@pytest.mark.parametrize(
    ("facts", "severity"),
    [
        (ServiceFacts("KUBELET", Access.OPEN), Severity.CRITICAL),
        (ServiceFacts("KUBELET", Access.OPEN, attributes=(("port", "read-only"),)), Severity.HIGH),
        (ServiceFacts("CONSUL", Access.OPEN), Severity.HIGH),
        (ServiceFacts("CONSUL", Access.OPEN, attributes=(("script-checks", "enabled"),)), Severity.CRITICAL),
        (ServiceFacts("PROMETHEUS", Access.OPEN), Severity.MEDIUM),
        (ServiceFacts("PROMETHEUS", Access.OPEN, attributes=(("admin-api", "enabled"),)), Severity.HIGH),
    ],
)
def test_an_open_service_weighs_what_it_lets_strangers_do(facts: ServiceFacts, severity: Severity) -> None:
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    service = Service(Endpoint(ADDRESS, 8099), "http", facts=facts)
    host = HostInspection(
        Target("lab", ADDRESS), Outcome.INSPECTED, now, now, Vantage.INTERNAL, Level.READ, services=(service,)
    )
    weights = [finding.severity for finding in judge(host) if finding.check == f"SVC-{facts.service}-UNAUTH"]
    assert weights == [severity]
