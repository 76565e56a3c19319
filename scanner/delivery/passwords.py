"""The password with which an organisation's reports are encrypted before they are mailed.

It lies in the database sealed (:mod:`scanner.sealing`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from cryptography.fernet import InvalidToken
from django.db import transaction

from scanner.audit.trail import Action, record
from scanner.delivery.models import ReportPassword
from scanner.engine.errors import Refused
from scanner.prepared import Given, Prepared
from scanner.sealing import box
from targets.models import Organisation

_PURPOSE = "report-password"

LEAST, MOST = 12, 127
"""Characters of a password; programs take at most 127 bytes (ISO 32000-2 section 7.6.4.3.3)."""


def set_password(organisation: Organisation, password: str, by: str, now: datetime) -> None:
    """Keep the password from now on. Raises ``Refused`` when it can't be used."""
    if not len(password) >= LEAST or len(password.encode()) > MOST or not password.isprintable():
        raise Refused(
            f"A password has {LEAST} to {MOST} characters, and none that can't be typed.",
            "password-form",
            least=LEAST,
            most=MOST,
        )
    sealed = box(_PURPOSE).encrypt(password.encode()).decode("ascii")
    with transaction.atomic():
        ReportPassword.objects.update_or_create(organisation=organisation, defaults={"sealed": sealed})
        record(Action.REPORTS_SEALED, f"organisation {organisation.slug}", actor=by, at=now)


def remove_password(organisation: Organisation, by: str, now: datetime) -> bool:
    """Mail reports as they are from now on; return False when there was no password."""
    with transaction.atomic():
        removed, _ = ReportPassword.objects.filter(organisation=organisation).delete()
        if removed:
            record(Action.REPORTS_UNSEALED, f"organisation {organisation.slug}", actor=by, at=now)
    return bool(removed)


def has_password(organisation: Organisation) -> bool:
    """Tell whether reports to the organisation are encrypted."""
    return ReportPassword.objects.filter(organisation=organisation).exists()


def with_passwords(organisations: Iterable[Organisation]) -> set[int]:
    """Return which of the organisations get their reports encrypted."""
    rows = ReportPassword.objects.filter(organisation__in=organisations)
    return set(rows.values_list("organisation", flat=True))


_PASSWORD = Prepared(lambda: ReportPassword.objects.filter(organisation=Given("organisation"))[:1])


def password_of(organisation: Organisation) -> str | None:
    """Return the password, or None. Raises ``Refused`` when the secret key is not the one it was kept with."""
    row = _PASSWORD.first(organisation=organisation)
    if row is None:
        return None
    try:
        return box(_PURPOSE).decrypt(row.sealed).decode()
    except InvalidToken as error:
        raise Refused(
            f"the password of {organisation.slug} was kept with another secret key; "
            f"set it again with 'roundsman report password {organisation.slug}'",
            "password-other-key",
        ) from error
