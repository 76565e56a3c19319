"""Keeps out of the log what opens a door, and what would fill it: whoever likes can ask for a site that isn't here."""

from __future__ import annotations

import logging
import re

from scanner.engine.hostile import line

_LINK = re.compile(r"(?<=/invitation/)[^/\s]+")


class Discreet(logging.Filter):
    """Takes the secret of an invitation's link out of addresses that Django logs, as of forms that it refuses."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, without the secret."""
        record.msg, record.args = _LINK.sub("…", record.getMessage()), ()
        return True


class ForeignHost(logging.Filter):
    """Makes one line of a request for another host, which Django logs twice and with a traceback, as an error of ours.

    Belongs to the logger that tells of the refusal, and to the one that tells of every answer with 400.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Let the refusal pass in short, and what is told of the same request after that not at all."""
        request = getattr(record, "request", None)
        if record.name == "django.request":
            return not hasattr(request, "asked_for_another_host")
        host = request.META.get("HTTP_HOST", "") if request is not None else ""
        if request is not None:
            request.asked_for_another_host = True
        record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
        record.msg, record.args = "a request for host %s was refused: it is not this site's name", (line(host, 100),)
        record.exc_info = record.exc_text = None
        return True
