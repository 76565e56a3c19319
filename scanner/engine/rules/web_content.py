"""Files and pages that should not be there for everyone; the probe has proved what they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from scanner.engine.facts.http import ExposedPath
from scanner.engine.model import Confidence, Finding, Service, Severity
from scanner.engine.rules.base import Context, Rule, rule, worse
from scanner.engine.rules.web_site import SHOWN, exposed, is_site, listed, quote

_BY_KIND = {
    "git": "WEB-GIT",
    "svn": "WEB-SVN",
    "hg": "WEB-HG",
    "bzr": "WEB-BZR",
    "ds-store": "WEB-DS_STORE",
    "backup": "WEB-BACKUP",
    "phpinfo": "WEB-PHPINFO",
    "server-status": "WEB-SERVER-STATUS",
    "nginx-status": "WEB-NGINX-STATUS",
    "druid": "WEB-DRUID",
    "swagger": "WEB-SWAGGER",
    "installer": "WEB-INSTALLER",
    "cross-domain": "WEB-CROSSDOMAIN",
    "graphql": "WEB-GRAPHQL-INTRO",
    "robots": "WEB-ROBOTS",
}
KIND_OF = {
    **{check: kind for kind, check in _BY_KIND.items()},
    "WEB-ENV": "env",
    "WEB-CONFIG": "config",
    "WEB-DIRLIST": "listing",
    "WEB-ACTUATOR": "actuator",
    "WEB-ADMIN-PANEL": "admin-panel",
}
"""The kind of exposed path that each check here is about."""

_DETAILS = ("remote", "size", "version", "title", "product", "keys", "holds", "names", "endpoints")

_ACTUATOR_GRAVE = {"env", "heapdump", "jolokia", "gateway", "shutdown"}
_ACTUATOR_HARMLESS = {"health", "info"}


def _finding(check: str, kind: str, service: Service, context: Context) -> Finding | None:
    """Return one finding for all paths of a kind on this port, or None when there is none."""
    found = exposed(service, kind)
    if not found:
        return None
    site, first = found[0]
    details = [value for _, path in found for name in _DETAILS if (value := path.detail(name))]
    return context.finding(
        check,
        service,
        exchanges=tuple(quote(where, path.reply) for where, path in found[:SHOWN]),
        site=site.url,
        path=first.reply.path,
        paths=listed([path.reply.path for _, path in found]),
        details=listed(details) or "-",
    )


def _plain_rule(kind: str, check: str) -> Rule:
    def judge(service: Service, context: Context) -> Iterator[Finding]:
        found = _finding(check, kind, service, context)
        if found is not None:
            yield found

    return Rule(frozenset({check}), judge)


def _raised(severity: Callable[[ExposedPath], Severity], finding: Finding, service: Service, kind: str) -> Finding:
    for _, path in exposed(service, kind):
        finding = worse(severity(path), finding)
    return finding


@rule("WEB-ENV")
def env_file(service: Service, context: Context) -> Iterator[Finding]:
    found = _finding("WEB-ENV", "env", service, context)
    if found is not None:
        yield _raised(
            lambda p: Severity.CRITICAL if p.detail("grave") == "yes" else Severity.HIGH, found, service, "env"
        )


@rule("WEB-CONFIG")
def configuration(service: Service, context: Context) -> Iterator[Finding]:
    found = _finding("WEB-CONFIG", "config", service, context)
    if found is not None:
        yield _raised(lambda path: Severity(path.detail("severity")), found, service, "config")


@rule("WEB-DIRLIST")
def directory_listing(service: Service, context: Context) -> Iterator[Finding]:
    found = _finding("WEB-DIRLIST", "listing", service, context)
    if found is not None:
        grave = Severity.MEDIUM, Severity.LOW
        yield _raised(lambda path: grave[path.detail("grave") != "yes"], found, service, "listing")


@rule("WEB-ACTUATOR")
def actuator(service: Service, context: Context) -> Iterator[Finding]:
    """Health alone is fine. A sensitive endpoint that answered is certain; one that is only listed is probable."""
    listings = [path for _, path in exposed(service, "actuator")]
    names = {name for path in listings for name in path.detail("endpoints").split(", ") if name}
    opened = {name for path in listings for name in path.detail("open").split(", ") if name}
    grave = names & _ACTUATOR_GRAVE
    reveals = Severity.MEDIUM if names - _ACTUATOR_HARMLESS else Severity.INFO
    found = _finding("WEB-ACTUATOR", "actuator", service, context)
    if found is not None:
        confidence = Confidence.PROBABLE if grave and not opened else Confidence.CONFIRMED
        yield replace(found, severity=Severity.HIGH if grave else reveals, confidence=confidence)


@rule("WEB-ADMIN-PANEL")
def admin_panel(service: Service, context: Context) -> Iterator[Finding]:
    """A product's own administration page. Recognised services have checks of their own; metrics, a proxy or a share
    say nothing of the page beside them."""
    found = _finding("WEB-ADMIN-PANEL", "admin-panel", service, context)
    if found is not None and (is_site(service) or (service.facts and service.facts.service == "EXPORTER")):
        yield found


RULES = (
    *(_plain_rule(kind, check) for kind, check in _BY_KIND.items()),
    env_file,
    configuration,
    directory_listing,
    actuator,
    admin_panel,
)
