"""Pages on which a server lists the files of a directory."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

from scanner.engine.facts.http import HttpReply
from scanner.engine.hostile import line
from scanner.engine.probes.http_signatures import Proof, is_html

# Apache, nginx, Python and others; mini_httpd ("Index of ./"); Jetty; Express's serve-index; IIS; Tomcat; webfs.
_LISTING = re.compile(
    r"(?i)<title>\s*(Index of \.?/[^<]{0,120}|Directory listing for \[?(?:/|&#47;|&#x2f;)[^<]{0,120}|"
    r"Directory: /[^<]{0,120}|listing directory /[^<]{0,120}|Files within [^<]{0,120}/)|(\[To Parent Directory\])|"
    r"<h1>\s*(Directory Listing For [^<]{0,120}|listing:)\s"
)
# What an article about listings doesn't have besides files: the folder above, the list of an empty folder, columns that
# Apache sorts by, the table of lighttpd.
_EMPTY = re.compile(
    r"""(?i)href\s{0,3}=\s{0,3}["']?(?:\.\.?/|\?C=[NMSD];O=[AD]["'])|parent directory|<ul>\s{0,9}</ul>|"""
    r"""<table summary="Directory Listing"[\s>]"""
)
# What Apache heads its columns with, whatever title a site has given its listings (IndexOptions SuppressHTMLPreamble).
_APACHE_COLUMNS = re.compile(
    r"""(?is)<a href="\?C=N;O=[AD]">.{1,300}<a href="\?C=M;O=[AD]">.{1,300}<a href="\?C=S;O=[AD]">"""
)
# IIS's own root has no parent to name: host and folder as title and heading, then the files.
_IIS_LISTING = re.compile(
    r"(?i)<title>([^<]{1,100} - /[^<]{0,100})</title></head>\s?<body>\s?<h1>\1</h1><hr>\s{0,4}<pre>"
)
# Caddy's file_server, whose title is the folder's name alone; rclone serves the same page.
_CADDY_TITLE = re.compile(r"<title>([^<]{1,120})</title>")
_CADDY_ENTRY = re.compile(r'<a href="\./[^"<>]{1,200}">\s')
_CADDY_SUMMARY = '<span class="meta-item">'
_LISTED = re.compile(r"""(?i)<a\s[^<>]{0,100}?href\s*=\s*["']([^"'?#<>]{1,120})["']""")

# The whole of what Go's http.FileServer writes, up to its version 1.21 and since.
_GO_LISTING = re.compile(
    r'(?:<!doctype html>\n<meta name="viewport" content="width=device-width">\n)?'
    r'<pre>\n(?:<a href="[^"<>]{1,300}">|</pre>)'
)
# Replies that are no pages: those of nginx's autoindex_format json and xml, and what object stores answer for a bucket
# that anyone may list (Amazon S3 API, ListObjects).
_FOR_PROGRAMS = (
    (
        "autoindex",
        re.compile(r'\[\s{0,9}\{ "name":"[^"]{1,300}", "type":"(?:file|directory|other)", "mtime":"'),
        '"name":"([^"]{1,120})"',
    ),
    (
        "autoindex",
        re.compile(r'<\?xml version="1\.0"\?>\s{0,9}<list>\s{0,9}<(?:file|directory|other) mtime="'),
        '">([^<>]{1,120})</',
    ),
    (
        "ListBucketResult",
        re.compile(r"\s{0,9}(?:<\?xml[^<>]{0,100}\?>\s{0,9})?<ListBucketResult(?:\s[^<>]{0,200})?>"),
        "<Key>([^<>]{1,120})</Key>",
    ),
)


_OF_FILES = re.compile(
    r"(?i)/(?:files?|downloads?|uploads?|backups?|bak|data|docs?|documents?|images?|media|pub|public|shared?|ftp|logs?|te?mp)/"
)


def is_named_after_files(path: str) -> bool:
    """Tell whether the last part of a path is called as folders of files are."""
    return _OF_FILES.fullmatch(f"/{path.rpartition('/')[2]}/") is not None


def likeliest(folders: Iterable[str]) -> list[str]:
    """Return the folders in the order in which they are worth a question: those first that are named after files."""
    return sorted(folders, key=lambda path: not _OF_FILES.search(path))


def listing(reply: HttpReply) -> Proof | None:
    """Return the proof that a reply lists a directory's files: its title, and the names that tell most."""
    if is_html(reply):
        title, names = _title(reply), _names(reply)
    else:
        kinds = ((title, form) for title, begins, form in _FOR_PROGRAMS if begins.match(reply.body))
        title, form = next(kinds, ("", ""))
        names = re.findall(form, reply.body) if form else []
    if not title:
        return None
    shown = list(dict.fromkeys(line(name, 60) for name in names))
    # Names that tell of backups or settings come first: they make the listing worse.
    shown.sort(key=lambda name: not _GRAVE_NAME.search(name))
    grave = "yes" if any(_GRAVE_NAME.search(name) for name in shown) else "no"
    return Proof(title, (("title", title), ("names", ", ".join(shown[:5])), ("grave", grave)))


def _title(reply: HttpReply) -> str:
    """Return what a page that lists files calls itself; empty for any other page."""
    found = _LISTING.search(reply.body)
    if found and (_names(reply) or _EMPTY.search(reply.body)):
        return line(html.unescape(next(filter(None, found.groups()))), 120)
    other = _IIS_LISTING.search(reply.body)
    if other is None and _CADDY_SUMMARY in reply.body and _CADDY_ENTRY.search(reply.body):
        other = _CADDY_TITLE.search(reply.body)
    if other:
        return line(html.unescape(other[1]), 120)
    if _APACHE_COLUMNS.search(reply.body):
        return "mod_autoindex"
    return "http.FileServer" if _GO_LISTING.match(reply.body) else ""


def _names(reply: HttpReply) -> list[str]:
    """Return what the page links to within its folder: IIS and Tomcat write whole paths, Caddy begins with ``./``."""
    here = reply.path.rpartition("/")[0] + "/"
    linked = (name.removeprefix(here).removeprefix("./") for name in _LISTED.findall(reply.body))
    return [name for name in linked if name.strip("./") and not name.startswith(("/", "http"))]


_GRAVE_NAME = re.compile(r"(?i)backup|\.bak$|\.sql|\.dump$|config|passw|\.env|\.key$|\.pem$|\.pfx$|\.mdb$|id_rsa")
