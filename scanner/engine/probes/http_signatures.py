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

NAMES = 12
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


def has_tags(reply: HttpReply) -> bool:
    """Tell whether the reply is written as a page. Servers call files that they don't know pages, too, so that only
    what stands in them tells."""
    return _TAG.search(reply.body) is not None


def git_head(reply: HttpReply) -> Proof | None:
    first = reply.body.strip()
    if not re.fullmatch(r"ref: refs/[^\s~^:?*\[\\<>]{1,200}|[0-9a-f]{40}|[0-9a-f]{64}", first):
        return None
    return Proof(first)


def git_config(reply: HttpReply) -> Proof | None:
    text = reply.body
    if has_tags(reply) or not re.search(r"(?m)^[ \t]*+\[core\]\s*$", text) or "repositoryformatversion" not in text:
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
    return (
        Proof(printable(dump[1]), (("size", _size(reply)),))
        if dump and not (is_html(reply) and has_tags(reply))
        else None
    )


def php_source(reply: HttpReply) -> Proof | None:
    """The source of a program, which a server would run under its own name."""
    return Proof("<?php", (("size", _size(reply)),)) if re.match(r"\s{0,20}<\?php\s", reply.body) else None


CREDENTIALS_IN_URL = re.compile(r"[a-z][a-z0-9+.-]{1,30}://[^\s:/@]{0,100}:[^\s/@]{1,200}@\S")
"""The URL of a database with the account to open it."""


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
    if not text.lstrip().startswith("{") or version is None or '"paths"' not in text:
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


def _begins(element: str, reply: HttpReply) -> bool:
    """Tell whether this is the outermost element of a document, behind its declarations and comments."""
    inside = re.sub(r"\A\s{0,20}<\?xml[^>]{0,200}>", "", reply.body.removeprefix("\ufeff")).lstrip()
    while inside.startswith(("<!--", f"<!DOCTYPE {element} ")):
        inside = inside.partition("-->" if inside.startswith("<!--") else ">")[2].lstrip()
    return re.match(rf"<{element}[\s>]", inside) is not None


def web_xml(reply: HttpReply) -> Proof | None:
    found = _begins("web-app", reply)
    return Proof("<web-app>", (("severity", "medium"), ("holds", "web-app"))) if found else None


def web_config(reply: HttpReply) -> Proof | None:
    if not _begins("configuration", reply):
        return None
    sections = re.findall(r"<(connectionStrings|appSettings|system\.web|system\.webServer)\b", reply.body)
    if not sections:
        return None
    holds = ", ".join(dict.fromkeys(sections))
    severity = "high" if "connectionStrings" in sections else "medium"
    return Proof(f"<configuration>: {holds}", (("severity", severity), ("holds", holds)))


def application_trace(reply: HttpReply) -> Proof | None:
    """ASP.NET's trace of the last requests: headers, cookies and forms of everyone."""
    told = re.search(r"(?i)<h1>\s{0,5}Application Trace\s{0,5}</h1>", reply.body)
    told = told and re.search(r"(?i)Requests to this Application", reply.body)
    shown = told or '[ <a href="Trace.axd?clear=1" class="link">' in reply.body  # the same in any language
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
_NO_SECRET_FIELD = re.compile(
    r"(?i)(?:forgot|reset|change|lost|recover|show|hide|confirm|repeat|new|set|enter|require|allow|enable|use|has|is)_?"
    r"(?:my_?|your_?|user_?)?(?:pass|pwd|secret)"
)
"""What pages of a log-in call their texts, addresses and switches."""
_NO_SECRET = re.compile(
    r"(?i:true|false|null|none)|([*xX.#-])\1{3,}|<[^<>]*>|[$#%]?\{.*\}|%\w+%|\$[A-Z_]+|https?://.*|"
    r"/[a-z_.-]{0,40}(?:/[a-z_.-]{1,40}){0,6}/?"
)
"""Switches, masks, what is filled in elsewhere, and addresses."""


def _is_secret(name: str, value: str) -> bool:
    if CREDENTIALS_IN_URL.match(value):
        return True
    named = _SECRET_FIELD.search(name) and not _NO_SECRET_FIELD.match(name) and value.lower() != name.lower()
    return bool(named) and re.fullmatch(r"[!-~]{4,500}", value) is not None and not _NO_SECRET.fullmatch(value)


def config_json(reply: HttpReply) -> Proof | None:
    found = [name for name, value in _fields(_object(reply)) if _is_secret(name, value)]
    if not found:
        return None
    holds = line(", ".join(dict.fromkeys(found[:NAMES])))
    return Proof(f"{holds}: ****", (("severity", "high"), ("holds", holds)))


def sftp_json(reply: HttpReply) -> Proof | None:
    """Where an editor's extension puts the files, and mostly as whom: one server or a list of them."""
    told = _parsed(reply, remarks=True)
    servers = [each for each in (told if isinstance(told, list) else [told]) if isinstance(each, dict)]
    known = [each for each in servers if isinstance(each.get("host"), str) and {"username", "remotePath"} & each.keys()]
    if not known:
        return None
    severity = "critical" if any(each.get("password") for each in known) else "high"
    holds = line(", ".join(dict.fromkeys(str(name) for each in known for name in list(each)[:NAMES])))
    return Proof(holds, (("severity", severity), ("holds", holds)))


def aws_credentials(reply: HttpReply) -> Proof | None:
    found = re.search(r"(?m)^[ \t]*+aws_secret_access_key\s*=\s*\S{16,}", reply.body)
    if not found or has_tags(reply) or "[" not in reply.body:
        return None
    return Proof("aws_secret_access_key = ****", (("severity", "critical"), ("holds", "aws_secret_access_key")))


def private_key(reply: HttpReply) -> Proof | None:
    found = re.match(r"\s*(-----BEGIN (?:RSA |OPENSSH |EC |DSA |ENCRYPTED )?PRIVATE KEY-----)", reply.body)
    return Proof(found[1], (("severity", "critical"), ("holds", found[1].strip("-")))) if found else None


def _object(reply: HttpReply) -> dict[str, object]:
    """Return the object that the whole body is, whatever it is called; empty for anything else."""
    if not reply.body.lstrip("\ufeff \r\n\t").startswith("{"):
        return {}
    value = _parsed(reply)
    return value if isinstance(value, dict) else {}


_REMARK = re.compile(r'("(?:[^"\\\n]|\\.)*+")|//[^\n]*|,(?=\s{0,200}[}\]])')


def _parsed(reply: HttpReply, *, remarks: bool = False) -> object:
    """Return what the body is as JSON; None where it is none. With ``remarks`` lines may end in them and lists in a
    comma, as editors have their settings."""
    text = reply.body.lstrip("\ufeff")
    try:
        return json.loads(_REMARK.sub(r"\1", text) if remarks else text)
    except (ValueError, RecursionError):
        return None


def _fields(value: object, depth: int = 4) -> Iterator[tuple[str, str]]:
    """Yield the name and value of every string in nested objects and lists of them, to a bounded depth."""
    if depth == 0:
        return
    if isinstance(value, list):
        for inner in value[:200]:
            yield from _fields(inner, depth - 1)
    if not isinstance(value, dict):
        return
    for name, inner in list(value.items())[:200]:
        if isinstance(inner, str):
            yield name, inner
        else:
            yield from _fields(inner, depth - 1)


def excerpt(text: str) -> str:
    """Return the beginning of ``text`` as one printable line without secret values."""
    return mask_secrets(line(text[:2000], EXCERPT))
