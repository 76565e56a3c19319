"""Encrypts documents with a password, as the programs that open them do it by themselves.

The libraries are imported when they are used: most installations seal nothing, and each command would wait for them.
"""

from __future__ import annotations

import io


def sealed_pdf(document: bytes, password: str) -> bytes:
    """Return the PDF encrypted with AES-256 (ISO 32000-2 section 7.6, revision 6). Each call gives other bytes."""
    import pikepdf

    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(document)) as pdf:
        pdf.save(out, encryption=pikepdf.Encryption(owner=password, user=password, R=6))
    return out.getvalue()


def sealed_office(document: bytes, password: str) -> bytes:
    """Return a DOCX or XLSX encrypted with AES-256 ([MS-OFFCRYPTO] section 2.3.4.10). Each call gives other bytes."""
    import msoffcrypto

    out = io.BytesIO()
    msoffcrypto.OfficeFile(io.BytesIO(document)).encrypt(password, out)
    return out.getvalue()
