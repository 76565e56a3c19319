"""Keeps secrets in the database that have to be read again, under keys that follow from the installation's secret key.

So neither a dump of the database nor a log shows them, and a backup, which holds that key too, keeps them.
"""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


def box(purpose: str) -> Fernet:
    """Return what seals and opens secrets of one purpose; what another purpose sealed it can't open."""
    derive = HKDF(SHA256(), length=32, salt=None, info=f"roundsman.{purpose}".encode())
    return Fernet(base64.urlsafe_b64encode(derive.derive(settings.SECRET_KEY.encode())))
