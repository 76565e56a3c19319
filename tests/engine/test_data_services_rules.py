"""What is made of the facts about databases and brokers."""

from __future__ import annotations

import datetime as dt

from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.judge import judge
from scanner.engine.model import (
    Endpoint,
    Finding,
    HostInspection,
    Level,
    Outcome,
    Service,
    Severity,
    Target,
    Vantage,
)

_NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)


def _findings(facts: ServiceFacts, *, tls: bool = False, vantage: Vantage = Vantage.INTERNET) -> dict[str, Finding]:
    service = Service(Endpoint("192.0.2.1", 1234), "lab", tls=tls, facts=facts)
    target = Target("lab", "192.0.2.1")
    host = HostInspection(target, Outcome.INSPECTED, _NOW, _NOW, vantage, Level.READ, services=(service,))
    return {finding.check: finding for finding in judge(host)}


def _postgresql(*attributes: tuple[str, str]) -> ServiceFacts:
    return ServiceFacts("POSTGRES", Access.RESTRICTED, "PostgreSQL", attributes=attributes)


def test_a_database_that_refuses_tls_talks_in_clear() -> None:
    facts = ServiceFacts("MYSQL", Access.RESTRICTED, attributes=(("tls", "refused"),))
    assert _findings(facts)["DB-CLEARTEXT"].severity is Severity.MEDIUM
    assert _findings(facts, vantage=Vantage.INTERNAL)["DB-CLEARTEXT"].severity is Severity.LOW


def test_a_database_that_offers_tls_or_lives_inside_it_does_not_talk_in_clear() -> None:
    offered = ServiceFacts("MYSQL", Access.RESTRICTED, attributes=(("tls", "offered"),))
    refused = ServiceFacts("MYSQL", Access.RESTRICTED, attributes=(("tls", "refused"),))
    assert "DB-CLEARTEXT" not in _findings(offered)
    assert "DB-CLEARTEXT" not in _findings(refused, tls=True)


def test_what_could_not_be_told_about_tls_is_not_called_clear() -> None:
    assert "DB-CLEARTEXT" not in _findings(ServiceFacts("REDIS", Access.RESTRICTED))


def test_a_clear_text_password_is_only_bad_outside_tls() -> None:
    clear = _findings(_postgresql(("auth", "password"), ("auth_channel", "clear"), ("user", "postgres")))
    assert clear["PG-CLEARTEXT-AUTH"].severity is Severity.MEDIUM
    assert "PG-CLEARTEXT-AUTH" not in _findings(_postgresql(("auth", "password"), ("auth_channel", "tls")))
    assert "PG-CLEARTEXT-AUTH" not in _findings(_postgresql(("auth", "scram-sha-256"), ("auth_channel", "clear")))


def test_a_service_that_turns_our_address_away_weighs_little() -> None:
    def severity(service: str, refusal: str) -> Severity:
        facts = ServiceFacts(service, Access.RESTRICTED, attributes=(("refusal", refusal),))
        return _findings(facts)[f"SVC-{service}-EXPOSED"].severity

    assert severity("MYSQL", "host-acl") is Severity.INFO
    assert severity("REDIS", "protected-mode") is Severity.LOW
    assert severity("REDIS", "credentials") is Severity.HIGH


def test_open_access_takes_the_place_of_mere_exposure() -> None:
    found = _findings(ServiceFacts("KAFKA", Access.OPEN))
    assert "SVC-KAFKA-UNAUTH" in found
    assert "SVC-KAFKA-EXPOSED" not in found
