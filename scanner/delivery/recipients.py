"""Who gets which kind of mail: an organisation's contacts by their role, its supervisor's, or the operators.

What an organisation is told goes to its own contacts only. A person who is a contact of several gets one mail for
each, so that no mail speaks of two.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from django.conf import settings

from scanner.delivery.letters import OPTIONAL, own_language
from scanner.delivery.models import MessageKind
from scanner.engine.catalogue.load import Language
from scanner.prepared import Given, Prepared
from targets.models import Contact, ContactRole, Organisation

KINDS: Mapping[str, Set[MessageKind]] = {
    ContactRole.SECURITY: frozenset(MessageKind),
    ContactRole.TECHNICAL: frozenset(
        {
            MessageKind.ROUND_REPORT,
            MessageKind.URGENT_ALERT,
            MessageKind.REINSPECTION,
            MessageKind.RECURRENCE,
            MessageKind.REMINDER,
        }
    ),
    ContactRole.LEADER: frozenset({MessageKind.ROUND_REPORT, MessageKind.NOTICE, MessageKind.ESCALATION}),
}
"""What each role is written to about."""

_SUPERVISING = frozenset({ContactRole.SECURITY, ContactRole.LEADER})


@dataclass(frozen=True, slots=True)
class Recipient:
    """An address and its language. ``instead`` marks an operator who gets a mail that nobody else could get."""

    address: str
    language: Language
    instead: bool = False


def contacts_of(organisations: Iterable[Organisation]) -> Mapping[int, Sequence[Contact]]:
    """Return the contacts of each organisation, by its primary key, in one question."""
    found: dict[int, list[Contact]] = {each.pk: [] for each in organisations}
    for contact in Contact.objects.filter(organisation__in=found, retired_at=None).order_by("email"):
        found[contact.organisation_id].append(contact)
    return found


def recipients(
    organisation: Organisation, kind: MessageKind, contacts: Sequence[Contact] | None = None
) -> tuple[Recipient, ...]:
    """Return who is told ``kind`` about their own organisation.

    ``contacts`` are its own, by their addresses, for a caller who has read those of many organisations at once.

    Where no contact has a role for it, all contacts are told; where there is no contact at all, the operators. Only
    :data:`OPTIONAL` kinds may be declined; a kind that all have declined goes to nobody. A retired organisation is
    told nothing.
    """
    if organisation.retired_at is not None:
        return ()
    if contacts is None:
        contacts = _contacts(organisation)
    if not contacts:
        return tuple(Recipient(each.address, each.language, instead=True) for each in operators())
    fitting = [contact for contact in contacts if kind in KINDS[contact.role]]
    return _once(contact for contact in fitting or contacts if not _declined(contact, kind))


def supervisors(organisation: Organisation) -> tuple[Recipient, ...]:
    """Return who is told of overdue findings at the supervising organisation: the nearest above that has such contacts.

    With none of them, the operators.
    """
    above = supervising(organisation)
    if above is None:
        return tuple(Recipient(each.address, each.language, instead=True) for each in operators())
    return _once(_supervising_contacts(above))


def supervising(organisation: Organisation) -> Organisation | None:
    """Return the nearest active organisation above that has contacts for what its subordinates leave undone."""
    above = organisation.parent
    while above is not None:
        if above.retired_at is None and any(_supervising_contacts(above)):
            return above
        above = above.parent
    return None


def overseers(organisation: Organisation) -> tuple[Recipient, ...]:
    """Return who is told at an organisation of the units that it supervises: nobody else may read of them there.

    With no such contact, the operators.
    """
    chosen = () if organisation.retired_at is not None else _once(_supervising_contacts(organisation))
    return chosen or tuple(Recipient(each.address, each.language, instead=True) for each in operators())


def operators() -> tuple[Recipient, ...]:
    """Return the operators of this installation (``ROUNDSMAN_OPERATORS``)."""
    addresses: dict[str, str] = {}
    for address in settings.INSTALLATION.operators:
        addresses.setdefault(address.lower(), address)
    return tuple(Recipient(address, own_language()) for address in addresses.values())


def may_read(organisation: Organisation, address: str) -> bool:
    """Tell whether mail about an organisation may go to an address now: it is a contact's, there or above, or an
    operator's. Of a retired organisation nothing goes to anybody."""
    if organisation.retired_at is not None:
        return False
    reader = address.lower()
    if any(each.address.lower() == reader for each in operators()):
        return True
    # Nearly all mail is for an organisation's own contacts: those above are asked for last, one after the other.
    active = (owner for owner in organisation.upwards() if owner.retired_at is None)
    return any(reader in {email.lower() for email in _ADDRESSES(organisation=owner)} for owner in active)


def _supervising_contacts(above: Organisation) -> Iterator[Contact]:
    return (contact for contact in _contacts(above) if contact.role in _SUPERVISING)


_CONTACTS = Prepared(
    lambda: Contact.objects.filter(organisation=Given("organisation"), retired_at=None).order_by("email")
)
_ADDRESSES = Prepared(
    lambda: (
        Contact.objects.filter(organisation=Given("organisation"), retired_at=None)
        .order_by()
        .values_list("email", flat=True)
    )
)


def _contacts(organisation: Organisation) -> list[Contact]:
    return _CONTACTS(organisation=organisation)


def _declined(contact: Contact, kind: MessageKind) -> bool:
    return kind in OPTIONAL and kind in contact.declined


def _once(contacts: Iterable[Contact]) -> tuple[Recipient, ...]:
    found: dict[str, Recipient] = {}
    for contact in contacts:
        found.setdefault(contact.email.lower(), Recipient(contact.email, Language(contact.language)))
    return tuple(found.values())
