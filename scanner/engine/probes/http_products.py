"""Pages that give themselves away: installers left open, administration panels, debug pages and stack traces."""

from __future__ import annotations

import html
import re

from scanner.engine.facts.http import HttpReply
from scanner.engine.hostile import line
from scanner.engine.probes.http_signatures import Proof, is_html

_TITLE = re.compile(r"(?i)<title[^<>]{0,100}>([^<]{0,200})")

_PANELS = (
    ("phpMyAdmin", r"phpMyAdmin", r'name="pma_username"|id="pma_navigation"'),
    ("Adminer", r"Adminer", r"""name=['"]auth\[driver\]"""),
    ("Webmin", r"Webmin", r"""action=["']/?session_login\.cgi"""),
    ("宝塔", r"^宝塔(?:Linux|Windows)?面板$", r"<form|<input|<div"),
    ("cPanel", r"cPanel Login|WHM Login|Webmail Login", r'id="login_form"'),
    ("HAProxy", r"Statistics Report for HAProxy", r"<h2>Statistics Report for pid \d"),
    ("Plesk", r"^Plesk\b", r'(?:name|id)="login_name"|name="plesk-build"|plesk-ui'),
)

_INSTALLERS = (
    ("WordPress", r"WordPress", r'name="weblog_title"|install\.php\?step=\d|id="language-continue"'),
    ("WordPress", r"WordPress", r"setup-config\.php\?step=\d"),
    ("Discuz!", r"Discuz!.{0,20}安装向导|Discuz!.{0,20}Installation", r"<form|step="),
    ("Drupal", r"\| Drupal", r'value="install_(?:select_language|select_profile|settings)_form"'),
    ("Joomla!", r"Joomla!?\W{1,3}(?:Web )?Installer|Joomla! Web Installer", r"<form"),
    ("phpMyAdmin", r"phpMyAdmin setup", r"<form|<a\s"),
    ("Gitea", r".", r'(?s)name="db_type".{0,20000}name="repo_root_path"'),
    ("MediaWiki", r"^MediaWiki \d", r'LocalSettings\.php not found\.[^"]{0,200}"[^"]{0,200}mw-config/'),
    ("Nextcloud", r"Nextcloud|ownCloud", r'(?s)name="adminlogin".{0,4000}name="adminpass"'),
)
_ANY_INSTALLER = (("-", r"安装向导|安装程序|(?i:\binstall(?:er|ation)?\b.{0,20}\bwizard\b)", r"(?i)<form|[?&]step=\d"),)
"""A set-up wizard whose product is not known, where one is at home: elsewhere people write about them."""

_INSTALLING = re.compile(r"(?i)/(?:[a-z]{1,10}_)?install")
_INSTALLED = re.compile(r"(?i)already installed|already exists|install\.lock|已经?安装过|已安装")


def _title(reply: HttpReply) -> str:
    found = _TITLE.search(reply.body)
    return line(html.unescape(found[1]), 120) if found else ""


def admin_panel(reply: HttpReply) -> Proof | None:
    """Return the proof of an administration panel's own login page."""
    return _by_title_and_mark(reply, _PANELS)


def tomcat_manager(reply: HttpReply) -> Proof | None:
    """Return the proof of Tomcat's manager: it asks a stranger for a password, or shows its list of applications.

    As it is shipped it refuses (403) whoever comes from another machine.
    """
    realm = 'realm="Tomcat Manager Application"' in " ".join(reply.all_headers("www-authenticate"))
    opened = reply.status == 200 and _title(reply) == "/manager" and "Tomcat Web Application Manager" in reply.body
    if not opened and not (reply.status == 401 and realm):
        return None
    return Proof("Tomcat Manager", (("product", "Apache Tomcat"), ("title", "Tomcat Manager")))


def installer(reply: HttpReply) -> Proof | None:
    """Return the proof of a set-up wizard that would still run; one that says it is done doesn't count."""
    if _INSTALLED.search(reply.body):
        return None
    at_home = _ANY_INSTALLER if _INSTALLING.search(reply.path) else ()
    return _by_title_and_mark(reply, (*_INSTALLERS, *at_home))


def _by_title_and_mark(reply: HttpReply, products: tuple[tuple[str, str, str], ...]) -> Proof | None:
    title = _title(reply)
    if not title or not is_html(reply):
        return None
    for product, in_title, mark in products:
        if re.search(in_title, title) and re.search(mark, reply.body):
            return Proof(title, (("product", product), ("title", title)))
    return None


