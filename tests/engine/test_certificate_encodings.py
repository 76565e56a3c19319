"""Certificates that break the rules of their encoding, as devices send them, are read and verified all the same."""

from __future__ import annotations

import datetime as dt
import time
import warnings

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from scanner.engine.rules.certificate_path import Trust, find_path
from scanner.engine.rules.x509_view import View, is_signed_by, names_host, view
from tests.lab.lab_ca import der, rsa_key

_KEY = rsa_key(2048)
_PUBLIC = _KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
_ALGORITHM = bytes.fromhex("300d06092a864886f70d01010b0500")  # sha256WithRSAEncryption, NULL
_THIRD = bytes.fromhex("a003020102")
_COMMON_NAME, _ORGANISATION = bytes.fromhex("0603550403"), bytes.fromhex("060355040a")


def _name(*texts: tuple[bytes, int, bytes]) -> bytes:
    return der(0x30, b"".join(der(0x31, der(0x30, kind + der(tag, text))) for kind, tag, text in texts))


def _extension(number: str, content: bytes, *, flag: bytes = b"") -> bytes:
    return der(0x30, der(0x06, bytes.fromhex(number)) + flag + der(0x04, content))


_HOST = _name((_COMMON_NAME, 0x0C, b"x.lab"))
_SAN = _extension("551d11", der(0x30, der(0x82, b"x.lab")))
_SINCE, _UNTIL = der(0x17, b"200101000000Z"), der(0x17, b"300101000000Z")


def _certificate(
    *,
    version: bytes = _THIRD,
    subject: bytes = _HOST,
    since: bytes = _SINCE,
    until: bytes = _UNTIL,
    extensions: bytes = _SAN,
) -> bytes:
    """A certificate that is signed by its own key over exactly these bytes."""
    wrapped = der(0xA3, der(0x30, extensions)) if extensions else b""
    dates = der(0x30, since + until)
    signed = der(0x30, version + der(0x02, b"\x01") + _ALGORITHM + subject + dates + subject + _PUBLIC + wrapped)
    signature = _KEY.sign(signed, padding.PKCS1v15(), hashes.SHA256())
    return der(0x30, signed + _ALGORITHM + der(0x03, b"\0" + signature))


def _read(certificate: bytes) -> View:
    seen = view(certificate)
    assert seen is not None
    return seen


@pytest.mark.parametrize(
    "extensions",
    [
        _extension("551d13", bytes.fromhex("3003010100")) + _SAN,
        _extension("551d13", bytes.fromhex("3003010101")) + _SAN,
        _SAN + _SAN,
        _extension("551d23", bytes.fromhex("3002a100")) + _SAN,
        _extension("551d0f", bytes.fromhex("030209ff")) + _SAN,
        _extension("551d0f", bytes.fromhex("03020780"), flag=b"\x01\x01\x00") + _SAN,
        _extension("2b06010505070101", b"\x30\x01\x01") + _SAN,
        _extension("551d11", der(0x30, der(0x82, b"x.lab") + der(0x87, b"127.0.0.1"))),
        _extension("551d11", der(0x30, der(0x81, b"m\xfcller@x.lab") + der(0x82, b"x.lab"))),
    ],
    ids=[
        "CA:FALSE written out",
        "CA:TRUE by another number",
        "names given twice",
        "half a key identifier",
        "key usage of no whole bits",
        "not critical written out",
        "addresses that can't be read",
        "an address as text",
        "a mail address with an umlaut",
    ],
)
def test_one_extension_written_wrongly_does_not_hide_the_names(extensions: bytes) -> None:
    seen = _read(_certificate(extensions=extensions))
    assert names_host(seen, "x.lab")
    assert seen.has_san
    assert is_signed_by(seen, seen)


@pytest.mark.parametrize(
    ("tag", "text", "shown"),
    [
        (0x13, b"*.x.lab", "*.x.lab"),
        (0x13, "中国".encode("gb18030"), "中国"),
        (0x0C, "中国".encode("gb18030"), "中国"),
        (0x14, b"M\xfcller", "M\xfcller"),
        (0x16, "M\xfcller".encode(), "M\xfcller"),
    ],
)
def test_a_text_in_a_type_that_has_no_room_for_it_is_read(tag: int, text: bytes, shown: str) -> None:
    seen = _read(_certificate(subject=_name((_ORGANISATION, tag, text), (_COMMON_NAME, 0x0C, b"x.lab"))))
    assert f"O={shown}" in seen.subject
    assert names_host(seen, "x.lab")
    assert is_signed_by(seen, seen)


def test_a_country_written_out_is_read_without_a_warning() -> None:
    """keytool asks for one and takes "Unknown" for it."""
    country = _name((bytes.fromhex("0603550406"), 0x13, b"Unknown"), (_COMMON_NAME, 0x0C, b"x.lab"))
    seen = _read(_certificate(subject=country))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert find_path((seen, seen), (), dt.datetime.now(dt.UTC)).verdict is Trust.SELF_SIGNED


@pytest.mark.parametrize(
    "until",
    [der(0x17, b"3001010000Z"), der(0x17, b"300101080000+0800"), der(0x18, b"20300101000000.000Z")],
    ids=["no seconds", "an offset", "a fraction"],
)
def test_a_date_in_another_form_is_read(until: bytes) -> None:
    seen = _read(_certificate(until=until))
    assert seen.not_after == dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
    assert is_signed_by(seen, seen)


@pytest.mark.parametrize("number", [1, 3])
def test_a_version_that_does_not_exist_is_read_over(number: int) -> None:
    seen = _read(_certificate(version=der(0xA0, der(0x02, bytes([number])))))
    assert names_host(seen, "x.lab")


def test_a_signature_over_other_bytes_is_still_wrong() -> None:
    written_out = _extension("551d13", bytes.fromhex("3003010100")) + _SAN
    forged = _certificate(extensions=written_out).replace(b"x.lab", b"y.lab")
    seen = _read(forged)
    assert names_host(seen, "y.lab")
    assert not is_signed_by(seen, seen)


def test_what_is_no_certificate_is_none() -> None:
    for content in (b"", b"\x30", b"\x30\x03\x02\x01\x01", b"\x30\x84\xff\xff\xff\xff", der(0x30, der(0x30, b"") * 3)):
        assert view(content) is None
    whole = _certificate(version=der(0xA0, der(0x02, b"\x01")))
    assert all(view(whole[:length]) is None for length in range(0, len(whole), 7))


def test_a_certificate_of_nothing_but_tiny_parts_takes_no_long_time() -> None:
    began = time.process_time()
    _read(_certificate(extensions=_extension("551d11", der(0x30, der(0x87, b"") * 100_000)) + _SAN))
    assert time.process_time() - began < 2
