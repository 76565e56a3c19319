"""What an installation can set.

Every setting is an environment variable ``ROUNDSMAN_<NAME>`` (or a line of ``.env`` in the current directory); a
secret may instead be the content of the file that ``ROUNDSMAN_<NAME>_FILE`` names.
"""

from __future__ import annotations

import os
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from dotenv import dotenv_values
from pydantic import AfterValidator, BeforeValidator, Field, IPvAnyAddress, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from scanner.database import parts
from scanner.engine.errors import InputError
from scanner.engine.plan import ResolverAddress, parse_resolver

PREFIX = "ROUNDSMAN_"
ROOT = Path(__file__).resolve().parent.parent
ENV_FILE = ".env"
NUMBER_PATTERN_LIMIT = 80
"""Characters of the pattern that numbers notices."""


def default_data_dir() -> Path:
    """``var/`` beside the package in a checkout, else the XDG state directory (XDG Base Directory 0.8)."""
    project = ROOT / "pyproject.toml"
    if project.is_file() and 'name = "roundsman"' in project.read_text(encoding="utf-8"):
        return ROOT / "var"
    state = os.environ.get("XDG_STATE_HOME", "")
    base = Path(state) if Path(state).is_absolute() else Path.home() / ".local" / "state"
    return base / "roundsman"


def _existing_time_zone(name: str) -> str:
    # Asking for the list of all zones would have every command open six hundred files.
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        known = False
    else:
        known = not name.startswith(
            ("posix", "right/")
        )  # the same zones under other names, the latter with leap seconds
    if not known:
        raise ValueError(f"{name!r} is no IANA time zone; an example of one is Asia/Shanghai")
    return name


def _listed(value: object) -> object:
    return [name for name in map(str.strip, value.split(",")) if name] if isinstance(value, str) else value


def _listed_or_none(value: object) -> object:
    return [] if value == "none" else _listed(value)


def _mail_address(address: str) -> str:
    local, at, domain = address.rpartition("@")
    if not (local and at and domain) or any(char.isspace() for char in address):
        raise ValueError(f"{address!r} is no mail address; write one such as roundsman@example.org")
    return address


def _number_pattern(pattern: str) -> str:
    fields = [name for _, name, _, _ in Formatter().parse(pattern) if name is not None]
    if sorted(fields) != ["serial", "year"] or len(pattern) > NUMBER_PATTERN_LIMIT or not pattern.isprintable():
        raise ValueError(
            f"{pattern!r} must hold {{year}} and {{serial}} once each, and at most {NUMBER_PATTERN_LIMIT} characters"
        )
    return pattern


def _web_address(url: str) -> str:
    if url and not url.startswith(("https://", "http://")):
        raise ValueError(f"{url!r} is no web address; write one such as https://reports.example.org/")
    return url


def _database(url: SecretStr | None) -> SecretStr | None:
    if url is not None:
        parts(url.get_secret_value())
    return url


