"""How templates of the console are filled: Jinja2, with everything escaped, and a page's shared values."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any

from django.conf import settings
from django.contrib.messages import get_messages
from django.http import HttpRequest
from django.urls import reverse
from jinja2 import Environment, StrictUndefined

from scanner.accounts.models import User
from scanner.accounts.roles import Right
from scanner.accounts.sight import Sight
from scanner.console.assets import asset_url
from scanner.console.keys import can_have_keys
from scanner.console.refusals import reply_worded
from scanner.console.texts import CODES, language_of, texts
from scanner.delivery.letters import name_of
from scanner.engine.catalogue.load import Language
from scanner.engine.hostile import printable
from scanner.reports.askers import asker
from scanner.reports.dates import Dates
from scanner.reports.identity import office_contact, office_name
from scanner.reports.texts import endpoint, text
from scanner.reports.words import percents
from scanner.rounds.switch import current_stop
from targets.models import Organisation
from targets.registry.plan import EVERYONES_ZONE


def environment(**options: Any) -> Environment:
    """Return the environment of Django's Jinja2 backend: a name that is misspelt is an error, never a blank."""
    told = {**options, "autoescape": True, "undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    made = Environment(**told)  # noqa: S701 - everything is escaped, as said just before
    made.globals.update(
        can_have_keys=can_have_keys, url=_url, Right=Right, asset_url=asset_url, endpoint=endpoint, languages=CODES
    )
    made.filters.update(printable=printable, percents=percents, dict=dict, json=json.dumps)
    return made


def shared(request: Any) -> dict[str, object]:
    """Return what every page knows: words, dates, who reads it, and whether everything is stopped.

    Pages that anybody sees get nothing from the database.
    """
    t = request.words if hasattr(request, "words") else texts(language_of(settings.LANGUAGE_CODE))
    language = t.language
    sight: Sight | None = getattr(request, "sight", None)
    user = getattr(request, "user", None)
    return {
        "t": t,
        "language": str(language),
        "office": office_name(language),
        "office_contact": office_contact(language),
        "person": user if isinstance(user, User) else None,
        "sight": sight,
        "stop": current_stop() if sight is not None and sight.may(Right.WATCH) else None,
        "now": getattr(request, "now", None),
        "dates": Dates(language, request.zone, request.now) if hasattr(request, "now") else None,
        "days_of": _days_of(language, request.now) if hasattr(request, "now") else None,
        "said": get_messages(request),
        "sign_on": settings.INSTALLATION.oidc_name or t("console.sign_on.name")
        if settings.INSTALLATION.oidc_issuer
        else "",
        "here": request.path,
        "name_of": lambda organisation: name_of(organisation, language),
        "asker": lambda by: asker(by, t),
        "reply_of": lambda reply: reply_worded(reply, t),
        "title_of": lambda check: text(check, language).title,
    }


def _days_of(language: Language, now: datetime) -> Callable[[Organisation | None], Dates]:
    """Return what writes days as an organisation has them, in lists about several; None is what belongs to none."""

    @cache
    def dates(zone: str) -> Dates:
        return Dates(language, zone, now)

    return lambda owner: dates(owner.time_zone if owner else EVERYONES_ZONE.key)


def _url(name: str, *args: object, **query: object) -> str:
    address = reverse(name, args=args)
    asked = HttpRequest().GET.copy()
    for key, value in query.items():
        if value not in (None, ""):
            asked[key] = str(value)
    return f"{address}?{asked.urlencode()}" if asked else address
