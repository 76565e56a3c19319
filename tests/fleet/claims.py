"""Threads that claim jobs at once, each by a connection of its own: ``python -m tests.fleet.claims RATE``.

``RATE`` caps the zone of the jobs, in packets a second; 0 is no cap. Prints the jobs in the order in which they were
claimed, and the most that were in work at a time.
"""

from __future__ import annotations

import json
import sys
import threading

from scanner.settings import set_up

JOBS, THREADS = 24, 4


def main(rate: float) -> None:
    set_up()
    from django.db import connections

    from scanner.rounds.lease import Share, claim
    from scanner.rounds.models import Job, JobKind, JobState, Round
    from targets.models import Organisation, Zone
    from tests.rounds.jobs import NOW

    Zone.objects.update(rate=rate)
    this = Round.objects.create(profile="quick", ports="80", requested_by="tester", created=NOW, state="running")
    owner = Organisation.objects.get()
    Job.objects.bulk_create(
        Job(round=this, organisation=owner, kind=JobKind.LOOK, zone=zone, created=NOW)
        for zone in ("dmz", "elsewhere")
        for _ in range(JOBS)
    )
    claimed: list[int] = []
    most: list[int] = [0]
    together = threading.Barrier(THREADS)

    def work() -> None:
        together.wait()
        while Job.objects.filter(zone="dmz", state=JobState.WAITING).exists():
            lease = claim("worker", NOW, Share(kinds=(JobKind.LOOK,), zones=frozenset({"dmz"})))
            if lease is not None:
                most.append(Job.objects.filter(state=JobState.RUNNING).count())
                claimed.append(lease.job_id)
                lease.finish(NOW)
        connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    zones = list(Job.objects.filter(attempt__gt=0).order_by().values_list("zone", flat=True).distinct())
    print(json.dumps({"claimed": claimed, "most": max(most), "zones": zones}))


if __name__ == "__main__":
    main(float(sys.argv[1]))
