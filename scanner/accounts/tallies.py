"""The cache in which tries are counted: a table, so that counts outlive a restart and hold for several processes.

Django's own cache in a database keeps pickles, which run code when they are read: whoever could write to the table, or
hand us a backup to restore, would own the process. Here values are JSON, and keys are kept as hashes.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.db import transaction

from scanner.accounts.models import Tally

_FOR_EVER = datetime(9999, 12, 31, tzinfo=UTC)


class Tallies(BaseCache):
    """Django's interface of caches; what is kept is data as JSON has it."""

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        del location
        super().__init__(params)

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        """Return what is kept by ``key`` and not over."""
        found = Tally.objects.filter(pk=self._digest(key, version), until__gt=_now())
        return next(iter(found.values_list("value", flat=True)), default)

    def set(self, key: Any, value: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        """Keep ``value`` for ``timeout`` seconds; what is over is removed by the way."""
        kept = {"value": value, "until": self._until(timeout)}
        with transaction.atomic():
            Tally.objects.filter(until__lte=_now()).delete()
            Tally.objects.update_or_create(pk=self._digest(key, version), defaults=kept)

    def add(self, key: Any, value: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Keep ``value`` unless there is one; of several who try at once, one gets True."""
        digest = self._digest(key, version)
        with transaction.atomic():
            Tally.objects.filter(pk=digest, until__lte=_now()).delete()
            _, is_new = Tally.objects.get_or_create(pk=digest, defaults={"value": value, "until": self._until(timeout)})
        return is_new

    def touch(self, key: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Keep what there is for ``timeout`` seconds from now."""
        found = Tally.objects.filter(pk=self._digest(key, version), until__gt=_now())
        return bool(found.update(until=self._until(timeout)))

    def delete(self, key: Any, version: int | None = None) -> bool:
        """Forget what is kept by ``key``; tell whether there was something."""
        removed, _ = Tally.objects.filter(pk=self._digest(key, version)).delete()
        return bool(removed)

    def clear(self) -> None:
        """Forget everything."""
        Tally.objects.all().delete()

    def _digest(self, key: Any, version: int | None) -> str:
        return hashlib.sha256(self.make_key(key, version).encode()).hexdigest()

    def _until(self, timeout: Any) -> datetime:
        ends = self.get_backend_timeout(timeout)
        return _FOR_EVER if ends is None else datetime.fromtimestamp(ends, UTC)


def _now() -> datetime:
    return datetime.now(UTC)
