"""What says that nothing listens on a UDP port, and what only says that our datagram did not get there."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket

import pytest

from scanner.engine.errors import ConnectionLost, ConnectionRefused, HostSilent, HostUnreachable, ProbeError
from scanner.engine.model import Endpoint, Facet, Gap, GapReason, Level, Look, Target, Transport
from scanner.engine.probes import dial
from scanner.engine.probes.contact import Contact
from scanner.engine.probes.dial import Dialer
from scanner.engine.probes.notes import PortNotes
from scanner.engine.probes.udp import look_at_udp

NOWHERE = "255.255.255.255"
"""A broadcast address, to which the system sends nothing without being asked to."""


class Answering(Dialer):
    """Hands out these answers one after the other; the last one for good."""

    def __init__(self, *answers: bytes | ProbeError) -> None:
        super().__init__(lambda _: None)
        self._answers = list(answers)

    async def ask(self, endpoint: Endpoint, request: bytes, *, timeout: float = 1.5, any_port: bool = False) -> bytes:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, ProbeError):
            raise answer
        return answer


def noted(dialer: Dialer, port: int, address: str = "127.0.0.1") -> PortNotes:
    contact = Contact(dialer, Target(address, address), Endpoint(address, port, Transport.UDP), Level.READ)
    notes = PortNotes(contact)
    assert asyncio.run(look_at_udp(contact, listed=False, notes=notes)) is None
    return notes


def looked(dialer: Dialer, port: int, address: str = "127.0.0.1") -> set[Look]:
    return noted(dialer, port, address).looks


def test_only_the_host_itself_can_say_that_nothing_listens() -> None:
    refused, lost = ConnectionRefused("unreachable"), ConnectionLost("filtered")
    assert {look.facet for look in looked(Answering(refused), 123)} == set(Facet)
    assert looked(Answering(lost), 123) == set()
    assert looked(Answering(HostSilent("")), 123) == set()


def test_a_port_that_answers_one_question_is_not_shut_because_it_refuses_another() -> None:
    refused = ConnectionRefused("unreachable")
    assert len(looked(Answering(refused), 500)) == len(Facet)
    assert looked(Answering(b"something", refused), 500) == set()


def test_a_port_that_says_what_nobody_knows_is_told_as_not_recognised() -> None:
    (gap,) = noted(Answering(b"something else"), 123).gaps
    assert (gap.reason, gap.facet, gap.port) == (GapReason.NOT_IDENTIFIED, Facet.SERVICE, 123)
    assert noted(Answering(HostSilent("")), 123).gaps == []


def test_a_port_of_controllers_that_was_listed_and_not_asked_is_told() -> None:
    def gaps(*, listed: bool) -> list[Gap]:
        endpoint = Endpoint("127.0.0.1", 47808, Transport.UDP)
        notes = PortNotes(Contact(Answering(b""), Target("127.0.0.1", "127.0.0.1"), endpoint, Level.READ))
        assert asyncio.run(look_at_udp(notes.contact, listed=listed, notes=notes)) is None
        return notes.gaps

    assert [gap.reason for gap in gaps(listed=True)] == [GapReason.FRAGILE_PORT]
    assert gaps(listed=False) == [], "it is in the list of ports that level 2 is asked"


SILENT, FIREWALL, OWN_FIREWALL = HostSilent(""), HostUnreachable("prohibited"), ConnectionLost("not permitted")


@pytest.mark.parametrize(
    ("answers", "silent"),
    [
        ((SILENT,), True),
        ((FIREWALL,), True),
        ((OWN_FIREWALL,), False),
        ((ConnectionRefused("unreachable"),), False),
        ((b"something else",), False),
    ],
)
def test_a_port_is_noted_as_silent_when_neither_it_nor_our_own_side_says_anything(
    answers: tuple[bytes | ProbeError, ...], silent: bool
) -> None:
    assert noted(Answering(*answers), 123).silent is silent


def test_a_port_that_is_asked_nothing_is_not_called_silent() -> None:
    assert not noted(Answering(SILENT), 4321).silent


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_question_is_asked_again_where_its_answer_got_lost(lost: int) -> None:
    dialer = Answering(*[SILENT] * lost, b"answer")
    contact = Contact(dialer, Target("host", "127.0.0.1"), Endpoint("127.0.0.1", 123, Transport.UDP), Level.READ)
    with pytest.raises(HostSilent) if lost == 2 else contextlib.nullcontext():
        assert asyncio.run(contact.ask(b"question")) == b"answer"


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("port", [19, 69, 123])
def test_a_port_on_which_nothing_listens_says_so_whether_or_not_its_service_answers_from_another(
    port: int, address: str
) -> None:
    assert {look.facet for look in looked(Dialer(lambda _: None), port, address)} == set(Facet)


def test_a_datagram_that_our_own_side_does_not_send_proves_nothing() -> None:
    assert looked(Dialer(lambda _: None), 123, NOWHERE) == set()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "port unreachable"), ConnectionRefused),
        (OSError(errno.EHOSTUNREACH, "administratively prohibited"), HostUnreachable),
        (PermissionError(errno.EPERM, "our own firewall"), ConnectionLost),
    ],
)
def test_a_firewalls_refusal_is_not_the_ports(
    error: OSError, kind: type[ProbeError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        dial._Answer, "connection_made", lambda protocol, _: protocol.error_received(error), raising=False
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        endpoint = Endpoint("127.0.0.1", silent.getsockname()[1], Transport.UDP)
        with pytest.raises(ProbeError) as caught:
            asyncio.run(Dialer(lambda _: None).ask(endpoint, b"x", timeout=0.2))
    assert type(caught.value) is kind
