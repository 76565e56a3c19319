"""Rewrites a certificate that breaks the rules of its encoding, so that it can be read at all.

Devices and old programs write CA:FALSE out although it is the default, put umlauts, Chinese in GBK or an asterisk into
types of text that have no room for them, leave the seconds off a date. Clients read over that; a library that does not
would leave such a certificate unjudged. What is rewritten no longer fits the signature, which is why
``View.signed`` keeps the bytes that were signed.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

from scanner.engine.rules.x509_der import SEQUENCE, element, elements, only, split

_SET, _BOOLEAN, _OID, _OCTETS, _UTF8 = 0x31, 0x01, 0x06, 0x04, 0x0C
_PRINTABLE, _T61, _IA5, _UTC, _GENERALIZED = 0x13, 0x14, 0x16, 0x17, 0x18
_VERSION, _EXTENSIONS = 0xA0, 0xA3
_THIRD = bytes.fromhex("a003020102")
"""Version 3, the only one with extensions (RFC 5280 section 4.1.2.1)."""
_TRUE = b"\x01\x01\xff"
_BASIC_CONSTRAINTS, _ALTERNATIVES = bytes.fromhex("551d13"), bytes.fromhex("551d11")
_KEPT = (bytes.fromhex("2b06010505070101"), bytes.fromhex("2b06010505070118"), bytes.fromhex("2b06010401d679020402"))
"""Further extensions that are judged: authorityInfoAccess, TLS features, certificate timestamps."""
_DNS, _ADDRESS, _ADDRESS_SIZES = 0x82, 0x87, (4, 16)

# X.680 section 41.4: what a PrintableString may hold.
_PRINTABLE_TEXT = re.compile(rb"[A-Za-z0-9 '()+,\-./:=?]*")
_REST_OF_TIME = rb"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?(?:\.\d+)?(?:Z|([+-])(\d\d)(\d\d))?"
_TIMES = {_UTC: re.compile(rb"(\d\d)" + _REST_OF_TIME), _GENERALIZED: re.compile(rb"(\d{4})" + _REST_OF_TIME)}


@dataclass(frozen=True, slots=True)
class Mended:
    """``der`` is the certificate as it should have been encoded; ``signed`` the part that its issuer really signed."""

    der: bytes
    signed: bytes


def mend(der: bytes, *, least: bool = False) -> Mended:
    """Return the certificate rewritten, with the ``least`` of its extensions where others can't be read either.

    Raises ``ValueError`` where nothing can be made of it.
    """
    certificate = elements(only(der, SEQUENCE))
    signed, algorithm, signature = certificate[:3]
    fields = elements(only(signed, SEQUENCE))
    if fields[0][0] == _VERSION:
        fields = fields[1:]
    serial, signing, issuer, validity, subject, key, *rest = fields
    extensions = b"".join(_extensions(each, least=least) for each in rest if each[0] == _EXTENSIONS)
    version = _THIRD if extensions else b""
    whole = version + serial + signing + _name(issuer) + _validity(validity) + _name(subject) + key + extensions
    return Mended(element(SEQUENCE, element(SEQUENCE, whole) + algorithm + signature), signed)


def _name(name: bytes) -> bytes:
    return element(SEQUENCE, b"".join(_relative(each) for each in elements(only(name, SEQUENCE))))


def _relative(relative: bytes) -> bytes:
    parts: list[bytes] = []
    for attribute in elements(only(relative, _SET)):
        kind, value = elements(only(attribute, SEQUENCE))[:2]
        parts.append(element(SEQUENCE, kind + _text(value)))
    return element(_SET, b"".join(parts))


def _text(value: bytes) -> bytes:
    """Return a text as it is where its type allows its content, and in UTF-8 where not."""
    tag, content, _ = split(value)
    if tag not in (_PRINTABLE, _T61, _IA5, _UTF8):
        return value
    fits = _PRINTABLE_TEXT.fullmatch(content) if tag == _PRINTABLE else tag != _UTF8 and content.isascii()
    return value if fits else element(_UTF8, _decoded(tag, content).encode())


def _decoded(tag: int, content: bytes) -> str:
    """Read a text by what it can be: UTF-8, what T.61 was used for in Europe, what Chinese systems write."""
    for encoding in ("utf-8", *(("latin-1",) if tag == _T61 else ("gb18030",))):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1")


def _validity(validity: bytes) -> bytes:
    return element(SEQUENCE, b"".join(_time(each) for each in elements(only(validity, SEQUENCE))[:2]))


def _time(time: bytes) -> bytes:
    """Return a date in the one form that RFC 5280 section 4.1.2.5 has for it."""
    tag, content, _ = split(time)
    form = _TIMES.get(tag)
    parts = form.fullmatch(content) if form else None
    if parts is None:
        raise ValueError("A date can't be read.")
    year = int(parts[1])
    if tag == _UTC:
        year += 1900 if year >= 50 else 2000
    month, day, hour, minute, second = (int(part or 0) for part in parts.groups()[1:6])
    moment = dt.datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - what its offset is comes next
    if parts[7]:
        offset = dt.timedelta(hours=int(parts[8]), minutes=int(parts[9]))
        moment += -offset if parts[7] == b"+" else offset
    short = 1950 <= moment.year < 2050
    digits = f"{moment:%m%d%H%M%S}Z"
    text = f"{moment.year % 100:02}{digits}" if short else f"{moment.year:04}{digits}"
    return element(_UTC if short else _GENERALIZED, text.encode())


def _extensions(wrapped: bytes, *, least: bool) -> bytes:
    """Return those extensions that are judged, each once and as it should have been written; empty for none."""
    found: dict[bytes, bytes] = {}
    for extension in elements(only(only(wrapped, _EXTENSIONS), SEQUENCE)):
        kind, *flags, value = elements(only(extension, SEQUENCE))
        number, content = only(kind, _OID), only(value, _OCTETS)
        rewritten = b"" if least and number in _KEPT else _rewritten(number, content)
        if rewritten:
            critical = _TRUE if any(flag != b"\x01\x01\x00" for flag in flags) else b""
            found.setdefault(number, element(SEQUENCE, kind + critical + element(_OCTETS, rewritten)))
    return element(_EXTENSIONS, element(SEQUENCE, b"".join(found.values()))) if found else b""


def _rewritten(number: bytes, content: bytes) -> bytes:
    if number == _BASIC_CONSTRAINTS:
        flags = [each for each in elements(only(content, SEQUENCE)) if each[0] == _BOOLEAN]
        return element(SEQUENCE, _TRUE if flags and flags[0] != b"\x01\x01\x00" else b"")
    if number == _ALTERNATIVES:
        names = [each for each in elements(only(content, SEQUENCE)) if _is_name(each)]
        return element(SEQUENCE, b"".join(names)) if names else b""
    return content if number in _KEPT else b""


def _is_name(name: bytes) -> bool:
    """Tell whether an alternative name is one that servers are known by, and whole."""
    tag, content, _ = split(name)
    return (tag == _DNS and content.isascii()) or (tag == _ADDRESS and len(content) in _ADDRESS_SIZES)
