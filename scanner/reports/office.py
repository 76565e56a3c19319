"""Makes office documents (Office Open XML, ISO/IEC 29500) depend on their content alone."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

_WRITTEN = re.compile(rb"(<dcterms:(created|modified)[^>]*>)[^<]*(</dcterms:\2>)")
_FIRST_YEAR = 1980
"""A ZIP archive knows no earlier year (PKWARE APPNOTE 4.4.6)."""


def dated(document: bytes, moment: datetime, parts: Mapping[str, bytes] = MappingProxyType({})) -> bytes:
    """Return the same document as if it had been written at ``moment``: libraries put the present time into it.

    ``parts`` take the place of those of their names.
    """
    utc = moment.astimezone(UTC)
    stamp = (max(utc.year, _FIRST_YEAR), utc.month, utc.day, utc.hour, utc.minute, utc.second)
    written = rb"\g<1>" + f"{utc:%Y-%m-%dT%H:%M:%SZ}".encode() + rb"\g<3>"
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(document)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            content = parts.get(entry.filename) or old.read(entry)
            if entry.filename == "docProps/core.xml":
                content = _WRITTEN.sub(written, content)
            kept = zipfile.ZipInfo(entry.filename, stamp)
            kept.compress_type = zipfile.ZIP_DEFLATED
            kept.external_attr = 0o600 << 16
            new.writestr(kept, content)
    return out.getvalue()
