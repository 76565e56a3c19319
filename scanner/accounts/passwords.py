"""How long a password is (OWASP ASVS 4.0.3, 2.1.1 and 2.1.2), and that its owner's address and name don't tell it."""

from __future__ import annotations

from django.contrib.auth.password_validation import MinimumLengthValidator, UserAttributeSimilarityValidator
from django.core.validators import MaxLengthValidator

LONGEST = 128
"""Characters of a password. More would only make hashing it dear."""


class OfFairLength(MinimumLengthValidator):
    """Refuses what is too short, spaces in a row counted as one, and what is too long."""

    def validate(self, password: str, user: object = None) -> None:
        """Raise ``ValidationError``."""
        super().validate(" ".join(password.split()), None)
        MaxLengthValidator(LONGEST)(password)


class UnlikeItsOwner(UserAttributeSimilarityValidator):
    """Refuses what is like the address or the name of its owner; what is said names no field of a table."""

    def get_error_message(self) -> str:
        """Say so in the language that is active."""
        return str(self.get_help_text())
