"""What the content of a well-known path must look like before it counts as exposed.

A signature takes a reply and returns its proof, or None. The proof holds no secret value: names of keys, a version,
the first bytes of an archive.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from scanner.engine.facts.http import HttpReply
from scanner.engine.hostile import line, mask_secrets, printable

EXCERPT = 200
"""Characters of a proof's excerpt."""

_NAMES = 12
"""Names (keys, files, endpoints) that a proof lists."""


@dataclass(frozen=True, slots=True)
class Proof:
    """Why a reply is what it seems: an excerpt to show, without secrets, and named details."""

    excerpt: str
    details: tuple[tuple[str, str], ...] = ()


Signature = Callable[[HttpReply], Proof | None]


def is_html(reply: HttpReply) -> bool:
    """Tell whether the reply is, or claims to be, an HTML page."""
    return "html" in reply.content_type or reply.body[:200].lstrip().lower().startswith(("<!doctype html", "<html"))


def is_data(reply: HttpReply) -> bool:
    """Tell whether the whole reply is JSON, which programs in PHP often send as what PHP calls everything: a page."""
    return isinstance(_parsed(reply), dict | list)


_TAG = re.compile(r"(?i)<(?:!doctype|!--|\?xml|/?[a-z][a-z0-9]{0,15}[\s/>])")
"""A mark of HTML. Senders' addresses stand in such brackets too: ``Portal <noreply@example.org>``."""


def _has_tags(reply: HttpReply) -> bool:
    """Tell whether the reply is written as a page. Servers call files that they don't know pages, too, so that only
    what stands in them tells."""
    return _TAG.search(reply.body) is not None


def git_head(reply: HttpReply) -> Proof | None:
    first = reply.body.strip()
    if not re.fullmatch(r"ref: refs/[\w./-]{1,200}|[0-9a-f]{40}|[0-9a-f]{64}", first):
        return None
    return Proof(first)


def git_config(reply: HttpReply) -> Proof | None:
    text = reply.body
    if _has_tags(reply) or not re.search(r"(?m)^[ \t]*+\[core\]\s*$", text) or "repositoryformatversion" not in text:
        return None
    remote = re.search(r"(?m)^[ \t]*+url\s*=\s*(\S{1,300})", text)
    url = line(re.sub(r"//[^/@\s]+@", "//****@", remote[1])) if remote else "-"
    return Proof(f"[core] repositoryformatversion; url = {url}", (("remote", url),))


def starts_with(*beginnings: str) -> Signature:
    """Return the signature of a file that begins with one of these (bytes that aren't UTF-8 stand as U+FFFD)."""

    def signature(reply: HttpReply) -> Proof | None:
        magic = next((beginning for beginning in beginnings if reply.body.startswith(beginning)), None)
        return Proof(printable(magic), (("size", _size(reply)),)) if magic else None

    return signature


_HG_FORMATS = frozenset(
    {
        "revlogv1",
        "revlogv2",
        "dotencode",
        "fncache",
        "generaldelta",
        "share-safe",
        "sparserevlog",
        "store",
        "dirstate-v2",
    }
)


def hg_requires(reply: HttpReply) -> Proof | None:
    """Mercurial's list of the formats that a repository needs, one a line."""
    lines = reply.body.splitlines()
    formats = _HG_FORMATS.intersection(lines)
    if not formats or not all(re.fullmatch(r"[a-z0-9.=-]{3,60}", each) for each in lines[:30]):
        return None
    return Proof(", ".join(sorted(formats)), (("size", _size(reply)),))


def _size(reply: HttpReply) -> str:
    total = re.fullmatch(r"bytes \d+-\d+/(\d{1,18})", reply.header("content-range") or "")
    declared = total[1] if total else reply.header("content-length") or ""
    return declared if declared.isdigit() else "?"


archive = starts_with("PK\x03\x04", "PK\x05\x06", "\x1f\ufffd\x08", "Rar!\x1a\x07", "7z\ufffd\ufffd'\x1c")


