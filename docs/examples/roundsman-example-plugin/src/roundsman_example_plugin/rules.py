"""What is wrong with a door controller."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.engine.plugins.api import Access, Context, Finding, Service, rule


@rule("X-ACME-DOORS-OPEN")
def open_to_anyone(service: Service, context: Context) -> Iterator[Finding]:
    """Report a controller that obeys whoever reaches it."""
    facts = service.facts
    if facts is None or facts.service != "X-ACME-DOORS" or facts.access is not Access.OPEN:
        return
    yield context.finding("X-ACME-DOORS-OPEN", service, exchanges=facts.exchanges, version=facts.version)


RULES = (open_to_anyone,)
