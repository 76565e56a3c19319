"""Signatures of files that sites publish for programs: robots.txt, security.txt and policies of plug-ins.

All are told by what stands in them. Sites that make them by a program call them pages too.
"""

from __future__ import annotations

import re

from scanner.engine.facts.http import HttpReply
from scanner.engine.hostile import line
from scanner.engine.probes.http_signatures import EXCERPT, NAMES, Proof, has_tags

_DISALLOWED = re.compile(r"(?im)^[ \t]*+disallow[ \t]*+:[ \t]*+(?!#)([!-~\u4e00-\u9fff]{2,100})")
_TELLING = re.compile(
    r"(?i)(?<![a-z])(?:[a-z]{0,10}admin(?!istrati[vo]|-ajax)[a-z]{0,12}|(?<![a-z]-)manage(?:r|ment)?s?|consoles?|backend|"
    r"back-?office|houtai|guanli|[a-z]{0,10}login|backups?|databases?|db|configs?|configuration|private|internal|secrets?|"
    r"install(?:er)?|upload[a-z]{0,6}|git|svn|bak|tests?|druid|actuator|swagger)(?![a-z])|后台|管理|备份|内部"
)
"""Words of a path that tell, whole ones: ``/latest/`` and ``/waste-management/`` tell nothing."""

_STOCK: tuple[tuple[frozenset[str], frozenset[str]], ...] = (
    (frozenset(), frozenset({"/wp-admin/", "/wp-admin"})),
    (
        frozenset({"/profiles/", "/node/add/"}),
        frozenset(
            {
                *("/admin/", "/user/login", "/user/login/", "/index.php/admin/", "/index.php/user/login"),
                *("/index.php/user/login/", "/?q=admin/", "/?q=user/login/", "/web.config", "/install.php"),
                *("/install.txt", "/install.mysql.txt", "/install.pgsql.txt", "/install.sqlite.txt"),
            }
        ),
    ),
    (frozenset({"/cache/", "/language/", "/libraries/"}), frozenset({"/administrator/"})),
    (frozenset({"/uc_client/", "/uc_server/"}), frozenset({"/install/", "/config/", "/admin.php"})),
)
"""What stands in the file as WordPress, Drupal, Joomla and Discuz! bring it along, and paths that tell which it is."""


def robots(reply: HttpReply) -> Proof | None:
    """Paths that robots.txt (RFC 9309) asks crawlers to pass over and that are worth knowing to intruders.

    What every site of the same product has there tells nothing.
    """
    if has_tags(reply) or not re.search(r"(?im)^[ \t]*+user-agent[ \t]*+:", reply.body):
        return None
    paths = [line(path, 60) for path in _DISALLOWED.findall(reply.body)]
    listed = {path.lower() for path in paths}
    stock = {path for signs, known in _STOCK if signs <= listed for path in known}
    own = (path for path in paths if path.lower() not in stock and _TELLING.search(path))
    telling = list(dict.fromkeys(own))[:NAMES]
    return Proof(f"Disallow: {', '.join(telling)}"[:EXCERPT], (("names", ", ".join(telling)),)) if telling else None


def security_txt(reply: HttpReply) -> Proof | None:
    """The file with the moment until which it is valid, or a redirect to where it is (RFC 9116 sections 2.5.5, 3)."""
    if reply.status >= 300:
        there = re.fullmatch(r"\S{0,200}/security\.txt", reply.header("location") or "")
        return Proof(line(there[0])) if there else None
    contact = re.search(r"(?mi)^Contact:\s*(\S{3,200})", reply.body)
    if contact is None or has_tags(reply):
        return None
    ends = re.search(r"(?mi)^Expires:[ \t]{0,9}(\S{10,40})\s*$", reply.body)
    return Proof(line(contact[0]), (("expires", line(ends[1])),) if ends else ())


def cross_domain(reply: HttpReply) -> Proof | None:
    """A policy that lets Flash on any site read this one; parts that are commented out count for nothing."""
    text = "".join(part.partition("-->")[2] if at else part for at, part in enumerate(reply.body.split("<!--")))
    policy = re.search(r"""<allow-access-from\b[^<>]{0,200}\bdomain\s{0,3}=\s{0,3}["']\*["'][^<>]{0,100}>""", text)
    return Proof(line(policy[0])) if policy and "<cross-domain-policy" in text else None
