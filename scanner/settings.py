"""What an installation can set, and the Django settings made from it.

Every setting is an environment variable ``ROUNDSMAN_<NAME>`` (or a line of ``.env`` in the current directory); a
secret may instead be the content of the file that ``ROUNDSMAN_<NAME>_FILE`` names. Importing this module touches
no disk but to read: :func:`prepare` creates the data directory, keeps the secret key and migrates the database.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from dotenv import dotenv_values
from pydantic import AfterValidator, BeforeValidator, Field, IPvAnyAddress, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from scanner.engine.errors import InputError, RoundsmanError
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
    if name not in available_timezones():
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


def _origin(url: str) -> str:
    if not url:
        return url
    parts = urlsplit(url)
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError(f"{url!r} is no address of a site; write one such as https://roundsman.example.org")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ValueError(f"{url!r} has no TLS, so passwords would be seen on the way; write https://")
    return f"{parts.scheme}://{parts.netloc.lower()}"


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

    ``resolver`` is asked about registered domains; without one they are not inspected. ``workers`` inspect side by
    side, each with a child process of its own. ``cadence`` looks again at hosts between the rounds of plans.

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
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=ENV_FILE, env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True
    )

    data_dir: Path = Field(default_factory=default_data_dir)
    secret_key: SecretStr | None = Field(default=None, min_length=32)
    language: Literal["zh-hans", "en"] = "zh-hans"
    time_zone: Annotated[str, AfterValidator(_existing_time_zone)] = "UTC"
    widest_ipv4_target: int = Field(default=16, ge=8, le=32)
    widest_ipv6_target: int = Field(default=112, ge=64, le=128)
    plugins_off: Annotated[frozenset[str], NoDecode, BeforeValidator(_listed)] = frozenset()
    resolver: Annotated[ResolverAddress | None, BeforeValidator(_resolver)] = None
    workers: int = Field(default=2, ge=1, le=16)
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
    shown = "" if "secret" in name or "password" in name else f" (it is {value!r})"
    return f"  {PREFIX}{name.upper()}: {message}{shown}"


def _stored_secret_key(data_dir: Path) -> str | None:
    try:
        return (data_dir / "secret-key").read_text(encoding="ascii").strip() or None
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"The secret key in {data_dir} can't be read: {error}; is {PREFIX}DATA_DIR right?") from error


installation = load()
"""The settings of this process, for code that needs more than Django's."""

_data_dir = installation.data_dir.expanduser().absolute()
DATA_DIR = _data_dir
UNFINISHED = "restore.unfinished"
"""A file of the data directory that is there while a restore exchanges the others."""

INTEL_FILE = _data_dir / "intel.sqlite3"
"""What was imported about vulnerable software; its absence means that nothing was."""

SECRET_KEY = (
    installation.secret_key.get_secret_value()
    if installation.secret_key
    else _stored_secret_key(_data_dir) or secrets.token_urlsafe(64)
)
DEBUG = False
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "scanner.audit",
    "targets",
    "scanner.rounds",
    "scanner.remediation",
    "scanner.reports",
    "scanner.delivery",
    "scanner.accounts",
    "scanner.api",
    "scanner.webhooks",
    "scanner.console",
]
DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": _data_dir / "roundsman.sqlite3",
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = installation.time_zone
USE_I18N = True
LANGUAGE_CODE = installation.language
LANGUAGES = [("zh-hans", "简体中文"), ("en", "English")]
LOCALE_PATHS = [ROOT / "report_templates" / "locale"]
WIDEST_IPV4_TARGET = installation.widest_ipv4_target
WIDEST_IPV6_TARGET = installation.widest_ipv6_target
RESOLVER = installation.resolver
INSTALLATION = installation
WORKERS = installation.workers
PLUGINS_OFF = tuple(sorted(installation.plugins_off))
CADENCE = installation.cadence
OWN_TEMPLATES = (installation.templates_dir or _data_dir / "templates").expanduser().absolute()
MAIL_DOMAIN = installation.mail_from.rpartition("@")[2]

