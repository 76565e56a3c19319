"""Every test process gets a network namespace of its own, so that no two of them meet on an address."""

from __future__ import annotations

import pytest

from tests.lab import namespace


def pytest_configure(config: pytest.Config) -> None:
    """Leave the machine's network, where that is permitted (as root); else tests share its loopback interface."""
    namespace.enter()