def sql_dump(reply: HttpReply) -> Proof | None:
    """Dumps of MySQL, MariaDB (whose first line may be for its sandbox), PostgreSQL, SQLite and of usual programs."""
    dump = re.match(
        r"(?i)\s*(?:/\*M?!\S{0,40}[^\n]{0,80}\n)?(?:-{2,80}\s*)?"
        r"(-- (?:MySQL|MariaDB) dump|-- PostgreSQL database dump|-- phpMyAdmin SQL Dump|-- Dump(?:ed|ing) [^\n]{0,40}|"
        r"/\*\s{0,5}(?:Navicat|SQLyog) [^\n]{0,40}|-- Host:|PRAGMA foreign_keys=OFF;|"
        r"SET (?:NAMES|FOREIGN_KEY_CHECKS|SQL_MODE)\b|CREATE (?:TABLE|DATABASE)|DROP TABLE|INSERT INTO)",
        reply.body,
    )
    return Proof(printable(dump[1]), (("size", _size(reply)),)) if dump and not is_html(reply) else None


def php_source(reply: HttpReply) -> Proof | None:
    """The source of a program, which a server would run under its own name."""
    return Proof("<?php", (("size", _size(reply)),)) if re.match(r"\s{0,20}<\?php\s", reply.body) else None


_ENV_LINE = re.compile(r"(?m)^(?:export )?([A-Z_][A-Z0-9_]{0,60})[ \t]{0,3}=(.*)$")
_ENV_SECRET = re.compile(r"KEY|SECRET|PASS|TOKEN|PWD")
_ENV_CREDENTIALS = re.compile(r"[a-z][a-z0-9+.-]{1,30}://[^\s:/@]{0,100}:[^\s/@]{1,200}@\S")
"""The URL of a database with the account to open it."""
_ENV_GRAVE = re.compile(
    r"^(?:DB|DATABASE|MYSQL|PG|POSTGRES|MONGO|REDIS|ORACLE|AWS|S3|OSS|COS|OBS|ALI|ALIYUN|TENCENT|QCLOUD|HUAWEI|AZURE|GCP|GOOGLE)_?"
    r"\w*(?:PASS|PWD|SECRET|KEY|URL)"
)


def env_file(reply: HttpReply) -> Proof | None:
    text = reply.body
    if _has_tags(reply) or reply.content_type.startswith(("image/", "application/json")):
        return None
    pairs = [(found[1], found[2].strip().strip("'\"")) for found in _ENV_LINE.finditer(text)]
    secrets = [name for name, value in pairs if (value and _ENV_SECRET.search(name)) or _ENV_CREDENTIALS.match(value)]
    if len(pairs) < 2 or not secrets:
        return None
    names = list(dict.fromkeys([*secrets, *(name for name, _ in pairs)]))[:_NAMES]
    grave = any(_ENV_GRAVE.match(name) for name in secrets)
    excerpt = " ".join(f"{name}=****" for name in names)
    return Proof(excerpt[:EXCERPT], (("keys", ", ".join(names)), ("grave", "yes" if grave else "no")))


_PHP_INFO_TITLE = re.compile(r"<title>(?:PHP \S{1,30} - )?phpinfo\(\)</title>")


def php_info(reply: HttpReply) -> Proof | None:
    version = re.search(r"PHP Version (?:</?[a-z0-9 =\"]{1,30}>|\s){0,4}([\d.]{3,12})", reply.body)
    if not is_html(reply) or version is None or not _PHP_INFO_TITLE.search(reply.body):
        return None
    return Proof(f"phpinfo() PHP Version {version[1]}", (("version", version[1]),))


_STATUS_OF_LIGHTTPD = re.compile(r'<h1>Server-Status \((lighttpd[^)<]{0,60})\)</h1>\s{0,9}<table summary="status"')


