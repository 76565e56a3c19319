"""A request as our pages see it."""

from __future__ import annotations

import re
from datetime import datetime

from django.http import HttpRequest

from scanner.accounts.models import User
from scanner.accounts.sight import Sight
from scanner.reports.words import Words

NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
"""What the number of a row looks like, as a form or an address has it."""


class PageRequest(HttpRequest):
    """A request of somebody who is signed in, with what the middleware and the guard of the route have added.

    ``now`` is the one moment of the whole page, ``sight`` is what its reader may see, ``words`` are in the reader's
    language, its dates in the time zone ``zone``; ``who`` is the name under which the audit trail keeps what they do.
    """

    user: User
    now: datetime
    zone: str
    sight: Sight
    words: Words
    who: str
