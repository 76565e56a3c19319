"""What is kept packed comes back as it was, and what is damaged, or a bomb, does not."""

from __future__ import annotations

import hashlib
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from zstandard import ZstdCompressionDict, ZstdCompressor, get_frame_parameters, train_dictionary

from scanner import packing
from scanner.packing import DICTIONARIES, Like, dictionary_file, pack, unpack

SAMPLES = Path(__file__).parent / "engine" / "samples"

RELEASED = {
    "40001.zdict": "3ec3357ca4970ff966c9a5e2a937584dfa7489969ed0b5bbc5e30ae76fa2518e",
    "40002.zdict": "5dea0fcfd18c9939118afbedcda54dc8631cf91bb4d58671ee3a416437e10d7e",
}
"""The digest of each dictionary that rows were ever packed by: without it nobody reads them."""


@pytest.mark.parametrize("like", [None, *Like])
@pytest.mark.parametrize("content", [b"", b"facts", b"\0" * 100_000])
def test_what_is_packed_comes_back(content: bytes, like: Like | None) -> None:
    assert unpack(pack(content, like)) == content


@pytest.mark.parametrize("like", Like)
def test_a_frame_names_the_dictionary_that_it_is_packed_by(like: Like) -> None:
    assert get_frame_parameters(pack(b"facts" * 99, like)).dict_id == DICTIONARIES[like]
    assert ZstdCompressionDict(dictionary_file(like).read_bytes()).dict_id() == DICTIONARIES[like]


def test_facts_get_smaller_by_their_dictionary() -> None:
    for sample in SAMPLES.glob("*.json.z"):
        facts = unpack(sample.read_bytes())
        assert len(pack(facts, Like.FACTS)) < 0.7 * len(pack(facts))


def test_threads_pack_by_the_same_dictionary() -> None:
    facts = [b"%d" % number * 999 for number in range(64)]
    with ThreadPoolExecutor(8) as threads:
        packed = list(threads.map(lambda each: pack(each, Like.FACTS), facts))
        assert list(threads.map(unpack, packed)) == facts


def test_dictionaries_that_rows_were_packed_by_stay_as_they_are() -> None:
    kept = dictionary_file(Like.FACTS).parent.glob("*.zdict")
    assert {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in kept} == RELEASED


def test_what_a_newer_roundsman_packed_by_another_dictionary_is_refused() -> None:
    another = train_dictionary(
        2048, [b"%d facts of a newer kind" % (number % 7) for number in range(999)], dict_id=49_999
    )
    packed = ZstdCompressor(dict_data=another).compress(b"facts of a newer kind")
    with pytest.raises(ValueError, match="newer"):
        unpack(packed)


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