def server_status(reply: HttpReply) -> Proof | None:
    """Apache's mod_status, and that of lighttpd (1.4)."""
    text = reply.body
    if lighttpd := _STATUS_OF_LIGHTTPD.search(text):
        return Proof(f"Server-Status ({lighttpd[1]})", (("version", lighttpd[1]),))
    if not re.search(r"(?i)<h1>\s{0,9}Apache Server Status for", text) or "Server uptime:" not in text:
        return None
    version = re.search(r"Server Version: ([^<\n]{1,120})", text)
    shown = line(version[1]) if version else "?"
    return Proof(f"Apache Server Status; Server Version: {shown}", (("version", shown),))


def nginx_status(reply: HttpReply) -> Proof | None:
    status = re.match(
        r"Active connections: \d{1,9}\s*\nserver accepts handled requests(?: request_time)?\s*\n[ \d]{5,60}", reply.body
    )
    return Proof(printable(status[0])) if status else None


def druid(reply: HttpReply) -> Proof | None:
    return (
        Proof("Druid Stat Index") if is_html(reply) and re.search(r"<title>\s*Druid Stat Index", reply.body) else None
    )


def actuator(reply: HttpReply) -> Proof | None:
    links = _object(reply).get("_links")
    if not isinstance(links, dict) or "self" not in links:
        return None
    names = sorted({re.sub(r"[^\w.-].*", "", str(name).partition("-")[0])[:40] for name in links} - {"self", ""})
    listed = ", ".join(names[:30])
    return Proof(f"_links: {listed}"[:EXCERPT], (("endpoints", listed),))


def api_description(reply: HttpReply) -> Proof | None:
    text = reply.body
    version = re.search(r'"(?:swagger|openapi)"\s{0,5}:\s{0,5}"([23]\.[\d.]{1,8})"', text)
    if is_html(reply) or not text.lstrip().startswith("{") or version is None or '"paths"' not in text:
        return None
    title = re.search(r'"title"\s{0,5}:\s{0,5}"([^"]{1,80})"', text)
    shown = line(title[1], 80) if title else "?"
    return Proof(f"OpenAPI {version[1]}: {shown}", (("title", shown),))


def api_pages(reply: HttpReply) -> Proof | None:
    titled = is_html(reply) and re.search(r"<title>\s*(?:[^<]{1,80} - )?Swagger UI\s*</title>", reply.body)
    found = titled and "swagger-ui" in reply.body
    return Proof("Swagger UI", (("title", "Swagger UI"),)) if found else None


def api_documents(reply: HttpReply) -> Proof | None:
    """Knife4j's page, and that of swagger-bootstrap-ui, which it was before."""
    found = is_html(reply) and re.search(r"(?i)knife4j|swagger-bootstrap-ui", reply.body)
    return Proof(found[0], (("title", found[0]),)) if found else None


def introspection(reply: HttpReply) -> Proof | None:
    """The name of the query type, as the GraphQL specification (October 2021, section 4) has it answered."""
    found = _object(reply).get("data")
    schema = found.get("__schema") if isinstance(found, dict) else None
    query = schema.get("queryType") if isinstance(schema, dict) else None
    name = query.get("name") if isinstance(query, dict) else None
    if not isinstance(name, str) or not re.fullmatch(r"[_A-Za-z]\w{0,60}", name):
        return None
    return Proof(f"__schema.queryType.name: {name}", (("title", name),))


_DISALLOWED = re.compile(r"(?im)^[ \t]*+disallow[ \t]*+:[ \t]*+(/[!-~]{1,100})")
_TELLING = re.compile(
    r"(?i)(?<![a-z])(?:[a-z]{0,10}admin(?!istrati[vo]|-ajax)[a-z]{0,12}|(?<![a-z]-)manage(?:r|ment)?s?|consoles?|backend|"
    r"back-?office|houtai|guanli|[a-z]{0,10}login|backups?|databases?|db|configs?|configuration|private|internal|secrets?|"
    r"install(?:er)?|upload[a-z]{0,6}|git|svn|bak|tests?|druid|actuator|swagger)(?![a-z])"
)
"""Words of a path that tell, whole ones: ``/latest/`` and ``/waste-management/`` tell nothing."""
_WORDPRESS_DEFAULT = frozenset({"/wp-admin/", "/wp-admin"})


