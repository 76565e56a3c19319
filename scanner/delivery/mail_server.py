"""Which mail server takes our mail: that of the settings, else the one that an administrator has chosen on a page.

What was chosen lies in a file of the data directory, with the password: in neither the database nor a backup. It is
read when it is needed, so that a running service takes up a change with its next look into the outbox.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import transaction

from scanner.audit.trail import Action, record
from scanner.delivery.mail_address import ascii_address, domain_of
from scanner.delivery.smtp import PORTS, Security, Server
from scanner.engine.errors import RoundsmanError
from scanner.files import draft_of

FILE = "mail-server.json"
"""Its name in the data directory; mode 0600."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A mail server that was chosen, and the address from which mail is sent; without ``user`` nobody logs in."""

    host: str
    port: int
    security: Security
    sender: str
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def server(self) -> Server:
        """How to reach it. Roots of its own, and mail without TLS to another machine, are for the settings to say."""
        installation = settings.INSTALLATION
        return Server(
            host=self.host,
            port=self.port,
            security=self.security,
            user=self.user,
            password=self.password,
            ca_file=installation.smtp_ca_file,
            plaintext=installation.smtp_plaintext,
            name=domain_of(self.sender),
            guarded=True,
        )


def is_set() -> bool:
    """Tell whether the settings name a mail server, which then is the one."""
    return bool(settings.INSTALLATION.smtp_host)


def chosen() -> Chosen | None:
    """Return what was chosen; None for nothing. Raises ``RoundsmanError`` when the file can't be read."""
    path = _path()
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return Chosen(**{**kept, "port": int(kept["port"]), "security": Security(kept["security"])})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RoundsmanError(
            f"{path} can't be read ({type(error).__name__}), so no mail leaves. Choose the mail server anew on its "
            "page, or remove the file to have mail written to files."
        ) from error


def choose(wanted: Chosen, by: str, now: datetime) -> None:
    """Send mail by this server from now on. Raises ``InputError`` for a sender that is no address, and ``OSError``."""
    ascii_address(wanted.sender)
    with transaction.atomic():
        told = {name: str(value) for name, value in asdict(wanted).items() if name != "password"}
        record(Action.MAIL_SERVER_CHOSEN, "mail server", actor=by, at=now, **told)
        with draft_of(_path()) as draft:
            draft.write_text(json.dumps(asdict(wanted)), encoding="utf-8")


def give_up(by: str, now: datetime) -> None:
    """Forget what was chosen, and its password: mail is written to files. Raises ``OSError``."""
    with transaction.atomic():
        record(Action.MAIL_SERVER_GIVEN_UP, "mail server", actor=by, at=now)
        _path().unlink(missing_ok=True)


def server() -> Server | None:
    """Return the server that mail leaves by; None when there is none, and mail goes to a folder.

    Raises ``RoundsmanError`` when what was chosen can't be read.
    """
    installation = settings.INSTALLATION
    if not is_set():
        found = chosen()
        return found.server if found else None
    security = Security(installation.smtp_security)
    secret = installation.smtp_password
    return Server(
        host=installation.smtp_host,
        port=installation.smtp_port or PORTS[security],
        security=security,
        user=installation.smtp_user,
        password=secret.get_secret_value() if secret else "",
        ca_file=installation.smtp_ca_file,
        plaintext=installation.smtp_plaintext,
        name=domain_of(installation.mail_from),
    )


def sender_address() -> str:
    """Return the address from which mail is sent: who names the server names it."""
    try:
        found = None if is_set() else chosen()
    except RoundsmanError:  # nothing leaves until that is mended
        found = None
    return found.sender if found else str(settings.INSTALLATION.mail_from)


def mail_domain() -> str:
    """Return the domain that names our messages."""
    return domain_of(sender_address())


def _path() -> Path:
    return Path(settings.DATA_DIR) / FILE
