"""Which clause of classified protection (GB/T 22239-2019, level 3) a finding touches, where its check names none.

By family, and no closer than is sure: 8.1.2.2 communication (integrity and secrecy in transit), 8.1.4.1 identification
(nobody listens in on remote administration), 8.1.4.4 intrusion prevention (no services or ports that aren't needed);
what is none of these is a risk to be recognised and mended (8.1.10.5 weaknesses and risks).
"""

from __future__ import annotations

from collections.abc import Mapping

from scanner.engine.model import Severity
from scanner.engine.plugins.load import all_checks

STANDARD = "GB/T 22239-2019"

_BY_FAMILY: Mapping[str, str] = {
    "tls": "8.1.2.2",
    "certificates": "8.1.2.2",
    "cleartext": "8.1.2.2",
    "ssh": "8.1.4.1",
    "network": "8.1.4.4",
}
_ANY = "8.1.10.5"


def clauses_of(check: str) -> tuple[str, ...]:
    """Return what is cited of the standard besides the check's own references; nothing for hints, which are no risks,
    and for checks that left the catalogue."""
    entry = all_checks().get(check)
    if entry is None or entry.severity is Severity.INFO or any(each.startswith(STANDARD) for each in entry.references):
        return ()
    return (f"{STANDARD} {_BY_FAMILY.get(entry.family, _ANY)}",)