def robots(reply: HttpReply) -> Proof | None:
    """Paths that robots.txt (RFC 9309) asks crawlers to pass over and that are worth knowing to intruders.

    What every WordPress has there tells nothing.
    """
    if is_html(reply) or not re.search(r"(?im)^[ \t]*+user-agent[ \t]*+:", reply.body):
        return None
    paths = [line(path, 60) for path in _DISALLOWED.findall(reply.body) if path not in _WORDPRESS_DEFAULT]
    telling = list(dict.fromkeys(path for path in paths if _TELLING.search(path)))[:_NAMES]
    return Proof(f"Disallow: {', '.join(telling)}"[:EXCERPT], (("names", ", ".join(telling)),)) if telling else None


def web_xml(reply: HttpReply) -> Proof | None:
    found = not is_html(reply) and re.search(r"<web-app[\s>]", reply.body)
    return Proof("<web-app>", (("severity", "medium"), ("holds", "web-app"))) if found else None


def web_config(reply: HttpReply) -> Proof | None:
    if is_html(reply) or not re.search(r"<configuration[\s>]", reply.body):
        return None
    sections = re.findall(r"<(connectionStrings|appSettings|system\.web|system\.webServer)\b", reply.body)
    if not sections:
        return None
    holds = ", ".join(dict.fromkeys(sections))
    severity = "high" if "connectionStrings" in sections else "medium"
    return Proof(f"<configuration>: {holds}", (("severity", severity), ("holds", holds)))


def application_trace(reply: HttpReply) -> Proof | None:
    """ASP.NET's trace of the last requests: headers, cookies and forms of everyone."""
    found = re.search(r"(?i)<h1>\s{0,5}Application Trace\s{0,5}</h1>", reply.body)
    shown = found and re.search(r"(?i)Requests to this Application", reply.body)
    return Proof("Application Trace", (("severity", "high"), ("holds", "trace.axd"))) if shown else None


def error_log(reply: HttpReply) -> Proof | None:
    """ELMAH's log of an ASP.NET application's errors, cookies and server variables included."""
    found = re.search(r"(?i)<title>\s{0,5}Error log for [^<]{1,200}", reply.body)
    return Proof("ELMAH", (("severity", "high"), ("holds", "ELMAH"))) if found and "ELMAH" in reply.body else None


_PACKAGE = re.compile(
    r"php(?:-64bit)?|(?:ext|lib|composer)-[\w-]{1,60}|[a-z0-9][a-z0-9_.-]{0,60}/[a-z0-9][a-z0-9_.-]{0,60}"
)


def composer(reply: HttpReply) -> Proof | None:
    """PHP's list of the packages that an application is made of. Composer itself writes no more than that."""
    settings = _object(reply)
    required = settings.get("require")
    if not isinstance(required, dict):
        return None
    packages = bool(required) and all(_PACKAGE.fullmatch(name) for name in required)
    if not packages and not {"name", "autoload", "type"} & settings.keys():
        return None
    return Proof("composer.json", (("severity", "low"), ("holds", "composer.json")))


_SPRING_1 = re.compile(r'\{"profiles":\[[^\]]{0,100}\],"')


def actuator_1(reply: HttpReply) -> Proof | None:
    """Spring Boot 1's environment, by its beginning; what comes after is not read (its documentation, "Endpoints")."""
    typed = reply.content_type.startswith("application/vnd.spring-boot.actuator.v1") or bool(
        reply.header("x-application-context")
    )
    if not typed or not _SPRING_1.match(reply.body):
        return None
    return Proof("profiles", (("endpoints", "env"), ("open", "env")))


