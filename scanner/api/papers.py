"""Documents that may have to be made first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from scanner.api.problem import Problem
from scanner.reports.pdf import LibraryMissingError
from scanner.reports.press import NotYetError


@contextmanager
def ready() -> Iterator[None]:
    """Tell a program when to ask again for what is not ready within, or that this system can't make it."""
    try:
        yield
    except NotYetError as error:
        raise Problem(503, "not-yet", f"{error} Ask again.", headers={"Retry-After": "5"}) from error
    except LibraryMissingError as error:
        raise Problem(409, "no-pdf", "This system can't make PDF: it lacks the libraries that set text.") from error
