"""``roundsman mail``: try the mail server; show, send, retry and cancel what is in the outbox."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scanner.cli.actor import actor
from scanner.cli.errors import clear_errors
from scanner.cli.prompts import Yes, agree
from scanner.engine.errors import InputError
from scanner.engine.hostile import printable

if TYPE_CHECKING:
    from scanner.delivery.models import Message

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Try the mail server; show, send, retry and cancel what is in the outbox.",
)

SHOWN = 50
"""Mails that ``queue`` shows when no number is given."""

ADVICE = {
    "look up": "The server's name leads nowhere: check ROUNDSMAN_SMTP_HOST, and this machine's DNS.",
    "connect": "Nobody talks SMTP there: check ROUNDSMAN_SMTP_HOST and ROUNDSMAN_SMTP_PORT, the firewall, and whether "
    "ROUNDSMAN_SMTP_SECURITY fits the port (587 starttls, 465 tls, 25 none).",
    "greet": "The server does not want to talk to this machine: ask its administrators whether it may send mail.",
    "encrypt": "No safe connection came about. Write the server's name as its certificate has it, name the authority "
    "that signed it by ROUNDSMAN_SMTP_CA_FILE, or, if it offers no STARTTLS, try ROUNDSMAN_SMTP_SECURITY=tls (on this "
    "machine none will do).",
    "log in": "Check ROUNDSMAN_SMTP_USER and ROUNDSMAN_SMTP_PASSWORD (or ROUNDSMAN_SMTP_PASSWORD_FILE).",
    "sender": "The server does not let ROUNDSMAN_MAIL_FROM send: use an address that it knows, or log in.",
    "recipient": "The server does not take mail for that address: is it right, and may this machine send there?",
    "content": "The server took everything but the mail itself; its answer says why.",
}
"""What to do when a step fails, by the values of :class:`scanner.delivery.smtp.Step`."""

Numbers = Annotated[list[int], typer.Argument(metavar="MAIL...", help="Numbers of mails, as 'mail queue' shows them.")]


@app.command(short_help="Send a test mail now, step by step.")
def test(address: Annotated[str, typer.Argument(help="Where to send a test mail.")]) -> None:
    """Send a test mail now, show each step of it, and say what to do when one fails.

    While no mail server is set, it is written to the folder of mails instead.

    Exit status: 0 the server took it, 1 it did not, 2 bad input.
    """
    from scanner.delivery.mail_server import sender_address, server
    from scanner.delivery.smtp import Fate, NoServer, Step
    from scanner.delivery.trial import send_trial

    def tell(step: Step, text: str) -> None:
        typer.echo(f"{step + ':':<11} {printable(text)}")

    now = datetime.now(UTC)
    with clear_errors():
        to = server()
        if to is None:
            typer.echo(f"No mail server is set. Written to {_written(address, now)}")
            return
        typer.echo(f"{'server:':<11} {to.host}, port {to.port}, {to.security}; from {sender_address()}")
        try:
            answer = send_trial(address, to, actor(), now, tell)
        except NoServer as error:
            _failed(error.step, str(error))
        if answer.fate is not Fate.ACCEPTED:
            _failed(answer.step, answer.reply)
        tell(Step.CONTENT, f"taken: {answer.reply}")


def _written(address: str, now: datetime) -> Path:
    from django.conf import settings

    from scanner.delivery.trial import write_trial

    return write_trial(address, actor(), now, settings.DATA_DIR)


def _failed(step: str, text: str) -> None:
    from scanner.delivery.mail_server import is_set

    where = "" if is_set() else "\nThe server was chosen on the page 'Mail server'; it is changed there."
    typer.echo(f"Failed at: {printable(text, 1000)}\n{ADVICE[step]}{where}", err=True)
    raise typer.Exit(1)


@app.command(short_help="Show what waits or was given up.")
def queue(
    everything: Annotated[bool, typer.Option("--all", help="Also what was sent or cancelled.")] = False,
    organisation: Annotated[
        list[str] | None, typer.Option(help="Slug of an organisation; may be given several times. Default: all.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many, the newest.")] = SHOWN,
) -> None:
    """Show what waits, is being sent, or was given up (dead), newest first.

    One to a line: number, state, kind, organisation, recipient, tries, when it is tried next, and the last answer.
    """
    from scanner.delivery.models import Message, MessageState
    from targets.query import active_organisations

    with clear_errors():
        rows = Message.objects.select_related("organisation").defer("text", "html").order_by("-pk")
        if not everything:
            rows = rows.filter(state__in=(MessageState.QUEUED, MessageState.SENDING, MessageState.DEAD))
        if organisation:
            rows = rows.filter(organisation__in=active_organisations(organisation))
        left = rows.count() - limit
        mails = list(rows[:limit])
    if not mails:
        typer.echo("No mail was ever written." if everything else "Nothing waits and nothing was given up.")
    for each in mails:
        slug = each.organisation.slug if each.organisation else "-"
        about = f"{each.pk:>6}  {each.state:<9}  {each.kind:<20}  {slug:<20}  {printable(each.recipient)}"
        typer.echo(f"{about}  {_tries(each)}  {_when(each)}  {printable(each.reply, 200)}".rstrip())
    if left > 0:
        typer.echo(f"… and {left} more; see --limit.")


def _tries(mail: Message) -> str:
    return "1 try" if mail.attempt == 1 else f"{mail.attempt} tries"


def _when(mail: Message) -> str:
    if mail.finished is not None:
        return f"{mail.finished:%Y-%m-%d %H:%M}Z"
    return f"next {mail.not_before:%Y-%m-%d %H:%M}Z" if mail.state == "queued" else ""


@app.command(short_help="Show one mail and what goes with it.")
def show(
    number: Annotated[int, typer.Argument(metavar="MAIL", help="Number of the mail.")],
    html: Annotated[Path | None, typer.Option(help="Write its HTML to this file.")] = None,
    eml: Annotated[Path | None, typer.Option(help="Write the whole mail, as it is sent, to this file.")] = None,
) -> None:
    """Show one mail: where it stands, its headers, its text and what goes with it.

    The files are made for their owner's eyes only.
    """
    from scanner.delivery.letters import REPORT_MARK
    from scanner.delivery.models import Message

    with clear_errors():
        mail = Message.objects.select_related("organisation", "report__organisation").filter(pk=number).first()
        if mail is None:
            raise InputError(f"There is no mail {number}; 'roundsman mail queue --all' shows them.")
        content, names = _as_sent(mail)
        for path, data in ((html, mail.html.replace(REPORT_MARK, "").encode()), (eml, content)):
            if path is not None:
                _keep(path, data)
    typer.echo(f"Mail {mail.pk}: {mail.state}, {_tries(mail)}, {_when(mail)}".rstrip(", "))
    if mail.reply:
        typer.echo(f"  last answer: {printable(mail.reply, 1000)}")
    typer.echo(f"  written {mail.created:%Y-%m-%d %H:%M}Z, {len(content):,} bytes, goes with it: {_list(names)}")
    typer.echo(content.partition(b"\r\n\r\n")[0].decode("ascii", "backslashreplace").replace("\r\n", "\n"))
    typer.echo(f"Subject, readable: {printable(mail.subject)}\n")
    for line in mail.text.replace(REPORT_MARK, f"(report {_list(names[-1:])})").split("\n"):
        typer.echo(printable(line, 2000))


def _as_sent(mail: Message) -> tuple[bytes, list[str]]:
    """Return the mail as it is sent, and the names of what goes with it; what is wrong with one that can't be."""
    from scanner.delivery.received import received

    try:
        got = received(mail)
    except InputError as error:
        return f"It can't be sent: {error}".encode("ascii", "backslashreplace"), []
    return got.whole, [file.name for file in got.files]


