"""What is taken out of a response's head before it is read, and what is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.engine.probes.http_tolerance import tolerable
from tests.engine.http_site import answer, look, serving


@pytest.mark.parametrize(
    ("head", "read"),
    [
        (b"HTTP/1.1 200 OK\r\nA: b", b"HTTP/1.1 200 OK\r\nA: b"),
        (b"HTTP/1.1 200 OK\nA: b\nC: d", b"HTTP/1.1 200 OK\r\nA: b\r\nC: d"),
        (b"HTTP/1.1 200 OK\r\nA : b\r\n(debug)\r\nX Y: z", b"HTTP/1.1 200 OK\r\nA: b"),
        (b"HTTP/1.1 200 OK\r\n folded\r\nA: b\r\n c\r\nnone\r\n d", b"HTTP/1.1 200 OK\r\nA: b\r\n c"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\ntransfer-encoding: Chunked",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked",
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity", b"HTTP/1.1 200 OK"),
        (b"HTTP/1.1 200\r\nTransfer-Encoding: gzip, chunked", b"HTTP/1.1 200\r\nTransfer-Encoding: gzip, chunked"),
        (b"SSH-2.0-lab", b"SSH-2.0-lab"),
        (b"", b""),
    ],
)
def test_a_head_is_read_as_browsers_read_it(head: bytes, read: bytes) -> None:
    assert tolerable(head) == read


@pytest.mark.lab
def test_a_head_that_comes_in_small_pieces_after_an_announcement_is_read(tmp_path: Path) -> None:
    page = answer(b"<!doctype html><title>Portal</title>", headers="Content-Type : text/html\r\nnone")

    def reply(_: bytes) -> Iterator[bytes]:
        yield b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
        yield from (page[at : at + 7] for at in range(0, len(page), 7))

    with serving(reply, tmp_path):
        facts = look()
    assert facts.complete
    assert facts.page is not None
    assert facts.page.title == "Portal"
