"""Where a check gives way to a graver one: what got worse at a place is not mended there.

Rules say of a certificate that ran out that it has expired, and no longer that it will; of a service that serves
strangers that it does, and no longer that it can be reached. The lesser finding goes on until the graver one is gone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_GRAVER: Mapping[str, tuple[str, ...]] = {
    "CERT-CHAIN-MISSING": ("CERT-UNTRUSTED",),
    "CERT-EXPIRING": ("CERT-EXPIRED",),
    "DNS-AMP-ANY": ("DNS-RECURSION",),
    "DOM-DMARC-REPORTS": ("DOM-DMARC-BROKEN", "DOM-DMARC-NONE"),
    "DOM-DMARC-WEAK": ("DOM-DMARC-BROKEN", "DOM-DMARC-NONE"),
    "DOM-NS-SAME-NET": ("DOM-NS-SINGLE",),
    "DOM-SPF-WEAK": ("DOM-SPF-OPEN", "DOM-SPF-BROKEN", "DOM-SPF-NONE"),
    "FTP-TLS-OPTIONAL": ("CLR-FTP",),
    "SNMP-EXPOSED": ("CLR-SNMP12-PUBLIC",),
    "SW-CVE": ("SW-KEV",),
    "SW-EOL-SOON": ("SW-EOL-APP",),
    "SW-OUTDATED": ("SW-EOL-APP",),
    "TLS-NO13": ("TLS-NO-MODERN",),
    "TLS-RSA-KX": ("TLS-NO-FS",),
    "WEB-NO-REDIRECT": ("WEB-HTTP-ONLY",),
}
"""Check → those that its rule tells in its place; the services that can be reached have theirs by name."""

_EXPOSED, _UNAUTH = "-EXPOSED", "-UNAUTH"
_CVE = re.compile(r"CVE-\d{4}-\d{4,}")
_TOLD_ANEW = re.compile(r"SVC-|DOM-|WEB-")
"""Checks whose evidence says what is there now in the same words as that of the graver one."""


def graver_than(check: str) -> tuple[str, ...]:
    """Return the checks that are told in place of ``check`` where it has got worse; none for most."""
    if check.startswith("SVC-") and check.endswith(_EXPOSED):
        return (check.removesuffix(_EXPOSED) + _UNAUTH,)
    return _GRAVER.get(check, ())


def is_about_the_same(check: str, before: Mapping[str, str], graver: Mapping[str, str]) -> bool:
    """Tell whether what was found of ``check`` is what the graver check was found of; both by their parameters.

    Another certificate in its place, or another product behind the same port, says nothing of it. A server may have two
    certificates for one name, of which one finding names only one: the one that ran out first.
    """
    match check:
        case "CERT-EXPIRING":
            is_later = graver.get("not_after", "") > before.get("not_after", "")
            return before.get("subject") == graver.get("subject") and not is_later
        case "CERT-CHAIN-MISSING":
            return all(before.get(name) == graver.get(name) for name in ("subject", "not_after"))
        case "SW-EOL-SOON" | "SW-OUTDATED":
            return not set(before.get("products", "").split()).isdisjoint(graver.get("products", "").split())
        case "SW-CVE":
            return not set(_CVE.findall(before.get("cves", ""))).isdisjoint(_CVE.findall(graver.get("cves", "")))
    return True


def params_since(check: str, before: Mapping[str, str], graver: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of a finding that goes on so, so that its evidence reads true beside the graver one's.

    No time is left of what has run out, and no record is left where it is missing.
    """
    if check == "CERT-EXPIRING":
        return {**before, "days": "0"}
    if not _TOLD_ANEW.match(check):
        return dict(before)
    gone = {"record": "-"} if "record" in before else {}
    return {**before, **gone, **{name: value for name, value in graver.items() if name in before}}
