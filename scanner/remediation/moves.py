"""Names move: to which of the addresses where a finding was seen its name no longer leads."""

from __future__ import annotations

from datetime import timedelta

from scanner.rounds.models import HostResult, LookNumber, Round
from targets.models import Organisation

LEFT_AFTER = timedelta(days=7)
"""How long a name must have led elsewhere. One answer without an address says little: many names lead to several
addresses, and name a few of them at a time."""


class Moves:
    """Where the names of an organisation led in the rounds before ``this`` one."""

    def __init__(self, this: Round, organisation: Organisation) -> None:
        self._this = this
        self._looks = HostResult.objects.filter(organisation=organisation, look=LookNumber.FIRST, round__lt=this.pk)

    def has_left(self, host: str, address: str) -> bool:
        """Tell whether ``host``, which this round did not find at ``address``, is elsewhere for good.

        It was not found there for ``LEFT_AFTER``, and a round before this one found it somewhere else since.
        """
        elsewhere = self._looks.filter(hostname=host).exclude(address__in=("", address))
        last = self._looks.filter(hostname=host, address=address).order_by("-finished").first()
        if last is None:
            return elsewhere.exists()
        return self._this.created - last.finished >= LEFT_AFTER and elsewhere.filter(round__gt=last.round_id).exists()
