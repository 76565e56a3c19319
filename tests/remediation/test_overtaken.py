"""Two workers that follow one round: the second was thought dead, and finds that all is done."""

from __future__ import annotations

import pytest

from scanner.remediation import follow
from scanner.remediation.follow import follow_round
from scanner.remediation.models import Attention
from scanner.remediation.observe import RoundView
from tests.remediation.looks import a_round, day, followed, looks
from tests.rounds.world import authorise, open_redis, open_web, organisation, register

pytestmark = pytest.mark.django_db


def test_who_was_overtaken_while_judging_follows_nothing_a_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a worker was suspended, lost its job to another one, and goes on."""
    owner = organisation()
    register(owner, "192.0.2.10")
    authorise(owner, "192.0.2.0/24")
    followed(owner, open_redis, 0)
    this = a_round(owner, 1)
    looks(this, "192.0.2.10", open_web, 1)
    judge = follow.view_of

    def overtaken(*given: object) -> RoundView:
        view = judge(*given)  # type: ignore[arg-type]  # as given
        monkeypatch.setattr(follow, "view_of", judge)
        follow_round(this.pk, day(1.1))
        return view

    monkeypatch.setattr(follow, "view_of", overtaken)
    follow_round(this.pk, day(1.2))
    assert Attention.objects.get().hours == 24, "better is one step a round"
    assert Attention.objects.get().due == day(2.1)
