"""UDP ports that keep silent: how long, over how many rounds, silence must last until it counts as absence.

A firewall that drops what strangers send is how most UDP services are put right, and it says nothing. Nor does a
service at a standstill, or a way on which datagrams are lost; so what one round did not hear proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from scanner.engine.model import HostInspection, Transport
from scanner.prepared import Given, Prepared
from scanner.remediation.models import Finding
from scanner.rounds.models import HostResult, LookNumber, Round
from targets.models import Organisation

LASTS = timedelta(days=7)
"""How long a port must have been silent before the round in which its silence counts."""

ROUNDS = 2
"""How many rounds before that must have asked it in vain."""

_LOOKS = Prepared(
    lambda: (
        HostResult.objects.filter(
            organisation=Given("organisation"),
            look=LookNumber.FIRST,
            round__lt=Given("this"),
            hostname=Given("hostname"),
            address=Given("address"),
            finished__gt=Given("since"),
        )
        .only("facts")
        .order_by("finished")
    )
)
# The oldest first: nearly always it tells that the silence has not lasted long enough.


class Silences:
    """What the rounds before ``this`` one heard of an organisation's UDP ports."""

    def __init__(self, this: Round, organisation: Organisation | int) -> None:
        self._this = this
        self._organisation = organisation

    def lasts(self, finding: Finding, address: str) -> bool:
        """Tell whether the port of ``finding`` has been silent at ``address`` since it was last seen: for ``LASTS``, in
        ``ROUNDS`` rounds and in every one that heard anything of its host."""
        port, transport, silent = finding.port, Transport(finding.transport), 0
        for look in self._looks(finding, address):
            if look.vantage != finding.vantage or look.level < finding.level:
                continue
            if look.coverage.kept_silent(port, transport):
                if not silent and self._this.created - look.finished < LASTS:
                    return False
                silent += 1
            elif any((each.endpoint.port, each.endpoint.transport) == (port, transport) for each in look.services):
                return False
        return silent >= ROUNDS

    def _looks(self, finding: Finding, address: str) -> Iterator[HostInspection]:
        hostname = "" if finding.host == address else finding.host
        about = {"organisation": self._organisation, "this": self._this, "hostname": hostname, "address": address}
        return (each.inspection() for each in _LOOKS.each(10, since=finding.last_seen, **about))
