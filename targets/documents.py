"""Which files may be handed in, as the document of an authorisation: told by their content, never by their name."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from io import BytesIO
from pathlib import PurePosixPath

from django.db import transaction

from scanner.audit.trail import Action, record
from scanner.engine.errors import Refused
from targets.models import Authorisation, AuthorisationFile

LARGEST = 10 * 1024 * 1024
"""Bytes; a scanned letter of many pages fits."""

_LONGEST_NAME = 120


class DocumentKind(StrEnum):
    """What a document may be; the values are the endings of its name."""

    PDF = "pdf"
    PNG = "png"
    JPEG = "jpg"
    DOCX = "docx"


_BEGINNINGS = {
    DocumentKind.PDF: b"%PDF-",
    DocumentKind.PNG: b"\x89PNG\r\n\x1a\n",
    DocumentKind.JPEG: b"\xff\xd8\xff",
}


@dataclass(frozen=True, slots=True)
class Document:
    """A file that may be kept. ``name`` is plain and ends as its content is; ``digest`` is its SHA-256 (hex)."""

    name: str
    kind: DocumentKind
    digest: str
    content: bytes


def read_document(name: str, content: bytes) -> Document:
    """Return what was handed in. Raises ``Refused`` when it is empty, too large or of another kind."""
    if len(content) > LARGEST:
        most = LARGEST // 1024 // 1024
        raise Refused(f"The document has more than {most} MB.", "document-too-large", most=most)
    kind = kind_of(content)
    if kind is None:
        raise Refused("The document is neither PDF, PNG, JPEG nor DOCX by its content.", "document-kind")
    return Document(_plain(name, kind), kind, hashlib.sha256(content).hexdigest(), content)


def kind_of(content: bytes) -> DocumentKind | None:
    """Return what the content is by its first bytes (ISO 32000-1 7.5.2, PNG 5.2, JPEG SOI), or None for another."""
    for kind, beginning in _BEGINNINGS.items():
        if content.startswith(beginning):
            return kind
    return DocumentKind.DOCX if _is_docx(content) else None


def keep_document(authorisation: Authorisation, name: str, content: bytes, *, by: str, now: datetime) -> None:
    """Keep a document of an authorisation. Raises ``Refused`` as :func:`read_document` does."""
    handed = read_document(name, content)
    with transaction.atomic():
        if authorisation.files.filter(digest=handed.digest).exists():
            return
        AuthorisationFile.objects.create(
            authorisation=authorisation,
            name=handed.name,
            kind=handed.kind,
            size=len(content),
            digest=handed.digest,
            content=content,
            added=now,
            added_by=by,
        )
        subject = f"{authorisation.organisation.slug}: {authorisation.document}"
        record(Action.AUTHORISATION_DOCUMENT_KEPT, subject, actor=by, at=now, sha256=handed.digest, size=len(content))


def _is_docx(content: bytes) -> bool:
    """An Office Open XML document names itself in its list of parts (ECMA-376 part 2); nothing of it is unpacked."""
    if not content.startswith(b"PK\x03\x04"):
        return False
    try:
        with zipfile.ZipFile(BytesIO(content)) as parts:
            return "word/document.xml" in parts.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return False


def _plain(name: str, kind: DocumentKind) -> str:
    """The name without folders and unprintable characters, with the ending of what it really is."""
    stem = PurePosixPath(name.replace("\\", "/")).stem
    kept = "".join(each for each in stem if each.isprintable() and each not in '"<>:|?*').strip(". ")
    return f"{kept[:_LONGEST_NAME] or 'document'}.{kind}"
