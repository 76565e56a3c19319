"""What is done to accounts: they are made, given roles, let in by a link, and ended; each act with its audit entry.

What can't be done raises ``Refused`` that says why, and changes nothing.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.urls import reverse
from django.utils.translation import override

from scanner.accounts.assigning import take_back
from scanner.accounts.linked import linked, unlink, unlink_all
from scanner.accounts.models import Invitation, Membership, User
from scanner.accounts.revoking import end_sessions, void_links
from scanner.accounts.roles import EVERYWHERE, Role
from scanner.accounts.telling import tell
from scanner.audit.trail import Action, record
from scanner.delivery.account_news import AccountEvent, AccountNews
from scanner.delivery.invitation_letter import invitation_letter
from scanner.delivery.letters import Frame, own_language
from scanner.delivery.mail_address import ascii_address
from scanner.delivery.models import MessageKind
from scanner.delivery.outbox import Letter, enqueue, key_of
from scanner.engine.catalogue.load import Language
from scanner.engine.errors import Refused
from scanner.engine.hostile import line
from targets.models import Organisation

LASTS = timedelta(days=3)
"""How long a link that sets a password works."""

THERE_IS_ONE = "There is an administrator already; 'roundsman user --help' tells how to add others."


class OnlyAdministratorError(Refused):
    """The last administrator can't be taken away, which nobody could undo in a browser."""


def begin(email: str, name: str, password: str | None, by: str, now: datetime) -> tuple[User, str]:
    """Make the first administrator, with this password; without one, return a link that sets it as well.

    Raises ``ValidationError`` with what is wrong with the password, and ``Refused`` when there is an administrator;
    nothing is made then.
    """
    with transaction.atomic():
        if administrators():  # asked again, as somebody may have been quicker
            raise Refused(THERE_IS_ONE, "administrator-exists")
        user = add(email, name, by, now)
        give(user, Role.ADMINISTRATOR, None, by, now)
        if password is None:
            return user, invite(user, by, now)
        _set_password(user, password)
        record(Action.PASSWORD_SET, _subject(user), actor=by, at=now)
    return user, ""


def add(email: str, name: str, by: str, now: datetime) -> User:
    """Make an account that nobody can use yet: it has no password until an invitation is taken up."""
    email, name = address_of(email), line(name.strip(), 200)
    if not name:
        raise Refused("The name is missing.", "text-missing")
    if User.objects.filter(email=email).exists():
        raise Refused(f"{email} has an account already.", "account-exists", email=email)
    user = User(email=email, name=name, created=now)
    user.set_unusable_password()
    with transaction.atomic():
        user.save()
        record(Action.ACCOUNT_ADDED, _subject(user), actor=by, at=now)
    return user


def give(user: User, role: Role, organisation: Organisation | None, by: str, now: datetime) -> Membership:
    """Give a role, in the place of the one that the account had there."""
    if (role in EVERYWHERE) != (organisation is None):
        where = "holds for the whole installation" if role in EVERYWHERE else "needs an organisation"
        raise Refused(f"The role {role} {where}.", "role-elsewhere")
    if organisation is not None and organisation.retired_at is not None:
        raise Refused(f"{organisation.slug} is retired; nobody new gets a role there.", "organisation-retired")
    with transaction.atomic():
        _keep_an_administrator(user, organisation, role)
        held, _ = Membership.objects.update_or_create(user=user, organisation=organisation, defaults={"role": role})
        told = {"role": role, "organisation": _slug(organisation)}
        entry = record(Action.ROLE_GIVEN, _subject(user), actor=by, at=now, **told)
        _tell_role(AccountEvent.ROLE_GIVEN, held, by, entry.pk, now)
        take_back(user, by, now)
    return held


def take(held: Membership, by: str, now: datetime) -> None:
    """Take a role away; it has no effect any more from the next page on, nor has anybody findings by it."""
    with transaction.atomic():
        _keep_an_administrator(held.user, held.organisation)
        told = {"role": held.role, "organisation": _slug(held.organisation)}
        held.delete()
        entry = record(Action.ROLE_TAKEN, _subject(held.user), actor=by, at=now, **told)
        _tell_role(AccountEvent.ROLE_TAKEN, held, by, entry.pk, now)
        take_back(held.user, by, now)


def invite(user: User, by: str, now: datetime) -> str:
    """Return a link by which the account's password is set, once; those that were made before work no more."""
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        void_links(user, now)
        Invitation.objects.create(
            user=user, digest=_digest(token), created=now, created_by=line(by, 200), expires=now + LASTS
        )
        record(Action.INVITED, _subject(user), actor=by, at=now)
    return f"{settings.INSTALLATION.site}{reverse('invitation', args=[token])}"


def invite_by_mail(user: User, by: str, now: datetime) -> None:
    """Put a mail with such a link into the outbox."""
    with transaction.atomic():
        link = invite(user, by, now)
        language = Language(user.language) if user.language else own_language()
        written = invitation_letter(user.name, link, now + LASTS, Frame(MessageKind.INVITATION, language, now))
        # Each link is another secret, so each is told in a mail of its own.
        key = key_of(MessageKind.INVITATION, user.email, _digest(link)[:16])
        letter = Letter(key, MessageKind.INVITATION, user.email, language, written.subject, written.text, written.html)
        enqueue(letter, now)


def invited(token: str, now: datetime) -> Invitation | None:
    """Return what a link leads to while it works: not used, not expired, and of an account that was not ended."""
    open_ones = Invitation.objects.filter(used=None, expires__gt=now, user__is_active=True)
    return open_ones.filter(digest=_digest(token)).select_related("user").first()


