"""YAML files → :class:`Register`. Every problem of every file is collected before anything is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, partial
from ipaddress import IPv4Network
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo, available_timezones

from scanner.engine.sentence import Sentence
from targets.addresses import AddressError, Network, ParsedTarget, parse_target
from targets.domains import parse_domain
from targets.registry.document import Mapping, parse_document, read_text_file
from targets.registry.fields import MISSING, Fields
from targets.registry.problems import BadInput, Place, Problem
from targets.registry.specs import (
    AuthorisationSpec,
    ContactSpec,
    ExclusionSpec,
    OrganisationSpec,
    Register,
    TargetSpec,
    ZoneSpec,
)
from targets.registry.times import parse_begin, parse_end
from targets.roots import parse_roots
from targets.wrong import WrongText

LANGUAGES = ("zh-Hans", "en")
VANTAGES = ("internet", "government", "internal", "isolated")
TLS_POLICIES = ("roundsman", "mozilla-intermediate", "ncsc-nl-2025")
ROLES = ("security", "technical", "leader")
OPTIONAL_MAIL = ("round-report", "reminder", "recurrence", "digest")
CRITICALITIES = ("ordinary", "key")
LEVELS = {"0": 0, "1": 1, "2": 2}
DEFAULT_TIME_ZONE = "Asia/Shanghai"

SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)
_EMAIL = re.compile(r"[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[^@\s,;<>\"]+")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """The widest networks that may be registered as targets, as prefix lengths in bits."""

    ipv4: int = 16
    ipv6: int = 112

    def refusal(self, network: Network) -> WrongText | None:
        """Why ``network`` is too wide to be a target, or None."""
        widest = self.ipv4 if isinstance(network, IPv4Network) else self.ipv6
        if network.prefixlen >= widest:
            return None
        return WrongText(
            f"{network} holds {network.num_addresses} addresses; a target is at most a /{widest}",
            "network-too-wide",
            network=str(network),
            widest=widest,
        )


def yaml_files(path: Path) -> list[Path]:
    """``path`` itself, or the YAML files of the directory ``path`` by name. Raises ``BadInput`` when there is none."""
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.iterdir() if file.suffix in (".yaml", ".yml") and file.is_file())
    if not files:
        said = Sentence("the directory holds no .yaml file", "directory-empty")
        raise BadInput([Problem(Place(str(path)), "", said, Sentence("name a file to read", "name-file"))])
    return files


@dataclass(frozen=True, slots=True)
class Source:
    """YAML text that is called ``name``. ``beside`` reads a file that it names; None where there is nothing beside it.

    What comes by the network has nothing beside it: it could else name any file of the server.
    """

    name: str
    read: Callable[[], bytes]
    beside: Callable[[str], bytes] | None = None

    @classmethod
    def of(cls, path: Path) -> Source:
        """Return a file, which may name others of its folder."""
        return cls(str(path), partial(read_text_file, path), lambda name: read_text_file(path.parent / name))


def read_register(files: Iterable[Path], limits: Limits) -> tuple[Register, list[Problem]]:
    """Read YAML files as one register, with everything that is wrong within single values."""
    return read_sources(map(Source.of, files), limits)


def read_sources(sources: Iterable[Source], limits: Limits) -> tuple[Register, list[Problem]]:
    """Read YAML texts as one register, with everything that is wrong within single values."""
    problems: list[Problem] = []
    zones: list[ZoneSpec] = []
    organisations: list[OrganisationSpec] = []
    exclusions: tuple[ExclusionSpec, ...] | None = None
    for source in sources:
        try:
            mapping = parse_document(source.read(), source.name)
        except BadInput as error:
            problems += error.problems
            continue
        top = Fields(mapping, "", ("zones", "organisations", "exclusions"), problems)
        zones += [_zone(item, f"zones[{index}]", problems) for index, item in enumerate(top.items("zones") or (), 1)]
        organisations += [
            _OrganisationReader(item, f"organisations[{index}]", limits, problems, source.beside).read()
            for index, item in enumerate(top.items("organisations") or (), 1)
        ]
        items = top.items("exclusions")
        if items is not None:
            found = tuple(
                _exclusion(item, f"exclusions[{index}]", ZoneInfo(DEFAULT_TIME_ZONE), problems)
                for index, item in enumerate(items, 1)
            )
            exclusions = (exclusions or ()) + found
    return Register(tuple(zones), tuple(organisations), exclusions), problems


def _zone(item: Mapping, path: str, problems: list[Problem]) -> ZoneSpec:
    fields = Fields(item, path, ("name", "vantage", "rate"), problems)
    return ZoneSpec(fields.text("name", longest=64), fields.choice("vantage", VANTAGES), fields.rate(), fields.place)


def _exclusion(item: Mapping, path: str, zone: ZoneInfo, problems: list[Problem]) -> ExclusionSpec:
    fields = Fields(item, path, ("address", "ports", "reason", "until"), problems)
    parsed = fields.address("address")
    has_end = any(entry.key == "until" for entry in item.entries)
    return ExclusionSpec(
        address=_value(parsed),
        reason=fields.text("reason", longest=500),
        ports=fields.ports("ports", "1-65535"),
        until=fields.moment("until", partial(parse_end, zone=zone)) if has_end else None,
        place=fields.place,
    )


def _value(parsed: ParsedTarget | None) -> str:
    return parsed.value if parsed else ""


@cache
def _time_zones() -> set[str]:
    """Every IANA time zone of this machine; finding them walks a directory tree, so it is done once."""
    return available_timezones()


class _OrganisationReader:
    """Reads one item of ``organisations``."""

    _KNOWN = (
        "slug", "name_zh", "name_en", "parent", "language", "time_zone", "key_organisation", "weight", "retired",
        "tls_policy", "trusted_roots", "domains", "blackouts", "rate",
        "contacts", "targets", "authorisations", "exclusions",
    )  # fmt: skip

    def __init__(
        self,
        item: Mapping,
        path: str,
        limits: Limits,
        problems: list[Problem],
        beside: Callable[[str], bytes] | None,
    ) -> None:
        self._fields = Fields(item, path, self._KNOWN, problems)
        self._beside = beside
        self._path = path
        self._limits = limits
        self._problems = problems

    def read(self) -> OrganisationSpec:
        fields = self._fields
        slug = fields.text("slug", longest=64)
        if slug and not SLUG.fullmatch(slug):
            said = Sentence(f"{slug!r} is no slug", "no-slug", text=slug)
            right = Sentence("use a-z, 0-9 and hyphens, such as city-water", "slug-example")
            fields.note(fields.place_of("slug"), "slug", said, right)
        name_zh, name_en = fields.text("name_zh", ""), fields.text("name_en", "")
        if not name_zh and not name_en:
            nameless = Sentence("the organisation has no name", "organisation-nameless")
            right = Sentence("add 'name_zh: …' or 'name_en: …'", "add-name")
            fields.note(fields.place, "name_zh", nameless, right)
        language = fields.choice("language", LANGUAGES, "zh-Hans")
        time_zone = self._time_zone()
        zone = ZoneInfo(time_zone)
        return OrganisationSpec(
            slug=slug,
            name_zh=name_zh,
            name_en=name_en,
            parent=fields.text("parent", ""),
            language=language,
            time_zone=time_zone,
            key_organisation=fields.flag("key_organisation"),
            weight=fields.number("weight", 1.0, 1, 3),
            retired=fields.flag("retired"),
            tls_policy=fields.choice("tls_policy", TLS_POLICIES, ""),
            rate=fields.rate(),
            trusted_roots=self._trusted_roots(),
            domains=self._domains(),
            blackouts=fields.blackouts(),
            contacts=self._section("contacts", partial(self._contact, language=language)),
            targets=self._section("targets", self._target),
            authorisations=self._section("authorisations", partial(self._authorisation, zone=zone)),
            exclusions=self._section("exclusions", lambda item, path: _exclusion(item, path, zone, self._problems)),
            place=fields.place,
        )

    def _trusted_roots(self) -> tuple[str, ...] | None:
        """Each item is PEM text, or the name of a PEM file beside this one."""
        blocks = self._fields.blocks("trusted_roots")
        if blocks is None:
            return None
        found: dict[str, None] = {}
        for text, place in blocks:
            try:
                pem = text if "-----BEGIN" in text else self._read_beside(text)
                found.update((root.pem, None) for root in parse_roots(pem))
            except WrongText as error:
                right = Sentence(
                    "write the PEM text under '- |', or the name of a PEM file beside this file", "write-roots"
                )
                self._fields.note(place, "trusted_roots", error.sentence, right)
            except BadInput as error:
                self._problems += error.problems
        return tuple(found)

    def _domains(self) -> tuple[str, ...] | None:
        """Domains by name, each once; None when the key was left out."""
        blocks = self._fields.blocks("domains")
        if blocks is None:
            return None
        found: set[str] = set()
        for text, place in blocks:
            try:
                found.add(parse_domain(text).name)
            except AddressError as error:
                self._fields.note(place, "domains", error.sentence)
        return tuple(sorted(found))

    def _read_beside(self, name: str) -> str:
        if self._beside is None:
            raise WrongText("a file can't be named here", "no-file-here")
        return self._beside(name).decode("ascii", errors="replace")

    def _section(self, key: str, read: Callable[[Mapping, str], T]) -> tuple[T, ...] | None:
        items = self._fields.items(key)
        if items is None:
            return None
        return tuple(read(item, f"{self._path}.{key}[{index}]") for index, item in enumerate(items, 1))

    def _time_zone(self) -> str:
        name = self._fields.text("time_zone", DEFAULT_TIME_ZONE)
        if name in _time_zones():
            return name
        said = Sentence(f"{name!r} is no IANA time zone", "no-time-zone", text=name)
        right = Sentence("write for example Asia/Shanghai or Europe/London", "time-zone-example")
        self._fields.note(self._fields.place_of("time_zone"), "time_zone", said, right)
        return DEFAULT_TIME_ZONE

    def _contact(self, item: Mapping, path: str, language: str) -> ContactSpec:
        fields = Fields(item, path, ("name", "email", "role", "language", "declines"), self._problems)
        email = fields.text("email", longest=254)
        if email and not _EMAIL.fullmatch(email):
            said = Sentence(f"{email!r} is no e-mail address", "no-mail-address", text=email)
            fields.note(fields.place_of("email"), "email", said, Sentence("write name@example.org", "mail-example"))
        return ContactSpec(
            email=email,
            name=fields.text("name"),
            role=fields.choice("role", ROLES, "security"),
            language=fields.choice("language", LANGUAGES, language),
            declines=fields.choices("declines", OPTIONAL_MAIL),
            place=fields.place,
        )

    def _target(self, item: Mapping, path: str) -> TargetSpec:
        known = ("address", "zone", "criticality", "tags", "ports", "shared", "blackouts")
        fields = Fields(item, path, known, self._problems)
        parsed = fields.address("address")
        if parsed and parsed.network:
            too_wide = self._limits.refusal(parsed.network)
            if too_wide:
                right = Sentence("register the networks that are really in use", "register-used")
                fields.note(fields.place_of("address"), "address", too_wide.sentence, right)
        return TargetSpec(
            address=_value(parsed),
            zone=fields.text("zone", longest=64),
            criticality=fields.choice("criticality", CRITICALITIES, "ordinary"),
            tags=tuple(sorted(set(fields.texts("tags")))),
            ports=fields.ports("ports", ""),
            shared=fields.flag("shared"),
            blackouts=fields.blackouts() or (),
            place=fields.place,
        )

    def _authorisation(self, item: Mapping, path: str, zone: ZoneInfo) -> AuthorisationSpec:
        known = ("document", "allowed_by", "valid_from", "valid_until", "scope", "ports", "level")
        fields = Fields(item, path, known, self._problems)
        begins = fields.moment("valid_from", partial(parse_begin, zone=zone))
        ends = fields.moment("valid_until", partial(parse_end, zone=zone))
        if begins.year > 1 and ends.year > 1 and ends <= begins:
            first = begins.astimezone(zone).date()
            said = Sentence("the authorisation ends before it begins", "authorisation-backwards")
            right = Sentence(f"write a date after {first}", "date-after", day=first)
            fields.note(fields.place_of("valid_until"), "valid_until", said, right)
        return AuthorisationSpec(
            document=fields.text("document"),
            allowed_by=fields.text("allowed_by"),
            valid_from=begins,
            valid_until=ends,
            scope=self._scope(fields),
            ports=fields.ports("ports", "1-65535"),
            level=LEVELS.get(fields.choice("level", LEVELS, "0"), 0),
            place=fields.place,
        )

    def _scope(self, fields: Fields) -> tuple[str, ...]:
        values: set[str] = set()
        written = fields.texts("scope")
        for text in written:
            try:
                values.add(parse_target(text).value)
            except AddressError as error:
                fields.note(fields.place_of("scope"), "scope", error.sentence)
        if not written:
            right = Sentence("list what may be inspected: [192.0.2.0/24]", "list-scope")
            fields.note(fields.place_of("scope"), "scope", MISSING, right)
        return tuple(sorted(values))
