"""How a process that runs on logs: lines for people, or JSON for what collects logs."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from scanner.cli.formats import LogLevel

_NAMED = re.compile(r"\b(round|job) (\d+)\b")


class LogFormat(StrEnum):
    """``json`` is one object a line, with the round and the organisation that it is about, where there is one."""

    TEXT = "text"
    JSON = "json"


def log_to_standard_error(level: LogLevel, how: LogFormat) -> None:
    """Log to standard error from now on."""
    handler = logging.StreamHandler(sys.stderr)
    plain = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JsonLines() if how is LogFormat.JSON else plain)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON. What it is about is taken from what the message was given."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        told: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "thread": record.threadName,
            "message": record.getMessage(),
            **_about(record.args),
        }
        told |= {name: int(number) for name, number in _NAMED.findall(record.getMessage()) if name not in told}
        if record.exc_info:
            told["error"] = self.formatException(record.exc_info)
        return json.dumps(told, ensure_ascii=False)


def _about(arguments: Any) -> dict[str, object]:
    """Return the rounds, jobs, plans and organisations that are among the arguments of a message."""
    from scanner.rounds.models import Job, Plan, Round
    from targets.models import Organisation

    found: dict[str, object] = {}
    for each in arguments if isinstance(arguments, tuple) else ():
        match each:
            case Round():
                found["round"] = each.pk
            case Job():
                found |= {"job": each.pk, "round": each.round_id}
                if Job.organisation.is_cached(each) and each.organisation:  # logging asks no database
                    found["organisation"] = each.organisation.slug
            case Plan():
                found["plan"] = each.name
            case Organisation():
                found["organisation"] = each.slug
    return found
