"""Keeps what opens a door out of the log."""

from __future__ import annotations

import logging
import re

_LINK = re.compile(r"(?<=/invitation/)[^/\s]+")


class Discreet(logging.Filter):
    """Takes the secret of an invitation's link out of addresses that Django logs, as of forms that it refuses."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, without the secret."""
        record.msg, record.args = _LINK.sub("…", record.getMessage()), ()
        return True