_SECRET_FIELD = re.compile(
    r"(?i)(?:password|passwd|(?:^|[_.-]|db|user|admin|mail|smtp)pass|pwd|secret|secret_?key|private_?key|"
    r"access_?key(?:_?secret)?)$"
)


def config_json(reply: HttpReply) -> Proof | None:
    found = [
        name
        for name, value in _fields(_object(reply))
        if _SECRET_FIELD.search(name) and re.fullmatch(r"[!-~]{4,500}", value) and value.lower() != name.lower()
    ]
    if not found:
        return None
    holds = line(", ".join(dict.fromkeys(found[:_NAMES])))
    return Proof(f"{holds}: ****", (("severity", "high"), ("holds", holds)))


def sftp_json(reply: HttpReply) -> Proof | None:
    settings = _object(reply)
    if not isinstance(settings.get("host"), str) or not {"username", "remotePath"} & settings.keys():
        return None
    severity = "critical" if settings.get("password") else "high"
    holds = line(", ".join(str(name) for name in list(settings)[:_NAMES]))
    return Proof(holds, (("severity", severity), ("holds", holds)))


def aws_credentials(reply: HttpReply) -> Proof | None:
    found = re.search(r"(?m)^[ \t]*+aws_secret_access_key\s*=\s*\S{16,}", reply.body)
    if not found or is_html(reply) or "[" not in reply.body:
        return None
    return Proof("aws_secret_access_key = ****", (("severity", "critical"), ("holds", "aws_secret_access_key")))


def private_key(reply: HttpReply) -> Proof | None:
    found = re.match(r"\s*(-----BEGIN (?:RSA |OPENSSH |EC |DSA |ENCRYPTED )?PRIVATE KEY-----)", reply.body)
    return Proof(found[1], (("severity", "critical"), ("holds", found[1].strip("-")))) if found else None


def security_txt(reply: HttpReply) -> Proof | None:
    """The file, or a redirect to where it is (RFC 9116 section 3)."""
    if reply.status >= 300:
        there = re.fullmatch(r"\S{0,200}/security\.txt", reply.header("location") or "")
        return Proof(line(there[0])) if there else None
    contact = re.search(r"(?mi)^Contact:\s*(\S{3,200})", reply.body)
    return Proof(line(contact[0])) if contact and not is_html(reply) else None


def cross_domain(reply: HttpReply) -> Proof | None:
    text = re.sub(r"(?s)<!--.{0,4000}?-->", " ", reply.body)
    policy = re.search(r"""<allow-access-from\b[^<>]{0,200}\bdomain\s{0,3}=\s{0,3}["']\*["'][^<>]{0,100}>""", text)
    return Proof(line(policy[0])) if policy and "<cross-domain-policy" in text else None


def _object(reply: HttpReply) -> dict[str, object]:
    if is_html(reply) or not reply.body.lstrip("\ufeff \r\n\t").startswith("{"):
        return {}
    value = _parsed(reply)
    return value if isinstance(value, dict) else {}


def _parsed(reply: HttpReply) -> object:
    """Return what the body is as JSON; None where it is none."""
    try:
        return json.loads(reply.body.lstrip("\ufeff"))
    except (ValueError, RecursionError):
        return None


def _fields(value: object, depth: int = 4) -> Iterator[tuple[str, str]]:
    """Yield the name and value of every string in nested objects, to a bounded depth."""
    if not isinstance(value, dict) or depth == 0:
        return
    for name, inner in list(value.items())[:200]:
        if isinstance(inner, str):
            yield name, inner
        else:
            yield from _fields(inner, depth - 1)


def excerpt(text: str) -> str:
    """Return the beginning of ``text`` as one printable line without secret values."""
    return mask_secrets(line(text[:2000], EXCERPT))
