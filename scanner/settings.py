"""The Django settings, made from what the installation sets (:mod:`scanner.installation`).

Importing this module touches no disk but to read: :func:`prepare` creates the data directory, keeps the secret key and
migrates the database.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from pkgutil import iter_modules
from typing import Any
from urllib.parse import urlsplit

from scanner.database import configured, place
from scanner.engine.errors import RoundsmanError
from scanner.installation import PREFIX, ROOT, load, stored_secret_key
from scanner.loading import loading

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
    else stored_secret_key(_data_dir) or secrets.token_urlsafe(64)
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
    "allauth.socialaccount",
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
    "default": configured(
        installation.database.get_secret_value() if installation.database else "",
        installation.database_password.get_secret_value() if installation.database_password else "",
        _data_dir,
    )
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
ZONES = None if installation.zones is None else installation.zones | {""}  # a domain is in no zone
PLUGINS_OFF = tuple(sorted(installation.plugins_off))
CADENCE = installation.cadence
OWN_TEMPLATES = (installation.templates_dir or _data_dir / "templates").expanduser().absolute()

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
    "scanner.console.bounds.bounded",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "DIRS": [ROOT / "scanner" / "console" / "templates", ROOT / "report_templates"],  # whose charts pages share
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
CACHES = {"default": {"BACKEND": "scanner.accounts.tallies.Tallies"}}
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "discreet": {"()": "scanner.console.discreet.Discreet"},
        "foreign-host": {"()": "scanner.console.discreet.ForeignHost"},
    },
    "loggers": {
        "django.request": {"filters": ["foreign-host", "discreet"]},
        "django.security.DisallowedHost": {"filters": ["foreign-host"]},
        "django.security.csrf": {"filters": ["discreet"]},
        "scanner.console.middleware": {"filters": ["discreet"]},
    },
}

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "scanner.accounts.passwords.UnlikeItsOwner",
        "OPTIONS": {"user_attributes": ("email", "name")},
    },
    {"NAME": "scanner.accounts.passwords.OfFairLength", "OPTIONS": {"min_length": 12}},
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
LOCK_OUT = "5/300s/key"
"""Wrong tries that an account takes in a time, before it takes no more until the first is that old."""

ACCOUNT_RATE_LIMITS = {"login_failed": f"10/m/ip,{LOCK_OUT}"}
SOCIALACCOUNT_ADAPTER = "scanner.accounts.sign_on.SignOnAdapter"
MFA_ADAPTER = "scanner.accounts.adapters.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_FORMS = {
    "add_webauthn": "scanner.console.keys.AddKeyForm",
    "edit_webauthn": "scanner.console.keys.RenameKeyForm",
    "authenticate_webauthn": "scanner.console.keys.KeyForm",
    "reauthenticate_webauthn": "scanner.console.keys.KeyAgainForm",
}
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
        bring_up_to_date()
    except OSError as error:
        raise RoundsmanError(
            f"The data directory {DATA_DIR} can't be used: {error}. Set {PREFIX}DATA_DIR to one that can be written to."
        ) from error
    except DatabaseError as error:
        raise RoundsmanError(
            f"The database {place(DATABASES['default'])} can't be used: {error}. "
            f"{'Does it run' if on_server() else 'Is another program holding it'}, or is the disk full?"
        ) from error


def set_up() -> None:
    """Let Django load its apps with these settings; touches no disk but to read."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "scanner.settings")
    with loading():
        django.setup()


def _keep_secret_key(data_dir: Path, key: str) -> str:
    """Store ``key`` for the next process, mode 0600; return what is stored, which another process may have won."""
    stored = stored_secret_key(data_dir)
    if stored:
        return stored
    draft = data_dir / f"secret-key.{os.getpid()}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(key)
        (data_dir / "secret-key").hardlink_to(draft)
    except FileExistsError:
        return stored_secret_key(data_dir) or key
    finally:
        draft.unlink()
    return key


def on_server() -> bool:
    """Tell whether the database is a server's, and not a file of the data directory."""
    return bool(DATABASES["default"]["ENGINE"] == "scanner.postgresql")


def is_new() -> bool:
    """Tell whether ``prepare`` would make a database file, as there is none yet."""
    return not on_server() and not Path(DATABASES["default"]["NAME"]).exists()


def bring_up_to_date() -> None:
    """Make the database when there is none, and run the migrations that it lacks, one process at a time."""
    if on_server():
        from scanner import locks

        if missing_migrations():  # asked first, as whoever only reads and writes may not change tables
            with locks.held(locks.Lock.MIGRATE):
                migrate()
        return
    with _only_one_migrates(DATA_DIR):
        begin_database(Path(DATABASES["default"]["NAME"]))
        migrate()


@contextmanager
def _only_one_migrates(data_dir: Path) -> Iterator[None]:
    with (data_dir / "migrate.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def begin_database(path: Path) -> None:
    """Let a new database give pages back once rows are removed, which can only be said before its first table."""
    if not path.exists():
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA auto_vacuum=INCREMENTAL")
            database.execute("PRAGMA journal_mode=WAL")
        path.chmod(0o600)  # SQLite gives its log the mode of the database


def migrate() -> None:
    """Run the migrations that are missing."""
    from django.core.management import call_command

    if missing_migrations():
        call_command("migrate", interactive=False, verbosity=0)


def missing_migrations() -> int:
    """Return how many changes the database lacks."""
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor
    from django.db.migrations.recorder import MigrationRecorder

    # Every command asks. Names of files answer nearly all of them, without the files being loaded.
    if _migrations_there() <= set(MigrationRecorder(connection).applied_migrations()):
        return 0
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def _migrations_there() -> set[tuple[str, str]]:
    from django.apps import apps

    folders = {app.label: Path(app.path, "migrations") for app in apps.get_app_configs()}
    return {(label, module.name) for label, path in folders.items() for module in iter_modules([str(path)])}
