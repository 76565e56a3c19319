"""A database as it is after years, and how PostgreSQL answers what is asked of it: ``python -m tests.fleet.growth``.

Prints, as JSON, for each question the growing tables that were read from end to end, and how many of their rows its
answer took.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from scanner.settings import set_up

ROUNDS, UNITS, HOSTS, FINDINGS = 100, 20, 15, 30

GROWING = {
    "rounds_hostresult",
    "rounds_job",
    "remediation_findingevent",
    "delivery_message",
    "audit_entry",
    "reports_report",
}


def _multiply(table: str, series: str, **changed: str) -> None:
    """Insert copies of a table's first row, one for each row of ``series``, with some columns changed."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT column_name FROM information_schema.columns WHERE table_name = %s", [table])
        columns = [name for (name,) in cursor.fetchall() if name != "id"]
        values = ", ".join(changed.get(name, f'one."{name}"') for name in columns)
        names = ", ".join(f'"{name}"' for name in columns)
        statement = f"INSERT INTO {table} ({names}) SELECT {values} FROM one, {series}"
        cursor.execute(f"WITH one AS (SELECT * FROM {table} ORDER BY id LIMIT 1) {statement}")


def grow() -> None:
    """Fill the tables."""
    from django.db import connection

    from scanner.audit.trail import Action, record
    from scanner.delivery.models import Message, MessageKind
    from scanner.delivery.outbox import Letter, enqueue
    from scanner.remediation.models import Finding, FindingEvent
    from scanner.rounds.models import HostResult, Job, Round
    from targets.models import Organisation
    from tests.remediation.looks import a_round, day, looks
    from tests.rounds.world import open_redis

    owner = Organisation.objects.get()
    this = a_round(owner, 1)
    looks(this, "192.0.2.1", open_redis, 1)
    finding = Finding.objects.create(
        organisation=owner, host="192.0.2.1", port=6379, transport="tcp", check_id="SVC-REDIS-UNAUTH", addresses=[],
        state="open", severity="high", confidence="confirmed", profile="standard", level="1", vantage="internet",
        first_seen=day(1), last_seen=day(1), last_inspected=day(1),
    )  # fmt: skip
    FindingEvent.objects.create(finding=finding, round=this, kind="seen", at=day(1), detail={})
    Job.objects.create(
        round=this, organisation=owner, kind="look", zone="dmz", state="done", created=day(1),
        hosts=[[None, "192.0.2.1", "192.0.2.1", "", False]],
        terms={"level": 1, "vantage": "internet", "ports": ["list", "22", []], "blackouts": [], "domains": False},
    )  # fmt: skip
    enqueue(Letter("first", MessageKind.DIGEST, "unit@example.org", "en", "Subject", "text", "html"), day(1))
    Message.objects.update(state="sent")
    record(Action.STOP, "", actor="alice", at=day(1))

    first = "(SELECT min(id) FROM targets_organisation)"
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM rounds_hostresult WHERE look = 2")
    _more_units(owner)
    units = f"generate_series({first}, {first} + {UNITS - 1}) unit"
    Round.objects.exclude(pk=this.pk).delete()
    rounds = f"generate_series({this.pk}, {this.pk} + {ROUNDS - 1}) round"
    _more_rounds(this)
    hosts = f"generate_series(1, {HOSTS}) host"
    _multiply(
        "rounds_hostresult", f"{rounds}, {units}, {hosts}", round_id="round", organisation_id="unit",
        address="'10.' || unit || '.0.' || host", hostname="''", target_id="NULL",
    )  # fmt: skip
    _multiply("rounds_job", f"{rounds}, {units}, {hosts}", round_id="round", organisation_id="unit")
    found = f"generate_series(1, {FINDINGS}) found"
    _multiply(
        "remediation_finding", f"{units}, {found}", organisation_id="unit", host="'10.' || unit || '.0.' || found"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO remediation_findingevent (finding_id, round_id, kind, at, actor, detail) "
            f"SELECT f.id, round, 'seen', now(), '', '{{}}' FROM remediation_finding f, {rounds} ON CONFLICT DO NOTHING"
        )
    _multiply("delivery_message", "generate_series(1, 10000) number", key="'k' || number", message_id="'m' || number")
    _multiply(
        "audit_entry", "generate_series(1, 10000) number", digest="md5(number::text)", previous="md5('p' || number)"
    )
    assert HostResult.objects.count() > ROUNDS * UNITS * HOSTS


