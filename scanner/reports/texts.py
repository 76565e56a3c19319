"""Fills the catalogue's texts with what was seen. The texts are ours; what was seen is hostile.

Evidence becomes plain text for a page or a terminal. A verify text becomes a command that a person pastes into a
shell, so every value is quoted for the place where it stands: outside quotes, in single or in double quotes.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from scanner.engine.catalogue.load import Language, Text
from scanner.engine.hostile import line
from scanner.engine.model import Transport
from scanner.engine.plugins.load import all_checks
from scanner.reports.checks_file import own_texts
from scanner.reports.words import MISSING, Words, fill, pieces, words

TEXT_LIMIT = 1000
"""Characters of one filled-in value."""

OPTIONS = "options"
"""The one param that stands for several words; rules compose it of our own options and the registered name."""

NOTHING = "-"
"""What rules put where there is nothing to tell."""

_STARTTLS = re.compile(r"-starttls (\S+)")
_NOT_BY_OPENSSL = {
    "mssql": "nmap -Pn -sV -p {port} --script ssl-cert,ssl-enum-ciphers {address}",
    "nats": "",
    "rdp": "sslscan --rdp {hostport}",
}
"""What shows a TLS finding behind an upgrade that ``openssl s_client`` does not know; for NATS there is nothing."""

_CLAUSE = re.compile(r"(?:; |；)[^;；()（）]+?(?=; |；|[.。]?$)")
"""What stands after a semicolon in one of our own texts, up to the next or the end; brackets are left alone."""

_REMEMBERED = 8192
"""Filled texts that are remembered: a finding that nobody mends is told of in every round, in several forms."""

_SAFE = re.compile(r"[A-Za-z0-9._:/@%+=,-]+")
_SAFE_NESTED = re.compile(r"[A-Za-z0-9._:/@%+=,\[\]-]+")
_SUBSTITUTION = re.compile(r"\$\(|`|<<")


_Pairs = tuple[tuple[str, str], ...]
Params = Mapping[str, str] | _Pairs
"""What was seen, by the names that texts give it."""


class Place(NamedTuple):
    """Where a finding lives: canonical address, port, and the name it was registered under, if any."""

    address: str
    port: int
    hostname: str | None = None
    tls: bool = False

    @property
    def host(self) -> str:
        """The address as URLs write it: IPv6 in brackets (RFC 3986 section 3.2.2)."""
        return f"[{self.address}]" if ":" in self.address else self.address

    @property
    def hostport(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def name(self) -> str:
        return self.hostname or self.address

    @property
    def url(self) -> str:
        scheme = "https" if self.tls else "http"
        host = self.hostname or self.host
        default = self.port == (443 if self.tls else 80)
        return f"{scheme}://{host}/" if default else f"{scheme}://{host}:{self.port}/"


def endpoint(host: str, port: int, transport: str) -> str:
    """Return where something is, for people: ``192.0.2.1:443/tcp``. A domain has no port, only its name."""
    return host if transport == Transport.DNS else f"{Place(host, port).hostport}/{transport}"


def text(check: str, language: Language) -> Text:
    """Return the texts of ``check``, as the present stationery words them; one that left the catalogue keeps its id as
    its title."""
    entry = all_checks().get(check)
    if entry is None:
        return Text(title=check, impact=MISSING, fix=MISSING, evidence=MISSING)
    return own_texts(language).get(check, entry.texts[language])


def evidence(check: str, params: Params, language: Language) -> str:
    """Return what was seen, as one printable line. Words of our own among the params are translated. What was not seen
    at all is a dash, or, where a clause of its own tells it, left out."""
    return _evidence(text(check, language).evidence, _pairs(params), words(language))


@lru_cache(maxsize=_REMEMBERED)
def _evidence(template: str, params: _Pairs, vocabulary: Words) -> str:
    values = {}
    for name, value in params:
        if value in ("", NOTHING):
            continue
        known = f"param.{name}.{value}"
        values[name] = vocabulary(known) if vocabulary.has(known) else line(value, TEXT_LIMIT)
    return fill(_CLAUSE.sub(lambda clause: clause[0] if _tells(clause[0], values) else "", template), values)


def _tells(clause: str, values: Mapping[str, str]) -> bool:
    """Tell whether a clause of a template says anything, filled with ``values``."""
    asked = [name for _, name in pieces(clause) if name is not None]
    return not asked or any(name in values for name in asked)


def policy_verdict(params: Mapping[str, str], language: Language) -> str:
    """Return what the organisation's TLS policy says of a finding, by which clause; empty where it says nothing."""
    if "grade" not in params:
        return ""
    vocabulary = words(language)
    return vocabulary(
        "policy.verdict",
        policy=vocabulary(f"policy.{params['policy']}"),
        grade=vocabulary(f"policy.grade.{params['grade']}"),
        clause=line(params["clause"], TEXT_LIMIT),
    )


