"""What monitoring asks: is it there, is it ready, and how things stand, as figures for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from importlib.metadata import version
from shutil import disk_usage
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import Count, Max, Min
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from scanner.accounts.roles import Right
from scanner.api.door import Bearer, enter
from scanner.api.problem import of_error
from scanner.api.scopes import Scope
from scanner.delivery.endings import authorisations_ending, with_authorisations_ending
from scanner.delivery.models import Message, MessageState
from scanner.remediation.counted import LISTED, overdue
from scanner.remediation.models import Finding
from scanner.rounds.models import Job, JobState, Round, RoundState
from scanner.rounds.service import is_served
from scanner.rounds.switch import current_stop
from targets.check import SOON
from targets.models import Organisation, Target

LOOPBACK = ("127.0.0.1", "::1")

_DOOR = Bearer(Scope.SYSTEM_READ, Right.WATCH)


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Tell that the process answers; asks nothing of the database."""
    del request
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Tell whether the database can be used and a service does the work; 503 where one of them is missing."""
    del request
    said = {"database": _database_answers(), "service": is_served(settings.DATA_DIR)}
    return JsonResponse(said, status=200 if all(said.values()) else 503)


@require_safe
def metrics(request: Any) -> HttpResponse:
    """Show how things stand: to who has a token, or, while only this machine is served, to whoever is on it.

    Behind a proxy everything comes from this machine, so there a token is always asked for.
    """
    try:
        if settings.INSTALLATION.web_url or request.META.get("REMOTE_ADDR") not in LOOPBACK:
            _DOOR.check(enter(request))
        registry = CollectorRegistry(auto_describe=False)
        registry.register(Figures(request.now))
        return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)
    except Exception as error:  # noqa: BLE001 - whatever it is, a program gets it in one form
        return of_error(error).answer()


class Figures(Collector):
    """How things stand at one moment, counted in the database: the same from whichever process is asked."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def collect(self) -> Iterable[Metric]:
        """Yield every figure."""
        yield _gauge("info", "Which Roundsman this is.", ["version"], [((version("roundsman"),), 1)])
        yield from self._register()
        yield from self._findings()
        yield from self._work()
        yield from self._mail()
        usage = disk_usage(settings.DATA_DIR)
        yield _one("disk_free_bytes", "Room on the disk of the data directory.", usage.free)
        yield _one("disk_size_bytes", "Size of the disk of the data directory.", usage.total)

    def _register(self) -> Iterator[Metric]:
        active = {"retired_at": None, "organisation__retired_at": None}
        organisations = list(Organisation.objects.filter(retired_at=None))
        yield _one("organisations", "Active organisations.", len(organisations))
        yield _one("targets", "Registered addresses of active organisations.", Target.objects.filter(**active).count())
        concerned = with_authorisations_ending(organisations, self._now)
        ending = sum(len(authorisations_ending(each, self._now)) for each in organisations if each.pk in concerned)
        said = f"Authorisations that end within {SOON.days} days, and that no other one takes over from."
        yield _one("authorisations_ending", said, ending)

    def _findings(self) -> Iterator[Metric]:
        rows = Finding.objects.filter(LISTED, organisation__retired_at=None).order_by()
        late = Count("pk", filter=overdue(self._now))
        counted = list(rows.values_list("state", "severity").annotate(n=Count("pk"), late=late))
        told = [((state, severity), n) for state, severity, n, _ in counted]
        yield _gauge("findings", "Findings by state and severity.", ["state", "severity"], told)
        by_severity: dict[tuple[str, ...], float] = {}
        for _, severity, _, n in counted:
            by_severity[severity,] = by_severity.get((severity,), 0) + n
        said = "Findings to fix whose deadline has passed."
        yield _gauge("findings_overdue", said, ["severity"], by_severity.items())

    def _work(self) -> Iterator[Metric]:
        rounds = dict(Round.objects.order_by().values_list("state").annotate(n=Count("pk")))
        told = [((each,), rounds.get(each, 0)) for each in RoundState.values]
        yield _gauge("rounds", "Rounds by state.", ["state"], told)
        open_ = (JobState.WAITING, JobState.RUNNING)
        jobs = dict(Job.objects.filter(state__in=open_).order_by().values_list("state").annotate(n=Count("pk")))
        yield _gauge(
            "jobs", "Jobs that wait or are in work.", ["state"], [((each,), jobs.get(each, 0)) for each in open_]
        )
        last = Round.objects.aggregate(last=Max("followed"))["last"]
        if last is not None:
            said = "When the findings of a round were followed last."
            yield _one("last_round_followed_timestamp_seconds", said, last.timestamp())
        yield _one("stopped", "1 while the kill switch is on.", int(current_stop() is not None))
        yield _one("served", "1 while a service does the work.", int(is_served(settings.DATA_DIR)))

    def _mail(self) -> Iterator[Metric]:
        mails = dict(Message.objects.order_by().values_list("state").annotate(n=Count("pk")))
        told = [((each,), mails.get(each, 0)) for each in MessageState.values]
        yield _gauge("messages", "Mails by state.", ["state"], told)
        queued = Message.objects.filter(state=MessageState.QUEUED)
        oldest = queued.aggregate(oldest=Min("created"))["oldest"]
        waits = max(self._now - oldest, timedelta()) if oldest is not None else timedelta()
        yield _one("message_oldest_wait_seconds", "How long the oldest mail waits.", waits.total_seconds())


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def _one(name: str, said: str, value: float) -> Metric:
    return GaugeMetricFamily(f"roundsman_{name}", said, value=value)


def _gauge(name: str, said: str, labels: list[str], values: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    family = GaugeMetricFamily(f"roundsman_{name}", said, labels=labels)
    for label, value in values:
        family.add_metric(list(label), value)
    return family
