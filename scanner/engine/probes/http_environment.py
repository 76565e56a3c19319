"""The signature of an environment file: variables with secrets among them, as frameworks read them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scanner.engine.facts.http import HttpReply
from scanner.engine.probes.http_signatures import CREDENTIALS_IN_URL, EXCERPT, NAMES, Proof, has_tags

_LINE = re.compile(
    r"(?m)^[ \t]{0,8}(?:\[([A-Za-z_]\w{0,40})\][ \t\r]*+$|(?:export )?([A-Za-z_][\w.]{0,60})[ \t]{0,8}=(.*)$)"
)
"""A variable, or the heading under which ThinkPHP has them in groups. Names are in lower case there and in CodeIgniter,
which puts dots into them."""
_SECRET = re.compile(r"KEY|SECRET|PASS|TOKEN|PWD")
_OTHER_WORDS = re.compile(r"KEYCLOAK|KEYBOARD|KEYWORD|PASSENGER|PASSIVE|PASSPORT|COMPASS|BYPASS|MONKEY")
"""Words that only hold one of those."""
_ABOUT_ONE = re.compile(
    r"_(?:NAME|PREFIX|HEADER|EXPIR\w*|TTL|LIFETIME|TIMEOUT|LENGTH|ALGO\w*|TYPE|DRIVER|FILE|PATH|ROUNDS|ENABLED?|REQUIRED)$"
)
"""How names end that speak of a secret: how long it lasts, what it is called, where it is kept."""
_NO_VALUE = re.compile(r"(?i:null|none|nil|true|false)?(?:\s*#.*)?|\$\{\w{1,60}\}|<[^<>]{1,60}>|([*xX])\1{2,}")
"""A remark, what stands for nothing, and what is filled in elsewhere."""
_GRAVE = re.compile(
    r"^(?:DB|DATABASE|MYSQL|PG|POSTGRES|MONGO|REDIS|ORACLE|AWS|S3|OSS|COS|OBS|ALI|ALIYUN|TENCENT|QCLOUD|HUAWEI|AZURE|GCP|GOOGLE)_?"
    r"\w*(?:PASS|PWD|SECRET|KEY|URL)"
)


def env_file(reply: HttpReply) -> Proof | None:
    """At least two variables, of which one holds a secret; its value is not kept."""
    if has_tags(reply) or reply.content_type.startswith(("image/", "application/json")):
        return None
    pairs = list(_variables(reply.body))
    secrets = [name for name, value in pairs if _is_secret(name, value)]
    if len(pairs) < 2 or not secrets:
        return None
    names = list(dict.fromkeys([*secrets, *(name for name, _ in pairs)]))[:NAMES]
    grave = any(_GRAVE.match(name) for name in secrets)
    excerpt = " ".join(f"{name}=****" for name in names)
    return Proof(excerpt[:EXCERPT], (("keys", ", ".join(names)), ("grave", "yes" if grave else "no")))


def _variables(text: str) -> Iterator[tuple[str, str]]:
    """Yield the variables by the names that programs see: in capitals, behind those of their group."""
    group = ""
    for heading, name, value in _LINE.findall(text):
        if heading:
            group = f"{heading}_"
        else:
            yield f"{group}{name}".replace(".", "_").upper(), value.strip().strip("'\"")


def _is_secret(name: str, value: str) -> bool:
    if CREDENTIALS_IN_URL.match(value):
        return True
    named = _SECRET.search(_OTHER_WORDS.sub("", name)) and not _ABOUT_ONE.search(name)
    return bool(named) and _NO_VALUE.fullmatch(value) is None
