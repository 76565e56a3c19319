"""Lists that somebody keeps under a name of their own. They are theirs alone, and nothing else depends on them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from scanner.accounts.models import SavedView, User
from scanner.engine.errors import Refused
from scanner.engine.hostile import line

MOST = 30
"""Views that one person can keep."""


def saved_by(user: User) -> list[SavedView]:
    """Return what somebody kept, by name."""
    return list(SavedView.objects.filter(user=user))


def keep(user: User, name: str, asked: Mapping[str, str], now: datetime) -> SavedView:
    """Keep a list under a name. Raises ``Refused``."""
    name = line(name.strip(), 60)
    if not name:
        raise Refused("The name is missing.", "text-missing")
    with transaction.atomic():
        # The person's row stands for all views of theirs, so that two requests at once can't keep one too many.
        mine = SavedView.objects.filter(user=User.objects.select_for_update().get(pk=user.pk))
        if mine.filter(name=name).exists():
            raise Refused(f"There is a view {name} already.", "view-exists", name=name)
        if mine.count() >= MOST:
            raise Refused(f"You have {MOST} views; remove one first.", "too-many-views", most=MOST)
        return SavedView.objects.create(user=user, name=name, asked=dict(asked), created=now)


def remove(user: User, number: int) -> SavedView | None:
    """Remove one of somebody's views; return it, None when it is not there."""
    found = SavedView.objects.filter(user=user, pk=number).first()
    if found is not None:
        SavedView.objects.filter(pk=found.pk).delete()
    return found
