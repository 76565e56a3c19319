"""Brokers, automation and administration panels over HTTP: real ones where Debian has them, else by their answers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from scanner.engine.catalogue.load import catalogue
from tests.lab import web_panel_replies as web
from tests.lab.access import access_case, exposed, unauth
from tests.lab.case import Start, process, program
from tests.lab.http_answers import GO_NOT_FOUND, TOMCAT_NOT_FOUND, Reply, answers, data, page, text, together
from tests.lab.web_login_cases import WEB_SERVICES
from tests.lab.web_replies import FASTAPI_NOT_FOUND

NOT_FOUND = page("Not Found", "<h1>Not Found</h1>", 404)


def _cockpit(port: int) -> Start:
    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        command = ["/usr/lib/cockpit/cockpit-ws", "--no-tls", "--address", address, "--port", str(port)]
        with process(command, folder=folder, wait_for=(address, port)):
            yield

    return start


def _adminer(port: int) -> Start:
    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        command = [program("php"), "-S", f"{address}:{port}", "-t", "/usr/share/adminer/adminer"]
        with process(command, folder=folder, wait_for=(address, port)):
            yield

    return start


def _nats_monitor(port: int) -> Start:
    @contextlib.contextmanager
    def start(address: str, folder: Path) -> Iterator[None]:
        command = [program("nats-server"), "-a", address, "-p", "4222", "-m", str(port)]
        with process(command, folder=folder, wait_for=(address, port)):
            yield

    return start


CASES = (
    access_case(
        "web-cockpit-and-adminer",
        40,
        together(_cockpit(9090), _adminer(8080)),
        exposed(COCKPIT=9090, ADMINER=8080),
        silent=frozenset({"SVC-PROMETHEUS-UNAUTH"}),
        needs=("php",),
    ),
    access_case(
        "web-brokers-and-automation-open",
        41,
        together(
            answers(19530, web.MILVUS_OPEN, GO_NOT_FOUND),
            answers(4151, web.NSQD, web.NSQD_NOT_FOUND),
            answers(4171, web.NSQADMIN, NOT_FOUND),
            answers(8080, web.PULSAR_OPEN, web.PULSAR_NOT_FOUND),
            answers(8082, web.ROCKETMQ_OPEN, NOT_FOUND),
            answers(3100, web.LOKI_OPEN, GO_NOT_FOUND),
            answers(8081, web.PUPPETDB, TOMCAT_NOT_FOUND),
            answers(3000, web.DIFY_NEW, NOT_FOUND),
            answers(7860, web.GRADIO_OPEN, FASTAPI_NOT_FOUND),
            answers(8888, web.PHPMYADMIN_OPEN, NOT_FOUND),
        ),
        unauth(
            MILVUS=19530,
            NSQ=4151,
            PULSAR=8080,
            ROCKETMQ=8082,
            LOKI=3100,
            PUPPET=8081,
            DIFY=3000,
            GRADIO=7860,
            PHPMYADMIN=8888,
        )
        | unauth(NSQ=4171),
    ),
    access_case(
        "web-brokers-and-automation-with-login",
        42,
        together(
            answers(19530, web.MILVUS_REFUSES, GO_NOT_FOUND),
            answers(8080, web.PULSAR_REFUSES, web.PULSAR_NOT_FOUND),
            answers(8082, web.ROCKETMQ_LOGIN, NOT_FOUND),
            answers(3100, web.LOKI_TENANTS, GO_NOT_FOUND),
            answers(8140, web.PUPPET_SERVER, text("", 403), tls=True),
            answers(8052, web.AWX, NOT_FOUND),
            answers(8000, web.SALT, NOT_FOUND),
            answers(3000, web.DIFY_READY, NOT_FOUND),
            answers(7860, web.GRADIO_LOGIN, FASTAPI_NOT_FOUND),
            answers(8888, web.PHPMYADMIN_LOGIN, NOT_FOUND),
        ),
        exposed(
            MILVUS=19530,
            PULSAR=8080,
            ROCKETMQ=8082,
            LOKI=3100,
            PUPPET=8140,
            ANSIBLE_TOWER=8052,
            SALT=8000,
            DIFY=3000,
            GRADIO=7860,
            PHPMYADMIN=8888,
        ),
        outcome="partial",
    ),
    access_case(
        "web-panels",
        43,
        together(
            answers(10000, web.WEBMIN, NOT_FOUND),
            answers(2087, web.CPANEL, NOT_FOUND),
            answers(8880, web.PLESK, NOT_FOUND),
            answers(8888, web.BT_ENTRANCE, NOT_FOUND),
            answers(8889, web.BT_LOGIN, NOT_FOUND),
            answers(9999, web.ONE_PANEL, NOT_FOUND),
            answers(8006, web.PROXMOX, NOT_FOUND, tls=True),
            answers(8443, web.ESXI, NOT_FOUND, tls=True),
            answers(8181, web.ILO, NOT_FOUND),
            answers(8182, web.IDRAC, NOT_FOUND),
            answers(8183, web.ROUTEROS, NOT_FOUND),
            answers(8184, web.EWEB, NOT_FOUND),
            answers(8185, web.FIREWALL, NOT_FOUND),
            answers(8186, web.PFSENSE, NOT_FOUND),
            answers(8187, web.NAGIOS, NOT_FOUND),
            answers(8188, web.ZABBIX, NOT_FOUND),
        ),
        exposed(
            **{"1PANEL": 9999},
            WEBMIN=10000,
            CPANEL=2087,
            PLESK=8880,
            BT_PANEL=8888,
            HYPERVISOR=8006,
            BMC=8181,
            NETDEV_ADMIN=8183,
            NAGIOS=8187,
            ZABBIX=8188,
        )
        | exposed(BT_PANEL=8889, HYPERVISOR=8443, BMC=8182, NETDEV_ADMIN=8184)
        | exposed(NETDEV_ADMIN=8185)
        | exposed(NETDEV_ADMIN=8186),
    ),
    access_case(
        "web-business-systems",
        45,
        together(
            *(answers(port, {"GET /": reply}, NOT_FOUND) for port, reply in web.BUSINESS.items()),
            answers(8080, web.XXL_JOB_ADMIN, NOT_FOUND),
            answers(8858, web.SENTINEL, NOT_FOUND),
            answers(8081, web.SKYWALKING, NOT_FOUND),
            answers(8070, web.APOLLO, NOT_FOUND),
            answers(8161, {}, web.ACTIVEMQ),
        ),
        frozenset((port, "SVC-BUSINESS-APP-EXPOSED") for port in web.BUSINESS)
        | exposed(XXL_JOB_ADMIN=8080, SENTINEL=8858, SKYWALKING=8081, APOLLO=8070, ACTIVEMQ=8161),
    ),
    access_case("web-nats-monitoring", 46, _nats_monitor(8222), unauth(NATS_MONITOR=8222), needs=("nats-server",)),
    access_case(
        "web-pages-that-only-name-a-panel",
        44,
        together(
            *(answers(port, {"GET /": reply}, NOT_FOUND) for port, reply in web.LOOK_ALIKES.items()),
            answers(19530, {"GET /v1/vector/collections": data({"code": 200, "data": []})}, data({"code": 200})),
            answers(3100, {}, data({"status": "success", "data": None}, 404)),
            answers(8140, {}, Reply(200, b"-----BEGIN", (("Content-Type", "text/plain"),))),
        ),
        frozenset(),
        ports="3100,8101-8133,8140,19530",
        silent=WEB_SERVICES & catalogue().keys(),
    ),
)
