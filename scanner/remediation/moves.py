"""Names move: to which of the addresses where a finding was seen its name no longer leads."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import QuerySet

from scanner.prepared import Given, Prepared
from scanner.rounds.models import HostResult, LookNumber, Round
from targets.models import Organisation

LEFT_AFTER = timedelta(days=7)
"""How long a name must have led elsewhere. One answer without an address says little: many names lead to several
addresses, and name a few of them at a time."""


def _looks() -> QuerySet[HostResult]:
    return HostResult.objects.filter(
        organisation=Given("organisation"),
        look=LookNumber.FIRST,
        round__lt=Given("this"),
        hostname=Given("host"),
    )


_LAST_THERE = Prepared(
    lambda: _looks().filter(address=Given("address")).order_by("-finished").values_list("finished", "round")[:1]
)
# The newest first: a name that has left was found elsewhere a round ago, and the looks before that are many.
_ELSEWHERE = Prepared(
    lambda: (
        _looks()
        .filter(round__gt=Given("since"))
        .exclude(address__in=("", Given("address")))
        .order_by("-pk")
        .values_list("pk", flat=True)[:1]
    )
)


class Moves:
    """Where the names of an organisation, or of that with this primary key, led in the rounds before ``this`` one."""

    def __init__(self, this: Round, organisation: Organisation | int) -> None:
        self._this = this
        self._organisation = organisation

    def has_left(self, host: str, address: str) -> bool:
        """Tell whether ``host``, which this round did not find at ``address``, is elsewhere for good.

        It was not found there for ``LEFT_AFTER``, and a round before this one found it somewhere else since.
        """
        about = {"organisation": self._organisation, "this": self._this, "host": host, "address": address}
        last = _LAST_THERE.first(**about)
        if last is None:
            return bool(_ELSEWHERE(since=0, **about))
        finished, round_id = last
        return self._this.created - finished >= LEFT_AFTER and bool(_ELSEWHERE(since=round_id, **about))