def verify(check: str, params: Params, place: Place) -> str:
    """Return a shell command that shows the finding, with every value quoted; empty when the check has none."""
    entry = all_checks().get(check)
    return _verify(entry.verify, _pairs(params), place) if entry and entry.verify else ""


@lru_cache(maxsize=_REMEMBERED)
def _verify(template: str, params: _Pairs, place: Place) -> str:
    values = dict(params)
    if f" {{{OPTIONS}}}" in template:
        upgrade = _STARTTLS.search(values.get(OPTIONS, ""))
        template = _NOT_BY_OPENSSL.get(upgrade[1], template) if upgrade else template
    return command(template, values, place) if template else ""


def _pairs(params: Params) -> _Pairs:
    return params if isinstance(params, tuple) else tuple(params.items())


def command(template: str, params: Mapping[str, str], place: Place) -> str:
    """Fill a command template. The place wins over params of the same name, except for ``name`` and ``url``."""
    values = {
        "name": place.name,
        "url": place.url,
        **params,
        "address": place.address,
        "port": str(place.port),
        "host": place.host,
        "hostport": place.hostport,
    }
    nested = bool(_SUBSTITUTION.search(template))
    filled = ""
    for literal, field in pieces(template):
        filled += literal
        if field is not None:
            filled += _options(values) if field == OPTIONS else _word(values.get(field), filled, nested)
    return filled


def _options(values: Mapping[str, str]) -> str:
    """Return the options that a rule chose: words that may begin with a dash, each quoted for itself; often none."""
    return " ".join(shlex.quote(word) for word in line(values.get(OPTIONS, ""), TEXT_LIMIT).split())


def _word(value: str | None, before: str, nested: bool) -> str:
    return MISSING if value is None else _quoted(line(value, TEXT_LIMIT), before, nested)


def _quoted(value: str, before: str, nested: bool) -> str:
    """Quote ``value`` for where it stands after ``before``.

    Inside a command substitution or a here-document no quoting is safe, and a word that begins with a dash, or for dig
    with a plus or an at sign, would be read as an option: such values are left out, and so is what an interactive shell
    expands between double quotes.
    """
    if value.startswith(("-", "+", "@")) and _starts_word(before):
        return MISSING
    if _SAFE.fullmatch(value):
        return value
    if nested:
        return value if _SAFE_NESTED.fullmatch(value) else MISSING
    quote = _open_quote(before)
    if quote == "'":
        return value.replace("'", "'\\''")
    if quote == '"':
        return MISSING if "!" in value else re.sub(r'([\\"$`])', r"\\\1", value)
    return shlex.quote(value)


def _starts_word(before: str) -> bool:
    return not before or before[-1].isspace() or (bool(_open_quote(before)) and before[-2:-1].isspace())


def _open_quote(shell: str) -> str:
    """Return the quote that is still open at the end of ``shell`` (POSIX shell, section 2.2), or nothing."""
    quote = ""
    escaped = False
    for char in shell:
        if escaped:
            escaped = False
        elif char == "\\" and quote != "'":
            escaped = True
        elif char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote = char
    return quote
