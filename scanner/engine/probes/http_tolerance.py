"""Takes out of the head of a response what browsers pass over, and what h11 would refuse the whole response for.

Lines that are no header; blanks before a colon (RFC 9112 section 5.1); a transfer coding that is named twice, as by
gateways that hand on what they got, or ``identity``, which has been none since RFC 7230.
"""

from __future__ import annotations

import re

_LINE_END = re.compile(rb"\r?\n")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,200})[ \t]{0,20}:(.*)", re.DOTALL)
_CODING = b"transfer-encoding"


def tolerable(head: bytes) -> bytes:
    """Return the status line and the headers of ``head``, which ends before its empty line, without such parts."""
    first, *lines = _LINE_END.split(head)
    kept = [first]
    chunked = continues = False
    for line in lines:
        if line[:1] in (b" ", b"\t"):
            kept += [line] if continues else []
            continue
        header = _HEADER.fullmatch(line)
        continues = header is not None
        if header is None:
            continue
        name, value = header[1], header[2]
        if name.lower() == _CODING:
            codings = {coding.strip().lower() for coding in value.split(b",")} - {b"", b"identity"}
            continues = bool(codings) and not (chunked and codings == {b"chunked"})
            chunked = chunked or codings == {b"chunked"}
            value = b" chunked" if codings == {b"chunked"} else value
        if continues:
            kept.append(name + b":" + value)
    return b"\r\n".join(kept)