def _origin(url: str) -> str:
    if not url:
        return url
    parts = urlsplit(url)
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError(f"{url!r} is no address of a site; write one such as https://roundsman.example.org")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ValueError(f"{url!r} has no TLS, so passwords would be seen on the way; write https://")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def is_safe_origin(url: str) -> bool:
    """Tell whether what is sent to a web address can't be read on the way: by TLS, or within this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    host = parts.hostname or ""
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host)))


def _issuer(url: str) -> str:
    if url and (not is_safe_origin(url) or "?" in url or "#" in url):
        raise ValueError(f"{url!r} is no issuer; write one such as https://login.example.org (with TLS)")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _resolver(text: object) -> ResolverAddress | None:
    try:
        return parse_resolver(str(text)) if text else None
    except InputError as error:
        raise ValueError(str(error)) from error


class Settings(BaseSettings):
    """The settings of one installation. Prefix lengths are in bits; a target may not be wider than they say.

    ``database`` is the connection URI of a PostgreSQL database (:mod:`scanner.database`); without one everything is in
    an SQLite file of the data directory.

    ``resolver`` is asked about registered domains; without one they are not inspected. ``workers`` inspect side by
    side, each with a child process of its own; only at hosts of ``zones``, where other machines look at the rest.
    ``cadence`` looks again at hosts between the rounds of plans.

    Without ``smtp_host`` mail is written to the folder ``mail`` of the data directory. ``mail_from`` is the sender's
    address; its domain names our messages. ``operators`` are addresses that are told of failures, in ``language``.
    ``smtp_plaintext`` allows mail without TLS to a server that isn't this machine. ``mail_size_limit`` is in bytes of
    the whole mail; a report that would exceed it is linked to below ``reports_url``, or to be asked for. ``mail_rate``
    is the most mails a minute to the addresses of one domain. ``report_formats`` are those that are mailed.

    Names are those of the office, as its mail and notices show them. ``notice_number`` is the pattern of a notice's
    number, ``notice_basis`` the rules that a notice rests on beside the authorisation; none is assumed.
    ``templates_dir`` holds the installation's own templates (default: ``templates`` in the data directory).
    ``bulletin`` is how often supervising organisations get one by themselves, ``round_summary`` whether the operators
    get one of each whole round. How long things are kept is told in :mod:`scanner.upkeep.retention`.

    The web server listens at ``web_bind`` and ``web_port`` without TLS; ``web_url`` is how browsers reach it, through a
    proxy at ``web_proxy`` that speaks TLS. Beyond this machine it listens only when there is one. Who has a role of
    ``second_factor`` must use a second factor; ``none`` demands it of nobody.

    ``oidc_issuer`` is the provider of a single sign-on (OpenID Connect), ``oidc_name`` what the button of the sign-in
    calls it. ``oidc_second_factor`` says that it asks everybody for a second factor, so that none is asked for here.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=ENV_FILE, env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True
    )

    data_dir: Path = Field(default_factory=default_data_dir)
    secret_key: SecretStr | None = Field(default=None, min_length=32)
    database: Annotated[SecretStr | None, AfterValidator(_database)] = None
    database_password: SecretStr | None = None
    language: Literal["zh-hans", "en"] = "zh-hans"
    time_zone: Annotated[str, AfterValidator(_existing_time_zone)] = "UTC"
    widest_ipv4_target: int = Field(default=16, ge=8, le=32)
    widest_ipv6_target: int = Field(default=112, ge=64, le=128)
    plugins_off: Annotated[frozenset[str], NoDecode, BeforeValidator(_listed)] = frozenset()
    resolver: Annotated[ResolverAddress | None, BeforeValidator(_resolver)] = None
    workers: int = Field(default=2, ge=1, le=16)
    zones: Annotated[frozenset[str] | None, NoDecode, BeforeValidator(_listed_or_none)] = None
    cadence: bool = True
    smtp_host: str = ""
    smtp_port: int | None = Field(default=None, ge=1, le=65535)
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_user: str = ""
    smtp_password: SecretStr | None = None
    smtp_ca_file: Path | None = None
    smtp_plaintext: bool = False
    mail_size_limit: int = Field(default=8 * 1024 * 1024, ge=64 * 1024)
    mail_rate: int = Field(default=30, ge=1)
    report_formats: Annotated[
        tuple[Literal["html", "pdf", "xlsx"], ...], NoDecode, BeforeValidator(_listed), Field(min_length=1)
    ] = ("html",)
    reports_url: Annotated[str, AfterValidator(_web_address)] = ""
    mail_from: Annotated[str, AfterValidator(_mail_address)] = "roundsman@localhost"
    operators: Annotated[
        tuple[Annotated[str, AfterValidator(_mail_address)], ...], NoDecode, BeforeValidator(_listed)
    ] = ()
    office_name_zh: str = "网络安全监测办公室"
    office_name_en: str = "Security Office"
    office_contact: str = ""
    notice_number: Annotated[str, AfterValidator(_number_pattern)] = "R{year}-{serial}"
    notice_basis_zh: str = ""
    notice_basis_en: str = ""
    templates_dir: Path | None = None
    bulletin: Literal["off", "monthly", "quarterly"] = "off"
    round_summary: bool = False
    keep_facts_days: int = Field(default=90, ge=7)
    keep_messages_days: int = Field(default=90, ge=7)
    keep_reports_days: int = Field(default=730, ge=7)
    web: bool = True
    web_bind: IPvAnyAddress = Field(default=IPv4Address("127.0.0.1"))
    web_port: int = Field(default=8440, ge=1, le=65535)
    web_url: Annotated[str, AfterValidator(_origin)] = ""
    web_proxy: IPvAnyAddress = Field(default=IPv4Address("127.0.0.1"))
    second_factor: Annotated[
        tuple[Literal["administrator", "operator", "auditor", "supervisor", "unit-manager", "unit-member"], ...],
        NoDecode,
        BeforeValidator(_listed_or_none),
    ] = ("administrator", "operator")
    oidc_issuer: Annotated[str, AfterValidator(_issuer)] = ""
    oidc_client_id: str = ""
    oidc_client_secret: SecretStr | None = None
    oidc_name: str = Field(default="", max_length=40)
    oidc_second_factor: bool = False
    oidc_ca_file: Path | None = None

    @model_validator(mode="after")
    def _all_of_the_single_sign_on(self) -> Self:
        if self.oidc_issuer and not (self.oidc_client_id and self.oidc_client_secret):
            raise ValueError(
                f"{PREFIX}OIDC_ISSUER: a single sign-on needs {PREFIX}OIDC_CLIENT_ID and {PREFIX}OIDC_CLIENT_SECRET "
                f"(or …_SECRET_FILE), too; the provider gives both for the address …/account/single-sign-on/back/"
            )
        return self

    @model_validator(mode="after")
    def _no_passwords_in_the_clear(self) -> Self:
        if not self.web_bind.is_loopback and not self.web_url.startswith("https://"):
            raise ValueError(
                f"{PREFIX}WEB_BIND: {self.web_bind} can be reached from elsewhere, and the web server has no TLS; put "
                f"a proxy with TLS before it, and say how browsers reach that in {PREFIX}WEB_URL"
            )
        return self

    @property
    def site(self) -> str:
        """How browsers reach the web server: scheme, host and port, without a slash at the end."""
        host = f"[{self.web_bind}]" if self.web_bind.version == 6 else str(self.web_bind)
        return self.web_url or f"http://{host}:{self.web_port}"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del file_secret_settings
        return init_settings, _SecretFiles(settings_cls), env_settings, dotenv_settings


