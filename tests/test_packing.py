"""What is kept packed comes back as it was, and what is damaged, or a bomb, does not."""

from __future__ import annotations

import zlib

import pytest
from zstandard import ZstdCompressor

from scanner import packing
from scanner.packing import pack, unpack


@pytest.mark.parametrize("content", [b"", b"facts", b"\0" * 100_000])
def test_what_is_packed_comes_back(content: bytes) -> None:
    assert unpack(pack(content)) == content


def test_what_an_older_roundsman_packed_comes_back_too() -> None:
    assert unpack(zlib.compress(b"facts")) == b"facts"


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"neither",
        pack(b"facts")[:-1],
        pack(b"facts") + b"more",
        zlib.compress(b"facts" * 9)[:-1],
        pack(b"facts")[:4],
    ],
)
def test_what_is_damaged_is_refused(damaged: bytes) -> None:
    with pytest.raises(ValueError, match="it is"):
        unpack(damaged)


def test_what_unfolds_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "LIMIT", 1000)
    without_size = ZstdCompressor(write_content_size=False).compress(bytes(1001))
    for bomb in (pack(bytes(1001)), without_size, zlib.compress(bytes(1001))):
        with pytest.raises(ValueError, match=r"too much|damaged"):
            unpack(bomb)
    for small in (pack(bytes(1000)), zlib.compress(bytes(1000))):
        assert unpack(small) == bytes(1000)
