"""A PostgreSQL database as it is after rounds over many hosts: ``python -m tests.bench.filled --help``.

Some units are registered and inspected for real. All others, and all rounds but that one, are copies of what these left
behind, made by the server itself, so that a hundred thousand hosts with a year behind them take minutes.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from tests.bench import crowded

PLAN = "weekly"

AT_ONCE = 16
"""Copies that one statement makes."""

_UNITS = {
    "targets_organisation": {"slug": "pg_temp.moved(one.slug, {units})"},
    "targets_contact": {"email": "pg_temp.moved(one.email, {units})"},
    "targets_target": {name: f"pg_temp.moved(one.{name}, {{units}})" for name in ("value", "display")},
    "targets_authorisation": {},
    "rounds_round_organisations": {},
    "rounds_job": {},
    "rounds_hostresult": {
        name: f"pg_temp.moved(one.{name}, {{units}})" for name in ("label", "address", "hostname")
    },
    "remediation_finding": {"host": "pg_temp.moved(one.host, {units})"},
    "remediation_findingevent": {},
    "remediation_roundscore": {},
    "remediation_attention": {"host": "pg_temp.moved(one.host, {units})"},
    "remediation_seenkey": {
        "hostname": "pg_temp.moved(one.hostname, {units})",
        "address": "pg_temp.moved(one.address, {units})",
        "fingerprint": "encode(sha256((one.fingerprint || copy)::bytea), 'hex')",
    },
    "reports_report": {},
    "delivery_message": {"key": "one.key || '+' || copy", "message_id": "one.message_id || '+' || copy"},
}  # fmt: skip
"""Tables of which further units have copies, and how the columns of a copy differ."""

_LEADS_TO = {
    "organisation_id": "targets_organisation",
    "target_id": "targets_target",
    "finding_id": "remediation_finding",
    "report_id": "reports_report",
}

_EARLIER = ("due", "created", "started", "finished", "followed", "generated", "at")

_ROUNDS = {
    "rounds_round": {},
    "rounds_round_organisations": {},
    "rounds_job": {},
    "rounds_hostresult": {},
    "remediation_findingevent": {"kind": "'seen'"},
    "remediation_roundscore": {},
    "reports_report": {},
    "delivery_message": {
        "key": "one.key || '*' || copy", "message_id": "one.message_id || '*' || copy", "report_id": "NULL",
    },
}  # fmt: skip
"""The same of former rounds."""

_ONLY = {"remediation_findingevent": "one.kind = 'opened'", "delivery_message": "one.kind = 'round-report'"}

_MOVED = f"""
CREATE FUNCTION pg_temp.moved(what text, units bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN what = '' THEN '' WHEN what ~ '^[0-9.]+$' THEN host(what::inet + units * {crowded.APART})
    ELSE regexp_replace(what, 'unit[0-9]+', 'unit' || (substring(what from 'unit([0-9]+)')::bigint + units)) END
$$
"""


def main() -> int:
    """Fill the database that the settings name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, required=True, help="hosts that are registered, and in every round")
    parser.add_argument("--part", type=int, required=True, help="those that are inspected for real in the last one")
    parser.add_argument("--rounds", type=int, default=1, help="rounds that lie behind, a week from each to the next")
    wanted = parser.parse_args()
    from scanner.settings import prepare

    prepare()
    fill(wanted.hosts, wanted.part, wanted.rounds)
    return 0