class _SecretFiles(PydanticBaseSettingsSource):
    """Reads a secret setting from the file that ``ROUNDSMAN_<NAME>_FILE`` names."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        del field
        variables = {**dotenv_values(ENV_FILE), **os.environ}
        plain = f"{PREFIX}{field_name.upper()}"
        path = variables.get(f"{plain}_FILE")
        if not path:
            return None, field_name, False
        if variables.get(plain):
            raise InputError(f"{plain} and {plain}_FILE are both set; keep one of them.")
        try:
            return Path(path).read_text(encoding="utf-8").strip(), field_name, False
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{plain}_FILE names {path}, which can't be read: {error}.") from error

    def __call__(self) -> dict[str, Any]:
        secret_fields = {
            name: field
            for name, field in self.settings_cls.model_fields.items()
            if "SecretStr" in str(field.annotation)
        }
        values = {name: self.get_field_value(field, name)[0] for name, field in secret_fields.items()}
        return {name: value for name, value in values.items() if value is not None}


def load() -> Settings:
    """Read the settings of this process.

    Raises ``InputError`` that names each wrong variable; the wrong value itself is shown unless it is secret.
    """
    try:
        return Settings()
    except SettingsError as error:
        raise InputError(f"The settings can't be read: {error}.") from error
    except ValidationError as error:
        wrong = [_wrong_setting(detail["loc"], detail["msg"], detail.get("input")) for detail in error.errors()]
        raise InputError("These settings are wrong:\n" + "\n".join(wrong)) from error


def _wrong_setting(location: tuple[int | str, ...], message: str, value: object) -> str:
    if not location:
        return f"  {message.removeprefix('Value error, ')}"
    name = str(location[0])
    shown = "" if any(secret in name for secret in ("secret", "password", "database")) else f" (it is {value!r})"
    return f"  {PREFIX}{name.upper()}: {message}{shown}"


def stored_secret_key(data_dir: Path) -> str | None:
    """Return the secret key that the data directory keeps, if any. Raises ``InputError`` when it can't be read."""
    try:
        return (data_dir / "secret-key").read_text(encoding="ascii").strip() or None
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"The secret key in {data_dir} can't be read: {error}; is {PREFIX}DATA_DIR right?") from error