_PHP_LEVEL = "(?:Fatal error|Parse error|Warning|Notice|Deprecated)"
_PHP_UNCAUGHT = r"(?:PHP )?Uncaught [^\n]{1,300}\nStack trace:"
_FILE = r"(?:/|[A-Z]:\\)"
"""How the path of a file begins, on Unix or Windows."""
_PHP_MESSAGE = rf"{_PHP_LEVEL}(?:</b>)?:\s[^\n]{{1,300}} in (?:<b>)?{_FILE}[^\n<]{{1,200}}(?:</b>)? on line"

# Framework, severity, and what its page of a development setting holds. The first that matches names the page.
_TRACES = (
    ("Django", "high", r"You(?:'|&#x27;|&#39;|’)re seeing this error because you have <code>DEBUG = True</code>"),
    ("Laravel Ignition", "high", r"window\.ignite\s*[=(]|Ignition\\|<title>[^<]{0,200}🧨|laravel-ignition"),
    ("Whoops", "high", r"Whoops! There was an error\.|Whoops\\Exception\\"),
    ("Laravel", "high", r"#frame-\d{1,3} \.hljs-ln-line\[data-line-number="),
    ("Werkzeug", "high", r"<title>[^<]{0,200}// Werkzeug Debugger|EVALEX\s*=\s*(?:true|false)"),
    (
        "ThinkPHP",
        "medium",
        (
            r'<a class="toggle" title="[^"<>]{1,200}\.php line \d{1,6}">|'
            r"<p>(?:FILE: )?(?:/|[A-Z]:\\)[^<>\n]{1,200}\.php &#12288;LINE: \d"
        ),
    ),
    ("Symfony", "medium", r"Symfony Exception|Symfony\\Component\\\w+\\Exception\\"),
    ("Spring", "medium", r"(?s)Whitelabel Error Page.{0,3000}\bat (?:org|java|com)\.[\w.$]+\("),
    (
        "ASP.NET",
        "medium",
        (
            r"(?s)Server Error in '[^']{0,100}' Application\..{0,20000}<b>Stack Trace:</b>|"
            r"应用程序中的服务器错误。.{0,20000}<b>堆栈跟踪:</b>"
        ),
    ),
    (
        "ASP.NET Core",
        "medium",
        (
            r'class="rawExceptionStackTrace"|\bat [^\s()]{3,200}\([^()\n]{0,300}\) in [^\n]{1,300}?:line \d|'
            r"\nHEADERS\r?\n=======\r?\n"
        ),
    ),
    ("Rails", "medium", r"<h1>Routing Error</h1>|Rails\.root:|Action Controller: Exception caught"),
    ("Python", "medium", r"Traceback \(most recent call last\):"),
    # Tomcat leaves out the "at" (its ErrorReportValve).
    (
        "Java",
        "medium",
        r"(?:(?:\b|\\t)at |\n\t)[a-z][\w.$]{3,120}\.(?:[\w$<>]{1,60}|&lt;c?l?init&gt;)\([\w$]{1,60}\.java:\d{1,6}\)",
    ),
    (
        "PHP",
        "medium",
        rf"Fatal error(?:</b>)?:\s{{1,3}}{_PHP_UNCAUGHT}|{_PHP_MESSAGE}",
    ),
    (
        "Node.js",
        "medium",
        r"\bat (?:[^\n<]{1,120} )?\(?(?:file://)?(?:/|[A-Z]:\\)[^\n<]{1,200}\.[cm]?[jt]s:\d{1,6}:\d{1,6}\)?",
    ),
)


def debug_console(reply: HttpReply) -> Proof | None:
    """Return the proof of Werkzeug's console, which runs whatever is typed into it; a PIN stands before that."""
    found = re.search(r"<title>\s*Console // Werkzeug Debugger", reply.body) if "EVALEX = true" in reply.body else None
    return Proof("Console // Werkzeug Debugger", (("framework", "Werkzeug"), ("severity", "high"))) if found else None


# PHP puts its messages into the page, whose status stays 200, with the mark-up of html_errors: in a text about them it
# would be escaped.
_IN_THE_PAGE = re.compile(
    rf"<b>Fatal error</b>:\s{{1,3}}{_PHP_UNCAUGHT}|"
    rf"<b>{_PHP_LEVEL}</b>:\s[^\n]{{1,300}} in <b>{_FILE}[^\n<]{{1,200}}</b> on line <b>\d"
)


def stack_trace(reply: HttpReply) -> Proof | None:
    """Return the proof of a debug page or stack trace in an error reply (status 400 and above), or of PHP's messages in
    any page."""
    if reply.status < 400:
        found = _IN_THE_PAGE.search(reply.body)
        return Proof(line(found[0], 100), (("framework", "PHP"), ("severity", "medium"))) if found else None
    for framework, severity, pattern in _TRACES:
        if found := re.search(pattern, reply.body):
            return Proof(line(found[0], 100), (("framework", framework), ("severity", severity)))
    return None
