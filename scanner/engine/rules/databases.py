"""What databases and brokers send in clear."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.engine.model import Finding, Service
from scanner.engine.rules.base import Context, rule

_HOLDS_DATA = frozenset(
    {
        *("REDIS", "POSTGRES", "MYSQL", "OCEANBASE", "MSSQL", "MONGODB", "CASSANDRA"),
        *("MQTT", "AMQP", "KAFKA", "NATS", "ACTIVEMQ"),
    }
)
"""Databases and brokers whose clients and servers commonly speak TLS, so that its absence is a choice."""


@rule("DB-CLEARTEXT")
def clear_text(service: Service, context: Context) -> Iterator[Finding]:
    """The connection is not inside TLS and the service offers no upgrade to it."""
    facts = service.facts
    if facts is None or service.tls or facts.attribute("tls") != "refused" or facts.service not in _HOLDS_DATA:
        return
    yield context.finding(
        "DB-CLEARTEXT",
        service,
        exchanges=facts.exchanges,
        protocol=service.protocol,
        product=facts.product or service.protocol,
    )


@rule("PG-CLEARTEXT-AUTH")
def password_in_clear(service: Service, context: Context) -> Iterator[Finding]:
    """PostgreSQL asked for the password itself (AuthenticationCleartextPassword) outside TLS."""
    facts = service.facts
    if facts is None or facts.service != "POSTGRES":
        return
    if facts.attribute("auth") == "password" and facts.attribute("auth_channel") == "clear":
        yield context.finding(
            "PG-CLEARTEXT-AUTH",
            service,
            exchanges=facts.exchanges,
            user=facts.attribute("user"),
            database=facts.attribute("database"),
        )


RULES = (clear_text, password_in_clear)