def fill(hosts: int, part: int, rounds: int) -> None:
    """Register ``hosts``, of which ``part`` are inspected for real, and let ``rounds`` lie behind."""
    from django.db import connection, connections

    from tests.bench.living import START
    from tests.bench.replayed import carry_out

    with connection.cursor() as cursor:
        cursor.execute("SELECT setval(pg_get_serial_sequence('rounds_round', 'id'), %s)", [rounds])
    inspected = part // crowded.HOSTS
    register(inspected)
    connections.close_all()
    carry_out(START, workers=2, later=False)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # no foreign key is checked row by row
        cursor.execute("UPDATE remediation_attention SET due = due + interval '30 days'")  # no round between rounds
        cursor.execute(_MOVED)
        for statement in (*_further_units(cursor, inspected, hosts // part - 1), *_former_rounds(cursor, rounds - 1)):
            cursor.execute(statement)
        cursor.execute("SET session_replication_role = origin")
        cursor.execute("VACUUM ANALYZE")
    connections.close_all()


def register(units: int) -> None:
    """Register units with a contact each, and a plan for them."""
    from scanner.rounds.models import PlanKind
    from scanner.rounds.planning import PlanRequest, make_plan
    from tests.bench.living import START

    slugs = tuple(_registered(unit) for unit in range(units))
    made = START - dt.timedelta(hours=1)
    make_plan(PlanRequest(PLAN, PlanKind.ROUTINE, "bench", slugs, schedule="0 2 * * mon"), made)


def _registered(unit: int) -> str:
    from targets.models import Contact, Target, Zone
    from tests.bench.living import START
    from tests.rounds.world import authorise, organisation

    zone, _ = Zone.objects.get_or_create(name="internet", defaults={"vantage": "internet"})
    language = ("zh-Hans", "en")[unit % 2]
    owner = organisation(f"unit{unit}", name_zh=f"第{unit}单位", name_en=f"Unit {unit}", language=language)
    Contact.objects.create(organisation=owner, name="Li", email=f"li@unit{unit}.example", language=language)
    hosts = [crowded.host(unit, place) for place in range(crowded.HOSTS)]
    Target.objects.bulk_create(
        Target(
            organisation=owner,
            kind="hostname" if each.name else "ipv4",
            value=each.known_as,
            display=each.known_as,
            zone=zone,
            criticality="key" if each.number % 11 == 0 else "ordinary",
        )
        for each in hosts
    )
    names = [each.name for each in hosts if each.name]
    authorise(owner, crowded.unit_network(unit), *names, valid_from=START - dt.timedelta(days=1))
    return str(owner.slug)


def _further_units(cursor: Any, inspected: int, copies: int) -> Iterator[str]:
    """Yield what copies the units that were inspected; each copy's numbers lie the same step above the last one's."""
    steps = {table: _asked(cursor, f"SELECT coalesce(max(id), 0) + 1 FROM {table}") for table in _UNITS}
    for series in _series(copies):
        for table, changed in _UNITS.items():
            columns = _columns(cursor, table)
            leading = {name: steps[_LEADS_TO[name]] for name in columns if name in _LEADS_TO}
            numbers = {name: f"one.{name} + copy * {step}" for name, step in {"id": steps[table], **leading}.items()}
            own = {name: text.format(units=f"copy * {inspected}") for name, text in changed.items()}
            chosen = "one.organisation_id IS NOT NULL" if "organisation_id" in columns else "true"
            yield _insert(table, columns, {**numbers, **own}, f"{series} WHERE one.id < {steps[table]} AND {chosen}")
    for table in _UNITS:
        yield f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"


def _former_rounds(cursor: Any, copies: int) -> Iterator[str]:
    """Yield what copies the round, as one that lies a week further back with each copy."""
    for series in _series(copies):
        for table, changed in _ROUNDS.items():
            columns = _columns(cursor, table)
            earlier = {name: f"one.{name} - copy * interval '7 days'" for name in columns if name in _EARLIER}
            number = f"nextval(pg_get_serial_sequence('{table}', 'id'))"
            own = {"id": number, "round_id": "one.round_id - copy", **earlier, **changed}
            if table == "rounds_round":
                own["id"] = "one.id - copy"
            chosen = f"one.{'round_id' if 'round_id' in columns else 'id'} = {copies + 2}"
            if table == "delivery_message":
                chosen = "one.key NOT LIKE '%*%'"
            yield _insert(table, columns, own, f"{series} WHERE {chosen} AND {_ONLY.get(table, 'true')}")


def _series(copies: int) -> Iterator[str]:
    for first in range(1, copies + 1, AT_ONCE):
        yield f"generate_series({first}, {min(first + AT_ONCE - 1, copies)}) copy"


def _insert(table: str, columns: list[str], changed: Mapping[str, str], series: str) -> str:
    values = ", ".join(changed.get(name, f'one."{name}"') for name in columns)
    names = ", ".join(f'"{name}"' for name in columns)
    return f"INSERT INTO {table} ({names}) SELECT {values} FROM {table} one, {series}"


def _columns(cursor: Any, table: str) -> list[str]:
    cursor.execute("SELECT column_name FROM information_schema.columns WHERE table_name = %s", [table])
    return [name for (name,) in cursor.fetchall()]


def _asked(cursor: Any, question: str) -> int:
    cursor.execute(question)
    return int(cursor.fetchone()[0])


if __name__ == "__main__":
    sys.exit(main())
