"""How a command prints an answer that people and programs read alike."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"


class SummaryFormat(StrEnum):
    TEXT = "text"
    HTML = "html"
    JSON = "json"


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
