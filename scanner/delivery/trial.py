"""A test mail, sent at once and told step by step; the outbox is not touched."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path

from markupsafe import escape

from scanner.audit.trail import Action, record
from scanner.delivery.compose import Mail, compose
from scanner.delivery.folder import FOLDER
from scanner.delivery.letters import own_language
from scanner.delivery.mail_address import ascii_address
from scanner.delivery.mail_server import mail_domain, sender_address
from scanner.delivery.reports import sender, write_private
from scanner.delivery.smtp import Answer, Conversation, Server, Watch, unwatched
from scanner.reports.identity import office_name
from scanner.reports.words import words


def send_trial(address: str, to: Server, by: str, now: datetime, watch: Watch = unwatched) -> Answer:
    """Send the test mail to ``address``. Raises ``InputError`` for no address and ``NoServer`` when none is reached."""
    content = _trial(address, now)
    record(Action.MAIL_TESTED, f"mail to {address}", actor=by, at=now)
    conversation = Conversation(to, watch)
    try:
        return conversation.send(sender_address(), address, content)
    finally:
        conversation.close()


def write_trial(address: str, by: str, now: datetime, data_dir: Path) -> Path:
    """Write the test mail into the folder of mails, and return its path."""
    content = _trial(address, now)
    record(Action.MAIL_TESTED, f"mail to {address}", actor=by, at=now)
    folder = data_dir / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{now:%Y%m%dT%H%M%SZ}-test.eml"
    write_private(path, content)
    return path


def _trial(address: str, now: datetime) -> bytes:
    ascii_address(address)
    language = own_language()
    t, office = words(language), office_name(language)
    text = t("mail.test.text", office=office, address=address)
    digest = hashlib.sha256(f"test:{address}:{now.isoformat()}".encode()).hexdigest()[:40]
    mail = Mail(
        message_id=f"<{digest}@{mail_domain()}>",
        created=now,
        recipient=address,
        subject=t("mail.test.subject", office=office),
        text=f"{text}\n",
        html=f"<p>{escape(text)}</p>",
    )
    return compose(mail, sender(language))
