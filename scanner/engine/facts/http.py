"""What a web server answered, under one scheme and one Host name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HttpReply:
    """One answer. ``headers`` keep the order and repetition they had; names are lower case.

    ``body`` is decoded leniently, cut, and already free of secret values; ``body_bytes`` is how much was read.
    """

    method: str
    path: str
    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    body_bytes: int = 0

    def header(self, name: str) -> str | None:
        """Return the first header of that (lower-case) name."""
        return next((value for key, value in self.headers if key == name), None)

    def all_headers(self, name: str) -> tuple[str, ...]:
        """Return every header of that (lower-case) name, in order."""
        return tuple(value for key, value in self.headers if key == name)


@dataclass(frozen=True, slots=True)
class ExposedPath:
    """A well-known path whose content proved what it is.

    ``kind`` is the check's short name (``git``, ``env``, ``server-status``); ``details`` hold what may be shown
    (key names, repository URL without credentials), never secret values.
    """

    kind: str
    reply: HttpReply
    details: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class HttpFacts:
    """A site: scheme, Host header sent, first page, random-path baselines and the paths that proved exposed.

    ``blocked`` is true when everything, random paths included, got the same refusal (401, 403, a WAF page):
    the content checks then show nothing either way.
    """

    scheme: str
    host: str
    root: HttpReply | None = None
    baselines: tuple[HttpReply, ...] = ()
    exposed: tuple[ExposedPath, ...] = ()
    replies: tuple[HttpReply, ...] = ()
    blocked: bool = False
    complete: bool = True
    ended: str = ""
    requests: int = 0