def _more_units(owner: Any) -> None:
    from targets.models import Organisation

    Organisation.objects.bulk_create(
        Organisation(slug=f"unit-{number}", name_en="Unit", pk=owner.pk + number) for number in range(1, UNITS)
    )


def _more_rounds(this: Any) -> None:
    from scanner.rounds.models import Round

    values = {field.attname: getattr(this, field.attname) for field in Round._meta.concrete_fields}
    Round.objects.bulk_create(Round(**{**values, "id": this.pk + number}) for number in range(1, ROUNDS))
    for each in Round.objects.all():
        each.organisations.set(range(this.organisations.get().pk, this.organisations.get().pk + 1))


def questions() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what the product asks again and again."""
    from django.db.models import Count

    from scanner.audit import trail
    from scanner.delivery.sender import due
    from scanner.flow import Sentinel
    from scanner.remediation.doubt import would_be_fixed
    from scanner.remediation.follow import follow_round
    from scanner.reports.query import report_model
    from scanner.rounds.assignment import hosts_left
    from scanner.rounds.lease import Observer, claim
    from scanner.rounds.models import HostResult, Job, Round
    from scanner.rounds.status import status_of
    from targets.models import Organisation, Target, Zone
    from tests.remediation.looks import day

    now, last = day(100), Round.objects.order_by("pk").last()
    owner = Organisation.objects.order_by("pk").first()
    assert last is not None
    assert owner is not None
    network = Target.objects.create(
        organisation=owner, kind="cidr", value="10.0.0.0/8", display="10.0.0.0/8", zone=Zone.objects.get(name="dmz")
    )
    quiet = HostResult.objects.filter(round=last, organisation=owner, address__endswith="5")
    quiet.update(target=network, outcome="unreachable", silent=True)
    Round.objects.update(followed=now)
    Round.objects.filter(pk=last.pk).update(state="running", followed=None)
    Job.objects.filter(pk__in=list(Job.objects.filter(round=last).values_list("pk", flat=True)[:5])).update(
        state="waiting"
    )
    _analyse()
    yield "claim a job", lambda: claim("worker", now)
    yield "who has not beaten", lambda: Observer().look()
    yield "what a job has left", lambda: hosts_left(Job.objects.filter(round=last).first() or Job())
    yield "how a round stands", lambda: status_of(last.pk, now, served=True)
    yield "what can't wait", lambda: Sentinel().look(now)
    yield "what to look at again", lambda: would_be_fixed(last.pk)
    yield "follow a round", lambda: follow_round(last.pk, now)
    yield "a report", lambda: report_model(owner, Round.objects.get(pk=last.pk), now)
    yield "mail to send", lambda: due(now)
    yield "the end of the trail", trail.head
    yield (
        "a round's results by outcome",
        lambda: list(
            HostResult.objects.filter(round=last, look=1).values("outcome").annotate(n=Count("pk")).order_by()
        ),
    )


def _analyse() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("SET random_page_cost = 1.1")  # as on a disk without moving parts


def _scanned(plan: dict[str, Any]) -> set[str]:
    own = {plan["Relation Name"]} if plan["Node Type"] == "Seq Scan" else set()
    return own.union(*(_scanned(each) for each in plan.get("Plans", ())))


def _read(plan: dict[str, Any]) -> int:
    """Return how many rows of growing tables were read, of use or not; 0 for what was planned only."""
    own = 0
    if plan.get("Relation Name") in GROWING and "Actual Rows" in plan:
        own = int((plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"])
    return own + sum(_read(each) for each in plan.get("Plans", ()))


def main() -> None:
    """Ask everything, and look at each statement's plan beside."""
    set_up()
    from django.db import connection

    grow()
    found: dict[str, tuple[list[str], int]] = {}
    for name, ask in questions():
        statements: list[tuple[str, Any]] = []

        def noting(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
            if not many and sql.startswith(("SELECT", "UPDATE", "DELETE")):
                statements.append((sql, params))  # noqa: B023 - called before the next turn
            return execute(sql, params, many, context)

        with connection.execute_wrapper(noting):
            ask()
        scanned: set[str] = set()
        rows = 0
        for sql, params in statements:
            done = "ANALYZE, " * sql.startswith("SELECT")
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN ({done}FORMAT JSON) {sql}", params)
                plan = cursor.fetchone()[0][0]["Plan"]
            scanned |= _scanned(plan) & GROWING
            rows += _read(plan)
        found[name] = sorted(scanned), rows
    print(json.dumps(found))


if __name__ == "__main__":
    main()
