"""Keeps apart what concerns different organisations: what goes wrong for one keeps nobody else from being told."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

from django.db import DatabaseError

Result = TypeVar("Result")

_log = logging.getLogger(__name__)


def apart(doings: Iterable[tuple[str, Callable[[], Result]]]) -> list[Result]:
    """Do each, whatever becomes of the others, and return what they return. Each comes with words for what it does.

    Afterwards raises the first error, so that whoever called does all of it again later. An error of the database,
    which concerns all of them, is raised at once.
    """
    results: list[Result] = []
    errors: list[Exception] = []
    for name, doing in doings:
        try:
            results.append(doing())
        except DatabaseError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it was, the others are told
            _log.exception("could not %s; it is tried again", name)
            errors.append(error)
    if errors:
        raise errors[0]
    return results
