"""The plugin has the form of one, knows a controller, and reports it only when it obeys anyone."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading

import pytest
from controller import Controller
from roundsman_example_plugin import PLUGIN
from roundsman_example_plugin.doors import look, recognises

from scanner.engine.catalogue.load import Catalogue
from scanner.engine.model import HostInspection, Outcome
from scanner.engine.plugins.api import Access, Contact, Context, Endpoint, Level, Service, ServiceFacts, Target, Vantage
from scanner.engine.plugins.form import accept
from scanner.engine.probes.dial import Dialer

ADDRESS = "127.0.0.1"
NOW = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


def seen(access: Access) -> list[str]:
    """Return the checks that are found on a controller of this access."""
    service = Service(Endpoint(ADDRESS, 7878), "x-acme-doors", facts=ServiceFacts("X-ACME-DOORS", access))
    host = HostInspection(
        Target(ADDRESS, ADDRESS), Outcome.INSPECTED, NOW, NOW, Vantage.INTERNET, Level.READ, (service,)
    )
    context = Context(Catalogue(accept("acme", PLUGIN).checks), host, NOW)
    return [finding.check for rule in PLUGIN.rules for finding in rule.judge(service, context)]


def test_a_controller_is_recognised_and_nothing_that_merely_looks_like_one() -> None:
    assert recognises(b"ACME-DOORS/1 2.4.1\r\n")
    assert not recognises(b"ACME-DOORS/1 2.4.1\r\nand more")
    assert not recognises(b"WHAT?\r\n")


def test_only_a_controller_that_obeys_anyone_is_reported() -> None:
    assert seen(Access.OPEN) == ["X-ACME-DOORS-OPEN"]
    assert seen(Access.RESTRICTED) == seen(Access.UNKNOWN) == []


@pytest.mark.parametrize(
    ("log_in", "level", "access"),
    [
        (False, Level.READ, Access.OPEN),
        (True, Level.READ, Access.RESTRICTED),
        (False, Level.GREETING, Access.UNKNOWN),
    ],
)
def test_a_real_controller_tells_as_much_as_the_level_allows_to_ask(log_in: bool, level: Level, access: Access) -> None:
    with Controller(ADDRESS, 0, log_in=log_in) as controller:
        threading.Thread(target=controller.serve_forever, daemon=True, kwargs={"poll_interval": 0.05}).start()
        endpoint = Endpoint(ADDRESS, controller.server_address[1])
        facts = asyncio.run(look(Contact(Dialer(lambda _: None), Target(ADDRESS, ADDRESS), endpoint, level)))
        controller.shutdown()
    assert (facts.access, facts.version) == (access, "2.4.1")