def _list(names: list[str]) -> str:
    return ", ".join(map(printable, names)) or "nothing"


def _keep(path: Path, content: bytes) -> None:
    from scanner.delivery.reports import write_private

    try:
        write_private(path, content)
    except OSError as error:
        raise InputError(f"{path} can't be written to: {error.strerror}.") from error


@app.command(short_help="Send what is due now, without 'roundsman serve'.")
def send() -> None:
    """Send what is due now, without 'roundsman serve'; also beside it, each mail leaves once.

    Exit status: 0 nothing is left that was due, 1 something was put off or given up, 2 bad input.
    """
    from scanner.delivery.sender import Mailer

    with clear_errors():
        tally = Mailer(lambda: datetime.now(UTC)).run_once()
    typer.echo(f"{tally.sent} sent, {tally.later} put off, {tally.dead} given up.")
    if tally.later or tally.dead:
        typer.echo("'roundsman mail queue' shows why.", err=True)
        raise typer.Exit(1)


@app.command(short_help="Send again what waits or was given up.")
def retry(
    numbers: Annotated[
        list[int] | None, typer.Argument(metavar="[MAIL]...", help="Numbers of mails that wait or were given up.")
    ] = None,
    dead: Annotated[bool, typer.Option("--dead", help="All that were given up.")] = False,
    waiting: Annotated[bool, typer.Option("--waiting", help="All that wait.")] = False,
) -> None:
    """Let mails that wait, or were given up, be sent at once by 'serve' or 'mail send'.

    Exit status: 0 done, 2 bad input.
    """
    from scanner.delivery.models import Message, MessageState
    from scanner.delivery.outbox import make_due

    with clear_errors():
        states = [MessageState.DEAD] * dead + [MessageState.QUEUED] * waiting
        chosen = {*(numbers or ()), *Message.objects.filter(state__in=states).values_list("pk", flat=True)}
        if not (numbers or states):
            raise InputError("Name mails by their numbers, or say --dead or --waiting.")
        changed = make_due(chosen, actor(), datetime.now(UTC))
        _refuse_others(set(numbers or ()) - set(changed))
    typer.echo(f"{len(changed)} mail(s) will be sent at once.")


@app.command()
def cancel(numbers: Numbers, yes: Yes = False) -> None:
    """Give up mails that were not sent yet, for good. What they tell is never told again.

    Exit status: 0 done, 1 declined, 2 bad input.
    """
    from scanner.delivery.models import Message, MessageState
    from scanner.delivery.outbox import cancel as give_up

    with clear_errors():
        unsent = Message.objects.filter(pk__in=numbers, state__in=(MessageState.QUEUED, MessageState.DEAD))
        if not unsent.exists():
            _refuse_others(set(numbers))
        for each in Message.objects.filter(pk__in=numbers).defer("text", "html"):
            typer.echo(f"{each.pk:>6}  {each.state:<9}  {printable(each.recipient)}  {printable(each.subject)}")
        agree("Cancel what of these was not sent?", yes)
        changed = give_up(numbers, actor(), datetime.now(UTC))
        _refuse_others(set(numbers) - set(changed))
    typer.echo(f"{len(changed)} mail(s) were cancelled.")


def _refuse_others(numbers: set[int]) -> None:
    """Complain of mails that were sent, are being sent, were cancelled, or don't exist."""
    if numbers:
        listed = ", ".join(map(str, sorted(numbers)))
        raise InputError(f"Not waiting and not given up: {listed}; 'roundsman mail queue --all' shows them.")
