"""Who writes: the office that runs this installation, as its stationery or else its settings name it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scanner.engine.catalogue.load import Language
from scanner.reports.words import words

if TYPE_CHECKING:
    from scanner.installation import Settings


def office_name(language: Language) -> str:
    """Return the name of the office."""
    installation = _installation()
    set_name = installation.office_name_zh if language is Language.ZH_HANS else installation.office_name_en
    return words(language)("office.name") or str(set_name)


def office_contact(language: Language) -> str:
    """Return where its readers can turn to; empty where nothing is set."""
    return words(language)("office.contact") or str(_installation().office_contact)


def _installation() -> Settings:
    from django.conf import settings  # a page without an office is made without Django

    installation: Settings = settings.INSTALLATION
    return installation
