"""The elements that a certificate is made of (X.690), taken apart and put together without any judgement."""

from __future__ import annotations

SEQUENCE = 0x30


def split(data: bytes) -> tuple[int, bytes, bytes]:
    """Return tag and content of the first DER element, and what follows it. Raises ``ValueError`` when cut off."""
    start, end = _bounds(data, 0)
    return data[0], data[start:end], data[end:]


def _bounds(data: bytes, at: int) -> tuple[int, int]:
    """Return where the content of the element at that place begins and ends."""
    if at + 2 > len(data):
        raise ValueError("An element has no length.")
    length, start = data[at + 1], at + 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[at + 2 : start])
    if start + length > len(data):
        raise ValueError("An element is longer than its container.")
    return start, start + length


def element(tag: int, content: bytes) -> bytes:
    """Return an element of that tag and content, its length in the shortest form."""
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(length)]) + length + content


def only(data: bytes, tag: int) -> bytes:
    """Return the content of the element that ``data`` begins with, which must be of that tag."""
    found, content, _ = split(data)
    if found != tag:
        raise ValueError(f"An element has the tag {found:#x} where {tag:#x} belongs.")
    return content


def elements(content: bytes) -> list[bytes]:
    """Return the elements one after the other, each with its tag and length. Raises ``ValueError`` when cut off."""
    found: list[bytes] = []
    at = 0
    while at < len(content):
        _, end = _bounds(content, at)
        found.append(content[at:end])
        at = end
    return found
