"""The little of ASN.1's basic encoding rules (ITU-T X.690) that LDAP and SNMP need, over bytes that may lie."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.engine.errors import UnexpectedReply


def tlv(tag: int, content: bytes) -> bytes:
    """Encode one element; the content may have up to 64 KiB."""
    size = len(content)
    length = bytes([size]) if size < 0x80 else b"\x82" + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def integer(value: int) -> bytes:
    """Encode a non-negative INTEGER."""
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def enumerated(value: int) -> bytes:
    """Encode a small ENUMERATED."""
    return tlv(0x0A, bytes([value]))


def boolean(value: bool) -> bytes:
    """Encode a BOOLEAN."""
    return tlv(0x01, b"\xff" if value else b"\0")


def octets(data: bytes) -> bytes:
    """Encode an OCTET STRING."""
    return tlv(0x04, data)


def take(data: bytes) -> tuple[int, bytes, bytes]:
    """Return tag and content of the first element, and what follows it. Raises ``UnexpectedReply``."""
    if len(data) < 2:
        raise UnexpectedReply("An ASN.1 element is cut off.")
    tag, size, start = data[0], data[1], 2
    if size >= 0x80:
        start += size & 0x7F
        size = int.from_bytes(data[2:start], "big")
    if start > 6 or len(data) < start + size:
        raise UnexpectedReply("An ASN.1 element is cut off or too long.")
    return tag, data[start : start + size], data[start + size :]


def elements(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of each element in turn. Raises ``UnexpectedReply``."""
    while content:
        tag, inner, content = take(content)
        yield tag, inner


def ldap_message(number: int, operation: bytes) -> bytes:
    """Encode an LDAPMessage (RFC 4511 section 4.1.1)."""
    return tlv(0x30, integer(number) + operation)


def operation(data: bytes) -> tuple[int, int]:
    """Return message number and operation tag of the first LDAPMessage. Raises ``UnexpectedReply``."""
    number, tag, _ = _parts(data)
    return number, tag


def result_code(data: bytes) -> int:
    """Return the resultCode of a response whose first element it is."""
    _, _, content = _parts(data)
    tag, code, _ = take(content)
    if tag != 0x0A or len(code) != 1:
        raise UnexpectedReply("An LDAP response has no result code.")
    return code[0]


def whole_messages(data: bytes) -> list[bytes]:
    """Return the messages that have arrived whole."""
    messages = []
    while data:
        try:
            _, _, rest = take(data)
        except UnexpectedReply:
            break
        messages.append(data[: len(data) - len(rest)])
        data = rest
    return messages


def attribute_values(data: bytes, name: bytes) -> list[bytes]:
    """Return the values of the named attribute of a SearchResultEntry."""
    _, _, content = _parts(data)
    _, _, rest = take(content)
    _, attributes, _ = take(rest)
    for _, attribute in elements(attributes):
        _, kind, values = take(attribute)
        if kind.lower() == name.lower():
            return [value for _, value in elements(take(values)[1])]
    return []


def _parts(data: bytes) -> tuple[int, int, bytes]:
    tag, message, _ = take(data)
    number_tag, number, rest = take(message)
    if tag != 0x30 or number_tag != 0x02:
        raise UnexpectedReply("This is no LDAP message.")
    operation_tag, content, _ = take(rest)
    return int.from_bytes(number, "big"), operation_tag, content
