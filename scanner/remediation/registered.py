"""Keeps beside each finding whether its place is registered, so that the database can count without the registers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from django.db.models import Exists, OuterRef

from scanner import bulk
from scanner.locks import Turn, take_turn
from scanner.remediation.models import Finding
from scanner.remediation.part import Register
from targets.models import Organisation

AT_ONCE = 500
"""Hosts that one statement names."""


def mark_all(organisations: Iterable[Organisation]) -> None:
    """Mark the findings of these organisations after their register was changed, within the transaction of the change.

    Who follows findings of one of them at that moment ends first, or sees the new register.
    """
    findings = Finding.objects.filter(organisation=OuterRef("pk"))
    changed = Organisation.objects.filter(Exists(findings), pk__in=[each.pk for each in organisations])
    for each in changed.order_by("slug"):
        take_turn(Turn.FINDINGS, each.pk)
        _mark(each)


def keep_marked(findings: Iterable[Finding], register: Register) -> None:
    """Mark anew those of the stored findings whose mark is not what the register says."""
    astray = [each for each in findings if each.registered != register.holds(each)]
    for each in astray:
        each.registered = not each.registered
    bulk.update(astray, ("registered",))


def _mark(organisation: Organisation) -> None:
    register = Register(organisation)
    rows = Finding.objects.filter(organisation=organisation).order_by()
    turned: dict[tuple[bool, str], list[str]] = defaultdict(list)
    for host, transport, was in rows.values_list("host", "transport", "registered").distinct():
        now = register.has(host, transport)
        if now != was:
            turned[now, transport].append(host)
    for (now, transport), hosts in turned.items():
        for first in range(0, len(hosts), AT_ONCE):
            rows.filter(transport=transport, host__in=hosts[first : first + AT_ONCE]).update(registered=now)