def take_up(invitation: Invitation, password: str, now: datetime) -> User:
    """Set the password by an invitation, which is then used up, and end all sessions of the account.

    Raises ``ValidationError`` with what is wrong with the password, and ``Refused`` when somebody was quicker.
    """
    user = invitation.user
    with transaction.atomic():
        if not Invitation.objects.filter(pk=invitation.pk, used=None, expires__gt=now).update(used=now):
            raise Refused("This link was used already.", "link-used")
        had_one = user.has_usable_password()
        _set_password(user, password)
        end_sessions(user)
        unlink(user)  # so that nothing that somebody else may have added lets them in again
        entry = record(Action.PASSWORD_SET, _subject(user), actor=user.email, at=now)
        if had_one:
            tell(user, AccountNews(AccountEvent.PASSWORD), entry.pk, now)
    return user


def end(user: User, by: str, now: datetime) -> None:
    """Let nobody sign in by this account any more; its sessions end at once, its roles stay on record."""
    with transaction.atomic():
        _keep_an_administrator(user, None)
        user.is_active = False
        user.save(update_fields=["is_active"])
        void_links(user, now)
        end_sessions(user)
        record(Action.ACCOUNT_ENDED, _subject(user), actor=by, at=now)
        take_back(user, by, now)


def renew(user: User, by: str, now: datetime) -> None:
    """Let an account that was ended be used again, with the password and the roles that it had."""
    with transaction.atomic():
        user.is_active = True
        user.save(update_fields=["is_active"])
        record(Action.ACCOUNT_RENEWED, _subject(user), actor=by, at=now)


def remove_second_factor(user: User, by: str, now: datetime) -> bool:
    """Forget the second factor of somebody who lost it, and end all sessions; return whether there was one."""
    with transaction.atomic():
        removed, _ = Authenticator.objects.filter(user=user).delete()
        if removed:
            end_sessions(user)
            entry = record(Action.SECOND_FACTOR_REMOVED, _subject(user), actor=by, at=now)
            tell(user, AccountNews(AccountEvent.FACTOR_REMOVED, by=by), entry.pk, now)
    return bool(removed)


def unlink_sign_on(user: User, by: str, now: datetime) -> bool:
    """Let the account that is linked to this one at the single sign-on in no more; return whether there was one."""
    with transaction.atomic():
        removed = unlink(user)
        if removed:
            entry = record(Action.SIGN_ON_UNLINKED, _subject(user), actor=by, at=now)
            service = settings.INSTALLATION.oidc_name
            tell(user, AccountNews(AccountEvent.UNLINKED, by=by, service=service), entry.pk, now)
    return removed


def demand_new_links(by: str, now: datetime) -> int:
    """Forget every second factor and link to the single sign-on, and the passwords beside them; return of how many.

    This is for accounts that are back as they were once: a key that its owner removed since would let its finder in
    again. A password alone can't stand in for the second factor either, as who has it could then set up a factor of
    their own. So whoever had more than a password comes in by a new link.
    """
    factors = set(Authenticator.objects.values_list("user", flat=True))
    links = linked()
    with transaction.atomic():
        for user in User.objects.filter(pk__in=factors | links).order_by("pk"):
            for held, action in ((factors, Action.SECOND_FACTOR_REMOVED), (links, Action.SIGN_ON_UNLINKED)):
                if user.pk in held:
                    record(action, _subject(user), actor=by, at=now)
            user.set_unusable_password()
            user.save(update_fields=["password"])
            end_sessions(user)
            void_links(user, now)
        Authenticator.objects.all().delete()
        unlink_all()
    return len(factors | links)


def address_of(email: str) -> str:
    """Return a mail address as accounts have it. Raises ``Refused`` when it is none."""
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError as error:
        raise Refused(f"{line(email, 200)} is no mail address.", "no-mail-address", text=email) from error
    return ascii_address(email)


def wrong_with_password(password: str, email: str, name: str) -> str:
    """Say in English, as at the command line, what is wrong with a password for somebody of this address and name."""
    with override("en"):
        try:
            validate_password(password, User(email=email, name=name))
        except ValidationError as error:
            return " ".join(error.messages)
    return ""


def administrators() -> int:
    """Return how many accounts may administer."""
    return Membership.objects.filter(role=Role.ADMINISTRATOR, user__is_active=True).count()


def _keep_an_administrator(user: User, organisation: Organisation | None, role: Role | None = None) -> None:
    """Raise ``OnlyAdministratorError`` when this would leave nobody who may administer."""
    if organisation is not None or role == Role.ADMINISTRATOR or not user.is_active:
        return
    is_one = Membership.objects.filter(user=user, role=Role.ADMINISTRATOR).exists()
    if is_one and administrators() == 1:
        raise OnlyAdministratorError(
            f"{user.email} is the only administrator; make another one first.", "only-administrator", email=user.email
        )


def _tell_role(event: AccountEvent, held: Membership, by: str, once: object, now: datetime) -> None:
    """Tell who has signed in already; others learn of it by the invitation."""
    if held.user.last_login is not None:
        tell(held.user, AccountNews(event, by=by, role=held.role, organisation=held.organisation), once, now)


def _set_password(user: User, password: str) -> None:
    validate_password(password, user)
    user.set_password(password)
    user.save(update_fields=["password"])


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _subject(user: User) -> str:
    return f"account {user.email}"


def _slug(organisation: Organisation | None) -> str | None:
    return organisation.slug if organisation else None
