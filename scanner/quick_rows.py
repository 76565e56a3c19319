"""Models whose rows are read or made by the thousand, or for every job, as plain objects in half the time."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Self

from django.db import models
from django.db.models.base import ModelState


class QuickRow(models.Model):
    """A model whose rows take on what the database holds as it is.

    Django sends two signals for each row and sets its fields one by one. Nothing listens to these, and the fields of
    such a model are plain ones, whose values belong into the object's dictionary.
    """

    class Meta:
        abstract = True

    @classmethod
    def from_db(cls, db: str | None, field_names: Collection[str], values: Collection[Any], **_: Any) -> Self:
        """Return the row; a field that was not read is read when it is asked for, of this row alone."""
        row = cls.__new__(cls)
        state = ModelState()
        state.adding, state.db = False, db
        row.__dict__.update(zip(field_names, values, strict=True), _state=state)
        return row

    @classmethod
    def made(cls, **values: Any) -> Self:
        """Return a row that is not stored yet: these values by column (``round_id``), and defaults for the others."""
        row = cls.__new__(cls)
        row.__dict__.update(
            {
                field.attname: values[field.attname] if field.attname in values else field.get_default()
                for field in cls._meta.concrete_fields
            },
            _state=ModelState(),
        )
        return row