_site = urlsplit(installation.site)
_has_tls = _site.scheme == "https"
_HOUR = 60 * 60
ALLOWED_HOSTS = [_site.hostname or ""] if installation.web_url else ["127.0.0.1", "localhost", "[::1]"]
ROOT_URLCONF = "scanner.urls"
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "scanner.console.middleware.headers",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "scanner.console.middleware.reader",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "DIRS": [ROOT / "scanner" / "console" / "templates"],
        "OPTIONS": {
            "environment": "scanner.console.page.environment",
            "context_processors": ["scanner.console.page.shared"],
        },
    }
]
SESSION_COOKIE_AGE = 12 * _HOUR
SESSION_COOKIE_NAME = "__Host-session" if _has_tls else "session"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = _has_tls
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = LANGUAGE_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = "__Host-csrf" if _has_tls else "csrf"
CSRF_COOKIE_HTTPONLY = LANGUAGE_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "scanner.console.errors.forged"
LANGUAGE_COOKIE_NAME = "language"
LANGUAGE_COOKIE_AGE = 365 * 24 * _HOUR
SECURE_SSL_REDIRECT = _has_tls
SECURE_REDIRECT_EXEMPT = ["^(healthz|readyz|metrics)$"]  # asked by programs on this machine, past the proxy
SECURE_HSTS_SECONDS = 2 * 365 * 24 * _HOUR if _has_tls else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _has_tls
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000
CACHES = {
    # Tries are counted in it: a flood of them must not push others out before their five minutes are over.
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 100_000}}
}
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"discreet": {"()": "scanner.console.discreet.Discreet"}},
    "loggers": {name: {"filters": ["discreet"]} for name in ("django.request", "django.security.csrf")},
}

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("email", "name")},
    },
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "overview"
ACCOUNT_ADAPTER = "scanner.accounts.adapters.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_REDIRECT_URL = LOGIN_URL
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
MFA_ADAPTER = "scanner.accounts.adapters.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Roundsman"
SECOND_FACTOR = frozenset(installation.second_factor)


def prepare() -> None:
    """Make this process ready for Django: data directory, secret key, database migrated to the newest form.

    Safe to call twice and from several processes at once. Raises ``RoundsmanError`` that says which path is the
    matter when the directory or the database can't be used.
    """
    from django.conf import settings
    from django.db import DatabaseError

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "scanner.settings")
    try:
        DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (DATA_DIR / UNFINISHED).exists():
            raise RoundsmanError(
                f"A restore to {DATA_DIR} was broken off; what was there is in its folder 'replaced-…'. "
                "Run 'roundsman restore' again."
            )
        if installation.secret_key is None:
            settings.SECRET_KEY = _keep_secret_key(DATA_DIR, settings.SECRET_KEY)
        set_up()
        with _only_one_migrates(DATA_DIR):
            _begin_database(Path(DATABASES["default"]["NAME"]))
            migrate()
    except OSError as error:
        raise RoundsmanError(
            f"The data directory {DATA_DIR} can't be used: {error}. Set {PREFIX}DATA_DIR to one that can be written to."
        ) from error
    except DatabaseError as error:
        raise RoundsmanError(
            f"The database {DATABASES['default']['NAME']} can't be used: {error}. "
            "Is another program holding it, or is the disk full?"
        ) from error


def set_up() -> None:
    """Let Django load its apps with these settings; touches no disk but to read."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "scanner.settings")
    django.setup()


def _keep_secret_key(data_dir: Path, key: str) -> str:
    """Store ``key`` for the next process, mode 0600; return what is stored, which another process may have won."""
    stored = _stored_secret_key(data_dir)
    if stored:
        return stored
    draft = data_dir / f"secret-key.{os.getpid()}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(key)
        (data_dir / "secret-key").hardlink_to(draft)
    except FileExistsError:
        return _stored_secret_key(data_dir) or key
    finally:
        draft.unlink()
    return key


@contextmanager
def _only_one_migrates(data_dir: Path) -> Iterator[None]:
    with (data_dir / "migrate.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _begin_database(path: Path) -> None:
    """Let a new database give pages back once rows are removed, which can only be said before its first table."""
    if not path.exists():
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA auto_vacuum=INCREMENTAL")
            database.execute("PRAGMA journal_mode=WAL")
        path.chmod(0o600)  # SQLite gives its log the mode of the database


def migrate() -> None:
    """Run the migrations that are missing; looking costs a few milliseconds, ``migrate`` hundreds."""
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        call_command("migrate", interactive=False, verbosity=0)
