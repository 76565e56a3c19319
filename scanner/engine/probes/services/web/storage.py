"""Object stores and writable web shares."""

from __future__ import annotations

from scanner.engine.facts.http import HttpReply
from scanner.engine.facts.service import Access, ServiceFacts
from scanner.engine.model import Level
from scanner.engine.probes.http_session import HttpSession
from scanner.engine.probes.services.web.base import WebServiceProbe
from scanner.engine.probes.services.web.dialogue import Dialogue, judge_access


def _is_minio(root: HttpReply) -> bool:
    return (root.header("server") or "") in ("MinIO", "MinIO Console")


def _may_be_minio(root: HttpReply) -> bool:
    """Tell whether an object store answers; a proxy before it puts its own name in the place of MinIO's."""
    refused = root.status == 403 and "<Code>AccessDenied</Code>" in root.body and "<RequestId>" in root.body
    return _is_minio(root) or refused or (root.status == 200 and _BUCKETS in root.body)


_BUCKETS = "<ListAllMyBucketsResult"


async def _look_at_minio(session: HttpSession, _level: Level) -> ServiceFacts | None:
    """A refusal at the root is the healthy answer; a list of buckets is not. Its health is public by design, and at a
    path of MinIO's own, beside which there is nothing for strangers."""
    dialogue = Dialogue(session)
    root = await dialogue.ask("/", keep_body=False)
    if not _is_minio(root):
        if not _may_be_minio(root) or (await dialogue.ask("/minio/health/live")).status != 200:
            return None
        if (await dialogue.ask("/minio/roundsman-no-such-call")).status == 200:
            return None
    access = judge_access(root, proven=_BUCKETS in root.body)
    return dialogue.facts("MINIO", access, "MinIO")


_DEPTH_ZERO = {"Depth": "0", "Content-Type": "application/xml"}
_ONLY_THE_TYPE = b'<?xml version="1.0"?><propfind xmlns="DAV:"><prop><resourcetype/></prop></propfind>'


_CLASSES = ("1", "2")
"""Classes of WebDAV; nginx's ngx_http_dav_ext_module names the second alone, though it includes the first."""


def _may_be_webdav(root: HttpReply) -> bool:
    return root.header("dav") is not None or "PROPFIND" in (root.header("allow") or "")


async def _look_at_webdav(session: HttpSession, level: Level) -> ServiceFacts | None:
    """OPTIONS names it; a PROPFIND of depth 0 that is answered lets strangers read (RFC 4918 sections 9.1, 10.1)."""
    if not level.at_least(Level.READ):
        return None
    dialogue = Dialogue(session)
    options = await dialogue.ask("/", method="OPTIONS", keep_body=False)
    if not (options.header("dav") or "").startswith(_CLASSES):
        return None
    found = await dialogue.ask("/", method="PROPFIND", headers=_DEPTH_ZERO, content=_ONLY_THE_TYPE, keep_body=False)
    if found.status == 207 and "multistatus" in found.body:
        return dialogue.facts("WEBDAV", Access.OPEN, "WebDAV")
    return dialogue.facts("WEBDAV", judge_access(found, proven=False), "WebDAV")


MINIO = WebServiceProbe("MINIO", frozenset(), suspects=_may_be_minio, look=_look_at_minio)
WEBDAV = WebServiceProbe(
    "WEBDAV", frozenset(), suspects=_may_be_webdav, look=_look_at_webdav, methods=frozenset({"DAV"})
)
