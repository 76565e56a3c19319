"""Quiet mode: mail that is written to a folder instead of being sent, while no mail server is set."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

from scanner.delivery.models import Message
from scanner.delivery.reports import write_private

FOLDER = "mail"
"""Where mails go below the data directory."""


def put(message: Message, content: bytes, data_dir: Path) -> Path:
    """Write the mail as a file and return its path; writing it again replaces it.

    Names sort by time, and tell kind and organisation. Raises ``OSError``.
    """
    folder = data_dir / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    about = message.organisation.slug if message.organisation else "operators"
    path = folder / f"{message.created.astimezone(UTC):%Y%m%dT%H%M%SZ}-{message.kind}-{about}-{message.pk}.eml"
    write_private(path, content)
    return path
